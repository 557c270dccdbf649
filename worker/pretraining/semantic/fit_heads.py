"""Stage 2 of the bundled model: both projections on cached features, with symmetric InfoNCE in large batches.

Pooled image features and MiniLM sentence vectors are computed once, so thousands of steps cost minutes on two cores.
Each batch holds one caption of each of at most BATCH images; pairs of one group are positives of each other. Most
batches come from one source: pictures of another source are told apart by their look and teach nothing as negatives.
"""

from __future__ import annotations

import argparse
import json
import logging
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from worker.evaluation.retrieval import CUTOFFS, ranks, recall_at_k, relevance_of
from worker.pretraining.imagesets import ImageRow, load_pack
from worker.pretraining.semantic.distill import Student
from worker.training.loop.checkpoint import load_checkpoint, save_checkpoint
from worker.training.losses import symmetric_info_nce
from worker.training.losses.batch import MAX_SCALE

log = logging.getLogger("fit_heads")

BATCH = 1024
RATE = 1e-3
WEIGHT_DECAY = 0.1
DROPOUT = 0.2
TEXT_NOISE = 0.02  # standard deviation on unit sentence vectors: captions that say the same differ by more
IMAGE_SIDE = 144
# Share of the batches that each source gets; what it leaves is drawn from all of them.
SOURCE_SHARES = {"flickr": 0.55, "msrvtt": 0.25, "demo": 0.1}


@torch.inference_mode()
def pooled_features(student: Student, images: np.ndarray, side: int = IMAGE_SIDE) -> Tensor:
    """(N, S, S, 3) uint8 -> (N, C)."""
    student.eval()
    parts = []
    for start in range(0, len(images), 64):
        x = torch.from_numpy(images[start : start + 64]).permute(0, 3, 1, 2)
        x = F.interpolate(x, (side, side), mode="bilinear", antialias=True).float().div_(255)  # as at inference
        parts.append(student.image.pooled(x.contiguous(memory_format=torch.channels_last)))
    return torch.cat(parts)


def cached_pooled_features(student: Student, images: np.ndarray, cache: Path) -> Tensor:
    """``pooled_features`` with a cache file; delete it when the image tower has trained on."""
    if not cache.exists():
        np.save(cache, pooled_features(student, images).numpy())
    return torch.from_numpy(np.load(cache))


class Heads(nn.Module):
    """Image projection, text head and temperature, started from stage 1."""

    def __init__(self, student: Student) -> None:
        super().__init__()
        self.project = nn.Linear(student.image.net.channels, student.image.project.out_features)
        self.project.load_state_dict(student.image.project.state_dict())
        self.text = student.text
        self.log_scale = nn.Parameter(student.log_scale.detach().clone())


@dataclass(frozen=True)
class Validation:
    """Two held-out sets: the Flickr8k dev split and the MSR-VTT videos that were cut from its training split."""

    flickr: list[int]  # image numbers
    msrvtt: dict[str, list[int]]  # video -> image numbers of its frames

    @classmethod
    def of(cls, rows: list[ImageRow]) -> Validation:
        flickr: list[int] = []
        msrvtt: dict[str, list[int]] = {}
        for i, row in enumerate(rows):
            if row["split"] != "dev":
                continue
            if row["group"].startswith("flickr/"):
                flickr.append(i)
            elif row["group"].startswith("msrvtt/"):
                msrvtt.setdefault(row["group"], []).append(i)
        return cls(flickr, msrvtt)

    def captions(self, rows: list[ImageRow]) -> tuple[list[str], list[str]]:
        """Of both sets, in the order of their items."""
        flickr = [c for i in self.flickr for c in rows[i]["captions"]]
        return flickr, [c for images in self.msrvtt.values() for c in rows[images[0]]["captions"]]

    def scores(
        self, rows: list[ImageRow], images: Tensor, flickr_text: Tensor, msrvtt_text: Tensor
    ) -> dict[str, list[float]]:
        """R@1, 5, 10 of text to picture and of text to video, in per cent. images (N, D) of the whole pack, unit rows;
        texts in the order of ``captions``."""
        videos = torch.stack([F.normalize(images[frames].mean(0), dim=0) for frames in self.msrvtt.values()])
        counts = [len(rows[i]["captions"]) for i in self.flickr]
        video_counts = [len(rows[frames[0]]["captions"]) for frames in self.msrvtt.values()]
        return {
            "flickr": recalls(flickr_text @ images[self.flickr].T, counts),
            "msrvtt": recalls(msrvtt_text @ videos.T, video_counts),
        }


def recalls(similarity: Tensor, counts: list[int]) -> list[float]:
    """(C, N) where item n owns the next counts[n] rows -> R@1, 5, 10 in per cent, ties against us."""
    owner = np.repeat(np.arange(len(counts)), counts)
    rank = ranks(similarity.numpy(), relevance_of(owner.tolist(), range(len(counts))))
    return [100 * recall_at_k(rank, k) for k in CUTOFFS]


def total(scores: dict[str, list[float]]) -> float:
    """What selects: R@sum of both sets, equally."""
    return sum(map(sum, scores.values()))


