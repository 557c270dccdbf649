"""A better file under a known name: what reviewers decided about the old content holds for the new one."""

from __future__ import annotations

import pytest

from apps.duplicates.groups.verdicts import content_pair, verdicts_latest
from apps.duplicates.models import ReviewDecision
from apps.duplicates.review.decisions import decision_undo, pair_decide, verdicts_carry_over
from apps.videos.models import Video
from tests.apps.duplicates.rows import found, make_version, make_video, match

pytestmark = pytest.mark.django_db


@pytest.fixture
def old() -> Video:
    return make_video("old")


def _successor(old: Video, relation: str) -> Video:
    new = make_video("new", successor_of=old)
    match(make_version(), new, found(old, relation))
    return new


def _verdict(one: Video, other: Video) -> ReviewDecision | None:
    return verdicts_latest().get(content_pair(one.sha256, other.sha256))


def test_verdicts_follow_to_a_copy_and_say_where_they_came_from(old: Video) -> None:
    twin, stranger, undecided = make_video("twin"), make_video("stranger"), make_video("undecided")
    pair_decide(first_id=old.id, second_id=twin.id, verdict="duplicates", reviewer=None)
    pair_decide(first_id=old.id, second_id=stranger.id, verdict="not_duplicates", reviewer=None)
    taken_back = pair_decide(first_id=old.id, second_id=undecided.id, verdict="duplicates", reviewer=None)
    decision_undo(decision_id=taken_back.undo_id, reviewer=None)
    ReviewDecision.objects.filter(verdict="duplicates").update(keeper_sha256=old.sha256)
    new = _successor(old, "near_duplicate")
    assert verdicts_carry_over(video=new) is not None
    kept, dismissed = _verdict(new, twin), _verdict(new, stranger)
    assert kept is not None and dismissed is not None
    assert (kept.verdict, kept.keeper_sha256, kept.reviewer) == ("duplicates", new.sha256, None)
    assert dismissed.verdict == "not_duplicates" and "carried over from old" in dismissed.note
    assert _verdict(new, undecided) is None
    assert verdicts_carry_over(video=new) is None  # at the next scan there is nothing left to do


def test_a_verdict_about_the_new_content_stays(old: Video) -> None:
    twin = make_video("twin")
    pair_decide(first_id=old.id, second_id=twin.id, verdict="duplicates", reviewer=None)
    new = _successor(old, "near_duplicate")
    pair_decide(first_id=new.id, second_id=twin.id, verdict="not_duplicates", reviewer=None)
    assert verdicts_carry_over(video=new) is None
    held = _verdict(new, twin)
    assert held is not None and held.verdict == "not_duplicates"


@pytest.mark.parametrize("relation", ["shares_segments", "contains", None])
def test_another_film_under_the_name_takes_nothing_over(old: Video, relation: str | None) -> None:
    twin = make_video("twin")
    pair_decide(first_id=old.id, second_id=twin.id, verdict="duplicates", reviewer=None)
    new = _successor(old, relation) if relation else make_video("new", successor_of=old)
    assert verdicts_carry_over(video=new) is None
    assert _verdict(new, twin) is None
