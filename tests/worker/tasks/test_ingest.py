"""Real clips through the whole ingest: decoded, embedded, written, ready; bad ones end with a reason."""

from __future__ import annotations

import os
from pathlib import Path

import numpy as np
import pytest

from apps.core.models import Job
from apps.embeddings.models import ClipEmbedding, FrameEmbedding, ModelVersion
from apps.videos.models import Video
from tests.clips import Scene, make_clip
from tests.worker.tasks.active_versions import register, versions  # noqa: F401
from worker.embedders.copies.quality import informative_frames
from worker.tasks import ingest as ingest_task
from worker.tasks.ingest import ingest
from worker.tasks.matching import gallery

pytestmark = pytest.mark.django_db(transaction=True)
Versions = tuple[ModelVersion, ModelVersion]


def job_of(video: Video, kind: str = "ingest") -> Job:
    return Job.objects.get(subject_id=video.id, kind=kind)


@pytest.fixture
def clip(tmp_path: Path) -> Path:
    return make_clip(tmp_path / "two.mp4", scenes=[Scene("mandelbrot", 1), Scene("testsrc2", 2)], seconds=6)


def test_a_clip_becomes_ready_with_everything_that_pages_need(clip: Path, versions: Versions) -> None:  # noqa: F811
    video = register(clip)
    ingest(str(job_of(video).id))
    video.refresh_from_db()
    assert video.state == Video.State.READY, video.failure
    assert video.duration_seconds == pytest.approx(6.0, abs=0.3)
    assert video.shots.count() == 2
    names = {f.name for f in video.folder.iterdir()}
    assert {"poster.jpg", "storyboard.vtt", "sprite.jpg", "thumbs"} <= names
    assert ClipEmbedding.objects.filter(video=video).count() == len(list((video.folder / "thumbs").iterdir())) >= 2
    stored = gallery(versions[1]).descriptors(video)
    assert stored is not None
    assert len(stored.times) == len(stored.vectors) >= 12 and stored.informative.any()
    assert stored.hashes is not None and stored.hashes.shape == (len(stored.times), 32)
    assert {view.kind for view in stored.views} >= {"mirrored", "turned", "part"}
    assert all(np.isfinite(view.vectors).all() and view.penalty is not None for view in stored.views)
    assert job_of(video).state == "done"
    assert job_of(video, "match").state == "queued"
    assert not Job.objects.filter(subject_id=video.id, kind="proxy").exists()


def test_the_same_vectors_whoever_runs_it_again(clip: Path, versions: Versions) -> None:  # noqa: F811
    video = register(clip)
    job = job_of(video)
    ingest(str(job.id))
    before = FrameEmbedding.objects.filter(video=video).count()
    Video.objects.filter(id=video.id).update(state=Video.State.PROBED)
    Job.objects.filter(id=job.id).update(state="queued")
    ingest(str(job.id))
    video.refresh_from_db()
    assert video.state == Video.State.READY
    assert FrameEmbedding.objects.filter(video=video).count() == before


def test_a_message_that_comes_twice_does_nothing_twice(clip: Path, versions: Versions) -> None:  # noqa: F811
    video = register(clip)
    ingest(str(job_of(video).id))
    ingest(str(job_of(video).id))
    assert Job.objects.filter(subject_id=video.id, kind="match").count() == 1


def test_what_browsers_cannot_play_gets_a_proxy_job(tmp_path: Path, versions: Versions) -> None:  # noqa: F811
    path = make_clip(tmp_path / "old.avi", scenes=[Scene("testsrc2", 3)], seconds=2, codec="mpeg4", container="avi")
    video = register(path)
    ingest(str(job_of(video).id))
    assert job_of(video, "proxy").state == "queued"


