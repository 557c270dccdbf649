"""Stage 1 of the bundled model: the image tower learns from the teacher and from captions at once.

loss = (1 - cos(student, sqrt(teacher features))) + weight * InfoNCE(image, caption), where captions are cached
sentence vectors passed through a small head. Image size grows with progress (80, 96, 112 px): early epochs are
cheap. The schedule follows the time budget, so that a slower machine trains fewer steps, not longer.
"""

from __future__ import annotations

import argparse
import json
import logging
import time
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from worker.embedders.towers import ImageTower, TextHead
from worker.training.checkpoint import load_checkpoint, save_checkpoint
from worker.training.imagesets import ImageRow, load_pack
from worker.training.losses import info_nce

log = logging.getLogger("distill")

DIM = 256
BATCH = 96
TEXT_BANK = 4096
PEAK_RATE = 2e-3
WEIGHT_DECAY = 0.05
CAPTION_WEIGHT = 0.25
SIDES = ((0.45, 80), (0.8, 96), (1.01, 112))
CHECKPOINT_SECONDS = 240


@dataclass
class TrainData:
    images: np.ndarray  # (N, 128, 128, 3) uint8
    teacher: Tensor  # (N, 1280) unit rows of sqrt(features)
    captions: Tensor  # (C, 384) unit sentence vectors
    caption_group: np.ndarray  # (C,) group number
    group: np.ndarray  # (N,) group number of each image
    captions_of: list[np.ndarray]  # image -> caption numbers


def gather(
    images: np.ndarray, rows: list[ImageRow], teacher: np.ndarray, sentences: dict[str, np.ndarray]
) -> TrainData:
    """Keep the train split; number the groups; one caption vector a (group, caption)."""
    keep = [i for i, row in enumerate(rows) if row["split"] == "train"]
    numbers: dict[str, int] = {}
    first_caption: dict[int, np.ndarray] = {}
    vectors: list[np.ndarray] = []
    caption_group: list[int] = []
    for i in keep:
        number = numbers.setdefault(rows[i]["group"], len(numbers))
        if number not in first_caption:
            start = len(vectors)
            vectors += [sentences[c] for c in rows[i]["captions"]]
            caption_group += [number] * len(rows[i]["captions"])
            first_caption[number] = np.arange(start, len(vectors))
    group = np.array([numbers[rows[i]["group"]] for i in keep])
    return TrainData(
        images=images[keep],
        teacher=F.normalize(torch.from_numpy(np.sqrt(np.maximum(teacher[keep].astype(np.float32), 0))), dim=1),
        captions=torch.from_numpy(np.stack(vectors)),
        caption_group=np.array(caption_group),
        group=group,
        captions_of=[first_caption[int(g)] for g in group],
    )


def augment(batch: Tensor, side: int, rng: np.random.Generator) -> Tensor:
    """(B, 3, 128, 128) -> (B, 3, side, side): one crop box a batch, a flip and a tone change an image."""
    full = batch.shape[-1]
    size = int(full * rng.uniform(0.8, 1.0))
    y, x = rng.integers(0, full - size + 1, 2)
    batch = F.interpolate(batch[:, :, y : y + size, x : x + size], (side, side), mode="bilinear", antialias=True)
    flip = torch.from_numpy(rng.random(len(batch)) < 0.5)
    batch[flip] = batch[flip].flip(-1)
    gain = torch.from_numpy(rng.uniform(0.8, 1.2, (len(batch), 1, 1, 1)).astype(np.float32))
    shift = torch.from_numpy(rng.uniform(-0.1, 0.1, (len(batch), 3, 1, 1)).astype(np.float32))
    return (batch * gain + shift * 0.5).clamp(0, 1)


class Student(nn.Module):
    """Image tower with the teacher's head and a caption head on top."""

    def __init__(self, teacher_dim: int, sentence_dim: int) -> None:
        super().__init__()
        self.image = ImageTower(DIM)
        self.to_teacher = nn.Linear(self.image.net.channels, teacher_dim)
        self.text = TextHead(sentence_dim, DIM)
        self.log_scale = nn.Parameter(torch.tensor(np.log(1 / 0.07)))

    def losses(self, x: Tensor, teacher: Tensor, bank: Tensor, positive: Tensor) -> tuple[Tensor, Tensor]:
        h = self.image.pooled(x)  # (B, C)
        distil = (1 - F.cosine_similarity(self.to_teacher(h), teacher, dim=1)).mean()
        image = F.normalize(self.image.project(h), dim=1)  # (B, D)
        text = F.normalize(self.text(bank), dim=1)  # (T, D)
        logits = self.log_scale.exp().clamp(max=100) * image @ text.T  # (B, T)
        # The reverse direction sees only the batch's own images: columns that have a positive among them.
        owned = positive.any(0)
        return distil, 0.5 * (info_nce(logits, positive) + info_nce(logits.T[owned], positive.T[owned]))


