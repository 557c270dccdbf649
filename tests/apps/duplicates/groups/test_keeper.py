"""Which copy to keep, and why."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from itertools import permutations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from apps.duplicates.groups.keeper import MemberFacts, propose_keeper
from apps.videos.paths import protected_folder

LONG_AGO = datetime(2020, 1, 1, tzinfo=UTC)
PLAIN = MemberFacts("plain", 1280, 720, 2_000_000, "h264", 60.0, "aac", LONG_AGO)


def better(**changes: object) -> MemberFacts[str]:
    return replace(PLAIN, id="better", **changes)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("copy", "reason"),
    [
        (better(width=1920, height=1080), "higher resolution (1920 x 1080 against 1280 x 720)"),
        (better(bit_rate=4_000_000), "higher bit rate (4.0 Mbit/s h264 against 2.0 Mbit/s h264)"),
        (better(video_codec="hevc"), "codec is more efficient"),
        (better(duration_seconds=90.0), "more complete (90.0 s against 60.0 s)"),
        (better(added_at=LONG_AGO - timedelta(days=1)), "in the library longest"),
    ],
)
def test_each_criterion_alone_decides_and_is_named(copy: MemberFacts[str], reason: str) -> None:
    for order in permutations([PLAIN, copy]):
        keeper, reasons = propose_keeper(list(order))
        assert keeper == "better"
        assert len(reasons) == 1
        assert reason in reasons[0]


def test_the_copy_with_sound_is_kept() -> None:
    keeper, reasons = propose_keeper([replace(PLAIN, id="mute", audio_codec=""), PLAIN])
    assert (keeper, reasons) == ("plain", ["it has sound and the other does not"])


def test_an_earlier_criterion_overrules_all_later_ones() -> None:
    strengths: list[dict[str, object]] = [
        {"width": 1920, "height": 1080},
        {"bit_rate": 4_000_000},
        {"duration_seconds": 90.0},
        {"audio_codec": "aac"},
        {"added_at": LONG_AGO - timedelta(days=9)},
    ]
    base = replace(PLAIN, audio_codec="")
    for place, strength in enumerate(strengths):
        rest = {key: value for other in strengths[place + 1 :] for key, value in other.items()}
        first = replace(base, id="first", **strength)  # type: ignore[arg-type]
        second = replace(base, id="second", **rest)  # type: ignore[arg-type]
        assert propose_keeper([second, first])[0] == "first", strength


def test_small_differences_do_not_count() -> None:
    bigger_by_a_hair = better(width=1282, bit_rate=1_950_000, duration_seconds=60.2, added_at=LONG_AGO)
    older = replace(PLAIN, added_at=LONG_AGO - timedelta(days=1))
    assert propose_keeper([bigger_by_a_hair, older])[0] == "plain"


def test_unknown_facts_never_win() -> None:
    keeper, reasons = propose_keeper([MemberFacts("unknown"), PLAIN])
    assert keeper == "plain"
    assert "known" in reasons[0]


def test_equal_copies_are_said_to_be_equal() -> None:
    keeper, reasons = propose_keeper([replace(PLAIN, id="b"), replace(PLAIN, id="a")])
    assert keeper == "a"
    assert "equal" in reasons[0]


def test_one_copy_is_kept_none_and_twins_are_refused() -> None:
    assert propose_keeper([PLAIN]) == ("plain", ["it is the only copy"])
    with pytest.raises(ValueError, match="without videos"):
        propose_keeper([])
    with pytest.raises(ValueError, match="twice"):
        propose_keeper([PLAIN, PLAIN])


facts = st.builds(
    MemberFacts,
    id=st.uuids(),
    width=st.sampled_from([0, 640, 1280, 1290]),
    height=st.sampled_from([0, 360, 720]),
    bit_rate=st.sampled_from([0, 1_000_000, 1_050_000, 3_000_000]),
    video_codec=st.sampled_from(["", "h264", "av1", "gif", "strange"]),
    duration_seconds=st.sampled_from([0.0, 10.0, 10.05, 20.0]),
    audio_codec=st.sampled_from(["", "aac"]),
    added_at=st.sampled_from([None, LONG_AGO, LONG_AGO + timedelta(days=1)]),
)


@settings(deadline=None)  # machines under load are no failure
@given(st.lists(facts, min_size=1, max_size=6, unique_by=lambda f: f.id), st.integers(0, 5))
def test_the_choice_is_a_member_has_reasons_and_does_not_depend_on_the_order(
    copies: list[MemberFacts[object]], turn: int
) -> None:
    keeper, reasons = propose_keeper(copies)
    assert keeper in {c.id for c in copies}
    assert reasons
    assert all(reasons)
    turned = copies[turn % len(copies) :] + copies[: turn % len(copies)]
    assert propose_keeper(turned) == (keeper, reasons)
    top = max(c.width * c.height for c in copies)
    kept = next(c for c in copies if c.id == keeper)
    assert kept.width * kept.height >= 0.98 * top


def test_a_protected_folder_comes_before_everything_else() -> None:
    poor = better(width=320, height=180, bit_rate=1000, audio_codec="", protected_folder="/archive")
    keeper, reasons = propose_keeper([PLAIN, poor])
    assert keeper == "better"
    assert reasons == ["it is in the protected folder /archive"]


def test_among_protected_copies_the_other_criteria_decide() -> None:
    large = better(width=1920, height=1080, protected_folder="/archive")
    keeper, reasons = propose_keeper([replace(PLAIN, protected_folder="/archive"), large])
    assert keeper == "better"
    assert "resolution" in reasons[0]


def test_a_folder_holds_what_lies_below_it_and_not_what_is_named_alike() -> None:
    assert protected_folder("/archive/2020/a.mp4", ["/other", "/archive/"]) == "/archive"
    assert protected_folder("/archives/a.mp4", ["/archive"]) == ""
    assert protected_folder("/archive", ["/archive"]) == ""
    assert protected_folder("/a.mp4", ["/"]) == "/"
    assert protected_folder("/a.mp4", []) == ""
