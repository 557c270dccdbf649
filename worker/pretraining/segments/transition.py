"""Trains the transition classifier (worker.detection.transition) on generated pairs of neighbouring frames.

"Continues": neighbours of one MSR-VTT video that look alike before the edit (they lie seconds apart, often with
a cut between them), or of a camera that moves over one picture. "Changes": frames of two different videos. Four videos
share one set of edits, and most pairs of either kind come from inside such a set, so that the edit says nothing about
the answer; composites show another stranger for every video, so that all of a frame changes. Split by video, as the
pack is. The edited frames do not depend on the descriptor and are kept in ``--out``; after a new descriptor only
describing and training are repeated.

    python -m worker.pretraining.segments.transition --pack PACK --out RUN
"""

from __future__ import annotations

import argparse
import hashlib
import logging
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
import torch.nn.functional as F
from PIL import Image
from torch import Tensor

from worker.detection.transition import WEIGHTS, TransitionNet
from worker.embedders.copies.borders import NO_BORDERS
from worker.embedders.copies.descriptor import SIDE, CopyDescriptor
from worker.embedders.copies.descriptor import WEIGHTS as COPY_WEIGHTS
from worker.embedders.weights import save_packed
from worker.pretraining.copies.descriptor import thumbnails
from worker.pretraining.copies.edited_alike import edited_alike
from worker.pretraining.imagesets import ImageRow, load_pack
from worker.pretraining.segments.footage import pan
from worker.training.loop.checkpoint import load_checkpoint, save_checkpoint

log = logging.getLogger("transition")

SET = 4  # videos edited alike
PAN = 4  # frames at most of a camera that moves over one picture
SAME_SHOT = 0.6  # correlation of two frames' thumbnails from which they continue; nearly all pairs above it do
CHANGES = 2  # pairs that change for every one that stays the same
OTHER_EDIT = 0.25  # share of changes between videos of two sets
BATCH = 256
RATE = 1e-3
WEIGHT_DECAY = 5e-2
NOISE = 0.3  # of a descriptor's length, so that single training frames are not learned by heart
CHECKPOINT_STEPS = 200
KINDS = ("video", "moved", "alike", "apart")  # the first two continue, the others change


@dataclass(frozen=True)
class Frames:
    """Edited frames of many videos. A single picture counts as a video of a camera that moves over it."""

    images: np.ndarray  # (N, S, S, 3) uint8, frames of a video in order
    video: np.ndarray  # (N,)
    edit: np.ndarray  # (N,) number of the set that was edited alike
    single: np.ndarray  # (N,) bool: a picture, no video
    follows: np.ndarray  # (N,) bool: continues the row before


@dataclass(frozen=True)
class Pairs:
    before: np.ndarray  # (P,) rows
    after: np.ndarray  # (P,)
    kind: np.ndarray  # (P,) index into KINDS

    @property
    def changes(self) -> np.ndarray:
        return np.asarray(self.kind >= 2)


def video_frames(rows: list[ImageRow], split: str, pictures: int, videos: int, seed: int) -> list[np.ndarray]:
    """Rows of up to ``videos`` MSR-VTT videos of a split (two or more frames) and of ``pictures`` single pictures."""
    groups: dict[str, list[int]] = {}
    for i, row in enumerate(rows):
        if row["split"] == split:
            groups.setdefault(row["group"], []).append(i)
    rng = np.random.default_rng(seed)
    found = [np.array(groups[name]) for name in sorted(groups)]
    several, single = ([g for g in found if (len(g) > 1) == more] for more in (True, False))
    chosen = [several[i] for i in rng.permutation(len(several))[:videos]]
    chosen += [single[i] for i in rng.permutation(len(single))[:pictures]]
    return [chosen[i] for i in rng.permutation(len(chosen))]