def told(scores: dict[str, list[float]]) -> str:
    return "  ".join(f"{name} {' / '.join(f'{v:.1f}' for v in values)}" for name, values in scores.items())


def rows_by_source(rows: list[ImageRow]) -> dict[str, np.ndarray]:
    """Numbers of the train rows of each source; "" holds all of them."""
    keep = np.array([i for i, row in enumerate(rows) if row["split"] == "train"])
    sources = np.array([rows[i]["group"].split("/")[0] for i in keep])
    return {"": keep, **{str(name): keep[sources == name] for name in np.unique(sources)}}


def batch_rows(by_source: dict[str, np.ndarray], size: int, rng: np.random.Generator) -> np.ndarray:
    """At most ``size`` distinct image numbers, of one source or of all."""
    draw, pool = rng.random(), by_source[""]
    for source, share in SOURCE_SHARES.items():
        if draw < share and source in by_source:
            pool = by_source[source]
            break
        draw -= share
    return rng.choice(pool, min(size, len(pool)), replace=False)


def train(
    student: Student,
    pooled: Tensor,
    sentences: Tensor,
    texts: list[str],
    rows: list[ImageRow],
    *,
    steps: int,
    seed: int,
) -> Heads:
    """Keeps the heads of the best validation."""
    torch.manual_seed(seed)
    rng = np.random.default_rng(seed)
    heads = Heads(student)
    optimizer = torch.optim.AdamW(heads.parameters(), lr=RATE, weight_decay=WEIGHT_DECAY)
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimizer, max_lr=RATE, total_steps=steps, pct_start=0.1)
    number = {text: n for n, text in enumerate(texts)}
    captions = [np.array([number[c] for c in row["captions"]]) for row in rows]
    by_source = rows_by_source(rows)
    names = {g: n for n, g in enumerate(sorted({r["group"] for r in rows}))}
    group = torch.tensor([names[row["group"]] for row in rows])
    validation = Validation.of(rows)
    asked = [sentences[[number[c] for c in some]] for some in validation.captions(rows)]
    best, best_state = -1.0, heads.state_dict()
    for step in range(steps):
        picked = batch_rows(by_source, BATCH, rng)
        chosen = np.array([rng.choice(captions[i]) for i in picked])
        text_in = sentences[chosen] + TEXT_NOISE * torch.randn(len(picked), sentences.shape[1])
        image = F.normalize(heads.project(F.dropout(pooled[picked], DROPOUT)), dim=1)
        text = F.normalize(heads.text(F.dropout(text_in, DROPOUT)), dim=1)
        positive = group[picked][:, None] == group[picked][None, :]
        loss = symmetric_info_nce(heads.log_scale.exp().clamp(max=MAX_SCALE) * image @ text.T, positive)
        optimizer.zero_grad(set_to_none=True)
        loss.backward()
        optimizer.step()
        schedule.step()
        if (step + 1) % 200 == 0 or step + 1 == steps:
            heads.eval()
            with torch.inference_mode():
                image = F.normalize(heads.project(pooled), dim=1)
                texts_out = [F.normalize(heads.text(some), dim=1) for some in asked]
                scores = validation.scores(rows, image, *texts_out)
            heads.train()
            log.info("step %d loss %.3f  %s", step + 1, loss.item(), told(scores))
            if total(scores) > best:
                best, best_state = total(scores), {k: v.clone() for k, v in heads.state_dict().items()}
    heads.load_state_dict(best_state)
    return heads


def load_student(pack: Path, out: Path) -> Student:
    """Stage 1's result. Raises FileNotFoundError before it has run."""
    sentence_dim = np.load(pack / "sentences.npy", mmap_mode="r").shape[1]
    student = Student(sentence_dim)
    if load_checkpoint(out / "distill", {"student": student}) is None:
        raise FileNotFoundError(f"{out}/distill: run worker.pretraining.semantic.distill first")
    return student


def load_heads(student: Student, out: Path) -> Heads:
    """Stage 2's result. Raises FileNotFoundError before it has run."""
    heads = Heads(student)
    if load_checkpoint(out / "heads", {"heads": heads}) is None:
        raise FileNotFoundError(f"{out}/heads: run worker.pretraining.semantic.fit_heads first")
    return heads


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--pack", type=Path, required=True)
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--steps", type=int, default=2000)
    parser.add_argument("--seed", type=int, default=0)
    args = parser.parse_args()
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(message)s")
    images, rows = load_pack(args.pack)
    student = load_student(args.pack, args.out)
    pooled = cached_pooled_features(student, images, args.out / "pooled.npy")
    sentences = torch.from_numpy(np.load(args.pack / "sentences.npy"))
    texts = json.loads((args.pack / "sentences.json").read_text())
    heads = train(student, pooled, sentences, texts, rows, steps=args.steps, seed=args.seed)
    save_checkpoint(args.out / "heads", {"heads": heads}, torch.optim.SGD(heads.parameters()), {"steps": args.steps})


if __name__ == "__main__":
    main()
