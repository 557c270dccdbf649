"""Stage 3 of the bundled model: the whole text tower with both projections, on cached image features.

What trains: the MiniLM-shaped text network from the all-MiniLM-L6-v2 weights at a small rate, its head and the
image projection (C -> D) from stage 2. Each batch holds one caption of each of BATCH groups. The weights that are kept
are an average over the last steps; the best validation decides which.
"""

from __future__ import annotations

import argparse
import copy
import logging
import time
from pathlib import Path

import numpy as np
import torch
import torch.nn.functional as F
from tokenizers import Tokenizer
from torch import Tensor, nn
from transformers import AutoModel, BertConfig

from worker.embedders.towers import TextTower
from worker.pretraining.imagesets import ImageRow, load_pack
from worker.pretraining.semantic.distill import DIM
from worker.pretraining.semantic.fit_heads import (
    Heads,
    Validation,
    batch_rows,
    cached_pooled_features,
    load_heads,
    load_student,
    rows_by_source,
    told,
    total,
)
from worker.pretraining.semantic.sentences import minilm_folder
from worker.training.loop.checkpoint import load_checkpoint, save_checkpoint
from worker.training.losses import PairBatch, combined
from worker.training.losses.batch import MAX_SCALE
from worker.training.steps.precision import autocast

log = logging.getLogger("fit_text")

MAX_LENGTH = 48
BATCH = 256
HEAD_RATE, BODY_RATE = 5e-4, 7e-5
IMAGE_DROPOUT = 0.2
AVERAGE = 0.98  # of the weights' moving average
VALIDATE_SECONDS = 120
CHECKPOINT_SECONDS = 180


class Fit(nn.Module):
    """The trainable part: text tower, image projection, temperature."""

    def __init__(self, heads: Heads) -> None:
        super().__init__()
        weights = AutoModel.from_pretrained(minilm_folder(), use_safetensors=True)
        config = BertConfig(**{**weights.config.to_dict(), "attn_implementation": "sdpa"})
        self.text = TextTower(config, DIM)
        self.text.bert.load_state_dict(weights.state_dict(), strict=False)
        self.text.head.load_state_dict(heads.text.state_dict())
        self.project = heads.project
        self.log_scale = heads.log_scale


def step_loss(
    fit: Fit, pooled: Tensor, tokens: tuple[Tensor, Tensor], group: np.ndarray, losses: dict[str, float]
) -> Tensor:
    image = F.normalize(fit.project(F.dropout(pooled, IMAGE_DROPOUT)), dim=1)  # (B, D)
    with autocast(torch.device("cpu")):
        text = fit.text(*tokens)
    batch = PairBatch(
        text=F.normalize(text.float(), dim=1),
        video=image,
        positive=torch.from_numpy(group[:, None] == group[None, :]),
        scale=fit.log_scale.exp().clamp(max=MAX_SCALE),
        weight=torch.ones(len(group)),
    )
    return combined(batch, losses, {})[0]


@torch.inference_mode()
def validate(
    fit: Fit, tokenizer: Tokenizer, pooled: Tensor, rows: list[ImageRow], validation: Validation
) -> dict[str, list[float]]:
    fit.eval()
    texts = []
    for captions in validation.captions(rows):
        order = np.argsort([len(c) for c in captions], kind="stable")
        out = torch.empty(len(captions), DIM)
        for start in range(0, len(order), 128):
            some = order[start : start + 128]
            with autocast(torch.device("cpu")):
                vectors = fit.text(*tokenize(tokenizer, [captions[i] for i in some]))
            out[some] = F.normalize(vectors.float(), dim=1)
        texts.append(out)
    fit.train()
    return validation.scores(rows, F.normalize(fit.project(pooled), dim=1), texts[0], texts[1])


def tokenize(tokenizer: Tokenizer, texts: list[str]) -> tuple[Tensor, Tensor]:
    encoded = tokenizer.encode_batch(texts)
    return torch.tensor([e.ids for e in encoded]), torch.tensor([e.attention_mask for e in encoded])


def make_tokenizer() -> Tokenizer:
    tokenizer = Tokenizer.from_file(str(minilm_folder() / "tokenizer.json"))
    tokenizer.enable_truncation(MAX_LENGTH)
    tokenizer.enable_padding()
    return tokenizer