def moving_camera(image: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """Up to PAN neighbouring frames of a slow or fast pan or zoom over a picture (H, H, 3) -> (F, VIEW, VIEW, 3)."""
    whole = pan(Image.fromarray(image), int(rng.integers(PAN, 3 * PAN)), rng)
    return np.stack([np.asarray(frame) for frame in whole[:PAN]])


def edited_frames(images: np.ndarray, groups: list[np.ndarray], seed: int) -> Frames:
    """Every video once; SET neighbouring videos are edited alike, each with a stranger of its own in composites."""
    parts, video, edit, single, follows = [], [], [], [], []
    for number, rows in enumerate(groups):
        first = number - number % SET
        stranger = images[groups[(number + SET) % len(groups)][0]]
        frames, alone = images[rows], len(rows) == 1
        if alone:
            frames = moving_camera(frames[0], np.random.default_rng([seed, number]))
        small = thumbnails(frames)
        same_shot = np.einsum("nd,nd->n", small[1:], small[:-1]) >= SAME_SHOT
        parts.append(edited_alike(frames, stranger, SIDE, [seed, first]))
        video += [number] * len(frames)
        edit += [first // SET] * len(frames)
        single += [alone] * len(frames)
        follows += [False, *(same_shot | alone).tolist()]
    return Frames(np.concatenate(parts), np.array(video), np.array(edit), np.array(single), np.array(follows))


def neighbour_pairs(frames: Frames, seed: int) -> Pairs:
    """All neighbours that continue, and CHANGES times as many pairs of frames of different videos."""
    rng = np.random.default_rng(seed)
    before = np.flatnonzero(frames.follows[1:])
    kind = frames.single[before].astype(np.int64)
    last = rng.integers(0, len(frames.video), 2 * CHANGES * len(before))
    alike = rng.random(len(last)) >= OTHER_EDIT
    members: dict[int, np.ndarray] = {int(e): np.flatnonzero(frames.edit == e) for e in np.unique(frames.edit)}
    first = np.array([
        rng.choice(members[int(frames.edit[row])]) if same else rng.integers(len(frames.video))
        for row, same in zip(last.tolist(), alike.tolist(), strict=True)
    ])  # fmt: skip
    usable = np.flatnonzero(frames.video[first] != frames.video[last])[: CHANGES * len(before)]
    other = np.where(frames.edit[first[usable]] == frames.edit[last[usable]], 2, 3)
    return Pairs(np.r_[before, first[usable]], np.r_[before + 1, last[usable]], np.r_[kind, other])


def accuracies(probability: np.ndarray, pairs: Pairs, threshold: float = 0.5) -> dict[str, float]:
    """Shares answered rightly: of everything, both answers weighing the same, and of every kind of pair."""
    right = (probability >= threshold) == pairs.changes
    found = {"balanced": 0.5 * (float(right[pairs.changes].mean()) + float(right[~pairs.changes].mean()))}
    for number, kind in enumerate(KINDS):
        chosen = pairs.kind == number
        if chosen.any():
            found[kind] = float(right[chosen].mean())
    return found


def cosine_threshold(vectors: np.ndarray, pairs: Pairs) -> float:
    """The baseline: the distance 1 - cosine that separates the pairs best, both answers weighing the same."""
    apart = cosine_distance(vectors, pairs)
    order = np.argsort(apart)
    changes = pairs.changes[order]
    # everything up to a place stays the same, everything after it changes
    right = np.cumsum(~changes) / max((~changes).sum(), 1) + 1 - np.cumsum(changes) / max(changes.sum(), 1)
    return float(apart[order[int(right.argmax())]]) + 1e-6


def cosine_distance(vectors: np.ndarray, pairs: Pairs) -> np.ndarray:
    return np.asarray(1 - np.einsum("nd,nd->n", vectors[pairs.before], vectors[pairs.after]))


def blurred(before: Tensor, after: Tensor) -> tuple[Tensor, Tensor]:
    """Unit rows (B, D) of both ends, each with noise of its own, up to NOISE of its length."""
    scale = NOISE * torch.rand(len(before), 1) / before.shape[1] ** 0.5
    first, second = (F.normalize(end + scale * torch.randn_like(end), dim=1) for end in (before, after))
    return first, second


def train(vectors: np.ndarray, pairs: Pairs, out: Path, *, steps: int, seed: int) -> TransitionNet:
    """vectors (N, D) of all frames. ``steps`` counts over every resume; checkpoints in ``out/transition``."""
    torch.manual_seed(seed)
    net = TransitionNet(vectors.shape[1])
    optimizer = torch.optim.AdamW(net.parameters(), lr=RATE, weight_decay=WEIGHT_DECAY)
    done = load_checkpoint(out / "transition", {"net": net}, optimizer) or {"step": 0}
    data, truth = torch.from_numpy(vectors), torch.from_numpy(pairs.changes.astype(np.int64))
    before, after = torch.from_numpy(pairs.before), torch.from_numpy(pairs.after)
    balance = torch.bincount(truth, minlength=2).float()
    weight = balance.sum() / (2 * balance.clamp(min=1))
    net.train()
    for step in range(int(done["step"]), steps):
        for settings in optimizer.param_groups:
            settings["lr"] = RATE * 0.5 * (1 + float(np.cos(np.pi * step / steps)))
        rng = np.random.default_rng([seed, step])
        torch.manual_seed(int(rng.integers(2**31)))  # the noise of a step is the same after a resume
        picked = torch.from_numpy(rng.integers(0, len(truth), BATCH))
        ends = (data[before[picked]], data[after[picked]])
        if rng.random() < 0.5:  # a video played backwards stays the same as well
            ends = ends[::-1]
        ends = blurred(ends[0], ends[1])
        loss = F.cross_entropy(net(*ends), truth[picked], weight, label_smoothing=0.02)
        if not torch.isfinite(loss):
            raise FloatingPointError(f"loss became {loss.item()} at step {step}; lower RATE")
        optimizer.zero_grad(set_to_none=True)
        loss.backward()  # type: ignore[no-untyped-call]
        optimizer.step()
        if (step + 1) % CHECKPOINT_STEPS == 0 or step + 1 == steps:
            save_checkpoint(out / "transition", {"net": net}, optimizer, {"step": step + 1})
            log.info("step %d loss %.4f", step + 1, loss.item())
    return net


def probabilities(net: TransitionNet, vectors: np.ndarray, pairs: Pairs) -> np.ndarray:
    net.eval()
    data = torch.from_numpy(vectors)
    with torch.inference_mode():
        parts: list[Tensor] = [
            net(data[pairs.before[i : i + 4096]], data[pairs.after[i : i + 4096]]).softmax(1)[:, 1]
            for i in range(0, len(pairs.before), 4096)
        ]
    return np.asarray(torch.cat(parts).numpy())


def prepared(pack: Path, out: Path, split: str, rounds: int, pictures: int, videos: int, seed: int) -> list[Frames]:
    """The edited frames of every round; each is made once and kept in ``out``."""
    kept: list[Frames] = []
    source: tuple[np.ndarray, list[ImageRow]] | None = None
    for number in range(rounds):
        file = out / f"shots-{split}-{videos}-{pictures}-{seed}-{number}.npz"
        if not file.exists():
            images, rows = source = source or load_pack(pack)
            own = seed + 1000 * number + (500 if split == "dev" else 0)
            made = edited_frames(images, video_frames(rows, split, pictures, videos, own), own)
            out.mkdir(parents=True, exist_ok=True)
            part = file.with_suffix(".part.npz")
            np.savez(part, **vars(made))
            part.replace(file)
            log.info("%d edited frames, %s, round %d of %d", len(made.video), split, number + 1, rounds)
        with np.load(file) as stored:
            kept.append(Frames(**stored))
    return kept


def pooled(rounds: list[Frames], copy: CopyDescriptor, seed: int) -> tuple[np.ndarray, Pairs]:
    """Descriptors of all rounds' frames one after another, and the pairs of every round."""
    vectors, found = [], []
    first = 0
    for number, frames in enumerate(rounds):
        vectors.append(copy.encode_frames(frames.images, NO_BORDERS))
        pairs = neighbour_pairs(frames, seed + number)
        found.append(Pairs(pairs.before + first, pairs.after + first, pairs.kind))
        first += len(frames.video)
    parts = [np.concatenate([getattr(p, name) for p in found]) for name in ("before", "after", "kind")]
    return np.concatenate(vectors), Pairs(*parts)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--pack", type=Path, required=True)
    parser.add_argument("--out", type=Path, required=True, help="edited frames and checkpoints")
    parser.add_argument("--copy", type=Path, default=COPY_WEIGHTS, help="weights of the copy descriptor")
    parser.add_argument("--weights", type=Path, default=WEIGHTS, help="where the trained classifier goes")
    parser.add_argument("--videos", type=int, default=3000, help="training videos a round")
    parser.add_argument("--pictures", type=int, default=1500, help="single pictures a round")
    parser.add_argument("--rounds", type=int, default=2)
    parser.add_argument("--steps", type=int, default=1500)
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--only-frames", action="store_true", help="make the edited frames and stop")
    args = parser.parse_args()
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(message)s")
    torch.set_num_threads(args.threads)
    dev = prepared(args.pack, args.out, "dev", 1, 200, 375, args.seed)
    frames = prepared(args.pack, args.out, "train", args.rounds, args.pictures, args.videos, args.seed)
    if args.only_frames:
        return
    copy = CopyDescriptor(args.copy)
    # Another descriptor, other frames or another schedule start a new training.
    digest = hashlib.sha256(
        args.copy.read_bytes() + str([args.videos, args.pictures, args.rounds, args.steps, args.seed]).encode()
    )
    run = args.out / digest.hexdigest()[:12]
    vectors, pairs = pooled(frames, copy, args.seed)
    held_out, questions = pooled(dev, copy, args.seed)
    net = train(vectors, pairs, run, steps=args.steps, seed=args.seed)
    save_packed(net.state_dict(), args.weights)
    threshold = cosine_threshold(vectors, pairs)
    for name, found in (
        ("cosine", accuracies(cosine_distance(held_out, questions), questions, threshold)),
        ("classifier", accuracies(probabilities(net, held_out, questions), questions)),
    ):
        print(name, " ".join(f"{kind} {100 * value:.1f} %" for kind, value in found.items()))


if __name__ == "__main__":
    main()
