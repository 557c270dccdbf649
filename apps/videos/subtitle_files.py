"""Files with subtitles beside imported videos: which there are, which were read, and reading them again.

They are looked for when a video is indexed, at every import (also while it watches) and once an hour. What differs in
name, size or time is read by a job that replaces the subtitles and leaves the rest of the video as it is. A folder
that cannot be reached, or does not hold the video now, says nothing.
"""

from __future__ import annotations

import os
import stat
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from uuid import UUID

from django.db import transaction
from django.db.models import Q, QuerySet

from apps.core.jobs import enqueue
from apps.core.models import Job
from apps.videos.job_kinds import SUBTITLES
from apps.videos.models import ImportedFile, SubtitleFile, TextSegment, Video
from apps.videos.paths import path_from, path_text
from apps.videos.subtitle_names import (
    SUBTITLE_FOLDERS,
    folded,
    is_subtitle,
    owners,
    rest_of,
    videos_by_stem,
)
from apps.videos.walking import looks_like_video

FILES_A_VIDEO = 64
LARGEST_BYTES = 16 * 1024**2
TOO_LARGE = f"larger than {LARGEST_BYTES >> 20} MB"

CueRow = tuple[float, float, str]  # start and end in seconds, text


@dataclass(frozen=True, slots=True)
class Beside:
    """A subtitle file that belongs to a video. ``language`` as its name says, or ""."""

    path: Path
    size_bytes: int
    modified_ns: int
    language: str = ""

    @property
    def mark(self) -> tuple[str, int, int]:
        return path_text(self.path), self.size_bytes, self.modified_ns


@dataclass(frozen=True, slots=True)
class ReadFile:
    """What a worker read of it. ``problem``: why there is nothing, or ""."""

    file: Beside
    language: str = ""
    cues: list[CueRow] = field(default_factory=list)
    problem: str = ""


@dataclass(frozen=True, slots=True)
class Look:
    """``found``: subtitle files of videos of the library; ``changed``: the paths of videos whose subtitles are read
    again. All as text."""

    found: frozenset[str]
    changed: list[str]


def beside(video: Video) -> list[Beside] | None:
    """Those beside the video come first, then those beside copies of the same content that an import knows; by path.
    None when the folder of one cannot be reached, or that of the video does not hold it. An upload has no side."""
    return _beside_places(
        _own_place(video), _copies(Video.objects.filter(id=video.id)).get(video.sha256, []), in_folder
    )


def _own_place(video: Video) -> str:
    return video.path if video.source == Video.Source.IMPORT else ""


def _copies(videos: QuerySet[Video]) -> dict[str, list[str]]:
    """sha256 -> the paths where imports saw this content."""
    rows = ImportedFile.objects.filter(sha256__in=videos.values("sha256"), missing_since=None).order_by("path")
    found: dict[str, list[str]] = {}
    for sha256, path in rows.values_list("sha256", "path"):
        found.setdefault(sha256, []).append(path)
    return found


def _beside_places(
    own: str, copies: Iterable[str], listed: Callable[[Path], dict[str, list[Beside]]]
) -> list[Beside] | None:
    found: dict[Path, Beside] = {}
    for text in dict.fromkeys([own, *copies] if own else copies):
        place = path_from(text)
        listing = listed(place.parent)
        if place.name not in listing and (not listing or text == own):
            return None
        for file in listing.get(place.name, []):
            found.setdefault(file.path, file)
    return list(found.values())[:FILES_A_VIDEO]


def in_folder(folder: Path) -> dict[str, list[Beside]]:
    """Name of each video in the folder -> its subtitle files, there or in ``Subs`` and the like; empty when the folder
    cannot be read."""
    entries = _entries(folder)
    found: dict[str, list[Beside]] = {entry.name: [] for entry in entries if looks_like_video(entry.name)}
    stems = videos_by_stem(found)
    for entry in entries:
        if is_subtitle(entry.name):
            _add(found, folder, *owners(entry.name, stems), entry)
        elif found and folded(entry.name) in SUBTITLE_FOLDERS and entry.is_dir(follow_symlinks=False):
            _add_inner(found, folder, stems, Path(entry.path))
    return {name: sorted(files, key=lambda file: file.mark)[:FILES_A_VIDEO] for name, files in found.items()}


def _add_inner(found: dict[str, list[Beside]], folder: Path, stems: dict[str, list[str]], inner: Path) -> None:
    """Subs/film.de.srt, Subs/film/2_German.srt, and beside a single video Subs/2_German.srt."""
    for entry in _entries(inner):
        if is_subtitle(entry.name):
            names, language = owners(entry.name, stems)
            if not names and len(found) == 1:
                names, language = list(found), rest_of(Path(entry.name).stem).language
            _add(found, folder, names, language, entry)
        elif folded(entry.name) in stems and entry.is_dir(follow_symlinks=False):
            for of_one in _entries(Path(entry.path)):
                if is_subtitle(of_one.name):
                    language = rest_of(Path(of_one.name).stem).language
                    _add(found, folder, stems[folded(entry.name)], language, of_one)


