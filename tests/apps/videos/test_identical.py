"""Files with the same content: where they are, which are links, what could be freed, who sees the paths."""

from __future__ import annotations

import json
import shutil
from io import StringIO
from pathlib import Path

import pytest
from django.core.management import call_command
from django.test import Client
from pytest_django import Settings

from apps.videos.identical import identical_files, identical_list, identical_totals
from apps.videos.models import ImportedFile, Video
from tests.apps.people import imported, user
from tests.apps.videos.test_importing import put, run

pytestmark = pytest.mark.django_db
SIZE = 1000


@pytest.fixture
def library(tmp_path: Path) -> Path:
    """A film at five paths: itself, two copies, a hard and a symbolic link; and another film."""
    folder = tmp_path / "library"
    (folder / "trips").mkdir(parents=True)
    put(folder / "film.mp4", b"f" * SIZE)
    put(folder / "other.mp4", b"o" * SIZE)
    for name in ("copy.mp4", "trips/copy.mp4"):
        put(folder / name, b"f" * SIZE)
    (folder / "hard.mp4").hardlink_to(folder / "film.mp4")
    (folder / "soft.mp4").symlink_to(folder / "copy.mp4")
    run(folder)
    return folder


def film() -> Video:
    return Video.objects.get(path__endswith="copy.mp4", path__contains="library/copy")


def places() -> dict[str, tuple[str, bool, bool]]:
    """Name -> (state, played, link)."""
    found = identical_files([film()])[film().id]
    root = str(Path(film().path).parent) + "/"
    return {f.path.removeprefix(root): (str(f.place), f.is_played, f.is_link) for f in found.files}


def spare() -> tuple[int, int]:
    """(by what is on disk, by what is stored) in bytes."""
    return identical_files([film()])[film().id].spare_bytes, identical_totals().spare_bytes


def test_every_place_is_listed_the_played_one_first_and_links_take_no_space(library: Path) -> None:
    assert places() == {
        "copy.mp4": ("here", True, False),
        "film.mp4": ("here", False, False),
        "hard.mp4": ("here", False, True),
        "soft.mp4": ("here", False, True),
        "trips/copy.mp4": ("here", False, False),
    }
    assert next(iter(places())) == "copy.mp4"
    assert spare() == (2 * SIZE, 2 * SIZE)
    assert [video.path for video in identical_list()] == [film().path]


def test_a_video_is_found_by_the_names_of_all_its_files(tmp_path: Path) -> None:
    folder = tmp_path / "library"
    (folder / "again").mkdir(parents=True)
    for name in ("a walrus.mp4", "GOPR0123.mp4", "again/GOPR0123.mp4"):
        put(folder / name, b"f" * SIZE)
    run(folder)
    run(folder)
    video = Video.objects.get()
    names = video.text_segments.filter(source="name").values_list("text", flat=True)
    assert sorted(names) == ["GOPR0123.mp4", "a walrus.mp4"]
    (folder / "GOPR0123.mp4").rename(folder / "z.mp4")
    run(folder)
    assert sorted(names.all()) == ["GOPR0123.mp4", "a walrus.mp4", "z.mp4"]


def test_a_copy_that_is_gone_is_marked_and_frees_nothing_until_it_is_back(library: Path, tmp_path: Path) -> None:
    aside = (library / "trips/copy.mp4").rename(tmp_path / "aside.mp4")
    run(library)
    assert ImportedFile.objects.get(path__endswith="trips/copy.mp4").missing_since is not None
    assert places()["trips/copy.mp4"][0] == "missing" and spare() == (SIZE, SIZE)
    aside.rename(library / "trips/copy.mp4")
    run(library)
    assert ImportedFile.objects.get(path__endswith="trips/copy.mp4").missing_since is None
    assert places()["trips/copy.mp4"][0] == "here" and spare() == (2 * SIZE, 2 * SIZE)


def test_a_look_at_the_page_is_enough_to_notice_it(library: Path) -> None:
    (library / "film.mp4").unlink()
    put(library / "hard.mp4", b"f" * (SIZE - 1))
    assert spare() == (SIZE, SIZE)
    assert places()["film.mp4"][0] == "missing" and places()["hard.mp4"][0] == "replaced"


def test_when_the_played_file_is_gone_one_of_the_others_must_stay(library: Path) -> None:
    (library / "copy.mp4").unlink()
    video = Video.objects.get(path=str(library / "copy.mp4"))
    assert identical_files([video])[video.id].spare_bytes == SIZE  # of film.mp4 and trips/copy.mp4
    run(library)
    video.refresh_from_db()
    assert video.file.exists() and video.missing_since is None


def test_what_lies_in_a_protected_folder_is_never_spare(library: Path, settings: Settings) -> None:
    settings.PROTECTED_FOLDERS = [str(library / "trips")]
    assert spare() == (2 * SIZE, 2 * SIZE)  # all but the protected one
    settings.PROTECTED_FOLDERS = [str(library)]
    assert spare() == (0, 0)


def test_an_uploaded_file_and_an_imported_copy_of_it(tmp_path: Path) -> None:
    video = imported(tmp_path / "a", content=b"f" * SIZE)
    Video.objects.filter(id=video.id).update(source=Video.Source.UPLOAD)
    assert not identical_files([video])[video.id].several and not identical_list().exists()
    put(tmp_path / "copy.mp4", b"f" * SIZE)
    run(tmp_path / "copy.mp4")
    assert [file.is_played for file in identical_files([video])[video.id].files] == [True, False]
    assert identical_totals().spare_bytes == SIZE


def test_paths_are_for_those_who_upload_review_or_administer(library: Path, client: Client) -> None:
    address = f"/videos/{film().id}"
    for groups, sees in ((), False), (("Uploaders",), True), (("Reviewers",), True), (("Administrators",), True):
        client.force_login(user(*groups))
        page = client.get(address).content.decode()
        assert "5 places" in page and "2.0\xa0KB" in page
        assert (str(library) in page) is sees
        shown = client.get(f"/api/v1{address}").json()
        assert ("path" in shown, len(shown.get("identical_files", []))) == (sees, 5 if sees else 0)
    assert "same file (a link)" in page and "played and listed" in page


def test_the_command_lists_them(library: Path) -> None:
    out = StringIO()
    call_command("identical", stdout=out)
    said = out.getvalue()
    assert f"played  {library}/copy.mp4" in said and f"same file  {library}/hard.mp4" in said
    assert "1 videos have several files; 2.0 KB could be freed. Nothing was deleted." in said
    out = StringIO()
    call_command("identical", "--json", stdout=out)
    rows = [json.loads(line) for line in out.getvalue().splitlines()]
    assert len(rows) == 5 and {row["size_bytes"] for row in rows} == {SIZE}
    shutil.rmtree(library)
    out = StringIO()
    call_command("identical", stdout=out)
    assert "not reachable" in out.getvalue()


def test_names_that_reach_a_terminal_hold_no_control_characters(tmp_path: Path) -> None:
    put(tmp_path / "a\x1b[31m.mp4", b"f" * SIZE)
    put(tmp_path / "b.mp4", b"f" * SIZE)
    run(tmp_path)
    out = StringIO()
    call_command("identical", stdout=out)
    assert "a\u241b1b[31m.mp4" in out.getvalue() and "\x1b" not in out.getvalue()
