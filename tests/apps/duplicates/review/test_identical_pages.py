"""The pages and the API of identical files, and where the review shows them."""

from __future__ import annotations

import csv
from pathlib import Path

import pytest
from django.test import Client
from django.urls import reverse

from apps.duplicates.groups.rebuild import groups_rebuild
from apps.duplicates.models import DuplicateGroup
from apps.videos.models import Video
from tests.apps.duplicates.rows import found, log_in, make_version, match
from tests.apps.videos.test_importing import put, run

pytestmark = pytest.mark.django_db


@pytest.fixture
def library(tmp_path: Path) -> Path:
    folder = tmp_path / "library"
    folder.mkdir()
    for name, content in (("=film.mp4", b"f"), ("film copy.mp4", b"f"), ("small.mp4", b"s"), ("small 2.mp4", b"s")):
        put(folder / name, content * (900 if content == b"f" else 10))
    put(folder / "single.mp4", b"x")
    run(folder)
    Video.objects.update(state=Video.State.READY, duration_seconds=20.0)
    return folder


@pytest.fixture
def reviewer(client: Client) -> Client:
    log_in(client, "change_duplicategroup")
    return client


def text(response) -> str:  # type: ignore[no-untyped-def]
    assert response.status_code == 200
    return (b"".join(response.streaming_content) if response.streaming else response.content).decode()


def test_the_page_lists_what_takes_most_space_first(library: Path, reviewer: Client) -> None:
    page = text(reviewer.get(reverse("duplicates:identical")))
    assert page.index(f"{library}/=film.mp4") < page.index(f"{library}/small.mp4") and "single" not in page
    assert "910\xa0bytes" in page and "vsearch deletes no file" in page
    assert "2 videos have several files" in text(reviewer.get(reverse("duplicates:review")))


def test_the_table_for_spreadsheets_runs_no_formula(library: Path, reviewer: Client) -> None:
    raw = text(reviewer.get(reverse("duplicates:identical_csv")))
    rows = list(csv.DictReader(raw.removeprefix("\ufeff").splitlines()))
    assert [row["path"] for row in rows if row["played"] == "yes"] == [f"{library}/=film.mp4", f"{library}/small 2.mp4"]
    assert rows[0]["title"] == "'=film" and rows[0]["state"] == "here" and len(rows) == 4


def test_the_api_pages_through_them(library: Path, reviewer: Client) -> None:
    first = reviewer.get("/api/v1/identical-files?limit=1").json()
    (film,) = first["results"]
    assert (film["spare_files"], film["spare_bytes"], len(film["files"])) == (1, 900, 2)
    second = reviewer.get(f"/api/v1/identical-files?limit=1&cursor={first['page']['next_cursor']}").json()
    assert second["results"][0]["spare_bytes"] == 10 and second["page"]["next_cursor"] is None


def test_only_reviewers_see_them(library: Path, client: Client) -> None:
    log_in(client)
    for address in (reverse("duplicates:identical"), reverse("duplicates:identical_csv"), "/api/v1/identical-files"):
        assert client.get(address).status_code == 403


def test_a_group_shows_where_else_its_copies_are(library: Path, reviewer: Client) -> None:
    film, small = Video.objects.get(title="=film"), Video.objects.get(title="small 2")
    match(make_version(), film, found(small))
    groups_rebuild()
    group = DuplicateGroup.objects.get()
    page = text(reviewer.get(reverse("duplicates:group", args=[group.id])))
    assert page.count("The same content is at 1 more") == 2 and f"{library}/film copy.mp4" in page
    shown = reviewer.get(f"/api/v1/duplicate-groups/{group.id}").json()["identical_files"]
    assert [file["path"] for file in shown[str(film.id)]] == [f"{library}/=film.mp4", f"{library}/film copy.mp4"]


def test_the_list_of_groups_marks_members_whose_files_are_missing(library: Path, reviewer: Client) -> None:
    film, small = Video.objects.get(title="=film"), Video.objects.get(title="small 2")
    match(make_version(), film, found(small))
    groups_rebuild()
    assert "file missing" not in text(reviewer.get(reverse("duplicates:review")))
    for name in ("small.mp4", "small 2.mp4"):
        (library / name).unlink()
    run(library)
    assert "1 file missing" in text(reviewer.get(reverse("duplicates:review")))
