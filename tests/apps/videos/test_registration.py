from __future__ import annotations

import errno
import os
import threading
from importlib import import_module
from pathlib import Path
from typing import Any
from uuid import uuid4

import pytest
from django.apps import apps
from django.db import connection
from pytest_django import DjangoCaptureOnCommitCallbacks, Settings

from apps.core.exceptions import Conflict, InvalidInput, NotFound
from apps.core.models import Job
from apps.videos import registration
from apps.videos.editing import video_delete, video_update
from apps.videos.ingest import video_cancel, video_retry
from apps.videos.job_kinds import INGEST, ingest_failed
from apps.videos.models import TextSegment, Video
from apps.videos.registration import video_register
from apps.videos.storage import place_into
from tests.apps.people import imported


def upload(folder: Path, content: bytes = b"bytes", name: str = "beach_day.MP4") -> tuple[Video, bool]:
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / f"upload-{len(list(folder.iterdir()))}"
    path.write_bytes(content)
    return video_register(path=path, original_name=name, source=Video.Source.UPLOAD)


@pytest.mark.django_db
class TestRegister:
    def test_an_upload_gets_a_name_of_ours_and_its_caller_removes_the_file(
        self, tmp_path: Path, settings: Settings
    ) -> None:
        video, created = upload(tmp_path / "in", name="../../etc/beach_day.MP4")
        assert created
        assert Path(video.path) == Path(settings.MEDIA_DIR) / str(video.id) / "original.mp4"
        assert Path(video.path).read_bytes() == b"bytes"
        assert [path.read_bytes() for path in (tmp_path / "in").iterdir()] == [b"bytes"]
        assert (video.title, video.original_name, video.size_bytes) == ("beach day", "beach_day.MP4", 5)

    def test_an_import_stays_in_place(self, tmp_path: Path) -> None:
        video = imported(tmp_path / "mine", b"x")
        assert Path(video.path).parent == tmp_path / "mine"
        assert not video.folder.exists()

    def test_the_job_and_the_searchable_title_are_written_along(self, tmp_path: Path) -> None:
        video = imported(tmp_path, name="red_car.mp4", description="at night", tags=["Cars", "cars ", ""])
        job = Job.objects.get(subject_id=video.id)
        assert (job.kind, job.state) == (INGEST.name, Job.State.QUEUED)
        texts = dict(TextSegment.objects.filter(video=video).values_list("source", "text"))
        assert texts == {"title": "red car", "name": "red_car.mp4", "description": "at night"}
        assert [tag.name for tag in video.tags.all()] == ["cars"]

    def test_the_same_content_is_one_video_with_one_file(self, tmp_path: Path, settings: Settings) -> None:
        first, _ = upload(tmp_path / "in")
        second, created = upload(tmp_path / "in", name="other.mov")
        assert (second.id, created) == (first.id, False)
        assert [path for path in Path(settings.MEDIA_DIR).rglob("*") if path.is_file()] == [Path(first.path)]
        assert Job.objects.count() == 1

    def test_a_failed_video_is_tried_again_by_an_upload_of_the_same_content(self, tmp_path: Path) -> None:
        video, _ = upload(tmp_path / "in")
        Job.objects.update(state=Job.State.FAILED, error="no")
        ingest_failed(video_id=video.id, code="damaged", message="It is damaged.")
        assert not Path(video.path).exists()
        again, created = upload(tmp_path / "in")
        assert (again.id, created, again.state) == (video.id, False, Video.State.UPLOADED)
        assert Path(again.path).read_bytes() == b"bytes"
        assert [job.state for job in Job.objects.all()] == [Job.State.QUEUED]

    def test_an_upload_replaces_the_lost_file_of_an_import(self, tmp_path: Path) -> None:
        video = imported(tmp_path / "mine", b"bytes")
        Path(video.path).unlink()
        again, _ = upload(tmp_path / "in")
        assert again.id == video.id
        assert Path(again.path) == again.folder / "original.mp4"

    def test_a_file_that_is_gone_is_an_input_error_and_leaves_nothing(self, tmp_path: Path, settings: Settings) -> None:
        with pytest.raises(InvalidInput):
            video_register(path=tmp_path / "no.mp4", original_name="no.mp4", source=Video.Source.IMPORT)
        with pytest.raises(InvalidInput):
            video_register(path=tmp_path / "no.mp4", original_name="no", source=Video.Source.UPLOAD, sha256="0" * 64)
        assert not Video.objects.exists()
        assert not list(Path(settings.MEDIA_DIR).glob("*"))

    def test_a_registration_that_was_cut_off_is_repeated_in_the_same_place(
        self, tmp_path: Path, settings: Settings, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        path = tmp_path / str(uuid4())
        path.write_bytes(b"bytes")

        def place_then_break(source: Path, target: Path) -> None:
            place_into(source, target)
            raise RuntimeError("the power went")

        with monkeypatch.context() as patched:
            patched.setattr(registration, "place_into", place_then_break)
            with pytest.raises(RuntimeError):
                video_register(path=path, original_name="a.mp4", source=Video.Source.UPLOAD)
        assert path.read_bytes() == b"bytes"
        assert not Video.objects.exists()
        video, created = video_register(path=path, original_name="a.mp4", source=Video.Source.UPLOAD)
        assert created
        assert list(Path(settings.MEDIA_DIR).iterdir()) == [Path(video.path).parent]
        assert Path(video.path).read_bytes() == b"bytes"

    def test_where_a_disk_knows_no_second_names_the_file_is_copied(
        self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        def refused(*_: object) -> None:
            raise OSError(errno.EXDEV, "another disk")

        monkeypatch.setattr(os, "link", refused)
        video, _ = upload(tmp_path / "in")
        assert Path(video.path).read_bytes() == b"bytes"
        assert [path.name for path in Path(video.path).parent.iterdir()] == ["original.mp4"]


@pytest.mark.django_db(transaction=True)
def test_the_same_content_from_eight_threads_at_once_is_one_row_with_one_file(
    tmp_path: Path, settings: Settings
) -> None:
    start = threading.Barrier(8)
    results: list[tuple[Any, bool]] = []

    def register(number: int) -> None:
        path = tmp_path / f"upload-{number}"
        path.write_bytes(b"the same")
        start.wait()
        try:
            video, created = video_register(path=path, original_name="a.mp4", source=Video.Source.UPLOAD)
            results.append((video.id, created))
        finally:
            connection.close()

    threads = [threading.Thread(target=register, args=(number,)) for number in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(results) == 8
    assert sorted(created for _, created in results) == [False] * 7 + [True]
    assert len({video_id for video_id, _ in results}) == 1
    assert Video.objects.count() == Job.objects.count() == 1
    kept = [path for path in Path(settings.MEDIA_DIR).rglob("*") if path.is_file()]
    assert kept == [Path(Video.objects.get().path)]
    assert len(list(tmp_path.glob("upload-*"))) == 8  # their callers remove them


@pytest.mark.django_db
class TestLife:
    def test_delete_removes_the_upload_and_everything_derived(
        self, tmp_path: Path, django_capture_on_commit_callbacks: DjangoCaptureOnCommitCallbacks
    ) -> None:
        video, _ = upload(tmp_path / "in")
        (video.folder / "poster.jpg").write_bytes(b"x")
        with django_capture_on_commit_callbacks(execute=True):
            video_delete(video_id=video.id)
        assert not video.folder.exists()
        assert not Video.objects.exists()
        assert Job.objects.get().state == Job.State.CANCELLED

    def test_delete_never_touches_an_imported_file(
        self, tmp_path: Path, django_capture_on_commit_callbacks: DjangoCaptureOnCommitCallbacks
    ) -> None:
        video = imported(tmp_path, b"mine")
        with django_capture_on_commit_callbacks(execute=True):
            video_delete(video_id=video.id)
        assert Path(video.path).read_bytes() == b"mine"

    def test_a_worker_that_holds_a_deleted_video_loses_its_job(self, tmp_path: Path) -> None:
        video = imported(tmp_path)
        Job.objects.update(state=Job.State.RUNNING, fencing_token=4)
        video_delete(video_id=video.id)
        job = Job.objects.get()
        assert (job.state, job.fencing_token) == (Job.State.CANCELLED, 5)

    def test_cancel_before_a_worker_came_ends_the_video_at_once_and_retry_brings_it_back(self, tmp_path: Path) -> None:
        video = imported(tmp_path)
        assert video_cancel(video_id=video.id).failure_code == "cancelled"
        assert Job.objects.get().state == Job.State.CANCELLED
        assert video_retry(video_id=video.id).state == Video.State.UPLOADED
        assert Job.objects.get().state == Job.State.QUEUED

    def test_cancel_of_a_running_ingest_asks_the_worker(self, tmp_path: Path) -> None:
        video = imported(tmp_path)
        Job.objects.update(state=Job.State.RUNNING)
        assert video_cancel(video_id=video.id).state == Video.State.UPLOADED
        job = Job.objects.get()
        assert (job.state, job.cancel_requested) == (Job.State.RUNNING, True)

    def test_what_is_not_going_on_cannot_be_cancelled_and_what_did_not_fail_not_retried(self, tmp_path: Path) -> None:
        video = imported(tmp_path)
        Job.objects.update(state=Job.State.DONE)
        Video.objects.update(state=Video.State.READY)
        with pytest.raises(Conflict):
            video_cancel(video_id=video.id)
        with pytest.raises(Conflict):
            video_retry(video_id=video.id)

    def test_retry_without_the_file_says_what_to_do(self, tmp_path: Path) -> None:
        video, _ = upload(tmp_path / "in")
        ingest_failed(video_id=video.id, code="damaged", message="It is damaged.")
        with pytest.raises(Conflict, match="Upload a repaired file"):
            video_retry(video_id=video.id)

    def test_a_new_title_is_what_search_finds(self, tmp_path: Path) -> None:
        video = imported(tmp_path, title="Old", description="words")
        Video.objects.update(duration_seconds=12.0)
        video_update(video_id=video.id, title=" New ", description="", tags=["b", "a"])
        segments = TextSegment.objects.filter(video=video).values_list("source", "text", "end")
        assert set(segments) == {("title", "New", 12.0), ("name", "clip.mp4", 12.0)}
        assert [tag.name for tag in video.tags.all()] == ["a", "b"]

    @pytest.mark.parametrize(
        ("changes", "field"),
        [
            ({"title": "  "}, "title"),
            ({"title": "x" * 301}, "title"),
            ({"description": "x" * 20_001}, "description"),
            ({"tags": ["x" * 65]}, "tags"),
            ({"tags": [str(n) for n in range(51)]}, "tags"),
        ],
    )
    def test_changes_that_cannot_be_stored_name_their_field(
        self, tmp_path: Path, changes: dict[str, Any], field: str
    ) -> None:
        video = imported(tmp_path)
        with pytest.raises(InvalidInput) as refused:
            video_update(video_id=video.id, **changes)
        assert refused.value.field == field

    def test_unknown_videos_are_not_found(self) -> None:
        unknown = "00000000-0000-0000-0000-000000000000"
        for act in (video_cancel, video_retry, video_delete, video_update):
            with pytest.raises(NotFound):
                act(video_id=unknown)  # type: ignore[operator]


@pytest.mark.django_db
def test_a_video_in_the_state_that_went_away_counts_as_being_indexed(tmp_path: Path) -> None:
    video = imported(tmp_path)
    Video.objects.update(state="indexed")
    import_module("apps.videos.migrations.0003_no_indexed_state").indexed_to_probed(apps, None)
    video.refresh_from_db()
    assert video.state == Video.State.PROBED
