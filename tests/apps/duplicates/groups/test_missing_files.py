"""The copy to keep is one whose file is there; a person following the advice never deletes the last one."""

from __future__ import annotations

from pathlib import Path

import pytest
from django.test import Client
from django.urls import reverse

from apps.core.exceptions import Conflict
from apps.duplicates.groups.rebuild import groups_rebuild
from apps.duplicates.models import DuplicateGroup
from apps.duplicates.review.decisions import group_confirm
from apps.duplicates.review.evidence import group_evidence
from apps.videos.models import Video
from apps.videos.presence import video_check
from tests.apps.duplicates.rows import found, log_in, make_version, match
from tests.apps.people import imported

pytestmark = pytest.mark.django_db


@pytest.fixture
def copies(tmp_path: Path) -> tuple[Video, Video]:
    """(good, weak), each in a folder of its own with another file beside it."""
    videos = []
    for name, width in (("good", 1920), ("weak", 320)):
        video = imported(tmp_path / name, name=f"{name}.mp4")
        (tmp_path / name / "other.txt").write_text("x")
        Video.objects.filter(id=video.id).update(state="ready", width=width, height=200, duration_seconds=20.0)
        video.refresh_from_db()
        videos.append(video)
    match(make_version(), videos[0], found(videos[1]))
    groups_rebuild()
    return videos[0], videos[1]


def group() -> DuplicateGroup:
    return DuplicateGroup.objects.get()


def test_a_deleted_file_is_not_suggested_and_cannot_be_chosen(copies: tuple[Video, Video], client: Client) -> None:
    good, weak = copies
    assert group().proposed_keeper == good
    good.file.unlink()
    evidence = group_evidence(group())  # nobody has looked yet
    assert evidence.group.proposed_keeper == weak
    assert evidence.reasons[0] == "its file is there, and that of another copy is not"
    assert [member.is_lost for member in evidence.members] == [False, True]
    assert group().proposed_keeper == weak
    with pytest.raises(Conflict, match="cannot be the one to keep"):
        group_confirm(group_id=group().id, reviewer=None, keeper_id=good.id)
    log_in(client, "change_duplicategroup")
    page = client.get(reverse("duplicates:group", args=[group().id])).content.decode()
    assert page.count("file missing") == 1


def test_the_list_of_groups_looks_for_what_it_suggests(copies: tuple[Video, Video], client: Client) -> None:
    good, weak = copies
    log_in(client, "change_duplicategroup")
    address = reverse("duplicates:review")
    assert f"Suggested to keep: {good.title}" in client.get(address).content.decode()
    good.file.unlink()
    assert f"Suggested to keep: {weak.title}" in client.get(address).content.decode()


def test_the_suggestion_returns_with_the_file(copies: tuple[Video, Video]) -> None:
    good, weak = copies
    good.file.rename(good.file.with_name("aside"))
    video_check(good)
    assert group().proposed_keeper == weak
    good.file.with_name("aside").rename(good.file)
    video_check(good)
    assert group().proposed_keeper == good


def test_without_any_file_nothing_is_suggested(copies: tuple[Video, Video]) -> None:
    for video in copies:
        video.file.unlink()
    evidence = group_evidence(group())
    assert evidence.group.proposed_keeper is None
    assert evidence.reasons == ("the files of all copies are missing, so none is suggested",)


def test_other_content_in_its_place_counts_as_missing(copies: tuple[Video, Video]) -> None:
    good, weak = copies
    good.file.write_bytes(b"a film about something else")
    assert group_evidence(group()).group.proposed_keeper == weak


def test_a_share_that_is_away_changes_no_row_but_its_copy_is_not_suggested(copies: tuple[Video, Video]) -> None:
    good, weak = copies
    good.file.parent.rename(good.file.parent.with_name("unmounted"))
    assert group_evidence(group()).group.proposed_keeper == weak
    assert group().proposed_keeper == good and not Video.objects.filter(missing_since__isnull=False).exists()
    with pytest.raises(Conflict, match="Is its disk or share connected"):
        group_confirm(group_id=group().id, reviewer=None, keeper_id=good.id)
    weak.file.parent.rename(weak.file.parent.with_name("unmounted too"))
    assert group_evidence(group()).group.proposed_keeper == good  # both are away: nothing speaks against it


def test_no_copy_is_spare_while_the_one_to_keep_is_missing(copies: tuple[Video, Video]) -> None:
    good, _ = copies
    group_confirm(group_id=group().id, reviewer=None, keeper_id=good.id)
    assert [member.is_spare for member in group_evidence(group()).members] == [False, True]
    good.file.unlink()
    assert not any(member.is_spare for member in group_evidence(group()).members)
