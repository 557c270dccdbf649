from __future__ import annotations

import json
import os
import shutil
import threading
import time
from io import StringIO
from pathlib import Path
from typing import Any

import pytest
from django.core.management import CommandError, call_command

from apps.core.models import Job
from apps.videos import relocation
from apps.videos.importing import file_import, manifest_read
from apps.videos.management.import_progress import Progress
from apps.videos.models import ImportedFile, Video
from apps.videos.walking import is_growing
from tests.apps.people import imported

pytestmark = pytest.mark.django_db


@pytest.fixture
def library(tmp_path: Path) -> Path:
    folder = tmp_path / "library"
    (folder / "trips").mkdir(parents=True)
    put(folder / "a.mp4", b"aaa")
    put(folder / "trips" / "b.MKV", b"bbb")
    return folder


def put(path: Path, content: bytes) -> Path:
    """A file that is old enough to be whole."""
    path.write_bytes(content)
    past = time.time() - 60
    os.utime(path, (past, past))
    return path


def run(folder: Path, *flags: str, **options: Any) -> str:
    out = StringIO()
    call_command("import", str(folder), *flags, stdout=out, **options)
    return out.getvalue()


def outcomes(text: str, folder: Path) -> dict[str, str]:
    """File -> what was printed before its path."""
    lines = [line.split(str(folder) + "/", 1) for line in text.splitlines() if f"  {folder}/" in line]
    return {rest.split("  (")[0]: start.strip() for start, rest in lines}


def test_all_videos_of_a_folder_and_its_folders_are_added_in_place(library: Path) -> None:
    said = run(library)
    assert outcomes(said, library) == {"a.mp4": "new", "trips/b.MKV": "new"}
    assert set(Video.objects.values_list("path", "source")) == {
        (str(library / "a.mp4"), "import"),
        (str(library / "trips/b.MKV"), "import"),
    }
    assert Job.objects.filter(kind="ingest").count() == 2


