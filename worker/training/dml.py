"""Trains the DML head (worker.embedders.dml) on near-duplicates of our own making.

A "video" is a group of frames of one MSR-VTT video; its near-duplicates are the same frames, sometimes fewer of them,
edited with one set of parameters. loss = max(0, D+ - D- + gamma) on squared Euclidean distances of unit rows, gamma 1
(Kordopatis-Zilos et al. 2017), averaged over the hardest negatives of a batch: the single hardest are often footage
that really is shared. Features are computed once and kept in ``--out``.

    python -m worker.training.dml --pack PACK --out RUN
"""

from __future__ import annotations

import argparse
import logging
import time
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from worker.embedders.bundled import BundledEmbedder
from worker.embedders.dml import WEIGHTS, DmlHead
from worker.embedders.mac import SIDE, MacSource, normalised, semantic_mac
from worker.embedders.weights import save_packed
from worker.evaluation.retrieval import average_precisions, relevance_of
from worker.training.checkpoint import load_checkpoint, save_checkpoint
from worker.training.edited_alike import edited_alike
from worker.training.imagesets import ImageRow, load_pack

log = logging.getLogger("dml")

GAMMA = 1.0
BATCH = 64
HARDEST = 5
RATE = 3e-4
WEIGHT_DECAY = 1e-3
EDITS = 3  # edited versions of each video
PART = 50  # videos a file of features
POOL = 600  # videos of a split, at least, that lend the other picture of a composite
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


def group_rows(rows: list[ImageRow], split: str, most: int) -> list[np.ndarray]:
    """Pack rows of each MSR-VTT video of a split, in time order; the first ``most`` videos by name."""
    groups: dict[str, list[int]] = {}
    for i, row in enumerate(rows):
        if row["split"] == split and row["group"].startswith("msrvtt/"):
            groups.setdefault(row["group"], []).append(i)
    return [np.array(groups[name]) for name in sorted(groups)[:most]]


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
        features = source([frame for part in parts for frame in part])
        cuts = np.cumsum([len(p) for p in parts])[:-1]
        found.append(np.stack([f.mean(0) for f in np.split(features, cuts)]))
    return np.stack(found)


def cached_features(pack: Path, out: Path, source: MacSource, split: str, most: int, seed: int) -> np.ndarray:
    """``pooled_features`` of the first ``most`` videos of a split, normalised; kept in files of PART under ``out``."""
    images, rows = load_pack(pack)
    groups = group_rows(rows, split, max(most, POOL))
    out.mkdir(parents=True, exist_ok=True)
    parts: list[np.ndarray] = []
    for start in range(0, min(most, len(groups)), PART):
        file = out / f"mac-{split}-{len(groups)}-{seed}-{start}.npy"
        if not file.exists():
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


def train(features: np.ndarray, out: Path, *, steps: int, seed: int) -> DmlHead:
    """features (V, 1 + E, C) unit rows. ``steps`` counts over every resume; checkpoints in ``out/dml``."""
    if len(features) < 2:
        raise ValueError(f"{len(features)} videos are too few: a triplet needs two")
    torch.manual_seed(seed)
    head = DmlHead(features.shape[-1])
    head.centre.copy_(torch.from_numpy(features.reshape(-1, features.shape[-1]).mean(0)))
    optimizer = torch.optim.AdamW(head.parameters(), lr=RATE, weight_decay=WEIGHT_DECAY)
    done = load_checkpoint(out / "dml", {"head": head}, optimizer) or {"step": 0}
    head.train()
    data = torch.from_numpy(features)
    started = time.monotonic()
    for step in range(int(done["step"]), steps):
        for settings in optimizer.param_groups:
            settings["lr"] = RATE * 0.5 * (1 + float(np.cos(np.pi * step / steps)))
        rng = np.random.default_rng([seed, step])
        picked = rng.permutation(len(data))[:BATCH]
        first, second = rng.permuted(np.tile(np.arange(data.shape[1]), (len(picked), 1)), axis=1)[:, :2].T
        loss = triplet_loss(head(data[picked, first]), head(data[picked, second]))
        if not torch.isfinite(loss):
            raise FloatingPointError(f"loss became {loss.item()} at step {step}; lower RATE")
        optimizer.zero_grad(set_to_none=True)
        loss.backward()  # type: ignore[no-untyped-call]
        optimizer.step()
        if (step + 1) % CHECKPOINT_STEPS == 0 or step + 1 == steps:
            save_checkpoint(out / "dml", {"head": head}, optimizer, {"step": step + 1})
            log.info("step %d loss %.4f, %.0f s", step + 1, loss.item(), time.monotonic() - started)
    return head


def report(features: np.ndarray, head: DmlHead) -> dict[str, float]:
    """mAP on (V, 1 + E, C) held-out features: plain MAC, MAC minus the training mean, and with the head."""
    centred = features - head.centre.numpy()
    centred /= np.maximum(np.linalg.norm(centred, axis=-1, keepdims=True), 1e-9)
    return {
        "plain MAC": retrieval_map(features),
        "MAC, centred on the training videos": retrieval_map(centred),
        "MAC + DML": retrieval_map(embedded(head, features)),
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--pack", type=Path, required=True)
    parser.add_argument("--out", type=Path, required=True, help="features and checkpoints")
    parser.add_argument("--model", type=Path, default=Path("models/semantic"))
    parser.add_argument("--weights", type=Path, default=WEIGHTS, help="where the trained head goes")
    parser.add_argument("--videos", type=int, default=600, help="training videos, in steps of 50")
    parser.add_argument("--steps", type=int, default=800)
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
