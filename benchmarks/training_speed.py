"""Steps a second of training the head and the towers, on this machine's processor or GPU.

    python -m benchmarks.training_speed [--model models/semantic] [--threads 2]

Head: batches of cached 256-d embeddings, four frames a video. Towers: those of a model folder, with GradCache.
The data is random: what a step costs does not depend on what the numbers mean. Ratios are to the first row of each.
"""

from __future__ import annotations

import argparse
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
import torch

from benchmarks.figures import Figure, hand_over
from worker.embedders.semantic.fine_tuned import DualHead
from worker.training.data.features import Features
from worker.training.head.encoder import HeadEncoder, HeadModel
from worker.training.loop.epochs import StepObjective
from worker.training.losses import PairBatch, combined
from worker.training.recipe import Recipe
from worker.training.steps.grad_cache import Tower, backward, micro_batches
from worker.training.steps.precision import DivergenceGuard, choose_device
from worker.training.towers.model import open_tower_model

ROOT = Path(__file__).resolve().parent.parent
DIM, FRAMES, WORDS = 256, 4, 10
LOSSES: dict[str, dict[str, float]] = {
    "info_nce": {"info_nce": 1.0},
    "neg_nce": {"neg_nce": 1.0},
    "neg_nce + hscl": {"neg_nce": 1.0, "hscl": 1.0},
    "neg_nce + dmae": {"neg_nce": 1.0, "dmae": 1.0},
    "neg_nce + dmae + tpm_cl + s3": {"neg_nce": 1.0, "dmae": 1.0, "tpm_cl": 0.5, "s3": 0.5},
}


def random_features(items: int) -> Features:
    rng = np.random.default_rng(0)
    captions = items
    return Features(
        ids=[str(i) for i in range(items)],
        captions=["" for _ in range(captions)],
        frames=rng.normal(size=(items * FRAMES, DIM)).astype(np.float16),
        frame_start=np.arange(items + 1) * FRAMES,
        texts=rng.normal(size=(captions, DIM)).astype(np.float16),
        owner=np.arange(captions),
        weight=np.ones(captions, np.float32),
        group=np.arange(items),
        words=rng.normal(size=(captions * WORDS, DIM)).astype(np.float16),
        word_start=np.arange(captions + 1) * WORDS,
        word_weight=rng.integers(1, 3, captions * WORDS).astype(np.float32),
        word_tfidf=rng.uniform(0, 1, captions * WORDS).astype(np.float32),
    )


def steps_a_second(step: Callable[[], None], seconds: float) -> float:
    step()
    began, steps = time.monotonic(), 0
    while time.monotonic() - began < seconds or steps < 2:
        step()
        steps += 1
    return steps / (time.monotonic() - began)


def head_speed(losses: dict[str, float], batch: int, seconds: float) -> float:
    recipe = Recipe(name="speed", title="speed", tier="A", losses=losses, frames=FRAMES)
    encoder = HeadEncoder(HeadModel(DualHead(DIM, DIM, DIM, "mean")), {"train": random_features(4 * batch)}, recipe)
    optimizer = torch.optim.AdamW(encoder.parameter_groups(), lr=1e-4)  # type: ignore[arg-type]
    rng = np.random.default_rng(0)

    def step() -> None:
        optimizer.zero_grad(set_to_none=True)
        pairs = rng.choice(4 * batch, batch, replace=False)
        encoder.step(pairs, None, rng, StepObjective(recipe, DivergenceGuard(factor=1e9), 0.5, 3, 0))
        optimizer.step()

    return steps_a_second(step, seconds)


def towers_speed(model: Path, losses: dict[str, float], batch: int, micro_batch: int, seconds: float) -> float:
    device = choose_device(needs_gpu=False)
    recipe = Recipe(name="speed", title="speed", tier="B", losses=losses, unfrozen_blocks=1, frames=FRAMES)
    towers = open_tower_model(model, recipe, device)
    optimizer = torch.optim.AdamW(towers.parameter_groups(recipe), lr=1e-4)
    rng = np.random.default_rng(0)
    clips = [[rng.integers(0, 255, (240, 320, 3), np.uint8) for _ in range(FRAMES)] for _ in range(batch)]
    pictures, mask = towers.pictures(clips)
    tokens = towers.tokenize(["two people walk a brown dog along the beach at night"] * batch)

    def loss(rows: dict[str, torch.Tensor]) -> torch.Tensor:
        pairs = PairBatch(
            text=rows["text"], video=rows["video"], positive=torch.eye(batch, dtype=torch.bool, device=device),
            scale=towers.scale(), weight=torch.ones(batch, device=device),
        )  # fmt: skip
        return combined(pairs, losses, {})[0]

    def step() -> None:
        optimizer.zero_grad(set_to_none=True)
        parts = micro_batches((pictures, mask, tokens), micro_batch)
        backward([Tower(lambda part: towers.encode_pairs(*part), parts)], loss)
        optimizer.step()

    return steps_a_second(step, seconds)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--model", type=Path, default=ROOT / "models" / "semantic")
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--seconds", type=float, default=5.0, help="of each measurement")
    parser.add_argument("--batch", type=int, default=512, help="of the head; the towers take an eighth")
    args = parser.parse_args()
    torch.set_num_threads(args.threads)
    print("| trained | losses | batch | steps/s | pairs/s | against the first |\n|---|---|---:|---:|---:|---:|")
    base = 0.0
    for name, losses in LOSSES.items():
        speed = head_speed(losses, args.batch, args.seconds)
        base = base or speed
        hand_over(Figure(f"head, {name}", speed, "steps/s", next(iter(LOSSES)), base))
        print(
            f"| head | {name} | {args.batch} | {speed:.2f} | {speed * args.batch:.0f} | {speed / base:.2f} |",
            flush=True,
        )
    batch = args.batch // 8
    base = 0.0
    for micro in (batch, batch // 4):
        speed = towers_speed(args.model, LOSSES["neg_nce"], batch, micro, args.seconds)
        base = base or speed
        title = "neg_nce, plain" if micro == batch else f"neg_nce, GradCache of {micro}"
        hand_over(Figure(f"towers, {title}", speed, "steps/s", "neg_nce, plain", base))
        print(f"| towers | {title} | {batch} | {speed:.3f} | {speed * batch:.1f} | {speed / base:.2f} |", flush=True)


if __name__ == "__main__":
    main()
