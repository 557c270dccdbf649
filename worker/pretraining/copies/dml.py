"""Trains the DML head (worker.embedders.copies.dml) on generated near-duplicates.

A "video" is a group of frames of one MSR-VTT video; its near-duplicates are the same frames, sometimes fewer of them,
edited with one set of parameters. loss = max(0, D+ - D- + gamma) on squared Euclidean distances of unit rows, gamma 1
(Kordopatis-Zilos et al. 2017), averaged over the hardest negatives of a batch: the single hardest are often footage
that really is shared. Features are computed once and kept in ``--out``.

    python -m worker.pretraining.copies.dml --pack PACK --out RUN
"""

from __future__ import annotations

import argparse
import copy
import json
import logging
import time
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from worker.embedders.copies.dml import WEIGHTS, DmlHead
from worker.embedders.copies.mac import SIDE, MacSource, normalised, semantic_mac
from worker.embedders.semantic.bundled import BundledEmbedder
from worker.embedders.weights import save_packed
from worker.evaluation.retrieval import average_precisions, relevance_of
from worker.pretraining.copies.edited_alike import edited_alike
from worker.pretraining.imagesets import ImageRow, load_pack
from worker.training.loop.checkpoint import load_checkpoint, save_checkpoint
from worker.training.steps.precision import autocast

log = logging.getLogger("dml")

GAMMA = 1.0
BATCH = 64
HARDEST = 5
RATE = 3e-4
WEIGHT_DECAY = 1e-2
DROPOUT = 0.3
RIDGE = 0.1
START_NOISE = 0.1  # of the usual random weights; units without any would never learn
VALIDATE_EVERY = 10  # one training video in so many chooses the step whose weights are kept
VALIDATION_STEPS = 50
EDITS = 3  # edited versions of each video
PART = 50  # videos a file of features
CHECKPOINT_STEPS = 100
SHORTENED = 0.5  # share of edited videos that lack some frames


def squared_distances(a: Tensor, b: Tensor) -> Tensor:
    """Unit rows (N, D), (M, D) -> (N, M) squared Euclidean distances."""
    return (2 - 2 * a @ b.T).clamp(min=0)


def triplet_loss(anchors: Tensor, positives: Tensor, gamma: float = GAMMA, hardest: int = HARDEST) -> Tensor:
    """Row i of both (B, D) is one video; every other video's positive is a negative of anchor i.

    Mean over anchors and their ``hardest`` nearest negatives of max(0, D+ - D- + gamma).
    """
    apart = squared_distances(anchors, positives)  # (B, B)
    same = torch.eye(len(apart), dtype=torch.bool)
    negatives = apart.masked_fill(same, torch.inf)
    nearest = negatives.topk(min(hardest, len(apart) - 1), 1, largest=False).values
    return torch.relu(apart.diagonal()[:, None] - nearest + gamma).mean()


def group_rows(rows: list[ImageRow], split: str) -> list[np.ndarray]:
    """Pack rows of each MSR-VTT video of a split, in time order; videos by name."""
    groups: dict[str, list[int]] = {}
    for i, row in enumerate(rows):
        if row["split"] == split and row["group"].startswith("msrvtt/"):
            groups.setdefault(row["group"], []).append(i)
    return [np.array(groups[name]) for name in sorted(groups)]


def versions(images: np.ndarray, groups: list[np.ndarray], number: int, seed: int) -> Iterator[list[np.ndarray]]:
    """The original frames of video ``number``, then those of each of its edited versions."""
    frames = images[groups[number]]
    yield list(frames)
    for edit in range(EDITS):
        rng = np.random.default_rng([seed, number, edit])
        stranger = images[groups[(number + 1 + int(rng.integers(len(groups) - 1))) % len(groups)][0]]
        kept = np.arange(len(frames))
        if len(frames) > 2 and rng.random() < SHORTENED:
            start = int(rng.integers(0, 2))
            kept = kept[start : start + max(2, len(frames) - 2)]
        yield list(edited_alike(frames[kept], stranger, SIDE, [seed, number, edit]))


def pooled_features(
    images: np.ndarray, groups: list[np.ndarray], numbers: range, source: MacSource, seed: int
) -> np.ndarray:
    """(V, 1 + EDITS, C) float32: frame averages of MAC features of the videos ``numbers`` and their edited versions."""
    found: list[np.ndarray] = []
    for number in numbers:
        parts = list(versions(images, groups, number, seed))
        with autocast(torch.device("cpu")):  # a maximum over places loses nothing: 0.99999 correlation, half the time
            features = source([frame for part in parts for frame in part])
        cuts = np.cumsum([len(p) for p in parts])[:-1]
        found.append(np.stack([f.mean(0) for f in np.split(features, cuts)]))
    return np.stack(found)


