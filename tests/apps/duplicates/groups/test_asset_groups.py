"""Intros and adverts in the groups, on their page and in the answers of lookups."""

from __future__ import annotations

from itertools import combinations

import pytest
from django.contrib.auth import get_user_model
from django.contrib.auth.models import Permission
from django.urls import reverse

from apps.core.exceptions import InvalidInput
from apps.duplicates.groups.asset_queries import found_assets
from apps.duplicates.groups.rebuild import groups_rebuild
from apps.duplicates.lookups.asking import lookup_create
from apps.duplicates.lookups.states import lookup_mark_done
from apps.duplicates.models import Lookup, Relation, ReviewDecision
from apps.duplicates.review.decisions import decision_undo, group_confirm, group_dismiss
from tests.apps.duplicates.rows import found, groups, ids, make_version, make_video, match, span

pytestmark = pytest.mark.django_db
INTRO = span((0, 10), (0, 10))


@pytest.fixture(autouse=True)
def three_is_many(settings):
    settings.SHARED_ASSET_VIDEOS = 3


@pytest.fixture
def episodes():
    """Four episodes with one intro; episode 0 has a re-encoded copy."""
    version = make_version()
    videos = [make_video(f"episode {n}", duration=600.0) for n in range(4)]
    copy = make_video("episode 0 again", duration=600.0)
    for number, one in enumerate(videos):
        match(version, one, *[found(o, "shares_segments", 0.8, segments=[INTRO]) for o in videos[number + 1 :]])
    match(version, copy, found(videos[0], segments=[span((0, 600), (0, 600))]))
    groups_rebuild()
    return videos, copy


def test_an_intro_makes_one_group_of_its_own_kind_and_no_copies(episodes):
    videos, copy = episodes
    group = groups()[ids(*videos)]
    assert (group.kind, group.state, group.asset_videos) == ("shared_asset", "open", 4)
    assert (group.proposed_keeper, group.keeper_reasons) == (None, [])
    assert {frozenset(m): g.kind for m, g in groups().items() if m != ids(*videos)} == {ids(videos[0], copy): "copies"}


def test_a_larger_limit_makes_them_ordinary_pairs_again(episodes, settings):
    settings.SHARED_ASSET_VIDEOS = 4
    groups_rebuild()
    videos, copy = episodes
    kinds = {members: group.kind for members, group in groups().items()}
    assert kinds == {ids(videos[0], copy): "copies"} | {ids(*pair): "shares" for pair in combinations(videos, 2)}


def test_dismissing_an_asset_leaves_the_copies_among_its_videos_alone(episodes):
    videos, copy = episodes
    group_dismiss(group_id=groups()[ids(*videos)].id, reviewer=None)
    assert ReviewDecision.objects.count() == 6
    assert {m: g.state for m, g in groups().items()} == {ids(*videos): "dismissed", ids(videos[0], copy): "open"}
    assert groups_rebuild() == 1


def test_an_asset_is_confirmed_as_one_and_has_nothing_to_keep(episodes):
    videos, _ = episodes
    group = groups()[ids(*videos)]
    with pytest.raises(InvalidInput):
        group_confirm(group_id=group.id, keeper_id=videos[0].id, reviewer=None)
    done = group_confirm(group_id=group.id, reviewer=None)
    assert groups()[ids(*videos)].state == "confirmed"
    decision_undo(decision_id=done.undo_id, reviewer=None)
    assert (groups()[ids(*videos)].id, groups()[ids(*videos)].state) == (group.id, "open")


def test_the_page_says_how_many_videos_have_the_intro(episodes, client):
    videos, _ = episodes
    user = get_user_model().objects.create_user("rita")
    user.user_permissions.add(Permission.objects.get(codename="change_duplicategroup"))
    client.force_login(user)
    page = client.get(reverse("duplicates:group", args=[groups()[ids(*videos)].id])).content.decode()
    assert "share only an intro, an advert or the like that 4 videos have" in page
    assert 'name="keeper"' not in page
    listed = client.get(reverse("duplicates:review") + "?kind=shared_asset").content.decode()
    assert "found in 4 videos" in listed
    body = client.get(reverse("api:duplicate_groups") + "?kind=shared_asset").json()
    assert [group["asset_videos"] for group in body["results"]] == [4]


def test_a_lookup_that_finds_only_the_intro_says_so_and_puts_it_last(episodes, tmp_path):
    videos, _ = episodes
    person = get_user_model().objects.create_user("asker")
    file = tmp_path / "a.mp4"
    file.write_bytes(b"x")
    lookup = lookup_create(path=file, file_name="a.mp4", owner=person)
    only_intro = found(videos[1], "shares_segments", 0.95, segments=[span((5, 15), (0, 10))])
    more = found(videos[2], "shares_segments", 0.7, segments=[span((5, 15), (0, 10)), span((20, 50), (100, 130))])
    assert found_assets([only_intro, more]) == {videos[1].id: 4}
    lookup_mark_done(lookup_id=lookup.id, sha256="", duration_seconds=60.0, found=[only_intro, more])
    answered = Lookup.objects.get().matches
    assert [m["relation"] for m in answered] == ["shares_segments", Relation.SHARED_ASSET]
    assert "4 videos of the library have it" in answered[1]["verdict"]
    assert answered[1]["asset_videos"] == 4


def test_a_copy_is_never_taken_for_an_asset(episodes):
    videos, _ = episodes
    assert found_assets([found(videos[0], "near_duplicate", segments=[INTRO])]) == {}
