"""Trains the key-frame selector without labels, then jointly with the segment detector (SPD).

    python -m worker.pretraining.segments.keyframes --bank FOOTAGE --spd RUN --out RUN2 [--minutes 8]
    python -m worker.pretraining.segments.keyframes --out RUN2 --release

The soft choice: frame j of a reference is rebuilt as a mixture of all its frames, weighted by their scores, their
likeness to j and their distance in time. Going forward the mixture is replaced by the single best frame (a
straight-through estimate), so that the networks see what sparse references look like. The losses: a frame of an edited
copy must pick its own moment out of the rebuilt video and out of others (InfoNCE); the rebuilt video must resemble the
dense one; the scores must add up to the budget; and, in the second half, the detector must find the copied segments in
the matrix of a query against the rebuilt reference, which trains both networks together.
"""

from __future__ import annotations

import argparse
import logging
import time
from pathlib import Path

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from worker.detection.keyframes import SHARE, WEIGHTS, KeyframeNet
from worker.detection.raster import SIDE, TOP_PER_ROW, Patch
from worker.detection.spd import WEIGHTS as SPD_WEIGHTS
from worker.detection.spd import SpdNet
from worker.pretraining.segments.footage import Bank
from worker.pretraining.segments.spd import collate, detection_loss, lesson, lessons, release
from worker.pretraining.segments.spd_data import MadeUpTrack, Pair, Rng, Shoot, compose
from worker.training.loop.checkpoint import load_checkpoint, save_checkpoint

log = logging.getLogger("keyframes")

SECONDS = 96  # of the references of the first half, at one frame a second
BATCH = 6
JOINT_PAIRS = 4
JOINT_LESSONS = 8  # ordinary ones beside them, so that the detector does not forget
LONGEST_JOINT = 150.0  # seconds
RATE = 1e-3
SPD_RATE = 3e-4
TEMPERATURE = 0.07
LIKENESS = 8.0  # weight of similarity against log score in the mixture
NEAR_SECONDS = 12.0
BUDGET_WEIGHT = 20.0
CHECKPOINT_SECONDS = 60


def rebuilt(logits: Tensor, vectors: Tensor, times: Tensor) -> Tensor:
    """Logits (B, N), vectors (B, N, D) unit rows, times (B, N) -> the video as its kept frames show it, (B, N, D).

    The value is that of the best frame for each moment; the gradient that of the soft mixture.
    """
    alike = vectors @ vectors.transpose(1, 2)
    apart = (times[:, :, None] - times[:, None, :]).abs()
    weight = F.logsigmoid(logits)[:, None, :] + LIKENESS * (alike - 1) - apart / NEAR_SECONDS
    share = torch.softmax(weight, -1)
    hard = F.one_hot(weight.argmax(-1), weight.shape[-1]).to(share.dtype)
    return F.normalize((hard + share - share.detach()) @ vectors, dim=-1)


def matching_loss(query: Tensor, kept: Tensor, vectors: Tensor) -> Tensor:
    """InfoNCE of edited frames (B, N, D) against rebuilt ones (B, N, D): own moment against all that look unlike."""
    q, k, original = query.flatten(0, 1), kept.flatten(0, 1), vectors.flatten(0, 1)
    logits = q @ k.T / TEMPERATURE
    same = original @ original.T > 0.7
    own = torch.diagonal(logits)
    others = logits.masked_fill(same, -1e4)
    return (torch.logaddexp(own, torch.logsumexp(others, 1)) - own).mean()


def budget_loss(logits: Tensor) -> Tensor:
    """Squared distance of the mean score to the budget, and a push of every score towards 0 or 1."""
    scores = torch.sigmoid(logits)
    return (scores.mean() - 0.8 * SHARE).square() * BUDGET_WEIGHT + 0.2 * (scores * (1 - scores)).mean()


