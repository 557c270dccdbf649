"""A small part of the long run, over all containers and codecs."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.fuzz.harness import NAMES, Harness
from worker.media.errors import MESSAGES


@pytest.fixture(scope="module")
def harness(tmp_path_factory: pytest.TempPathFactory) -> Harness:
    return Harness(tmp_path_factory.mktemp("fuzz"))


@pytest.mark.parametrize("number", range(0, 3 * len(NAMES), 5))
def test_a_damaged_file_ends_in_frames_or_a_known_reason_and_leaves_nothing_behind(
    harness: Harness, number: int
) -> None:
    result = harness.attempt(number).result.split(",")[0]
    assert result == "ready" or result.split(" (")[0] in MESSAGES


def test_the_same_number_is_the_same_input(harness: Harness, tmp_path: Path) -> None:
    assert harness.input(7) == Harness(tmp_path).input(7)
