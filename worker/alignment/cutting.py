"""A span of a video as if it were a video of its own."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from worker.types import Descriptors, FloatArray, View


def cut(whole: Descriptors, start: float, end: float) -> Descriptors:
    """The frames of ``whole`` in [start, end) seconds; times begin at 0 there, the duration is that of the span.

    Where only key frames are kept, those whose seconds reach into the span stay. May be left without frames.
    """
    if not 0 <= start < end:
        raise ValueError(f"a span must begin at 0 or later and end after it begins, not {start} to {end}")
    if whole.spans is None:
        keep = (whole.times >= start) & (whole.times < end)
    else:
        keep = (whole.spans[:, 1] > start) & (whole.spans[:, 0] < end)
    length = min(end, max(whole.duration, start)) - start
    return replace(
        whole,
        vectors=whole.vectors[keep],
        times=np.clip(whole.times[keep] - start, 0.0, length),
        informative=whole.informative[keep],
        duration=length,
        views=tuple(view for view in (_view(view, keep) for view in whole.views) if len(view.rows)),
        penalty=_rows(whole.penalty, keep),
        hashes=None if whole.hashes is None else whole.hashes[keep],
        spans=None if whole.spans is None else np.clip(whole.spans[keep] - start, 0.0, length),
    )


def _view(view: View, keep: np.ndarray) -> View:
    stays = keep[view.rows]
    numbers = np.cumsum(keep) - 1  # of the frames that stay
    return replace(
        view,
        rows=numbers[view.rows[stays]].astype(np.int64),
        vectors=view.vectors[stays],
        penalty=_rows(view.penalty, stays),
    )


def _rows(values: FloatArray | None, keep: np.ndarray) -> FloatArray | None:
    return None if values is None else values[keep]
