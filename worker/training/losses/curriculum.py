"""How hard the negatives are by epoch."""

from __future__ import annotations

import math


def hard_probability(epoch: int, *, step: float = 0.15, every: float = 1.0, start: float = 0.0) -> float:
    """min(start + step * floor(epoch / every), 1): HSCL's schedule (CNVid-3.5M, CVPR 2023) with T in epochs.

    In its ablation hard negatives from the first epoch on were worse than none, hence the ramp. Raises ValueError for a
    schedule that does not ramp up.
    """
    if every <= 0 or step < 0 or not 0 <= start <= 1:
        raise ValueError("a curriculum needs every > 0, step >= 0 and start between 0 and 1")
    return min(start + step * math.floor(epoch / every), 1.0)
