"""From a trained head to a candidate folder that serves: weights, base, ONNX text tower, parity figures, model card."""

from __future__ import annotations

import json
import os
import shutil
from collections.abc import Callable
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING

from safetensors.torch import save_file

from worker.embedders.export import export_text_tower
from worker.embedders.fine_tuned import ARCHITECTURE, HEAD_FILE, DualHead, FineTunedEmbedder
from worker.embedders.registry import load_semantic
from worker.training.recipe import Recipe

if TYPE_CHECKING:
    from worker.training.loop import TrainingResult


def write_candidate(
    head: DualHead, write_base: Callable[[Path], None], name: str, recipe: Recipe, result: TrainingResult
) -> dict[str, float]:
    """Write ``result.candidate`` whole or not at all; returns the parity figures of the export.

    ``name`` is what the base is called. Raises EmbedderError when the exported text tower does not answer as the
    trained one does.
    """
    fresh = result.candidate.with_name("candidate.new")
    shutil.rmtree(fresh, ignore_errors=True)
    fresh.mkdir(parents=True)
    write_base(fresh / "base")
    base = load_semantic(fresh / "base", name, "")
    save_file({k: v.contiguous() for k, v in head.state_dict().items()}, fresh / HEAD_FILE)
    settings = {
        "architecture": ARCHITECTURE,
        "dim": base.spec.dim,
        "pooling": recipe.pooling,
        "base": name,
        "recipe": asdict(recipe),
    }
    (fresh / "config.json").write_text(json.dumps(settings, indent=2) + "\n")
    parity = export_text_tower(FineTunedEmbedder(fresh, base), fresh)
    (fresh / "export.json").write_text(json.dumps(parity))
    told = {"before": result.before, "after": result.after, "figures": result.figures, "best_epoch": result.best_epoch}
    (fresh / "metrics.json").write_text(json.dumps(told, indent=2) + "\n")
    (fresh / "README.md").write_text(model_card(name, base.spec.weights_sha256, recipe, result, parity))
    shutil.rmtree(result.candidate, ignore_errors=True)
    os.replace(fresh, result.candidate)
    return parity


def model_card(name: str, weights_sha256: str, recipe: Recipe, result: TrainingResult, parity: dict[str, float]) -> str:
    """What it was made of and how it measured, for people."""
    split = result.figures["split"]
    rows = [
        f"| {title} | {scores['t2v']['r1']:.1f} | {scores['t2v']['r5']:.1f} | {scores['t2v']['r10']:.1f} "
        f"| {scores['v2t']['r1']:.1f} | {scores['v2t']['r5']:.1f} | {scores['v2t']['r10']:.1f} |"
        for title, scores in (("before", result.before), ("after", result.after))
    ]
    losses = ", ".join(f"{weight:g} x {name}" for name, weight in recipe.losses.items())
    problems = f"{len(result.problems)} items were broken and left out." if result.problems else "No item was broken."
    return "\n".join(
        [
            f"# {name}, fine-tuned ({recipe.title})",
            "",
            f"Starts from {name}, whose licence holds. Weights of its towers: {weights_sha256[:12]}.",
            "",
            "## Data",
            f"{result.figures['items']} items with {result.figures['captions']} captions, split by video and by "
            f"same-source group: {split['train']} train, {split['validation']} validate, {split['test']} test.",
            problems,
            f"{result.figures['filtered']['dropped']} pairs were filtered out. "
            f"Data {result.figures['data_sha256'][:12]}.",
            "",
            "## Training",
            f"Recipe {recipe.name} (tier {recipe.tier}): {losses}; pooling {recipe.pooling}; "
            f"{'mined hard negatives; ' if recipe.mining else ''}seed {recipe.seed}; "
            f"best of epoch {result.best_epoch}; {result.figures['steps']} steps of {result.figures['batch']} pairs.",
            f"Recipe {result.figures['recipe_sha256'][:12]}.",
            "",
            "## Measured on the test split (per cent)",
            "| | text to video R@1 | R@5 | R@10 | video to text R@1 | R@5 | R@10 |",
            "|---|---:|---:|---:|---:|---:|---:|",
            *rows,
            "",
            "The exported text tower differs from the trained one by at most "
            f"{parity['max_difference']:.1e} in any coordinate.",
            "",
        ]
    )