def selector_batch(rng: Rng, shoots: list[Shoot], count: int) -> tuple[Tensor, Tensor, Tensor]:
    """Vectors (B, N, D), the same moments as an edited copy shows them, and times (B, N)."""
    tracks = [shoots[int(rng.integers(len(shoots)))](rng, float(SECONDS)) for _ in range(count)]
    times = np.arange(SECONDS, dtype=np.float64)
    vectors = np.stack([track.at(times) for track in tracks])
    copies = np.stack([track.edited(times + rng.uniform(-0.4, 0.4), rng) for track in tracks])
    moments = np.repeat(times[None], count, 0)
    return torch.from_numpy(vectors), torch.from_numpy(copies), torch.from_numpy(moments).float()


def joint_pictures(net: KeyframeNet, pairs: list[Pair]) -> tuple[Tensor, list[Tensor]]:
    """Pictures (B, 2, S, S) of queries against references rebuilt from soft key frames, and what is to be found."""
    pictures, targets = [], []
    for pair in pairs:
        vectors = torch.from_numpy(pair.reference)[None]
        times = torch.from_numpy(pair.reference_times)[None].float()
        kept = rebuilt(net(vectors, times), vectors, times)[0]
        scores = (torch.from_numpy(pair.query) @ kept.T).clamp(0, 1)
        patch = Patch.of((0.0, pair.query_duration), (0.0, pair.reference_duration))
        rows = _nearest_rows(pair.query_times, patch.cell, pair.query_duration)
        columns = _nearest_rows(pair.reference_times, patch.cell, pair.reference_duration)
        limit = scores.topk(min(TOP_PER_ROW, scores.shape[1]), 1).values[:, -1:].detach()
        both = torch.stack([scores * (scores >= limit), scores])[:, rows][:, :, columns]
        picture = F.pad(both, (0, SIDE - both.shape[2], 0, SIDE - both.shape[1]))
        pictures.append(picture)
        targets.append(lesson(pair, patch, picture.detach().numpy()))
    return torch.stack(pictures), list(collate(targets)[1:])


def _nearest_rows(times: np.ndarray, cell: float, duration: float) -> Tensor:
    """For every cell of one axis the row of the frame nearest to its middle."""
    count = min(SIDE, max(1, int(np.ceil(duration / cell - 1e-6))))
    middles = (np.arange(count) + 0.5) * cell
    return torch.from_numpy(np.abs(times[:, None] - middles[None]).argmin(0))


def short_pairs(rng: Rng, shoots: list[Shoot], count: int) -> list[Pair]:
    """Pairs of which every frame fits into one picture; masks are left out."""
    found: list[Pair] = []
    while len(found) < count:
        pair = compose(rng, shoots[int(rng.integers(len(shoots)))])
        if max(pair.query_duration, pair.reference_duration) <= LONGEST_JOINT and pair.pieces:
            found.append(pair)
    return found


def step_losses(
    selector: KeyframeNet, detector: SpdNet, rng: Rng, shoots: list[Shoot], joint: bool
) -> tuple[Tensor, dict[str, float]]:
    """The loss of one step and its parts."""
    vectors, copies, times = selector_batch(rng, shoots, BATCH)
    logits = selector(vectors, times)
    kept = rebuilt(logits, vectors, times)
    match = matching_loss(copies, kept, vectors)
    lost = (1 - (kept * vectors).sum(-1)).mean()
    cost = budget_loss(logits)
    loss = match + 2 * lost + cost
    parts = {"match": match.item(), "lost": lost.item(), "kept": torch.sigmoid(logits).mean().item()}
    if joint:
        pictures, targets = joint_pictures(selector, short_pairs(rng, shoots, JOINT_PAIRS))
        plain, *plain_targets = collate(lessons(rng, shoots, JOINT_LESSONS))
        together = [torch.cat(pair) for pair in zip(targets, plain_targets, strict=True)]
        found = detection_loss(detector(torch.cat([pictures, plain])), together[0], together[1], together[2])
        loss = loss + found
        parts["detect"] = found.item()
    return loss, parts


