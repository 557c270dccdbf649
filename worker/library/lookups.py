"""What a lookup asks with: a file described in all looks of a query, and whether it shows enough to be sure of."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np

from worker.embedders.copies.descriptor import CopyDescriptor
from worker.indexing.fingerprints import fingerprint
from worker.library.matching import asking_rows
from worker.types import Descriptors

PROBING, FINGERPRINTING, MATCHING = "probing", "fingerprinting", "matching"
PROBE_SHARE, MATCH_FROM = 0.05, 0.85  # of the whole; fingerprinting lies between
STILL_SIMILARITY = 0.985  # of every frame to the mean of all

OnStage = Callable[[str, float], None]


def describe(
    path: Path, copy: CopyDescriptor, *, on_stage: OnStage, cancelled: Callable[[], bool] | None
) -> Descriptors:
    """Decode once and describe every frame in all looks of a query. Raises MediaError."""
    span = MATCH_FROM - PROBE_SHARE
    return fingerprint(
        path,
        copy=copy,
        role="query",
        on_facts=lambda facts: on_stage(FINGERPRINTING, PROBE_SHARE),
        on_progress=lambda fraction: on_stage(FINGERPRINTING, PROBE_SHARE + span * fraction),
        cancelled=cancelled,
    )


def is_still(query: Descriptors) -> bool:
    """Whether every frame that may vote looks like their mean: a still image, or a camera before a still scene."""
    vectors = query.vectors[query.informative]
    if len(vectors) < 2:
        return False
    middle = vectors.mean(axis=0)
    return bool((vectors @ middle).min() >= STILL_SIMILARITY * max(float(np.linalg.norm(middle)), 1e-6))


def asking_spacing(query: Descriptors) -> float:
    """Seconds between the frames that propose candidates, of which there must be one at least."""
    return query.duration / min(int(query.informative.sum()), asking_rows("whole", query.duration))