def load_rows(pack: Path) -> list[ImageRow]:
    rows: list[ImageRow] = json.loads((pack / "index.json").read_text())
    return rows


def cached_features(pack: Path, out: Path, source: MacSource, split: str, most: int, seed: int) -> np.ndarray:
    """``pooled_features`` of the first ``most`` videos of a split, normalised; kept in files of PART under ``out``."""
    images: np.ndarray | None = None
    groups = group_rows(load_rows(pack), split)
    out.mkdir(parents=True, exist_ok=True)
    parts: list[np.ndarray] = []
    for start in range(0, min(most, len(groups)), PART):
        file = out / f"mac-{split}-{len(groups)}-{seed}-{start}.npy"
        if not file.exists():
            images = load_pack(pack)[0] if images is None else images
            numbers = range(start, min(start + PART, len(groups)))
            pooled = pooled_features(images, groups, numbers, source, seed + (split == "dev"))
            np.save(file.with_suffix(".part.npy"), pooled)
            file.with_suffix(".part.npy").replace(file)
            log.info("features of %d of %d %s videos", numbers.stop, len(groups), split)
        parts.append(np.load(file))
    whole = np.concatenate(parts)
    return normalised(whole.reshape(-1, whole.shape[-1])).reshape(whole.shape)


def retrieval_map(vectors: np.ndarray) -> float:
    """(V, 1 + E, D) unit rows -> mAP: every original asks for its E edited versions among those of all videos."""
    count, versions_each, dim = vectors.shape
    items = vectors[:, 1:].reshape(-1, dim)
    owner = np.repeat(np.arange(count), versions_each - 1)
    truth = relevance_of(list(range(count)), owner.tolist())
    return float(average_precisions(vectors[:, 0] @ items.T, truth).mean())


def embedded(head: DmlHead, features: np.ndarray) -> np.ndarray:
    """(V, E, C) -> (V, E, 500)."""
    head.eval()
    with torch.inference_mode():
        flat = head(torch.from_numpy(features.reshape(-1, features.shape[-1])))
    return np.asarray(flat.numpy().reshape(*features.shape[:2], -1))


def validation_videos(count: int) -> np.ndarray:
    """(count,) bool: the training videos that only validate; at least one of two."""
    return np.asarray(np.arange(count) % VALIDATE_EVERY == min(VALIDATE_EVERY, count) - 1)


def within_whitening(features: np.ndarray, ridge: float = RIDGE) -> np.ndarray:
    """(V, E, C) centred unit rows -> (C, C): the covariance within videos, plus ``ridge`` of its mean, becomes even.

    Within-class covariance normalisation (Hatch et al. 2006): x @ W @ W.T @ y is then the whitened inner product. The
    columns are turned to the principal axes of what they make, most variance first.
    """
    dim = features.shape[-1]
    apart = (features - features.mean(1, keepdims=True)).reshape(-1, dim)
    covariance = apart.T @ apart / max(len(apart), 1)
    values, vectors = np.linalg.eigh(covariance + ridge * np.trace(covariance) / dim * np.eye(dim))
    whitening = vectors / np.sqrt(np.maximum(values, 1e-12))
    rows = features.reshape(-1, dim) @ whitening
    _, axes = np.linalg.eigh(rows.T @ rows)  # ascending
    whitening = whitening @ axes[:, ::-1]
    return np.asarray(whitening / np.linalg.norm(whitening, 2), dtype=np.float32)


def start_head(features: np.ndarray) -> DmlHead:
    """An untrained head whose centre and whitening are those of (V, E, C) unit rows.

    Its layers begin near the identity, which passes on the first principal axes: random layers would have to learn
    first what the whitened feature knows already.
    """
    head = DmlHead(features.shape[-1], dropout=DROPOUT)
    centre = features.reshape(-1, features.shape[-1]).mean(0)
    head.centre.copy_(torch.from_numpy(centre))
    centred = features - centre
    centred /= np.maximum(np.linalg.norm(centred, axis=-1, keepdims=True), 1e-9)
    head.whitening.copy_(torch.from_numpy(within_whitening(centred)))
    with torch.no_grad():
        for layer in head.layers:
            layer.weight.mul_(START_NOISE).add_(torch.eye(*layer.weight.shape))
            layer.bias.zero_()
    return head


