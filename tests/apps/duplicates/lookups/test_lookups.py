from __future__ import annotations

import os
import time
from datetime import timedelta
from pathlib import Path

import numpy as np
import pytest
from django.contrib.auth import get_user_model
from django.utils import timezone

from apps.core.exceptions import Conflict, InvalidInput, NotFound
from apps.core.jobs import job_cancel
from apps.core.models import Job
from apps.duplicates.lookups.answers import lookup_answer
from apps.duplicates.lookups.asking import lookup_create
from apps.duplicates.lookups.files import lookup_add_to_library, lookups_expire, lookups_folder
from apps.duplicates.models import Lookup, VideoMatch
from apps.embeddings.models import FrameEmbedding
from apps.embeddings.vector_index import PgVectorIndex
from apps.videos.models import Video
from tests.apps.duplicates.planted import edited, planted_video, random_frames
from tests.apps.duplicates.rows import make_version, make_video
from tests.clips import Scene, ffmpeg, make_clip
from worker.indexing.fingerprints import fingerprint
from worker.library.vectors import store_fingerprint
from worker.tasks import lookup as task

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("job_in_this_transaction")]


class PixelDescriptor:
    """A copy descriptor without weights: the picture in 8 x 8 cells of colour."""

    def encode_squares(self, squares):
        side = squares.shape[-1] // 8 * 8
        cells = squares[:, :, :side, :side].numpy().reshape(len(squares), 3, 8, side // 8, 8, side // 8).mean((3, 5))
        flat = cells.reshape(len(squares), -1)
        flat = flat - flat.mean(axis=1, keepdims=True)
        return (flat / np.maximum(np.linalg.norm(flat, axis=1, keepdims=True), 1e-6)).astype(np.float32)

    def background(self):
        return np.zeros((0, 192), np.float32)


@pytest.fixture
def version(monkeypatch):
    monkeypatch.setattr(task, "copy_embedder", lambda version: PixelDescriptor())
    return make_version(dim=192)


@pytest.fixture
def person():
    return get_user_model().objects.create_user("asker")


def uploaded(tmp_path: Path, source: Path) -> Path:
    file = tmp_path / f"upload-{time.monotonic_ns()}"
    file.write_bytes(source.read_bytes())
    return file


def answer_of(lookup: Lookup) -> Lookup:
    job = Job.objects.get(kind="lookup", subject_id=lookup.id)
    task.lookup(str(job.id))
    lookup.refresh_from_db()
    return lookup


def ingested(version, path: Path, title: str) -> Video:
    described = fingerprint(path, copy=PixelDescriptor(), role="reference")
    video = make_video(title, duration=described.duration)
    store_fingerprint(PgVectorIndex(), video, version, described)
    return video


SCENES = [Scene("life", seed=1), Scene("mandelbrot", seed=2), Scene("testsrc", seed=3), Scene("gradients", seed=4)]


def test_an_excerpt_of_a_library_video_is_found_with_its_place(version, person, tmp_path):
    whole = make_clip(tmp_path / "whole.mp4", scenes=SCENES, seconds=16.0)
    library = ingested(version, whole, "whole")
    ingested(version, make_clip(tmp_path / "x.mp4", scenes=[Scene("shapes", seed=8)], seconds=8.0), "other")
    ffmpeg("-ss", "4", "-t", "8", "-i", whole, tmp_path / "part.mp4")

    lookup = answer_of(
        lookup_create(path=uploaded(tmp_path, tmp_path / "part.mp4"), file_name="part.mp4", owner=person)
    )

    assert (lookup.state, lookup.failure) == ("done", "")
    best = lookup.matches[0]
    assert best["video"] == {"id": str(library.id), "title": "whole", "path": library.path, "duration": 16.0}
    assert best["relation"] == "contained_in"
    starts, ends = min(s["reference"][0] for s in best["segments"]), max(s["reference"][1] for s in best["segments"])
    assert (starts, ends) == pytest.approx((4, 12), abs=1.5)
    assert not FrameEmbedding.objects.exclude(video__title__in=["whole", "other"]).exists()
    assert not VideoMatch.objects.exists()


def test_the_very_file_is_known_at_once_without_decoding(version, person, tmp_path, monkeypatch):
    library = planted_video(version, "known", random_frames(1, 20))
    other = planted_video(version, "copy", edited(random_frames(1, 20), 2))
    file = tmp_path / "same.mp4"
    file.write_bytes(b"the same bytes")
    import hashlib

    Video.objects.filter(id=library.id).update(sha256=hashlib.sha256(b"the same bytes").hexdigest())
    monkeypatch.setattr(task, "describe", lambda *a, **k: pytest.fail("it was decoded"))

    lookup = answer_of(lookup_create(path=file, file_name="same.mp4", owner=person))

    assert [(m["video"]["id"], m["relation"]) for m in lookup.matches] == [
        (str(library.id), "exact"),
        (str(other.id), "near_duplicate"),
    ]
    assert lookup.matches[0]["segments"][0]["query"] == [0.0, 20.0]


def test_find_copies_of_a_library_video_reads_its_stored_vectors(version, person, tmp_path):
    source = random_frames(1, 30)
    one, other = planted_video(version, "one", source), planted_video(version, "other", edited(source, 2))
    lookup = answer_of(lookup_create(video_id=one.id, owner=person))
    assert [m["video"]["id"] for m in lookup.matches] == [str(other.id)]


def test_a_file_that_is_no_video_fails_with_a_reason_and_is_not_kept(
    version, person, tmp_path, django_capture_on_commit_callbacks
):
    file = tmp_path / "text.mp4"
    file.write_text("this is no video " * 100)
    lookup = lookup_create(path=file, file_name="text.mp4", owner=person)
    with django_capture_on_commit_callbacks(execute=True):
        answer_of(lookup)
    assert lookup.state == "failed"
    assert "not a video" in lookup.failure
    assert list(lookups_folder().iterdir()) == []
    assert Job.objects.get(subject_id=lookup.id).state == "failed"


def test_a_lookup_without_matches_says_so(version, person, tmp_path):
    clip = make_clip(tmp_path / "a.mp4", scenes=[Scene("life", seed=1)], seconds=4.0)
    lookup = answer_of(lookup_create(path=uploaded(tmp_path, clip), file_name="a.mp4", owner=person))
    assert (lookup.state, lookup.matches, lookup.stage) == ("done", [], "done")


def test_a_lookup_needs_exactly_one_subject_and_a_ready_video(version, person, tmp_path):
    with pytest.raises(InvalidInput):
        lookup_create(owner=person)
    with pytest.raises(InvalidInput):
        lookup_create(path=tmp_path / "a", video_id=make_video().id, owner=person)
    waiting = make_video()
    Video.objects.filter(id=waiting.id).update(state=Video.State.UPLOADED)
    with pytest.raises(Conflict):
        lookup_create(video_id=waiting.id, owner=person)
    with pytest.raises(NotFound):
        lookup_create(video_id=person_id(), owner=person)
    assert not Lookup.objects.exists()
    assert not Job.objects.exists()


def person_id():
    from uuid import uuid4

    return uuid4()


def test_cancelling_a_waiting_lookup_ends_it(version, person, tmp_path):
    file = tmp_path / "a.mp4"
    file.write_bytes(b"x")
    lookup = lookup_create(path=file, file_name="a.mp4", owner=person)
    job_cancel(job_id=Job.objects.get(subject_id=lookup.id).id)
    lookup.refresh_from_db()
    assert (lookup.state, lookup.failure_code) == ("failed", "cancelled")


def test_expired_lookups_go_with_their_files_and_young_files_stay(
    version, person, tmp_path, django_capture_on_commit_callbacks
):
    old, young = (
        lookup_create(path=uploaded(tmp_path, Path(__file__)), file_name="a.mp4", owner=person) for _ in range(2)
    )
    stray, fresh = lookups_folder() / "stray", lookups_folder() / "fresh"
    stray.write_bytes(b"x")
    fresh.write_bytes(b"x")
    two_days_ago = time.time() - 2 * 24 * 3600
    os.utime(stray, (two_days_ago, two_days_ago))
    Lookup.objects.filter(id=old.id).update(expires_at=timezone.now() - timedelta(seconds=1))

    with django_capture_on_commit_callbacks(execute=True):
        assert lookups_expire() == 1

    assert list(Lookup.objects.all()) == [young]
    assert {p.name for p in lookups_folder().iterdir()} == {Path(young.path).name, "fresh"}
    assert Job.objects.get(subject_id=old.id).state == "cancelled"


def test_a_finished_lookup_can_be_added_to_the_library_once(version, person, tmp_path):
    clip = make_clip(tmp_path / "a.mp4", scenes=[Scene("life", seed=1)], seconds=4.0)
    lookup = lookup_create(path=uploaded(tmp_path, clip), file_name="beach_day.mp4", owner=person)
    with pytest.raises(Conflict):
        lookup_add_to_library(lookup_id=lookup.id, owner=person)
    answer_of(lookup)

    video, new = lookup_add_to_library(lookup_id=lookup.id, owner=person)
    again, new_again = lookup_add_to_library(lookup_id=lookup.id, owner=person)

    assert (new, new_again, again) == (True, False, video)
    assert video.title == "beach day"
    assert Path(video.path).is_file()
    assert list(lookups_folder().iterdir()) == []


def drawn(path: Path, source: str, seconds: float) -> Path:
    """A clip of one lavfi source."""
    ffmpeg("-f", "lavfi", "-i", source, "-t", str(seconds), "-c:v", "libx264", "-preset", "ultrafast", path)
    return path


@pytest.mark.parametrize(
    ("source", "seconds", "note", "verdict"),
    [
        ("color=black:s=160x120:r=10", 4, "nothing_to_see", "This video shows nothing that could be recognised."),
        ("testsrc2=s=160x120:r=10", 1, "short", "Nothing in the library shares footage with your video."),
        ("testsrc2=s=160x120:r=10,trim=end_frame=1,loop=-1:1", 4, "still", "Nothing in the library shares footage"),
    ],
)
def test_clips_that_say_too_little_get_a_sensible_sentence(version, person, tmp_path, source, seconds, note, verdict):
    make_video("other")
    clip = drawn(tmp_path / "a.mp4", source, seconds)
    lookup = answer_of(lookup_create(path=uploaded(tmp_path, clip), file_name="a.mp4", owner=person))
    answer = lookup_answer(lookup)
    assert (lookup.state, lookup.note) == ("done", note)
    assert answer["verdict"].startswith(verdict)
    assert len(answer["note"]["message"].split()) > 8


def test_noise_is_answered_and_an_empty_library_is_named(version, person, tmp_path):
    clip = drawn(tmp_path / "a.mp4", "nullsrc=s=160x120:r=10,geq=random(1)*255:128:128", 3)
    lookup = answer_of(lookup_create(path=uploaded(tmp_path, clip), file_name="a.mp4", owner=person))
    assert (lookup.state, lookup.note) == ("done", "library_empty")
    assert lookup_answer(lookup)["verdict"] == "The library is empty, so there was nothing to compare with."