def test_a_second_run_adds_nothing_and_reads_no_file(library: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    run(library)
    monkeypatch.setattr(relocation, "file_sha256", lambda *_, **__: pytest.fail("a file was read again"))
    assert outcomes(run(library), library) == {"a.mp4": "already known", "trips/b.MKV": "already known"}
    assert (Video.objects.count(), Job.objects.count()) == (2, 2)


def test_what_is_no_whole_video_is_skipped_and_the_reason_said(library: Path) -> None:
    put(library / "c.mp4.part", b"x")
    put(library / "module.ts", b"const x: number = 1")
    put(library / ".hidden.mp4", b"x")
    put(library / "notes.txt", b"x")
    (library / ".trash").mkdir()
    put(library / ".trash" / "old.mp4", b"x")
    (library / "broken.mp4").symlink_to(library / "nowhere.mp4")
    said = run(library)
    assert "c.mp4.part  (an unfinished download)" in said
    assert "module.ts  (not a video despite its name)" in said
    for name in ("hidden.mp4", "notes.txt", "old.mp4"):
        assert name not in said
    assert Video.objects.count() == 2


def test_the_table_at_the_end_counts_every_outcome_and_every_reason(library: Path) -> None:
    for name in ("#recycle", "@Recycle", ".Trash-1000", "$RECYCLE.BIN"):
        (library / name).mkdir()
        put(library / name / "old.mp4", b"old")
    (library / "broken.mp4").symlink_to(library / "nowhere.mp4")
    (library / "shortcut").symlink_to(library / "trips")
    put(library / "notes.txt", b"x")
    put(library / "photo.png", b"\x89PNG\r\n\x1a\n\0\0\0\rIHDR IDAT acTL")
    table = run(library).splitlines()[-14:]
    assert [line.split() for line in table] == [
        ["new", "2"], ["already", "known", "0"], ["moved", "0"], ["same", "content", "0"], ["replaced", "0"],
        ["missing", "0"], ["subtitles", "0"], ["skipped", "8"], ["4", "a", "recycle", "bin"],
        ["1", "a", "dangling", "link"], ["1", "a", "link", "to", "a", "folder"], ["1", "a", "single", "picture"],
        ["1", "unsupported", "type", "(.txt)"],
        ["in", "all", "6", "bytes"],
    ]  # fmt: skip


def test_a_folder_that_may_not_be_read_is_said_so(library: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    real = os.scandir

    def refuse(path: Any) -> Any:
        if str(path).endswith("trips"):
            raise PermissionError(13, "Permission denied", str(path))
        return real(path)

    monkeypatch.setattr(os, "scandir", refuse)
    assert "1  unreadable folder (Permission denied)" in run(library)


def test_names_that_are_no_utf8_or_hold_control_characters_are_imported(library: Path) -> None:
    folder = os.fsencode(library)
    for name in (b"caf\xe9.mp4", b"esc\x1b[31mred.mp4"):
        put(Path(os.fsdecode(folder + b"/" + name)), name)
    said = run(library)
    said.encode()
    assert "\x1b" not in said
    assert set(Video.objects.values_list("title", flat=True)) == {"a", "b", "café", "esc [31mred"}
    assert {os.fsencode(video.file) for video in Video.objects.all()} >= {folder + b"/caf\xe9.mp4"}
    assert outcomes(run(library), library)["caf\u241be9.mp4"] == "already known"
    assert all(video.file.is_file() for video in Video.objects.all())


def test_a_real_transport_stream_is_taken(library: Path) -> None:
    put(library / "tv.ts", b"\x47" + bytes(187))
    assert outcomes(run(library), library)["tv.ts"] == "new"


def test_a_file_that_still_grows_is_left_for_later(library: Path) -> None:
    growing = library / "copying.mp4"
    growing.write_bytes(b"half")
    assert is_growing(growing, wait=lambda _: growing.write_bytes(b"half and more") and None)
    assert not is_growing(growing, wait=lambda _: None)
    assert not is_growing(library / "a.mp4", wait=lambda _: pytest.fail("an old file needs no waiting"))


def test_two_files_of_the_same_content_are_one_video(library: Path) -> None:
    put(library / "copy.mp4", b"aaa")
    said = run(library)
    assert outcomes(said, library)["copy.mp4"] == "same content"
    assert f"(as {library / 'a.mp4'})" in said
    assert Video.objects.count() == 2


def test_a_renamed_file_keeps_its_video(library: Path) -> None:
    run(library)
    video = Video.objects.get(path=str(library / "a.mp4"))
    shutil.move(library / "a.mp4", library / "trips" / "renamed.mp4")
    assert outcomes(run(library), library)["trips/renamed.mp4"] == "moved"
    video.refresh_from_db()
    assert video.path == str(library / "trips" / "renamed.mp4")
    assert (Video.objects.count(), Job.objects.count()) == (2, 2)
    assert not ImportedFile.objects.filter(path=str(library / "a.mp4")).exists()


def test_a_file_that_was_overwritten_is_a_new_video_and_the_old_one_plays_nothing_else(library: Path) -> None:
    run(library)
    old = Video.objects.get(path=str(library / "a.mp4"))
    put(library / "a.mp4", b"other content")
    assert outcomes(run(library), library)["a.mp4"] == "replaced"
    old.refresh_from_db()
    assert old.path == ""
    assert Video.objects.filter(path=str(library / "a.mp4")).count() == 1


def test_an_overwritten_file_with_a_copy_elsewhere_plays_the_copy(library: Path) -> None:
    put(library / "copy.mp4", b"aaa")
    run(library)
    put(library / "a.mp4", b"other content")
    run(library)
    assert Path(Video.objects.get(sha256=ImportedFile.objects.get(path=str(library / "copy.mp4")).sha256).path) == (
        library / "copy.mp4"
    )


def test_titles_and_tags_come_from_the_manifest_and_captions_do_not(library: Path) -> None:
    clip = {"file": "a.mp4", "title": "A red boat", "tags": ["Sea"], "caption": "a boat on the sea"}
    (library / "manifest.json").write_text(json.dumps({"seed": 1, "clips": [clip], "copies": [{"file": "x.mp4"}]}))
    run(library, "--tag", "demo")
    video = Video.objects.get(path=str(library / "a.mp4"))
    assert (video.title, video.description) == ("A red boat", "")
    assert sorted(tag.name for tag in video.tags.all()) == ["demo", "sea"]
    assert set(video.text_segments.values_list("source", "text")) == {("title", "A red boat"), ("name", "a.mp4")}


@pytest.mark.parametrize("content", ["", "no json", "[1, 2]", '{"clips": 5}', '{"clips": [{"file": 3}]}', "null"])
def test_a_manifest_of_another_kind_is_ignored(tmp_path: Path, content: str) -> None:
    (tmp_path / "manifest.json").write_text(content)
    assert manifest_read(tmp_path) == {}


def test_a_known_failure_is_told_and_not_tried_again_until_the_file_changes(library: Path) -> None:
    run(library)
    Job.objects.update(state=Job.State.FAILED)
    Video.objects.update(state=Video.State.FAILED, failure="It is empty.")
    assert "(failed: It is empty.)" in run(library)
    assert not Job.objects.filter(state=Job.State.QUEUED).exists()
    os.utime(library / "a.mp4")
    result = file_import(path=library / "a.mp4")
    assert result.note == "it failed before; trying again"
    assert Job.objects.filter(state=Job.State.QUEUED).count() == 1


def test_wait_ends_with_1_and_the_reasons_when_a_video_failed(library: Path) -> None:
    run(library)
    Video.objects.filter(path=str(library / "a.mp4")).update(state=Video.State.FAILED, failure="It is empty.")
    Video.objects.exclude(path=str(library / "a.mp4")).update(state=Video.State.READY, duration_seconds=75)
    out = StringIO()
    with pytest.raises(SystemExit) as ended:
        call_command("import", str(library), "--wait", stdout=out)
    assert ended.value.code == 1
    assert "ready        1   1:15 of video" in out.getvalue()
    assert "a.mp4: It is empty." in out.getvalue()


def test_wait_ends_with_0_when_all_are_ready(library: Path) -> None:
    run(library)
    Video.objects.update(state=Video.State.READY, duration_seconds=5)
    assert "failed       0" in run(library, "--wait")


def test_progress_shows_the_running_job_until_the_last_video_ended(tmp_path: Path) -> None:
    video = imported(tmp_path, name="boat.mp4")
    Job.objects.update(state=Job.State.RUNNING, percent=40, seconds_left=75)
    lines: list[str] = []

    class Lines:
        def write(self, line: str, ending: str = "\n") -> None:
            lines.append(line)

        def flush(self) -> None: ...

    def end(_: float) -> None:
        Video.objects.update(state=Video.State.READY)

    Progress(Lines(), interactive=False, wait=end).until_done([video.id])
    assert lines == ["0 of 1 done; boat 40 %, 1:15 left"]


def test_a_folder_that_is_not_there_is_said_so(tmp_path: Path) -> None:
    with pytest.raises(CommandError, match="does not exist"):
        run(tmp_path / "nowhere")


def test_an_empty_folder_is_said_so(tmp_path: Path) -> None:
    assert "No videos in" in run(tmp_path)


def test_one_file_can_be_imported(library: Path) -> None:
    run(library / "a.mp4")
    assert Video.objects.get().path == str(library / "a.mp4")


@pytest.mark.parametrize("name", [b"late.mp4", b"caf\xe9.mp4"])
@pytest.mark.django_db(transaction=True)
def test_watch_adds_a_file_that_comes_later_and_stops_on_ctrl_c(
    library: Path, monkeypatch: pytest.MonkeyPatch, name: bytes
) -> None:
    """The command runs in this thread; the helper drops a file and, when it was seen, presses Ctrl-C."""
    module = __import__("apps.videos.management.commands.import", fromlist=["watch"])
    real_watch = module.watch
    dropped = threading.Event()

    def watch_until_seen(*args: Any, **options: Any) -> Any:
        for changes in real_watch(*args, **{**options, "rust_timeout": 200}):
            if not dropped.is_set():
                put(library / os.fsdecode(name), b"late")
                dropped.set()
                yield changes
                continue
            yield changes
            if Video.objects.count() == 3:
                raise KeyboardInterrupt

    monkeypatch.setattr(module, "watch", watch_until_seen)
    with pytest.raises(SystemExit) as ended:
        run(library, "--watch")
    assert ended.value.code == 130
    assert Video.objects.count() == 3
