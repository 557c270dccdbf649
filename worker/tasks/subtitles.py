"""Subtitles of a video with their languages: tracks in the file, and the files beside it."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import replace

from django.db import transaction

from apps.videos.job_kinds import SUBTITLES
from apps.videos.languages import language_code, language_detected
from apps.videos.models import Video
from apps.videos.subtitle_files import (
    LARGEST_BYTES,
    TOO_LARGE,
    Beside,
    ReadFile,
    beside,
    file_read,
    subtitle_files_store,
)
from worker.media.subtitles.cues import parse_subtitles
from worker.media.subtitles.encodings import decode_text
from worker.tasks.running import RunningJob, task
from worker.types import SubtitleCue

LANGUAGE_SAMPLE = 6_000  # characters of a track by which its language is detected
NO_CUES = "no subtitles in it"


@task(SUBTITLES)
def subtitles(job: RunningJob) -> None:
    """Read the files beside a ready video again; one that is being indexed reads them itself."""
    video = Video.objects.filter(id=job.subject, state=Video.State.READY).first()
    files = beside(video) if video is not None else None
    if video is None or files is None:
        return  # deleted, or its folder is away: then nothing is known
    read = read_files(files, stopped=job.check)
    with transaction.atomic():
        job.hold()
        subtitle_files_store(video_id=video.id, files=read)


def read_files(files: Iterable[Beside], *, stopped: Callable[[], None]) -> list[ReadFile]:
    """``stopped`` is called before each file and raises when the work should end. A bad file is said to be one.

    Of files that say the same, as those beside copies of a video do, the first has the cues.
    """
    read: list[ReadFile] = []
    for file in files:
        stopped()
        one = _read(file)
        is_copy = any(one.cues == other.cues and one.language == other.language for other in read)
        read.append(ReadFile(file) if one.cues and is_copy else one)
    return read


def _read(file: Beside) -> ReadFile:
    if file.size_bytes > LARGEST_BYTES:
        return ReadFile(file, problem=TOO_LARGE)
    try:
        data = file_read(file)
    except OSError as error:
        return ReadFile(file, problem=f"cannot be read ({error.strerror or error})"[:200])
    cues = parse_subtitles(decode_text(data, file.language))
    if not cues:
        return ReadFile(file, problem=NO_CUES)
    language = file.language or language_detected(_sample(cues))
    return ReadFile(file, language, [(cue.start, cue.end, cue.text) for cue in cues])


def with_languages(cues: Iterable[SubtitleCue]) -> list[SubtitleCue]:
    """Cues of the tracks in a file: the code of the language that a track names, else of the one it is written in."""
    tracks: dict[int, list[SubtitleCue]] = {}
    for cue in cues:
        tracks.setdefault(cue.track, []).append(cue)
    named = []
    for track in tracks.values():
        language = language_code(track[0].language) or language_detected(_sample(track))
        named += [replace(cue, language=language) for cue in track]
    return named


def _sample(cues: list[SubtitleCue]) -> str:
    """From the middle: both ends are where names of makers and addresses stand."""
    text = "\n".join(cue.text for cue in cues)
    return text[max(0, (len(text) - LANGUAGE_SAMPLE) // 2) :][:LANGUAGE_SAMPLE]
