from __future__ import annotations

import numpy as np
import pytest

from worker.alignment import Verdict, unit
from worker.library.lookups import asking_spacing, is_still
from worker.library.matching import LibraryMatch
from worker.types import Descriptors, FloatArray, Segment


def frames(seconds: int, informative: int | None = None, still: bool = False) -> Descriptors:
    vectors: FloatArray = unit(np.random.default_rng(1).standard_normal((1 if still else seconds, 64)))
    seen = np.arange(seconds) < (seconds if informative is None else informative)
    return Descriptors(np.resize(vectors, (seconds, 64)), np.arange(seconds, dtype=float), seen, float(seconds))


def test_a_still_picture_is_told_from_footage_and_one_frame_from_both() -> None:
    assert is_still(frames(20, still=True))
    assert not is_still(frames(20))
    assert not is_still(frames(20, informative=1, still=True))


@pytest.mark.parametrize(("seconds", "spacing"), [(60, 1.0), (1560, 1.0), (3120, 2.0)])
def test_frames_that_ask_lie_further_apart_in_a_long_query(seconds: int, spacing: float) -> None:
    assert asking_spacing(frames(seconds)) == pytest.approx(spacing)


def test_a_match_that_is_shifted_keeps_what_is_known_of_its_segments() -> None:
    segment = Segment(1.0, 3.0, 11.0, 13.0, 0.9, 0.95, reversed=True, look="region", mirrored=True, variety=2.0)
    verdict = Verdict(0.8, "shares_segments", 0.5, 0.1, mirrored=True)
    match = LibraryMatch(None, verdict, [segment])  # type: ignore[arg-type]
    (moved,) = match.shifted(30.0).segments
    assert (moved.query_start, moved.query_end) == (31.0, 33.0)
    assert (moved.reference_start, moved.look, moved.mirrored, moved.variety) == (11.0, "region", True, 2.0)
    assert match.looks == ["mirrored", "region"]
