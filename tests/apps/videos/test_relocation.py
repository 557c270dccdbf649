"""What people do to files on disk: after the next import every video has the path of its own content, or is missing."""

from __future__ import annotations

import hashlib
import os
import shutil
from pathlib import Path

import pytest

from apps.core.models import Job
from apps.videos import relocation
from apps.videos.editing import video_update
from apps.videos.job_kinds import ingest_failed
from apps.videos.models import Video
from apps.videos.relocation import only_the_case_differs
from tests.apps.videos.test_importing import outcomes, put, run

pytestmark = pytest.mark.django_db


@pytest.fixture
def library(tmp_path: Path) -> Path:
    folder = tmp_path / "library"
    folder.mkdir()
    for name in ("a", "b", "c"):
        put(folder / f"{name}.mp4", name.encode() * 10)
    run(folder)
    Video.objects.update(state=Video.State.READY)
    for name in ("a", "b"):  # c keeps the title of its file
        video_update(video_id=of(name).id, title=f"Film {name.upper()}", tags=[name], description=f"about {name}")
    return folder


def of(name: str) -> Video:
    """The video of the content that was first called so."""
    return Video.objects.get(sha256=hashlib.sha256(name.encode() * 10).hexdigest())


def check_that_rows_have_their_own_content() -> None:
    for video in Video.objects.all():
        if video.missing_since is None:
            assert hashlib.sha256(video.file.read_bytes()).hexdigest() == video.sha256


def check_that_words_stayed() -> None:
    for name in ("a", "b"):
        video = of(name)
        assert (video.title, video.description) == (f"Film {name.upper()}", f"about {name}")
        assert [tag.name for tag in video.tags.all()] == [name]


def rotate(*paths: Path) -> None:
    """Each file gets the name of the next one."""
    aside = [path.rename(path.with_suffix(".aside")) for path in paths]
    for path, target in zip(aside, [*paths[1:], paths[0]], strict=True):
        path.rename(target)


@pytest.mark.parametrize("names", ["ab", "ba", "abc", "cba", "bca", "acb"])
@pytest.mark.parametrize("same_time", [True, False])
def test_swapped_and_rotated_files_are_repaired_by_one_import(library: Path, names: str, same_time: bool) -> None:
    paths = [library / f"{name}.mp4" for name in names]
    for number, path in enumerate(paths):
        os.utime(path, (1000, 1000) if same_time else (1000 + number, 1000))
    run(library)
    rotate(*paths)
    run(library)
    assert not Video.objects.filter(missing_since__isnull=False).exists() and Video.objects.count() == 3
    check_that_rows_have_their_own_content()
    check_that_words_stayed()
    assert of("c").title == of("c").file.stem  # it was taken from the name, so it follows
    assert set(outcomes(run(library), library).values()) == {"already known"}


@pytest.mark.parametrize("how", ["copy", "hard link", "symbolic link", "copy with its time"])
def test_a_weak_copy_that_became_the_good_one_plays_nothing_else(library: Path, how: str) -> None:
    good, weak = library / "a.mp4", library / "b.mp4"
    weak.unlink()
    if how == "copy":
        put(weak, good.read_bytes())
    elif how == "copy with its time":
        shutil.copy2(good, weak)
    elif how == "hard link":
        weak.hardlink_to(good)
    else:
        weak.symlink_to(good)
    said = run(library)
    assert "other content has the place of Film B" in said
    assert of("a").file == good and of("a").missing_since is None
    assert of("b").path == "" and of("b").missing_since is not None
    check_that_words_stayed()
    put(library / "found again.mp4", b"b" * 10)
    assert outcomes(run(library), library)["found again.mp4"] == "moved"
    assert of("b").missing_since is None and of("b").title == "Film B"


def test_the_good_file_moved_over_the_weak_one(library: Path) -> None:
    (library / "a.mp4").rename(library / "c.mp4")
    run(library)
    assert of("a").file == library / "c.mp4"
    assert of("c").missing_since is not None
    check_that_rows_have_their_own_content()
    check_that_words_stayed()


def test_a_rename_and_new_content_under_the_old_name_are_told_apart(library: Path) -> None:
    (library / "a.mp4").rename(library / "z.mp4")
    put(library / "a.mp4", b"new")
    said = outcomes(run(library), library)
    assert (said["a.mp4"], said["z.mp4"]) == ("new", "moved")
    assert of("a").file == library / "z.mp4"
    check_that_words_stayed()
    assert Video.objects.get(path=str(library / "a.mp4")).title == "a"


@pytest.mark.parametrize("new", ["a.mp4", "a.mkv"])
def test_a_better_encode_under_the_same_name_takes_over_what_people_wrote(library: Path, new: str) -> None:
    (library / "a.mp4").unlink()
    put(library / new, b"better")
    said = run(library)
    assert f"{new}  (new content under a known name; took over title, description and tags)" in said
    video = Video.objects.get(path=str(library / new))
    assert (video.title, video.description) == ("Film A", "about a")
    assert [tag.name for tag in video.tags.all()] == ["a"]
    assert of("a").missing_since is not None and video.successor_of == of("a")


def test_a_renamed_file_takes_its_title_along_unless_a_person_gave_it(library: Path) -> None:
    (library / "c.mp4").rename(library / "red_boat.mp4")
    (library / "a.mp4").rename(library / "A.MP4")
    said = outcomes(run(library), library)
    assert (said["red_boat.mp4"], said["A.MP4"]) == ("moved", "moved")
    assert (of("c").title, of("c").original_name) == ("red boat", "red_boat.mp4")
    texts = dict(of("c").text_segments.values_list("source", "text"))
    assert texts == {"title": "red boat", "name": "red_boat.mp4"}
    check_that_words_stayed()


