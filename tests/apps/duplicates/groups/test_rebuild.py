from __future__ import annotations

from itertools import pairwise

import pytest

from apps.duplicates.groups.rebuild import groups_rebuild
from apps.duplicates.models import DuplicateGroup, VideoMatch
from apps.duplicates.review.decisions import decision_undo, group_confirm, group_dismiss, pair_decide
from apps.embeddings.models import ModelVersion
from apps.videos.models import Video
from tests.apps.duplicates.rows import found, groups, ids, make_version, make_video, match

pytestmark = pytest.mark.django_db


def test_copies_make_one_group_with_a_keeper_and_the_weakest_match():
    version = make_version()
    small, large, third = make_video("small"), make_video("large", width=1920, height=1080), make_video("third")
    match(version, small, found(large, score=0.9), found(third, score=0.7))
    match(version, large, found(third, score=0.8))
    groups_rebuild()

    group = groups()[ids(small, large, third)]
    assert (group.kind, group.state, group.score) == ("copies", "open", 0.7)
    assert {group.weakest_match.a_id, group.weakest_match.b_id} == ids(small, third)
    assert group.proposed_keeper == large
    assert "resolution" in group.keeper_reasons[0]
    assert group.keeper is None


def chain(length: int) -> list[Video]:
    """Each video matches the next one only."""
    version = make_version()
    videos = [make_video(f"link {n}") for n in range(length)]
    for one, other in pairwise(videos):
        match(version, one, found(other))
    return videos


def test_groups_do_not_chain():
    chain(8)
    groups_rebuild()
    assert max(len(members) for members in groups()) <= 3


def test_every_flagged_pair_can_be_reviewed_also_those_that_fit_no_group():
    videos = chain(8)
    groups_rebuild()
    for one, other in pairwise(videos):
        assert any(ids(one, other) <= members for members in groups())


def test_containment_and_shared_footage_are_pairs_of_their_own_kind():
    version = make_version()
    long, part, other = make_video("long", duration=60), make_video("part"), make_video("other")
    match(version, part, found(long, "contained_in"), found(other, "shares_segments"))
    groups_rebuild()

    assert {members: group.kind for members, group in groups().items()} == {
        ids(long, part): "contains",
        ids(part, other): "shares",
    }


def test_a_rebuild_without_news_changes_no_row():
    version = make_version()
    a, b = make_video("a"), make_video("b")
    match(version, a, found(b))
    groups_rebuild()
    before = list(DuplicateGroup.objects.values())
    groups_rebuild()
    assert list(DuplicateGroup.objects.values()) == before


def test_a_group_keeps_its_id_when_it_grows():
    version = make_version()
    a, b, c = make_video("a"), make_video("b"), make_video("c")
    match(version, a, found(b))
    groups_rebuild()
    before = groups()[ids(a, b)].id

    match(version, c, found(a), found(b))
    groups_rebuild()
    assert groups()[ids(a, b, c)].id == before
    assert DuplicateGroup.objects.count() == 1


def test_a_confirmed_group_survives_a_matcher_that_forgets_it():
    version = make_version()
    a, b = make_video("a"), make_video("b")
    match(version, a, found(b))
    groups_rebuild()
    group_confirm(group_id=groups()[ids(a, b)].id, keeper_id=b.id, reviewer=None)

    VideoMatch.objects.all().delete()
    groups_rebuild()
    group = groups()[ids(a, b)]
    assert (group.state, group.keeper) == ("confirmed", b)


def test_a_confirmed_group_is_open_again_when_a_copy_joins_and_proposes_the_chosen_keeper():
    version = make_version()
    a, b = make_video("a", width=1920, height=1080), make_video("b")
    match(version, a, found(b))
    groups_rebuild()
    group_id = groups()[ids(a, b)].id
    group_confirm(group_id=group_id, keeper_id=b.id, reviewer=None)

    c = make_video("c")
    match(version, c, found(a), found(b))
    groups_rebuild()
    group = groups()[ids(a, b, c)]
    assert (group.id, group.state, group.proposed_keeper) == (group_id, "open", b)