def train(
    heads: Heads,
    pooled: Tensor,
    rows: list[ImageRow],
    out: Path,
    *,
    minutes: float,
    seed: int,
    losses: dict[str, float],
) -> Fit:
    """Train for ``minutes`` of wall time over every resume; returns the average of the best validation."""
    torch.manual_seed(seed)
    fit = Fit(heads)
    average = copy.deepcopy(fit)
    best = copy.deepcopy(fit)
    tokenizer = make_tokenizer()
    validation = Validation.of(rows)
    head = [*fit.project.parameters(), *fit.text.head.parameters(), fit.log_scale]
    optimizer = torch.optim.AdamW(
        [{"params": head, "peak": HEAD_RATE}, {"params": list(fit.text.bert.parameters()), "peak": BODY_RATE}],
        weight_decay=0.02,
    )
    modules = {"last": fit, "average": average, "fit": best}
    done = load_checkpoint(out / "fit", modules, optimizer) or {"seconds": 0.0, "steps": 0, "best": -1.0}
    spent, steps, reached = float(done["seconds"]), int(done["steps"]), float(done["best"])
    saved = validated = last = time.monotonic()
    rng = np.random.default_rng([seed, steps])
    by_source = rows_by_source(rows)
    names = {g: n for n, g in enumerate(sorted({r["group"] for r in rows}))}
    group = np.array([names[row["group"]] for row in rows])
    smooth = 0.0
    fit.train()
    while spent < minutes * 60:
        picked = batch_rows(by_source, BATCH, rng)
        texts = [rows[i]["captions"][rng.integers(len(rows[i]["captions"]))] for i in picked]
        progress = spent / (minutes * 60)
        factor = min(1.0, (steps + 1) / 40) * (0.02 + 0.98 * 0.5 * (1 + float(np.cos(np.pi * progress))))
        for settings in optimizer.param_groups:
            settings["lr"] = settings["peak"] * factor
        loss = step_loss(fit, pooled[picked], tokenize(tokenizer, texts), group[picked], losses)
        if not torch.isfinite(loss):
            raise FloatingPointError(f"loss became {loss.item()} at step {steps}; lower HEAD_RATE")
        optimizer.zero_grad(set_to_none=True)
        loss.backward()
        nn.utils.clip_grad_norm_(fit.parameters(), 1.0)
        optimizer.step()
        with torch.no_grad():
            for mean, value in zip(average.parameters(), fit.parameters(), strict=True):
                mean.lerp_(value, 1 - min(AVERAGE, steps / (steps + 10)))
        now = time.monotonic()
        spent, last, steps = spent + now - last, now, steps + 1
        smooth = loss.item() if steps == 1 else 0.95 * smooth + 0.05 * loss.item()
        if steps % 20 == 0:
            log.info("%.1f %% step %d loss %.3f", progress * 100, steps, smooth)
        over = spent >= minutes * 60
        if now - validated > VALIDATE_SECONDS or over:
            scores = validate(average, tokenizer, pooled, rows, validation)
            log.info("step %d  %s", steps, told(scores))
            if total(scores) > reached:
                reached = total(scores)
                best.load_state_dict(average.state_dict())
            validated = last = time.monotonic()
        if now - saved > CHECKPOINT_SECONDS or over:
            save_checkpoint(out / "fit", modules, optimizer, {"seconds": spent, "steps": steps, "best": reached})
            saved = time.monotonic()
    return best


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--pack", type=Path, required=True)
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--minutes", type=float, default=15)
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--loss", choices=["info_nce", "neg_nce"], default="neg_nce")
    parser.add_argument("--seed", type=int, default=0)
    args = parser.parse_args()
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(message)s")
    torch.set_num_threads(args.threads)
    images, rows = load_pack(args.pack)
    student = load_student(args.pack, args.out)
    pooled = cached_pooled_features(student, images, args.out / "pooled.npy")
    heads = load_heads(student, args.out)
    losses = {args.loss: 1.0}
    train(heads, pooled, rows, args.out, minutes=args.minutes, seed=args.seed, losses=losses)


if __name__ == "__main__":
    main()
