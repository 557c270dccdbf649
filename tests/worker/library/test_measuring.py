from __future__ import annotations

from types import SimpleNamespace
from uuid import UUID, uuid4

import numpy as np
import pytest

from worker.library.measuring import gain, group_ranks


def hit(video: UUID) -> SimpleNamespace:
    return SimpleNamespace(video_id=video, start=0.0, score=0.5)


def test_the_gain_lies_inside_its_interval_and_one_source_has_none() -> None:
    mine, theirs = np.array([1, 1, 2, 1]), np.array([1, 20, 2, 5])
    found = gain(mine, theirs, np.array([0, 1, 2, 2]))
    assert found.low <= found.mean <= found.high
    assert found.mean == pytest.approx((300 + 100) / 4)
    assert (found.queries, found.sources) == (4, 3)
    alone = gain(mine, theirs, np.zeros(4, int))
    assert alone.low == alone.mean == alone.high == found.mean


def test_a_group_counts_once_and_a_video_without_one_is_its_own() -> None:
    first, second, alone = uuid4(), uuid4(), uuid4()
    groups = {first: "a", second: "a"}
    answers = [[hit(first), hit(second), hit(alone)], [hit(alone)]]
    assert group_ranks(answers, [str(alone), "a"], groups, 10).tolist() == [2, 11]
