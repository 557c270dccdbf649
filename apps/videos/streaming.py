"""Media of a video over HTTP: a permission check, single ranges, validators, and memory that does not grow."""

from __future__ import annotations

import os
import stat
from collections.abc import Iterator
from dataclasses import dataclass
from email.utils import parsedate_to_datetime
from pathlib import Path
from typing import BinaryIO
from uuid import UUID

from django.http import (
    HttpRequest,
    HttpResponse,
    HttpResponseBase,
    StreamingHttpResponse,
)
from django.utils.cache import get_conditional_response
from django.utils.http import http_date, quote_etag
from django.views.decorators.http import require_safe

from apps.accounts.permissions import may_look, media_required
from apps.core.exceptions import NotFound
from apps.videos.models import Video
from apps.videos.presence import Place, video_check
from apps.videos.ranges import NotSatisfiable, requested_span
from apps.videos.selectors import video_get
from apps.videos.sendfile import handed_over
from apps.videos.storage import CONTENT_TYPES
from apps.videos.subtitles import as_webvtt, subtitle_cues

BLOCK_BYTES = 256 * 1024
PICTURE_SECONDS = 3600  # how long a browser keeps posters and sheets before it asks again


@require_safe
@media_required(may_look)
def stream(request: HttpRequest, video_id: UUID) -> HttpResponseBase:
    """The proxy if there is one, else the original."""
    try:
        video = video_get(video_id=video_id)
    except NotFound as error:
        return _missing(error.message)
    path = video.playable_path
    place = Place.HERE if video.has_proxy else video_check(video)
    if place != Place.HERE:
        return _missing(place.words)
    return send_file(request, path, _content_type(path), missing=Place.MISSING.words)


@require_safe
@media_required(may_look)
def poster(request: HttpRequest, video_id: UUID) -> HttpResponseBase:
    return _derived(request, video_id, "poster.jpg", "image/jpeg")


@require_safe
@media_required(may_look)
def thumbnail(request: HttpRequest, video_id: UUID, milliseconds: int) -> HttpResponseBase:
    return _derived(request, video_id, f"thumbs/{milliseconds}.jpg", "image/jpeg")


@require_safe
@media_required(may_look)
def storyboard(request: HttpRequest, video_id: UUID) -> HttpResponseBase:
    return _derived(request, video_id, "storyboard.vtt", "text/vtt; charset=utf-8")


@require_safe
@media_required(may_look)
def storyboard_sheet(request: HttpRequest, video_id: UUID, number: int = 0) -> HttpResponseBase:
    """sprite.jpg, sprite-1.jpg, ...: storyboard.vtt names them relative to itself."""
    return _derived(request, video_id, f"sprite-{number}.jpg" if number else "sprite.jpg", "image/jpeg")


@require_safe
@media_required(may_look)
def subtitles(request: HttpRequest, video_id: UUID, track: int) -> HttpResponseBase:
    """WebVTT of one track from the cues that are stored; no file is kept."""
    text = as_webvtt(subtitle_cues(video_id, track=track))
    if not text:
        return _missing("This video has no such subtitles.")
    return HttpResponse(
        text,
        content_type="text/vtt; charset=utf-8",
        headers={"Cache-Control": "private, no-cache", "X-Content-Type-Options": "nosniff"},
    )


def _derived(request: HttpRequest, video_id: UUID, name: str, content_type: str) -> HttpResponseBase:
    """``name`` is built from literals and numbers only. No query: the folder follows from the id."""
    path = Video(id=video_id).folder / name
    return send_file(
        request,
        path,
        content_type,
        missing="This part of the video is not available (yet).",
        max_age=PICTURE_SECONDS,
    )


def _content_type(path: Path) -> str:
    # Browsers play H.264 in .mov when it is called mp4, and refuse the registered name.
    known = {**CONTENT_TYPES, ".mov": "video/mp4", ".qt": "video/mp4"}
    return known.get(path.suffix.lower(), "application/octet-stream")


