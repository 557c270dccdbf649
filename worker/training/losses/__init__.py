"""Losses on embedded pairs, composable by configuration. One file each; all are pure functions of a PairBatch."""

from __future__ import annotations

import inspect
import math
from collections.abc import Callable, Mapping

from torch import Tensor

from worker.training.losses.batch import LossError, PairBatch
from worker.training.losses.dmae import dmae, interaction
from worker.training.losses.hscl import hscl
from worker.training.losses.info_nce import info_nce, info_nce_rows, symmetric_info_nce
from worker.training.losses.neg_nce import neg_nce
from worker.training.losses.s3 import s3
from worker.training.losses.tpm_cl import tpm_cl
from worker.training.losses.triplet import triplet

__all__ = ["LOSSES", "LossError", "PairBatch", "combined", "info_nce_rows", "interaction", "symmetric_info_nce"]

LOSSES: dict[str, Callable[..., Tensor]] = {
    "info_nce": info_nce,
    "triplet": triplet,
    "neg_nce": neg_nce,
    "dmae": dmae,
    "tpm_cl": tpm_cl,
    "hscl": hscl,
    "s3": s3,
}


def check_composition(weights: Mapping[str, float], settings: Mapping[str, Mapping[str, float]]) -> None:
    """Raises LossError that names a loss or setting that does not exist, or a weight that makes no sense."""
    for name in (*weights, *settings):
        if name not in LOSSES:
            raise LossError(f"there is no loss called {name}; there are {', '.join(LOSSES)}")
    for name, weight in weights.items():
        if not math.isfinite(weight) or weight < 0:
            raise LossError(f"the weight of {name} is {weight}; it must be a number from 0 up")
    if not any(weights.values()):
        raise LossError("no loss has a weight above 0, so nothing would be learnt")
    for name, values in settings.items():
        known = [p for p in inspect.signature(LOSSES[name]).parameters if p != "batch"]
        for setting, value in values.items():
            if setting not in known:
                raise LossError(f"{name} has no setting {setting}; it has {', '.join(known) or 'none'}")
            if not math.isfinite(value):
                raise LossError(f"the setting {setting} of {name} is {value}; it must be a finite number")


def combined(
    batch: PairBatch, weights: Mapping[str, float], settings: Mapping[str, Mapping[str, float]]
) -> tuple[Tensor, dict[str, float]]:
    """The weighted sum and the value of each part, unweighted. Raises LossError."""
    check_composition(weights, settings)
    total = batch.scale.new_zeros(())
    parts: dict[str, float] = {}
    for name, weight in weights.items():
        if weight:
            loss = LOSSES[name](batch, **settings.get(name, {}))
            total = total + weight * loss
            parts[name] = float(loss.detach())
    return total, parts
