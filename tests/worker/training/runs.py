"""Whole runs as tests start them."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from worker.training.prepare import open_base, prepare
from worker.training.recipe import Recipe
from worker.training.run import Run, TrainingResult
from worker.training.train import train


def train_run(manifest: Path, recipe: Recipe, model: Path, folder: Path, **given: Any) -> TrainingResult:
    run = Run(folder, recipe, **given)
    return train(prepare(manifest, open_base(model), run), run)