def train(
    out: Path, shoots: list[Shoot], spd: Path | None, *, minutes: float, seed: int = 0, steps: int | None = None
) -> tuple[KeyframeNet, SpdNet]:
    """Train for ``minutes`` of wall time over every resume (or ``steps`` more steps); checkpoints in ``out``.

    ``spd`` is a run of ``pretraining.segments.spd`` to start the detector from; without it the detector starts
    untrained. The joint half begins at a third of the time. Raises FloatingPointError when the loss is lost.
    """
    torch.manual_seed(seed)
    selector, detector = KeyframeNet(), SpdNet()
    if spd is not None and load_checkpoint(spd / "spd", {"net": detector}) is None:
        raise FileNotFoundError(f"no checkpoint in {spd / 'spd'}: run python -m worker.pretraining.segments.spd first")
    optimizer = torch.optim.AdamW(
        [{"params": selector.parameters(), "peak": RATE}, {"params": detector.parameters(), "peak": SPD_RATE}],
        lr=RATE, weight_decay=0.01,
    )  # fmt: skip
    modules = {"selector": selector, "detector": detector}
    done = load_checkpoint(out / "joint", modules, optimizer) or {"seconds": 0.0, "steps": 0}
    spent, count, here = float(done["seconds"]), int(done["steps"]), 0
    saved = last = time.monotonic()
    shown: dict[str, float] = {}
    while spent < minutes * 60 and (steps is None or here < steps):
        progress = spent / (minutes * 60)
        for settings in optimizer.param_groups:
            settings["lr"] = settings["peak"] * (0.02 + 0.98 * 0.5 * (1 + float(np.cos(np.pi * progress))))
        joint = progress >= 1 / 3 or (steps is not None and here % 2 == 1)
        loss, parts = step_losses(selector, detector, np.random.default_rng([seed, 9, count]), shoots, joint)
        if not torch.isfinite(loss):
            raise FloatingPointError(f"loss became {loss.item()} after {count} steps; resume with a lower RATE")
        optimizer.zero_grad(set_to_none=True)
        loss.backward()  # type: ignore[no-untyped-call]
        nn.utils.clip_grad_norm_([*selector.parameters(), *detector.parameters()], 5.0)
        optimizer.step()
        now = time.monotonic()
        spent, last, count, here = spent + now - last, now, count + 1, here + 1
        shown = {k: 0.95 * shown.get(k, v) + 0.05 * v for k, v in parts.items()}
        if here % 20 == 0:
            log.info("%.1f %% steps=%d %s", 100 * progress, count, " ".join(f"{k}={v:.3f}" for k, v in shown.items()))
        if now - saved > CHECKPOINT_SECONDS:
            save_checkpoint(out / "joint", modules, optimizer, {"seconds": spent, "steps": count})
            saved = now
    save_checkpoint(out / "joint", modules, optimizer, {"seconds": spent, "steps": count})
    return selector, detector


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--bank", type=Path, help="what worker.pretraining.segments.footage wrote")
    parser.add_argument("--spd", type=Path, help="a run of worker.pretraining.segments.spd to start from")
    parser.add_argument("--minutes", type=float, default=8)
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--release", action="store_true", help="write the run's weights into models/ and stop")
    args = parser.parse_args()
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(message)s")
    torch.set_num_threads(args.threads)
    if args.release:
        selector, detector = KeyframeNet(), SpdNet()
        if load_checkpoint(args.out / "joint", {"selector": selector, "detector": detector}) is None:
            raise SystemExit(f"no checkpoint in {args.out / 'joint'}: train first")
        release(selector, WEIGHTS)
        release(detector, SPD_WEIGHTS)
        return
    shoots: list[Shoot] = [MadeUpTrack]
    if args.bank:
        real = Bank.read(args.bank, "train").shoot
        shoots = [MadeUpTrack, real, real]
    train(args.out, shoots, args.spd, minutes=args.minutes, seed=args.seed)


if __name__ == "__main__":
    main()