@pytest.mark.parametrize(
    ("name", "content"), [("empty.mp4", b""), ("text.mp4", b"these are words\n" * 500), ("list.mp4", b"#EXTM3U\n/a\n")]
)
def test_bad_files_fail_with_a_reason_and_leave_nothing(
    tmp_path: Path,
    versions: Versions,  # noqa: F811
    name: str,
    content: bytes,
) -> None:
    path = tmp_path / name
    path.write_bytes(content)
    video = register(path)
    job = job_of(video)
    ingest(str(job.id))
    video.refresh_from_db()
    job.refresh_from_db()
    assert video.state == Video.State.FAILED and len(video.failure) > 20
    assert job.state == "failed" and job.error == video.failure
    assert not video.folder.exists() and path.exists()
    assert not ClipEmbedding.objects.filter(video=video).exists()


def test_a_file_that_was_replaced_while_it_waited_is_not_indexed(clip: Path, versions: Versions) -> None:  # noqa: F811
    video = register(clip)
    make_clip(clip, scenes=[Scene("testsrc2", 9)], seconds=3)
    ingest(str(job_of(video).id))
    video.refresh_from_db()
    assert (video.state, video.failure_code) == (Video.State.FAILED, "replaced")
    assert "replaced by another" in video.failure and video.missing_since is not None
    assert not ClipEmbedding.objects.filter(video=video).exists()


def test_a_file_that_is_replaced_while_it_is_indexed_is_not_published(
    clip: Path,
    versions: Versions,  # noqa: F811
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    video = register(clip)
    real = ingest_task._index

    def index_then_replace(*args: object) -> object:
        result = real(*args)  # type: ignore[arg-type]
        clip.write_bytes(clip.read_bytes() + b"more")
        return result

    monkeypatch.setattr(ingest_task, "_index", index_then_replace)
    ingest(str(job_of(video).id))
    video.refresh_from_db()
    assert (video.state, video.failure_code) == (Video.State.FAILED, "replaced")
    assert not ClipEmbedding.objects.filter(video=video).exists()


def test_a_touched_file_is_indexed_all_the_same(clip: Path, versions: Versions) -> None:  # noqa: F811
    video = register(clip)
    clip.touch()
    ingest(str(job_of(video).id))
    video.refresh_from_db()
    assert video.state == Video.State.READY


def test_a_name_that_is_no_utf8_is_indexed(clip: Path, versions: Versions) -> None:  # noqa: F811
    odd = clip.rename(Path(os.fsdecode(os.fsencode(clip.parent) + b"/caf\xe9.mp4")))
    video = register(odd)
    assert video.title == "café"
    ingest(str(job_of(video).id))
    video.refresh_from_db()
    assert video.state == Video.State.READY, video.failure


def test_without_a_model_the_reason_says_what_to_do(clip: Path, transactional_db: None) -> None:
    video = register(clip)
    ingest(str(job_of(video).id))
    video.refresh_from_db()
    assert video.failure_code == "model" and "prepare" in video.failure


def test_a_switch_of_models_in_the_middle_starts_over(
    clip: Path,
    versions: Versions,  # noqa: F811
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    video = register(clip)
    real = ingest_task._index

    def index_then_switch(*args: object) -> object:
        result = real(*args)  # type: ignore[arg-type]
        ModelVersion.objects.filter(id=versions[0].id).update(state=ModelVersion.State.READY)
        return result

    monkeypatch.setattr(ingest_task, "_index", index_then_switch)
    ingest(str(job_of(video).id))
    video.refresh_from_db()
    assert job_of(video).state == "queued" and video.state != Video.State.READY
    assert not ClipEmbedding.objects.filter(video=video).exists()


def test_a_video_of_a_bird_in_a_clear_sky_still_has_voters() -> None:
    assert informative_frames([0.5, 0.6, 0.01, 0.4]) == [True, True, False, True]
    assert sum(informative_frames([0.1, 0.12, 0.2, 0.15, 0.0, 0.0])) >= 3
    assert informative_frames([0.0, 0.01, 0.0]) == [False, False, False]
