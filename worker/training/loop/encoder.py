"""What the epochs need of that which trains: steps on the train split, vectors of every split."""

from __future__ import annotations

from pathlib import Path
from typing import Any, Protocol

import numpy as np
from torch import nn

from worker.embedders.semantic.fine_tuned import DualHead
from worker.training.loop.mining import Mined
from worker.training.loop.validation import Split, split_scores
from worker.training.losses.batch import Objective


class Encoder(Protocol):
    """Implemented by HeadEncoder and TowerEncoder."""

    model: nn.Module

    @property
    def saved(self) -> Any: ...  # what has the state_dict of all that trains
    def head(self) -> DualHead: ...
    def write_base(self, folder: Path) -> None: ...
    def notes(self) -> dict[str, Any]: ...
    def take_notes(self, values: dict[str, Any]) -> None: ...
    def arrange(self, order: np.ndarray, mined: Mined | None) -> np.ndarray: ...
    def parameter_groups(self) -> list[dict[str, object]]: ...
    def split(self, name: str) -> Split: ...
    def step(self, pairs: np.ndarray, mined: Mined | None, rng: np.random.Generator, objective: Objective) -> None: ...
    def vectors(self, name: str) -> tuple[np.ndarray, np.ndarray]: ...
    def caption_vectors(self) -> np.ndarray | None: ...


def scores_of(encoder: Encoder, name: str) -> dict[str, dict[str, float]]:
    """Metrics of one split."""
    return split_scores(*encoder.vectors(name), encoder.split(name))