def text_bank(data: TrainData, picked: np.ndarray, rng: np.random.Generator) -> tuple[Tensor, Tensor]:
    """One caption for each picked image plus random ones: (T, 384) and the (B, T) mask of same-group pairs."""
    own = np.array([rng.choice(data.captions_of[i]) for i in picked])
    rest = rng.integers(0, len(data.caption_group), TEXT_BANK - len(own))
    chosen = np.concatenate([own, rest])
    same = data.group[picked][:, None] == data.caption_group[chosen][None, :]
    return data.captions[chosen], torch.from_numpy(same)


def rate_at(progress: float) -> float:
    """Cosine with 4 % warm-up, ending at 1 % of the peak."""
    if progress < 0.04:
        return PEAK_RATE * (0.05 + 0.95 * progress / 0.04)
    return PEAK_RATE * (0.01 + 0.99 * 0.5 * (1 + float(np.cos(np.pi * min((progress - 0.04) / 0.96, 1)))))


def train(data: TrainData, out: Path, *, minutes: float, seed: int) -> Student:
    """Train for ``minutes`` of wall time in all, over every resume; checkpoints in ``out/distill``."""
    torch.manual_seed(seed)
    student = Student(data.teacher.shape[1], data.captions.shape[1])
    student.to(memory_format=torch.channels_last)  # type: ignore[call-overload]
    decay = [p for p in student.parameters() if p.ndim > 1]
    plain = [p for p in student.parameters() if p.ndim <= 1]
    optimizer = torch.optim.AdamW(
        [{"params": decay, "weight_decay": WEIGHT_DECAY}, {"params": plain, "weight_decay": 0.0}], lr=PEAK_RATE
    )
    done = load_checkpoint(out / "distill", {"student": student}, optimizer) or {"seconds": 0.0, "images": 0}
    rng = np.random.default_rng([seed, int(done["images"])])
    spent, seen, saved = float(done["seconds"]), int(done["images"]), time.monotonic()
    order = np.empty(0, np.int64)
    averages = np.zeros(2)
    step = 0
    last = time.monotonic()
    while spent < minutes * 60:
        progress = spent / (minutes * 60)
        side = next(s for limit, s in SIDES if progress < limit)
        if len(order) < BATCH:
            order = rng.permutation(len(data.images))
        picked, order = order[:BATCH], order[BATCH:]
        x = torch.from_numpy(data.images[picked]).permute(0, 3, 1, 2).float().div_(255)
        bank, positive = text_bank(data, picked, rng)
        for settings in optimizer.param_groups:
            settings["lr"] = rate_at(progress)
        x = augment(x, side, rng).contiguous(memory_format=torch.channels_last)
        distil, caption = student.losses(x, data.teacher[picked], bank, positive)
        loss = distil * 2 + CAPTION_WEIGHT * caption
        if not torch.isfinite(loss):
            raise FloatingPointError(f"loss became {loss.item()} after {seen} images; resume with a lower PEAK_RATE")
        optimizer.zero_grad(set_to_none=True)
        loss.backward()
        nn.utils.clip_grad_norm_(student.parameters(), 1.0)
        optimizer.step()
        now = time.monotonic()
        spent, last, seen, step = spent + now - last, now, seen + len(picked), step + 1
        averages = 0.98 * averages + 0.02 * np.array([distil.item(), caption.item()])
        if step % 50 == 0:
            log.info("%.1f %% side=%d images=%d distil=%.4f caption=%.3f", progress * 100, side, seen, *averages)
        if now - saved > CHECKPOINT_SECONDS or spent >= minutes * 60:
            save_checkpoint(out / "distill", {"student": student}, optimizer, {"seconds": spent, "images": seen})
            saved = now
    return student


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--pack", type=Path, required=True)
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--minutes", type=float, default=60)
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--seed", type=int, default=0)
    args = parser.parse_args()
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(message)s")
    torch.set_num_threads(args.threads)
    images, rows = load_pack(args.pack)
    teacher = np.load(args.pack / "teacher.npy")
    sentences = np.load(args.pack / "sentences.npy")
    texts = json.loads((args.pack / "sentences.json").read_text())
    data = gather(images, rows, teacher, dict(zip(texts, sentences, strict=True)))
    log.info("%d train images, %d captions", len(data.images), len(data.captions))
    train(data, args.out, minutes=args.minutes, seed=args.seed)


if __name__ == "__main__":
    main()