def train(features: np.ndarray, out: Path, *, steps: int, seed: int) -> DmlHead:
    """features (V, 1 + E, C) unit rows -> the head of the step with the highest mAP on ``validation_videos``.

    ``steps`` counts over every resume; checkpoints in ``out/dml``.
    """
    held = validation_videos(len(features))
    if (~held).sum() < 2:
        raise ValueError(f"{len(features)} videos are too few: a triplet needs two, and validation some more")
    torch.manual_seed(seed)
    head = start_head(features[~held])
    best = copy.deepcopy(head)
    optimizer = torch.optim.AdamW(head.parameters(), lr=RATE, weight_decay=WEIGHT_DECAY)
    modules = {"head": head, "best": best}
    progress = load_checkpoint(out / "dml", modules, optimizer) or {"step": 0, "best_map": -1.0}
    data = torch.from_numpy(features[~held])
    started = time.monotonic()
    for step in range(int(progress["step"]), steps):
        head.train()
        for settings in optimizer.param_groups:
            settings["lr"] = RATE * 0.5 * (1 + float(np.cos(np.pi * step / steps)))
        loss = batch_loss(head, data, seed, step)
        if not torch.isfinite(loss):
            raise FloatingPointError(f"loss became {loss.item()} at step {step}; lower RATE")
        optimizer.zero_grad(set_to_none=True)
        loss.backward()  # type: ignore[no-untyped-call]
        optimizer.step()
        progress["step"] = step + 1
        if (step + 1) % VALIDATION_STEPS == 0 or step + 1 == steps:
            found = retrieval_map(embedded(head, features[held]))
            if found > progress["best_map"]:
                progress["best_map"] = found
                best.load_state_dict(head.state_dict())
            log.info("step %d loss %.4f mAP %.4f, %.0f s", step + 1, loss.item(), found, time.monotonic() - started)
        if (step + 1) % CHECKPOINT_STEPS == 0 or step + 1 == steps:
            save_checkpoint(out / "dml", modules, optimizer, progress)
    log.info("best validation mAP %.4f", progress["best_map"])
    return best


def batch_loss(head: DmlHead, data: Tensor, seed: int, step: int) -> Tensor:
    """The loss of step ``step``: BATCH of the videos (V, 1 + E, C), two different versions of each."""
    rng = np.random.default_rng([seed, step])
    torch.manual_seed(int(rng.integers(2**31)))  # the same dropout after a resume
    picked = rng.permutation(len(data))[:BATCH]
    first, second = rng.permuted(np.tile(np.arange(data.shape[1]), (len(picked), 1)), axis=1)[:, :2].T
    return triplet_loss(head(data[picked, first]), head(data[picked, second]))


def report(features: np.ndarray, head: DmlHead) -> dict[str, float]:
    """mAP on (V, 1 + E, C) held-out features: plain MAC, minus the training mean, whitened as well, with the head."""
    centred = features - head.centre.numpy()
    centred /= np.maximum(np.linalg.norm(centred, axis=-1, keepdims=True), 1e-9)
    flat = torch.from_numpy(features.reshape(-1, features.shape[-1]))
    return {
        "plain MAC": retrieval_map(features),
        "MAC, centred on the training videos": retrieval_map(centred),
        "MAC, centred and whitened": retrieval_map(head.whitened(flat).numpy().reshape(features.shape)),
        "MAC + DML": retrieval_map(embedded(head, features)),
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--pack", type=Path, required=True)
    parser.add_argument("--out", type=Path, required=True, help="features and checkpoints")
    parser.add_argument("--model", type=Path, default=Path("models/semantic"))
    parser.add_argument("--weights", type=Path, default=WEIGHTS, help="where the trained head goes")
    parser.add_argument("--videos", type=int, default=10**6, help="training videos at most, in steps of 50")
    parser.add_argument("--steps", type=int, default=3000)
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--seed", type=int, default=0)
    args = parser.parse_args()
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(message)s")
    torch.set_num_threads(args.threads)
    source = semantic_mac(BundledEmbedder(args.model))
    dev = cached_features(args.pack, args.out, source, "dev", 10**6, args.seed)
    features = cached_features(args.pack, args.out, source, "train", args.videos, args.seed)
    head = train(features, args.out, steps=args.steps, seed=args.seed)
    save_packed(head.state_dict(), args.weights)
    for name, value in report(dev, head).items():
        print(f"{name}: mAP {value:.4f}")


if __name__ == "__main__":
    main()
