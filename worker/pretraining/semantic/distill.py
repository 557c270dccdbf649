"""Stage 1 of the bundled model: the image tower learns from the teacher and from captions at once.

The student sees the very views that the teacher saw (semantic/views.py). Per view it matches the square root of
the teacher's pooled features (cosine), the same at each of the 7 x 7 places of the last map, and the map of an earlier
stage (normalised squared error): a map says much more than a pooled vector. InfoNCE against
captions joins with a small weight, on unblended views only. Image size grows with progress: early epochs are cheap. The
schedule follows the time budget, so that a slower machine trains fewer steps, not longer. bfloat16 where the processor
has it.
"""

from __future__ import annotations

import argparse
import json
import logging
import time
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from worker.embedders.towers import ImageTower, TextHead
from worker.pretraining.imagesets import ImageRow, load_pack
from worker.pretraining.semantic.teacher import TeacherMaps
from worker.pretraining.semantic.views import GRID, Views, load_views, render_view
from worker.training.loop.checkpoint import load_checkpoint, save_checkpoint
from worker.training.losses import info_nce_rows
from worker.training.losses.batch import MAX_SCALE
from worker.training.steps.precision import autocast

log = logging.getLogger("distill")

DIM = 256
BATCH = 96
TEXT_BANK = 2048
CHANNELS = 256  # of the last map that a step compares place by place, drawn anew each step
PEAK_RATE = 2e-3
WEIGHT_DECAY = 0.05
POOLED_WEIGHT, FINAL_WEIGHT, MIDDLE_WEIGHT, CAPTION_WEIGHT = 2.0, 1.0, 0.5, 0.2
SIDES = ((0.4, 96), (0.75, 128), (1.01, 144))
CHECKPOINT_SECONDS = 240


@dataclass
class TrainData:
    images: np.ndarray  # (N, S, S, 3) uint8, of the whole pack
    views: Views
    final: np.ndarray  # (V, 7, 7, 1280) uint8
    middle: np.ndarray  # (V, 7, 7, 96) uint8
    captions: Tensor  # (C, 384) unit sentence vectors
    caption_group: np.ndarray  # (C,) group number
    group: np.ndarray  # (N,) group number of each image, -1 outside the train split
    captions_of: dict[int, np.ndarray]  # group number -> caption numbers


def gather(pack: Path) -> TrainData:
    """Number the groups of the train split; one caption vector a (group, caption)."""
    images, rows = load_pack(pack)
    texts: list[str] = json.loads((pack / "sentences.json").read_text())
    sentences = dict(zip(texts, np.load(pack / "sentences.npy"), strict=True))
    group, captions_of, vectors, caption_group = number_groups(rows, sentences)
    return TrainData(
        images=images,
        views=load_views(pack),
        final=np.load(pack / "views" / "final.npy", mmap_mode="r"),
        middle=np.load(pack / "views" / "middle.npy", mmap_mode="r"),
        captions=torch.from_numpy(np.stack(vectors)),
        caption_group=np.array(caption_group),
        group=group,
        captions_of=captions_of,
    )


def number_groups(
    rows: list[ImageRow], sentences: dict[str, np.ndarray]
) -> tuple[np.ndarray, dict[int, np.ndarray], list[np.ndarray], list[int]]:
    """Group number of each row (-1 outside the train split), and per group its caption numbers."""
    numbers: dict[str, int] = {}
    captions_of: dict[int, np.ndarray] = {}
    vectors: list[np.ndarray] = []
    caption_group: list[int] = []
    group = np.full(len(rows), -1)
    for i, row in enumerate(rows):
        if row["split"] != "train":
            continue
        number = group[i] = numbers.setdefault(row["group"], len(numbers))
        if number not in captions_of:
            start = len(vectors)
            vectors += [sentences[c] for c in row["captions"]]
            caption_group += [number] * len(row["captions"])
            captions_of[number] = np.arange(start, len(vectors))
    return group, captions_of, vectors, caption_group


@dataclass
class Batch:
    pictures: Tensor  # (B, 3, side, side) in [0, 1], channels last
    pooled: Tensor  # (B, 1280) square root of the mean activations
    final: Tensor  # (B, 49, CHANNELS) square root of the activations
    channels: Tensor  # (CHANNELS,)
    middle: Tensor  # (B, 49, 96)
    bank: Tensor  # (T, 384)
    positive: Tensor  # (B', T) bool, of the views that are not blended
    plain: Tensor  # (B,) bool