def _add(
    found: dict[str, list[Beside]], folder: Path, names: list[str], language: str, entry: os.DirEntry[str]
) -> None:
    path = Path(entry.path)
    try:
        facts = path.stat()
    except OSError:
        return
    if not stat.S_ISREG(facts.st_mode) or entry.name.startswith("."):
        return
    for name in names:
        if not entry.is_symlink() or _leads_beside(path, folder / name):
            found[name].append(Beside(path, facts.st_size, facts.st_mtime_ns, language))


def _leads_beside(link: Path, video: Path) -> bool:
    """A link is followed to files below the folder of the video, or of the file that the video is a link to."""
    target = Path(os.path.realpath(link))
    folders = (os.path.realpath(video.parent), os.path.dirname(os.path.realpath(video)))
    return any(target.is_relative_to(folder) for folder in folders)


def _entries(folder: Path) -> list[os.DirEntry[str]]:
    try:
        with os.scandir(folder) as entries:
            return sorted(entries, key=lambda entry: entry.name)
    except OSError:
        return []


def file_read(file: Beside) -> bytes:
    """Raises OSError, also when it is another file by now. At most LARGEST_BYTES + 1 bytes."""
    descriptor = os.open(os.path.realpath(file.path), os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC)
    with open(descriptor, "rb") as opened:
        if not stat.S_ISREG(os.fstat(descriptor).st_mode):
            raise OSError("not a regular file")
        return opened.read(LARGEST_BYTES + 1)


def subtitles_look(*, folder: Path | None = None) -> Look:
    """Compare what is beside the videos (below ``folder``) with what was read; queue the reading of what changed."""
    videos = Video.objects.all()
    if folder is not None:
        root = path_text(folder).rstrip("/") + "/"
        contents = ImportedFile.objects.filter(path__startswith=root).values("sha256")
        videos = videos.filter(Q(path__startswith=root) | Q(sha256__in=contents))
    rows = SubtitleFile.objects.filter(video__in=videos)
    known: dict[UUID, set[tuple[str, int, int]]] = {}
    for video_id, path, size, modified in rows.values_list("video_id", "path", "size_bytes", "modified_ns").iterator():
        known.setdefault(video_id, set()).add((path, size, modified))
    listed, copies = cache(in_folder), _copies(videos)
    found: set[str] = set()
    changed = []
    for video in videos.only("id", "path", "source", "sha256", "state", "title").iterator():
        now = _beside_places(_own_place(video), copies.get(video.sha256, []), listed)
        if now is None:
            continue
        marks = {file.mark for file in now}
        found |= {path for path, _, _ in marks}
        if video.state == Video.State.READY and marks != known.get(video.id, set()) and _queue(video.id, video.title):
            changed.append(video.path or video.title)
    return Look(frozenset(found), changed)


def _queue(video_id: UUID, title: str) -> bool:
    """False when it waits already. One that runs may have read the file before it changed."""
    if Job.objects.filter(kind=SUBTITLES.name, subject_id=video_id, state=Job.State.QUEUED).exists():
        return False
    enqueue(kind=SUBTITLES, subject_id=video_id, title=title)
    return True


@transaction.atomic
def subtitle_files_store(*, video_id: UUID, files: Iterable[ReadFile]) -> None:
    """Replace the subtitles from files beside the video."""
    TextSegment.objects.filter(
        video_id=video_id, source=TextSegment.Source.SUBTITLE, track__gte=SubtitleFile.FIRST_TRACK
    ).delete()
    SubtitleFile.objects.filter(video_id=video_id).delete()
    for track, read in enumerate(files, start=SubtitleFile.FIRST_TRACK):
        path, size_bytes, modified_ns = read.file.mark
        SubtitleFile.objects.create(
            video_id=video_id, path=path, size_bytes=size_bytes, modified_ns=modified_ns, track=track,
            problem=read.problem,
        )  # fmt: skip
        TextSegment.objects.bulk_create(_segments(video_id, track, read), batch_size=2000)


def _segments(video_id: UUID, track: int, read: ReadFile) -> Iterator[TextSegment]:
    for start, end, text in read.cues:
        yield TextSegment(
            video_id=video_id, source=TextSegment.Source.SUBTITLE, start=start, end=end, text=text,
            language=read.language, track=track,
        )  # fmt: skip