def test_the_same_letters_in_another_case_on_a_disk_that_ignores_it(
    library: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    old, new = library / "c.mp4", library / "C.mp4"
    assert not only_the_case_differs(old, new)
    new.hardlink_to(old)  # both names lead to the file, as there
    assert not only_the_case_differs(old, new)
    monkeypatch.setattr(relocation.os, "listdir", lambda _: ["C.mp4"])
    assert only_the_case_differs(old, new)
    assert not only_the_case_differs(old, library / "b.mp4")


def test_a_deleted_file_is_missing_until_it_is_back(library: Path, tmp_path: Path) -> None:
    aside = (library / "a.mp4").rename(tmp_path / "a.mp4")
    assert outcomes(run(library), library)["a.mp4"] == "missing"
    since = of("a").missing_since
    assert since is not None
    run(library)
    assert of("a").missing_since == since and Video.objects.count() == 3
    aside.rename(library / "a.mp4")
    assert outcomes(run(library), library)["a.mp4"] == "already known"
    assert of("a").missing_since is None


def test_a_deleted_file_with_a_copy_plays_the_copy(library: Path) -> None:
    shutil.copy2(library / "a.mp4", library / "copy.mp4")
    run(library)
    (library / "a.mp4").unlink()
    assert outcomes(run(library), library)["copy.mp4"] == "moved"
    assert of("a").file == library / "copy.mp4"
    check_that_words_stayed()


def test_a_share_that_is_away_marks_nothing(library: Path) -> None:
    away = library.rename(library.with_name("away"))
    library.mkdir()  # as a mount point without its disk
    assert "No videos in" in run(library)
    (library / "trips").mkdir()
    assert not Video.objects.filter(missing_since__isnull=False).exists()
    shutil.rmtree(library)
    away.rename(library)
    assert set(outcomes(run(library), library).values()) == {"already known"}


def test_a_video_that_failed_because_its_file_was_gone_is_tried_again(library: Path, tmp_path: Path) -> None:
    Job.objects.update(state=Job.State.FAILED)
    ingest_failed(of("a").id, "replaced", "The file was replaced.")
    (library / "a.mp4").rename(library / "d.mp4")
    assert "d.mp4  (was" in run(library)
    assert of("a").state == Video.State.UPLOADED
    assert Job.objects.filter(subject_id=of("a").id, state=Job.State.QUEUED).exists()


def test_rows_from_before_identities_were_stored_are_filled_in(library: Path) -> None:
    Video.objects.update(modified_ns=None, file_id="")
    relocation.ImportedFile.objects.update(file_id="")
    run(library)
    assert all(video.identity is not None and video.identity.inode for video in Video.objects.all())


def test_an_unchanged_library_is_not_read_again(library: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(relocation, "file_sha256", lambda *_, **__: pytest.fail("a file was read again"))
    run(library)


def test_two_swapped_folders_are_repaired(library: Path) -> None:
    for folder, name in (("one", "d"), ("two", "e")):
        (library / folder).mkdir()
        put(library / folder / "clip.mp4", name.encode() * 10)
    run(library)
    (library / "one").rename(library / "aside")
    (library / "two").rename(library / "one")
    (library / "aside").rename(library / "two")
    run(library)
    check_that_rows_have_their_own_content()
    assert of("d").file == library / "two" / "clip.mp4" and of("e").file == library / "one" / "clip.mp4"


def test_a_renamed_folder_takes_its_videos_along(library: Path) -> None:
    library.rename(library.with_name("renamed"))
    said = run(library.with_name("renamed"))
    assert set(outcomes(said, library.with_name("renamed")).values()) == {"moved"}
    check_that_words_stayed()
    assert of("c").title == "c"


def test_a_file_that_was_replaced_while_it_waited_is_its_own_video_after_the_next_import(library: Path) -> None:
    Video.objects.update(state=Video.State.UPLOADED)
    put(library / "a.mp4", b"other")
    Job.objects.filter(subject_id=of("a").id).update(state=Job.State.FAILED)
    ingest_failed(of("a").id, "replaced", "The file was replaced.")
    assert outcomes(run(library), library)["a.mp4"] == "replaced"
    new = Video.objects.get(path=str(library / "a.mp4"))
    assert Job.objects.filter(subject_id=new.id, kind="ingest", state=Job.State.QUEUED).exists()
    assert new.title == "Film A" and of("a").state == Video.State.FAILED
    put(library / "a again.mp4", b"a" * 10)
    run(library)
    assert of("a").state == Video.State.UPLOADED and of("a").missing_since is None


def test_a_link_that_was_the_path_of_a_video_goes_and_the_file_stays(library: Path) -> None:
    (library / "_link.mp4").symlink_to(library / "a.mp4")
    (library / "a.mp4").rename(library / "x.mp4")
    (library / "_link.mp4").unlink()
    (library / "_link.mp4").symlink_to(library / "x.mp4")
    run(library)
    assert of("a").file == library / "_link.mp4"
    (library / "_link.mp4").unlink()
    assert outcomes(run(library), library)["x.mp4"] == "moved"
    check_that_words_stayed()


def test_the_only_file_of_a_folder_that_is_deleted_is_missing(library: Path) -> None:
    (library / "sub").mkdir()
    put(library / "sub" / "d.mp4", b"d" * 10)
    run(library)
    (library / "sub" / "d.mp4").unlink()
    assert outcomes(run(library), library)["sub/d.mp4"] == "missing"
