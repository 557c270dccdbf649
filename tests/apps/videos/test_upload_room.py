"""How unfinished uploads share the disk."""

from __future__ import annotations

from apps.videos.upload_room import FIRST_BYTES, PROMISE_SECONDS, Unfinished, room_for

GIB = 1024**3


def of(owner: int | None, length: int, received: int = 0, **more: object) -> Unfinished:
    values = {"address": "" if owner else "1.2.3.4", "is_lookup": owner is None, **more}
    return Unfinished(owner, length=length, received=received, **values)  # type: ignore[arg-type]


def test_words_reserve_nothing_and_bytes_as_much_again() -> None:
    new = of(1, GIB)
    assert room_for(new, [of(2, 50 * GIB), of(3, 50 * GIB)], 100 * GIB).promised == 2 * FIRST_BYTES
    assert room_for(new, [of(2, 50 * GIB, 10 * GIB)], 100 * GIB).promised == 10 * GIB
    assert room_for(new, [of(2, 12 * GIB, 10 * GIB)], 100 * GIB).promised == 2 * GIB
    assert room_for(new, [of(2, 50 * GIB, 10 * GIB, idle_seconds=PROMISE_SECONDS + 1)], 100 * GIB).promised == 0


def test_ones_own_uploads_count_in_full() -> None:
    assert room_for(of(1, GIB), [of(1, 50 * GIB), of(2, 50 * GIB)], 100 * GIB).promised == 50 * GIB + FIRST_BYTES


def test_visitors_and_lookups_have_a_share() -> None:
    assert room_for(of(1, GIB), [], 80 * GIB).allowed is None
    assert room_for(of(1, GIB, is_lookup=True), [], 80 * GIB).allowed == 40 * GIB
    alone = room_for(of(None, GIB), [], 80 * GIB)
    assert (alone.allowed, alone.whose) == (10 * GIB, "Visitors of one address")
    assert room_for(of(None, GIB), [of(None, 8 * GIB)], 80 * GIB).allowed == 2 * GIB
    others = [of(None, 9 * GIB, address=f"1.1.1.{n}") for n in range(2)]
    assert room_for(of(None, GIB), others, 80 * GIB).allowed == 2 * GIB
    assert room_for(of(None, GIB), others, 0).allowed == 0


def test_bytes_that_arrived_belong_to_the_share() -> None:
    assert room_for(of(None, GIB), [of(None, 5 * GIB, 5 * GIB)], 75 * GIB).allowed == 5 * GIB
