"""What speaks for and against one found span beyond the line itself: PDQ hits, ordinariness, changes that agree."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from worker.alignment.readings import Reading
from worker.types import Descriptors, Segment, View

HASH_DISTANCE = 31  # PDQ: at most this many of 256 bits differ between frames that are the same picture
HASH_SECONDS = 0.75
LEAST_ROWS = 4  # fewer frames cannot vary together but by chance


def labelled(segment: Segment, reading: Reading, query: Descriptors, reference: Descriptors) -> Segment:
    look = reading.query.kind if reading.query.kind != "whole" else reading.reference.kind
    return replace(
        segment,
        look=look,
        mirrored=reading.query.mirrored != reading.reference.mirrored,
        hash_share=_hash_share(segment, reading, query, reference),
        background=0.5
        * (
            _background(reading.query, query, segment.query_start, segment.query_end)
            + _background(reading.reference, reference, segment.reference_start, segment.reference_end)
        ),
        variety=_variety(reading.reference, reference, segment),
        covariation=_covariation(segment, reading, query, reference),
    )


def _covariation(segment: Segment, reading: Reading, query: Descriptors, reference: Descriptors) -> float:
    """Correlation of what changes in the query with what changes in the reference at the same places of the line.

    Each side's mean descriptor over the span is taken away first: two takes before one wall share the wall and nothing
    of what moves, while in a copy even small changes agree. 0 where a side has fewer than LEAST_ROWS frames.
    """
    mine, theirs = reading.query, reading.reference
    places = _inside(mine, query, segment.query_start, segment.query_end)
    others = np.flatnonzero(reference.informative[theirs.rows])
    if len(places) < LEAST_ROWS or len(others) < LEAST_ROWS:
        return 0.0
    wanted = _line(segment, query.times[mine.rows][places])
    times = reference.times[theirs.rows][others]
    inside = (wanted >= times[0]) & (wanted <= times[-1])
    places, wanted = places[inside], wanted[inside]
    if len(places) < LEAST_ROWS:
        return 0.0
    after = np.clip(np.searchsorted(times, wanted), 1, len(times) - 1)
    share = ((wanted - times[after - 1]) / np.maximum(times[after] - times[after - 1], 1e-6))[:, None]
    vectors = theirs.vectors[others]
    there = (1 - share) * vectors[after - 1] + share * vectors[after]
    here = mine.vectors[places] - mine.vectors[places].mean(0)
    there = there - there.mean(0)
    both = float(np.sqrt((here**2).sum() * (there**2).sum()))
    return float((here * there).sum() / both) if both > 1e-9 else 0.0


def _line(segment: Segment, times: NDArray[np.float64]) -> NDArray[np.float64]:
    """Reference seconds that belong to query seconds."""
    into = (times - segment.query_start) * (segment.reference_length / max(segment.query_length, 1e-9))
    return np.asarray(segment.reference_end - into if segment.reversed else segment.reference_start + into)


def _inside(look: View, side: Descriptors, start: float, end: float) -> NDArray[np.int64]:
    """Places of a look whose informative frames lie in [start, end] seconds."""
    times = side.times[look.rows]
    return np.flatnonzero((times >= start - 1e-6) & (times <= end + 1e-6) & side.informative[look.rows])


def _background(look: View, side: Descriptors, start: float, end: float) -> float:
    places = _inside(look, side, start, end)
    return float(look.penalty[places].mean()) if look.penalty is not None and len(places) else 0.0


def _variety(look: View, side: Descriptors, segment: Segment) -> float:
    vectors = look.vectors[_inside(look, side, segment.reference_start, segment.reference_end)]
    return float((1 - (vectors[1:] * vectors[:-1]).sum(1)).sum()) if len(vectors) > 1 else 0.0


def _hash_share(segment: Segment, reading: Reading, query: Descriptors, reference: Descriptors) -> float:
    """Share of the query frames in the span whose PDQ hash is that of the reference frame at the same place.

    A hash of zeros is none and equals nothing.
    """
    if query.hashes is None or reference.hashes is None or reading.query.kind != "whole":
        return 0.0
    if reading.reference.kind != "whole":
        return 0.0
    inside = (query.times >= segment.query_start) & (query.times <= segment.query_end) & query.informative
    rows = np.flatnonzero(inside)
    if not len(rows) or segment.query_length <= 0:
        return 0.0
    wanted = _line(segment, query.times[rows])
    step = float(np.median(np.diff(reference.times))) if len(reference.times) > 1 else 1.0
    reach = max(HASH_SECONDS, 0.6 * step)
    first = np.searchsorted(reference.times, wanted - reach)
    behind = np.searchsorted(reference.times, wanted + reach, side="right")
    same = np.zeros(len(rows), dtype=np.bool_)
    for k in range(int((behind - first).max())):  # the few frames that lie near enough, not all of a film
        near = np.flatnonzero(first + k < behind)
        here, there = query.hashes[rows[near]], reference.hashes[first[near] + k]
        equal = np.bitwise_count(here ^ there).sum(axis=1) <= HASH_DISTANCE
        same[near] |= equal & here.any(axis=1) & there.any(axis=1)
    return float(same.mean())