def send_file(
    request: HttpRequest,
    path: Path,
    content_type: str,
    *,
    missing: str,
    max_age: int = 0,
) -> HttpResponseBase:
    """200, 206, 304, 404, 412 or 416 for the file at ``path``; HEAD sends the same headers and no body.

    Where a proxy sends files (apps.videos.sendfile), its header and no body.
    """
    try:
        file = path.open("rb")
    except OSError:
        return _missing(missing)
    facts = os.fstat(file.fileno())
    if not stat.S_ISREG(facts.st_mode):
        file.close()
        return _missing(missing)
    response: HttpResponseBase
    if proxy := handed_over(path):
        file.close()  # ranges and conditions are the proxy's, too
        response = HttpResponse(content_type=content_type, headers=proxy)
    else:
        etag = quote_etag(f"{facts.st_size:x}-{facts.st_mtime_ns:x}")
        modified = int(facts.st_mtime)
        response = _body(request, file, facts.st_size, etag, modified, content_type)
        response["ETag"] = etag
        response["Last-Modified"] = http_date(modified)
    response["Cache-Control"] = f"private, max-age={max_age}" if max_age else "private, no-cache"
    response["X-Content-Type-Options"] = "nosniff"
    response["Content-Disposition"] = "inline"
    return response


def _body(
    request: HttpRequest,
    file: BinaryIO,
    size: int,
    etag: str,
    modified: int,
    content_type: str,
) -> HttpResponseBase:
    """Takes over ``file``: it is closed here, or by the response when the client is done or gone."""
    conditional = get_conditional_response(request, etag=etag, last_modified=modified)
    if conditional is not None:
        file.close()
        return conditional
    span = None
    header = request.headers.get("Range", "")
    if header and request.method == "GET" and _range_applies(request.headers.get("If-Range"), etag, modified):
        try:
            span = requested_span(header, size)
        except NotSatisfiable:
            file.close()
            return HttpResponse(
                status=416,
                headers={"Content-Range": f"bytes */{size}", "Accept-Ranges": "bytes"},
            )
    start, end = span or (0, size)
    headers = {"Content-Length": str(end - start), "Accept-Ranges": "bytes"}
    if span is not None:
        headers["Content-Range"] = f"bytes {start}-{end - 1}/{size}"
    status = 206 if span is not None else 200
    if request.method == "HEAD":
        file.close()
        return HttpResponse(status=status, content_type=content_type, headers=headers)
    return MediaResponse(Blocks(file, start, end), status=status, content_type=content_type, headers=headers)


def _range_applies(if_range: str | None, etag: str, modified: int) -> bool:
    """If-Range: the range counts only while the file is still the one that the client has the rest of."""
    if not if_range:
        return True
    if '"' in if_range:
        return if_range.strip() == etag
    try:
        return int(parsedate_to_datetime(if_range).timestamp()) == modified
    except (TypeError, ValueError):
        return False


@dataclass(frozen=True)
class FileSpan:
    """The bytes [start, end) of an open file, read at any position; who has it closes it."""

    descriptor: int
    start: int
    end: int

    def read(self, position: int, size: int) -> bytes:
        """Empty when the file has become shorter."""
        return os.pread(self.descriptor, size, position)

    def close(self) -> None:
        os.close(self.descriptor)


class MediaResponse(StreamingHttpResponse):
    """Bytes of a file. The web process takes ``blocks.span()`` and sends it outside its threads (vsearch.web)."""

    def __init__(self, blocks: Blocks, *, status: int, content_type: str, headers: dict[str, str]) -> None:
        super().__init__(blocks, status=status, content_type=content_type, headers=headers)
        self.blocks = blocks


class Blocks:
    """The bytes [start, end) of an open file, one block in memory at a time."""

    def __init__(self, file: BinaryIO, start: int, end: int) -> None:
        self._file = file
        self._left = end - start
        self.start, self.end = start, end
        file.seek(start)

    def span(self) -> FileSpan:
        """The same bytes with a descriptor of their own, which outlives this."""
        return FileSpan(os.dup(self._file.fileno()), self.start, self.end)

    def __iter__(self) -> Iterator[bytes]:
        while self._left > 0:
            block = self._file.read(min(BLOCK_BYTES, self._left))
            if not block:  # the file became shorter meanwhile
                break
            self._left -= len(block)
            yield block
        self.close()

    def close(self) -> None:
        self._file.close()


def _missing(message: str) -> HttpResponse:
    return _plain(message, 404)


def _plain(message: str, status: int) -> HttpResponse:
    return HttpResponse(
        message,
        status=status,
        content_type="text/plain; charset=utf-8",
        headers={"Cache-Control": "no-store"},
    )
