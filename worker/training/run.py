"""One training run as what travels with it: where it writes, what it does, whom it informs and what stops it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from worker.training.data.items import Problem
from worker.training.recipe import Recipe
from worker.training.steps.distributed import World

ALONE = World()
FIRST_FRACTION, LAST_FRACTION = 0.45, 0.9  # of the whole run's progress, what the epochs take


@dataclass(frozen=True)
class Progress:
    """``fraction`` of the whole run in 0..1; ``point`` is one of the curve: step, epoch, loss, rate, r1, ..."""

    stage: str
    fraction: float
    message: str = ""
    point: dict[str, float] | None = None


@dataclass(frozen=True)
class Run:
    """``world``: several processes share the batches of the towers (worker.training.command under torchrun)."""

    folder: Path
    recipe: Recipe
    report: Callable[[Progress], None] = lambda progress: None
    stopped: Callable[[], bool] = lambda: False
    world: World = ALONE

    def embedded(self, share: float) -> None:
        """Report how much of the data is embedded or decoded."""
        self.report(Progress("embedding", 0.02 + (FIRST_FRACTION - 0.02) * share))

    def trained(self, share: float, point: dict[str, float] | None = None) -> None:
        """Report how much of the epochs is done."""
        self.report(Progress("training", FIRST_FRACTION + (LAST_FRACTION - FIRST_FRACTION) * share, point=point))

    def note(self, message: str) -> None:
        """Report something that people should read."""
        self.report(Progress("training", FIRST_FRACTION, message=message))


@dataclass(frozen=True)
class TrainingResult:
    """``before`` and ``after`` are the scores of the base and of the candidate on the test split."""

    candidate: Path
    before: dict[str, dict[str, float]]
    after: dict[str, dict[str, float]]
    best_epoch: int
    stopped_early: bool
    problems: list[Problem]
    figures: dict[str, Any]