def test_a_dismissed_pair_stays_away_after_a_rescan():
    version = make_version()
    a, b = make_video("a"), make_video("b")
    match(version, a, found(b))
    groups_rebuild()
    group_id = groups()[ids(a, b)].id
    group_dismiss(group_id=group_id, reviewer=None)

    match(version, b, found(a, score=0.99))
    assert groups_rebuild() == 0
    group = groups()[ids(a, b)]
    assert (group.id, group.state) == (group_id, "dismissed")


def test_a_dismissed_pair_stays_away_when_the_same_file_is_imported_again():
    version = make_version()
    a, b = make_video("a"), make_video("b")
    match(version, a, found(b))
    groups_rebuild()
    group_dismiss(group_id=groups()[ids(a, b)].id, reviewer=None)

    content = b.sha256
    b.delete()
    groups_rebuild()
    assert groups() == {}
    again = make_video("b again", sha256=content)
    match(version, again, found(a))
    assert groups_rebuild() == 0
    assert groups()[ids(a, again)].state == "dismissed"


def test_a_dismissed_pair_stays_away_after_a_model_change_whatever_the_new_relation():
    old = make_version()
    a, b = make_video("a"), make_video("b")
    match(old, a, found(b))
    groups_rebuild()
    group_dismiss(group_id=groups()[ids(a, b)].id, reviewer=None)

    ModelVersion.objects.filter(id=old.id).update(state=ModelVersion.State.READY)
    match(make_version(name="new"), a, found(b, "contains"))
    assert groups_rebuild() == 0


def test_a_dismissed_pair_is_not_brought_together_by_a_third_video():
    version = make_version()
    a, b, c = make_video("a"), make_video("b"), make_video("c")
    match(version, a, found(b, score=0.9))
    groups_rebuild()
    group_dismiss(group_id=groups()[ids(a, b)].id, reviewer=None)

    match(version, c, found(a), found(b))
    groups_rebuild()
    assert not any(ids(a, b) < members for members in groups())
    assert {g.state for m, g in groups().items() if m == ids(a, b)} == {"dismissed"}
    assert {m for m, g in groups().items() if g.state == "open"} == {ids(a, c), ids(b, c)}


def test_dismissing_one_pair_of_a_group_leaves_the_rest_to_review():
    version = make_version()
    a, b, c = make_video("a"), make_video("b"), make_video("c")
    match(version, a, found(b), found(c))
    match(version, b, found(c))
    groups_rebuild()
    pair_decide(first_id=b.id, second_id=a.id, verdict="not_duplicates", reviewer=None)
    assert {m: g.state for m, g in groups().items()} == {
        ids(a, b): "dismissed",
        ids(a, c): "open",
        ids(b, c): "open",
    }


def test_undoing_a_dismissal_opens_the_same_group_again():
    version = make_version()
    a, b, c = make_video("a"), make_video("b"), make_video("c")
    match(version, a, found(b), found(c))
    match(version, b, found(c))
    groups_rebuild()
    group_id = groups()[ids(a, b, c)].id
    done = group_dismiss(group_id=group_id, reviewer=None)
    assert groups()[ids(a, b, c)].state == "dismissed"

    decision_undo(decision_id=done.undo_id, reviewer=None)
    group = groups()[ids(a, b, c)]
    assert (group.id, group.state, DuplicateGroup.objects.count()) == (group_id, "open", 1)


def test_the_new_model_decides_the_relation_and_the_old_one_fills_in_until_the_scan_is_through():
    old = make_version()
    a, b, c = make_video("a"), make_video("b"), make_video("c")
    match(old, a, found(b), found(c, "shares_segments"))
    ModelVersion.objects.filter(id=old.id).update(state=ModelVersion.State.READY)
    new = make_version(name="new")
    match(new, a, found(b, "contains"))
    groups_rebuild()
    assert {m: g.kind for m, g in groups().items()} == {ids(a, b): "contains", ids(a, c): "shares"}


def test_a_group_whose_videos_were_deleted_is_removed():
    version = make_version()
    a, b = make_video("a"), make_video("b")
    match(version, a, found(b))
    groups_rebuild()
    Video.objects.filter(id=a.id).delete()
    groups_rebuild()
    assert not DuplicateGroup.objects.exists()