def load_batch(data: TrainData, picked: np.ndarray, side: int, seed: tuple[int, int]) -> Batch:
    """Render the views, mirror half of them with their maps, change their tone a little."""
    rng = np.random.default_rng(seed)
    pictures = torch.stack([render_view(data.images, data.views, int(v), side) for v in picked]).div_(255)
    order = np.sort(picked)  # reads forward in the file
    back = np.searchsorted(order, picked)
    whole = torch.from_numpy(data.final[order])[back]  # (B, 7, 7, 1280) uint8
    channels = torch.from_numpy(rng.choice(TeacherMaps.FINAL, CHANNELS, replace=False))
    pooled = whole.flatten(1, 2).float().sum(1).sqrt_()
    final = whole.index_select(3, channels).float().sqrt_()
    middle = torch.from_numpy(data.middle[order][back].astype(np.float32))
    flip = torch.from_numpy(rng.random(len(picked)) < 0.5)
    pictures[flip] = pictures[flip].flip(-1)
    final[flip], middle[flip] = final[flip].flip(2), middle[flip].flip(2)
    gain = torch.from_numpy(rng.uniform(0.9, 1.1, (len(picked), 1, 1, 1)).astype(np.float32))
    shift = torch.from_numpy(rng.uniform(-0.05, 0.05, (len(picked), 3, 1, 1)).astype(np.float32))
    plain = data.views.blend[picked] == 0
    bank, positive = text_bank(data, data.group[data.views.row[picked[plain]]], rng)
    return Batch(
        pictures=(pictures * gain + shift).clamp_(0, 1).contiguous(memory_format=torch.channels_last),
        pooled=pooled,
        final=final.flatten(1, 2),
        channels=channels,
        middle=middle.flatten(1, 2),
        bank=bank,
        positive=positive,
        plain=torch.from_numpy(plain),
    )


def text_bank(data: TrainData, groups: np.ndarray, rng: np.random.Generator) -> tuple[Tensor, Tensor]:
    """One caption for each of ``groups`` plus random ones: (T, 384) and the (B, T) mask of same-group pairs."""
    own = np.array([rng.choice(data.captions_of[int(g)]) for g in groups], np.int64)
    rest = rng.integers(0, len(data.caption_group), TEXT_BANK - len(own))
    chosen = np.concatenate([own, rest])
    same = groups[:, None] == data.caption_group[chosen][None, :]
    return data.captions[chosen], torch.from_numpy(same)


class Student(nn.Module):
    """Image tower with heads for the teacher's maps and a caption head on top."""

    def __init__(self, sentence_dim: int) -> None:
        super().__init__()
        self.image = ImageTower(DIM)
        net = self.image.net
        self.to_pooled = nn.Linear(net.channels, TeacherMaps.FINAL)
        self.to_final = nn.Linear(net.channels, TeacherMaps.FINAL)
        self.to_middle = nn.Linear(net.middle_channels, TeacherMaps.MIDDLE)
        self.middle_norm = nn.BatchNorm1d(TeacherMaps.MIDDLE, affine=False)  # whitens the teacher's channels
        self.text = TextHead(sentence_dim, DIM)
        self.log_scale = nn.Parameter(torch.tensor(np.log(1 / 0.07)))

    def losses(self, batch: Batch) -> dict[str, Tensor]:
        with autocast(torch.device("cpu")):
            middle_map, final_map = self.image.net.maps(batch.pictures)
            head = self.to_final
            final = F.linear(on_grid(final_map), head.weight[batch.channels], head.bias[batch.channels])  # (B, 49, c)
            middle = self.to_middle(on_grid(middle_map))  # (B, 49, 96)
            text = self.text(batch.bank)  # (T, D)
        h = final_map.float().mean((2, 3))  # (B, C)
        pooled = (1 - F.cosine_similarity(self.to_pooled(h), batch.pooled, dim=1)).mean()
        dense = (1 - F.cosine_similarity(final.float(), batch.final, dim=2)).mean()
        wanted = self.middle_norm(batch.middle.flatten(0, 1))
        early = F.mse_loss(middle.float().flatten(0, 1), wanted)
        image = F.normalize(self.image.project(h[batch.plain]), dim=1)  # (B', D)
        logits = self.log_scale.exp().clamp(max=MAX_SCALE) * image @ F.normalize(text.float(), dim=1).T  # (B', T)
        # The reverse direction sees only the batch's own images: columns that have a positive among them.
        owned = batch.positive.any(0)
        reverse = info_nce_rows(logits.T[owned], batch.positive.T[owned])
        caption = 0.5 * (info_nce_rows(logits, batch.positive) + reverse)
        return {"pooled": pooled, "final": dense, "middle": early, "caption": caption}


