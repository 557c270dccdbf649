from __future__ import annotations

from pathlib import Path

import pytest
from django.http import QueryDict

from apps.core.exceptions import InvalidInput
from apps.videos.models import Video
from apps.videos.selectors import filters_from, thumbnail_url, video_list
from tests.apps.people import imported

pytestmark = pytest.mark.django_db


def titles(query: str) -> list[str]:
    return [video.title for video in video_list(filters_from(QueryDict(query)))]


@pytest.fixture
def library(tmp_path: Path) -> None:
    for title, seconds, tags in (("beach", 10.0, ["sea"]), ("boat", 60.0, ["sea", "ship"]), ("car 100%", None, [])):
        video = imported(tmp_path, title=title, tags=tags, description=f"about {title}")
        Video.objects.filter(id=video.id).update(duration_seconds=seconds)
    Video.objects.filter(title="beach").update(state=Video.State.READY)
    Video.objects.filter(title="boat").update(state=Video.State.FAILED)


@pytest.mark.usefixtures("library")
@pytest.mark.parametrize(
    ("query", "found"),
    [
        ("", ["car 100%", "boat", "beach"]),
        ("sort=oldest", ["beach", "boat", "car 100%"]),
        ("sort=longest", ["boat", "beach", "car 100%"]),
        ("sort=shortest", ["car 100%", "beach", "boat"]),
        ("sort=title", ["beach", "boat", "car 100%"]),
        ("state=ready", ["beach"]),
        ("state=failed", ["boat"]),
        ("state=pending", ["car 100%"]),
        ("text=BOAT", ["boat"]),
        ("text=about+bea", ["beach"]),
        ("text=ship", ["boat"]),
        ("text=100%25", ["car 100%"]),
        ("text=nothing", []),
        ("tag=sea&sort=title", ["beach", "boat"]),
        ("tag=sea&tag=ship", ["boat"]),
        ("min_duration=10&max_duration=59.9", ["beach"]),
        ("since=2001-01-01&sort=title", ["beach", "boat", "car 100%"]),
        ("until=2001-01-01", []),
        ("text=%00boat", ["boat"]),
    ],
)
def test_filters_and_orders(query: str, found: list[str]) -> None:
    assert titles(query) == found


@pytest.mark.parametrize(
    ("query", "field"),
    [
        ("state=lost", "state"),
        ("sort=random", "sort"),
        ("min_duration=long", "min_duration"),
        ("max_duration=-1", "max_duration"),
        ("max_duration=nan", "max_duration"),
        ("since=2026-13-45", "since"),
        ("until=yesterday", "until"),
    ],
)
def test_a_filter_that_cannot_be_read_is_named(query: str, field: str) -> None:
    with pytest.raises(InvalidInput) as refused:
        filters_from(QueryDict(query))
    assert refused.value.field == field


def test_the_thumbnail_nearest_to_the_middle_is_chosen_and_new_ones_are_seen(tmp_path: Path) -> None:
    video = imported(tmp_path)
    assert thumbnail_url(video, 0, 4) == f"/videos/{video.id}/poster.jpg"
    thumbs = video.folder / "thumbs"
    thumbs.mkdir(parents=True)
    for name in ("500.jpg", "2400.jpg", "9000.jpg", "note.txt"):
        (thumbs / name).touch()
    assert thumbnail_url(video, 0, 4) == f"/videos/{video.id}/thumbs/2400.jpg"
    assert thumbnail_url(video.id, 100, 200) == f"/videos/{video.id}/thumbs/9000.jpg"
