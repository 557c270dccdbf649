"""Subtitles in and beside a video, through the tasks: read when it is indexed, and again when a file changes."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from apps.core.models import Job
from apps.embeddings.models import ClipEmbedding, ModelVersion
from apps.videos.models import SubtitleFile, TextSegment, Video
from apps.videos.subtitle_files import LARGEST_BYTES, subtitles_look
from tests.clips import make_clip
from tests.worker.tasks.active_versions import register, versions  # noqa: F401
from worker.tasks.ingest import ingest
from worker.tasks.subtitles import subtitles

pytestmark = pytest.mark.django_db(transaction=True)
INSIDE = "1\n00:00:00,200 --> 00:00:00,900\nThe lighthouse keeper went home before the storm came over the sea.\n"


def said(video: Video) -> list[tuple[int, str, str]]:
    rows = TextSegment.objects.filter(video=video, source="subtitle").order_by("track", "start")
    return list(rows.values_list("track", "language", "text"))


def clips(video: Video) -> list[tuple[float, float]]:
    """When each vector of the video was written for; rows that are written again get new keys."""
    return sorted(ClipEmbedding.objects.filter(video=video).values_list("pk", "start"))


def test_subtitles_are_read_with_the_video_and_alone_when_they_change(
    tmp_path: Path,
    versions: tuple[ModelVersion, ModelVersion],  # noqa: F811
) -> None:
    clip = make_clip(tmp_path / "film.mkv", seconds=2, subtitles=INSIDE)
    beside = tmp_path / "film.ru.srt"
    beside.write_bytes("1\n00:00:01,000 --> 00:00:02,000\nКошки гуляют\n".encode("koi8-r"))
    video = register(clip)
    ingest(str(Job.objects.get(kind="ingest").id))
    video.refresh_from_db()
    assert video.state == Video.State.READY, video.failure
    text = "The lighthouse keeper went home before the storm came over the sea."
    assert said(video) == [(1, "en", text), (1000, "ru", "Кошки гуляют")]
    vectors = clips(video)

    beside.write_text("1\n00:00:01,000 --> 00:00:02,000\nСобаки\n", encoding="utf-16")
    (tmp_path / "film.srt").write_text("1\n0:0:1 --> 0:0:2\nno language and too short\n", encoding="utf-8")
    (tmp_path / "film.de.srt").write_bytes(b"nothing that has a time")
    with open(tmp_path / "film.huge.srt", "wb") as file:
        os.truncate(file.fileno(), LARGEST_BYTES + 1)
    assert subtitles_look().changed == [video.path]
    subtitles(str(Job.objects.get(kind="subtitles").id))
    assert Job.objects.get(kind="subtitles").state == "done"
    assert [row[1:] for row in said(video)] == [("en", text), ("ru", "Собаки"), ("", "no language and too short")]
    assert dict(SubtitleFile.objects.exclude(problem="").values_list("path", "problem")) == {
        str(tmp_path / "film.de.srt"): "no subtitles in it",
        str(tmp_path / "film.huge.srt"): "larger than 16 MB",
    }
    assert clips(video) == vectors
    assert subtitles_look().changed == []