def on_grid(maps: Tensor) -> Tensor:
    """(B, C, s, s) -> (B, 49, C) on the teacher's 7 x 7 grid."""
    if maps.shape[-1] > GRID:
        maps = F.adaptive_avg_pool2d(maps, GRID)
    elif maps.shape[-1] < GRID:
        maps = F.interpolate(maps, (GRID, GRID), mode="bilinear")
    return maps.flatten(2).transpose(1, 2)


WEIGHTS = {"pooled": POOLED_WEIGHT, "final": FINAL_WEIGHT, "middle": MIDDLE_WEIGHT, "caption": CAPTION_WEIGHT}


def rate_at(progress: float) -> float:
    """Cosine with 4 % warm-up, ending at 1 % of the peak."""
    if progress < 0.04:
        return PEAK_RATE * (0.05 + 0.95 * progress / 0.04)
    return PEAK_RATE * (0.01 + 0.99 * 0.5 * (1 + float(np.cos(np.pi * min((progress - 0.04) / 0.96, 1)))))


class Loader:
    """Renders the next batch in a thread while the current one trains."""

    def __init__(self, data: TrainData, seed: int, seen: int) -> None:
        self._data, self._seed, self._seen = data, seed, seen
        self._order = np.empty(0, np.int64)
        self._epoch_rng = np.random.default_rng([seed, seen])
        self._pool = ThreadPoolExecutor(1)
        self._next: Future[Batch] | None = None

    def take(self, side: int) -> Batch:
        """The batch that was asked for at the last call; the first call waits."""
        ready = self._next or self._ask(side)
        self._next = self._ask(side)
        return ready.result()

    def _ask(self, side: int) -> Future[Batch]:
        if len(self._order) < BATCH:
            self._order = self._epoch_rng.permutation(len(self._data.views))
        picked, self._order = self._order[:BATCH], self._order[BATCH:]
        self._seen += len(picked)
        return self._pool.submit(load_batch, self._data, picked, side, (self._seed, self._seen))

    def close(self) -> None:
        self._pool.shutdown(cancel_futures=True)


def train(data: TrainData, out: Path, *, minutes: float, seed: int) -> Student:
    """Train for ``minutes`` of wall time in all, over every resume; checkpoints in ``out/distill``."""
    torch.manual_seed(seed)
    student = Student(data.captions.shape[1])
    student.to(memory_format=torch.channels_last)  # type: ignore[call-overload]
    decay = [p for p in student.parameters() if p.ndim > 1]
    plain = [p for p in student.parameters() if p.ndim <= 1]
    optimizer = torch.optim.AdamW(
        [{"params": decay, "weight_decay": WEIGHT_DECAY}, {"params": plain, "weight_decay": 0.0}], lr=PEAK_RATE
    )
    done = load_checkpoint(out / "distill", {"student": student}, optimizer) or {"seconds": 0.0, "images": 0}
    spent, seen, saved = float(done["seconds"]), int(done["images"]), time.monotonic()
    loader = Loader(data, seed, seen)
    averages: dict[str, float] = {}
    step, last = 0, time.monotonic()
    while spent < minutes * 60:
        progress = spent / (minutes * 60)
        side = next(s for limit, s in SIDES if progress < limit)
        batch = loader.take(side)
        for settings in optimizer.param_groups:
            settings["lr"] = rate_at(progress)
        losses = student.losses(batch)
        loss = torch.stack([WEIGHTS[name] * value for name, value in losses.items()]).sum()
        if not torch.isfinite(loss):
            raise FloatingPointError(f"loss became {loss.item()} after {seen} images; resume with a lower PEAK_RATE")
        optimizer.zero_grad(set_to_none=True)
        loss.backward()
        nn.utils.clip_grad_norm_(student.parameters(), 1.0)
        optimizer.step()
        now = time.monotonic()
        spent, last, seen, step = spent + now - last, now, seen + BATCH, step + 1
        averages = {k: 0.98 * averages.get(k, v.item()) + 0.02 * v.item() for k, v in losses.items()}
        if step % 50 == 0:
            told = " ".join(f"{k}={v:.4f}" for k, v in averages.items())
            log.info("%.1f %% side=%d images=%d %s", progress * 100, side, seen, told)
        if now - saved > CHECKPOINT_SECONDS or spent >= minutes * 60:
            save_checkpoint(out / "distill", {"student": student}, optimizer, {"seconds": spent, "images": seen})
            saved = now
    loader.close()
    return student


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--pack", type=Path, required=True)
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--minutes", type=float, default=60)
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--seed", type=int, default=0)
    args = parser.parse_args()
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(message)s")
    torch.set_num_threads(args.threads)
    data = gather(args.pack)
    log.info("%d views, %d captions", len(data.views), len(data.captions))
    train(data, args.out, minutes=args.minutes, seed=args.seed)


if __name__ == "__main__":
    main()
