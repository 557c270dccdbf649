from __future__ import annotations

from uuid import uuid4

import numpy as np
import pytest

from tests.apps.embeddings.memory_index import MemoryVectorIndex
from worker.alignment import unit
from worker.library.canaries import index_canary, text_canary, words_canary
from worker.types import FloatArray


def directions(seed: int, count: int = 4) -> FloatArray:
    return unit(np.random.default_rng(seed).standard_normal((count, 64)))


def test_a_tower_that_says_the_same_passes_and_another_one_does_not() -> None:
    assert text_canary(directions(1), directions(1))["ok"]
    wrong = text_canary(directions(1), directions(2))
    assert not wrong["ok"]
    assert "differs from the trained one" in wrong["detail"]


def test_a_model_that_puts_all_words_in_one_place_is_noticed() -> None:
    assert words_canary(directions(1))["ok"]
    assert not words_canary(np.repeat(directions(1, 1), 4, axis=0))["ok"]


def test_videos_that_the_index_lost_are_counted() -> None:
    index, version, video, lost = MemoryVectorIndex(), uuid4(), uuid4(), uuid4()
    index.upsert("clip", video, version, [(0, 0.0, 4.0, directions(1, 1)[0])])
    assert index_canary(index, version, [video])["ok"]
    assert index_canary(index, version, [video, lost])["detail"].startswith("1 of 2 videos")
    assert index_canary(index, version, []) == {"name": "index", "ok": True, "detail": "0 videos find themselves"}


@pytest.mark.parametrize("count", [2, 5])
def test_as_many_words_as_there_are_may_be_asked(count: int) -> None:
    assert words_canary(directions(3, count))["ok"]
