"""Subtitle files beside imported videos: which are found, and when they are read again."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from apps.core.models import Job
from apps.videos.models import SubtitleFile, TextSegment, Video
from apps.videos.subtitle_files import (
    LARGEST_BYTES,
    ReadFile,
    beside,
    file_read,
    in_folder,
    subtitle_files_store,
    subtitles_look,
)
from apps.videos.subtitles import subtitle_tracks, unread_subtitle_files
from tests.apps.people import imported
from tests.apps.videos.test_importing import put, run

pytestmark = pytest.mark.django_db
SRT = b"1\n00:00:01,000 --> 00:00:02,000\nhello\n"


@pytest.fixture
def video(tmp_path: Path) -> Video:
    video = imported(tmp_path / "films")
    Video.objects.filter(id=video.id).update(state=Video.State.READY)
    video.refresh_from_db()
    return video


def put_beside(video: Video, end: str, content: bytes = SRT) -> Path:
    return put(video.file.with_name(video.file.stem + end), content)


def read_all(video: Video) -> None:
    """What the job of a worker stores, without its parser."""
    files = beside(video)
    assert files is not None
    subtitle_files_store(
        video_id=video.id, files=[ReadFile(file, file.language, [(1.0, 2.0, "hello")]) for file in files]
    )


def names_beside(video: Video) -> dict[str, str]:
    return {str(file.path.relative_to(video.file.parent)): file.language for file in beside(video) or []}


def test_files_are_found_beside_the_video_and_in_a_folder_of_subtitles(video: Video) -> None:
    folder, stem = video.file.parent, video.file.stem
    for end in (".srt", ".de.vtt", ".txt"):
        put_beside(video, end)
    (folder / "Subs" / stem).mkdir(parents=True)
    put(folder / "Subs" / "2_English.srt", SRT)
    put(folder / "Subs" / stem / "3_French.srt", SRT)
    put(folder / "Subs" / "._2_English.srt", SRT)
    assert names_beside(video) == {
        f"{stem}.srt": "", f"{stem}.de.vtt": "de", "Subs/2_English.srt": "en", f"Subs/{stem}/3_French.srt": "fr",
    }  # fmt: skip
    put(folder / "second.mp4", b"second")
    assert "Subs/2_English.srt" not in names_beside(video)  # it may be of either


def test_a_name_that_is_no_utf8_finds_its_subtitles(tmp_path: Path) -> None:
    for ending in (b".mp4", b".fr.srt"):
        with open(os.path.join(os.fsencode(tmp_path), b"caf\xe9" + ending), "wb") as file:
            file.write(SRT)
    assert [[beside.language for beside in files] for files in in_folder(tmp_path).values()] == [["fr"]]


def test_links_are_followed_to_the_folder_of_the_video_only(video: Video, tmp_path: Path) -> None:
    outside = put(tmp_path / "outside.srt", SRT)
    folder, stem = video.file.parent, video.file.stem
    (folder / "more").mkdir()
    inside = put(folder / "more" / "x.srt", SRT)
    (folder / f"{stem}.en.srt").symlink_to(outside)
    (folder / f"{stem}.de.srt").symlink_to(inside)
    (folder / f"{stem}.fr.srt").symlink_to(folder / "nowhere.srt")
    os.mkfifo(folder / f"{stem}.it.srt")
    (folder / "Subs").symlink_to(tmp_path)
    files = beside(video) or []
    assert [file.language for file in files] == ["de"]
    assert file_read(files[0]) == SRT


def test_an_upload_has_no_side(video: Video) -> None:
    put_beside(video, ".srt")
    video.source = Video.Source.UPLOAD
    assert beside(video) == []


def test_new_changed_and_deleted_files_are_read_again_and_others_are_not(video: Video) -> None:
    def queued() -> int:
        jobs = Job.objects.filter(kind="subtitles", subject_id=video.id)
        number = jobs.filter(state="queued").count()
        jobs.update(state="done")
        return number

    assert (subtitles_look().changed, queued()) == ([], 0)
    first = put_beside(video, ".srt")
    assert (subtitles_look().changed, subtitles_look().changed, queued()) == ([video.path], [], 1)
    read_all(video)
    assert (subtitles_look().changed, queued()) == ([], 0)
    put(first, SRT + SRT)
    assert queued() == 0 and subtitles_look().changed == [video.path] and queued() == 1
    read_all(video)
    first.unlink()
    assert subtitles_look().changed == [video.path] and queued() == 1
    read_all(video)
    assert not TextSegment.objects.filter(video=video, source="subtitle").exists()
    assert not SubtitleFile.objects.exists()
    Video.objects.filter(id=video.id).update(state=Video.State.PROBED)
    put_beside(video, ".de.srt")
    assert subtitles_look().changed == []  # the indexing reads it


def test_what_is_away_keeps_its_subtitles(video: Video) -> None:
    put_beside(video, ".srt")
    read_all(video)
    folder = video.file.parent
    folder.rename(folder.with_name("elsewhere"))
    assert beside(video) is None
    assert subtitles_look() == type(subtitles_look())(frozenset(), [])
    assert TextSegment.objects.filter(video=video, source="subtitle").count() == 1


def test_only_subtitles_from_files_are_replaced(video: Video) -> None:
    embedded = TextSegment.objects.create(
        video=video, source="subtitle", start=0, end=1, text="inside", track=1, language="en"
    )
    put_beside(video, ".en.srt")
    put_beside(video, ".ja.srt")
    read_all(video)
    read_all(video)
    assert TextSegment.objects.filter(id=embedded.id).exists()
    tracks = [(track.number, track.language, track.label) for track in subtitle_tracks(video.id)]
    assert tracks == [(1, "en", "English"), (1000, "en", "English 2"), (1001, "ja", "日本語")]


def test_what_could_not_be_read_is_said(video: Video) -> None:
    put_beside(video, ".srt")
    subtitle_files_store(
        video_id=video.id, files=[ReadFile(file, problem="larger than 16 MB") for file in beside(video) or []]
    )
    assert unread_subtitle_files(video.id) == [(f"{video.file.stem}.srt", "larger than 16 MB")]
    assert len(file_read((beside(video) or [])[0])) <= LARGEST_BYTES


def test_an_import_counts_subtitles_and_reads_changed_ones_again(tmp_path: Path) -> None:
    put(tmp_path / "film.mp4", b"film")
    put(tmp_path / "film.en.srt", SRT)
    put(tmp_path / "alone.srt", SRT)
    table = [line.split() for line in run(tmp_path).splitlines()]
    assert ["subtitles", "1"] in table
    assert ["1", "subtitles", "that", "belong", "to", "no", "imported", "video"] in table
    assert not any("unsupported" in line for line in table)
    Video.objects.update(state=Video.State.READY)
    said = run(tmp_path)
    assert f"subtitles  {tmp_path}/film.mp4  (read again)" in said
    assert Job.objects.filter(kind="subtitles").count() == 1


def test_subtitles_beside_a_copy_belong_to_the_video_as_well(tmp_path: Path) -> None:
    """The same content twice is one video, whichever of its files has the subtitles."""
    for name in ("a.mp4", "b.mp4", "more/c.mp4"):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        put(tmp_path / name, b"one content")
        put((tmp_path / name).with_suffix(".en.srt"), SRT)
    assert ["subtitles", "3"] in [line.split() for line in run(tmp_path).splitlines()]
    video = Video.objects.get()
    assert [str(file.path.relative_to(tmp_path)) for file in beside(video) or []] == [
        "a.en.srt", "b.en.srt", "more/c.en.srt",
    ]  # fmt: skip
    (tmp_path / "b.mp4").unlink()  # its folder is there: the copy is gone
    assert len(beside(video) or []) == 2
    (tmp_path / "more").rename(tmp_path / "away")
    assert beside(video) is None
