from __future__ import annotations

import pytest

from worker.library.matching import ROWS_A_MINUTE, asking_rows
from worker.types import LookKind


@pytest.mark.parametrize("kind", sorted(ROWS_A_MINUTE))
def test_frames_that_ask_grow_with_the_query_up_to_a_bound(kind: LookKind) -> None:
    counts = [asking_rows(kind, seconds) for seconds in (0.0, 1.0, 60.0, 90.0, 600.0, 3600.0, 3 * 3600.0)]
    assert counts == sorted(counts)
    assert counts[0] == counts[2] == ROWS_A_MINUTE[kind]
    assert counts[4] == 10 * counts[2]
    assert counts[-1] == counts[-2] <= 1600
