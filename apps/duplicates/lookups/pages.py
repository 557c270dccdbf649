"""Pages that find a video by a video: asking, following, the answer."""

from __future__ import annotations

from pathlib import Path
from typing import Any
from uuid import UUID

from django.conf import settings
from django.contrib import messages
from django.core.exceptions import PermissionDenied
from django.http import Http404, HttpRequest, HttpResponse, HttpResponseBase
from django.shortcuts import redirect, render
from django.views.decorators.http import require_http_methods, require_POST, require_safe

from apps.accounts.people import asker, session_keys, signed_in
from apps.accounts.permissions import (
    look_required,
    may_look,
    may_see_paths,
    may_upload,
    media_required,
    upload_required,
)
from apps.accounts.throttling import limited
from apps.core.exceptions import InvalidInput, NotFound, VSearchError
from apps.core.timespan import parse_timecode
from apps.duplicates.lookups.answers import asked_video, lookup_answer, videos_compared
from apps.duplicates.lookups.asking import lookup_create
from apps.duplicates.lookups.files import lookup_add_to_library
from apps.duplicates.lookups.receiving import lookup_receive
from apps.duplicates.lookups.selectors import lookup_file_open_to, lookup_get, lookup_list
from apps.duplicates.lookups.shown import query_stream_url, shown_matches
from apps.duplicates.models import Lookup
from apps.videos.selectors import VideoFilters, video_list
from apps.videos.storage import CONTENT_TYPES, VIDEO_EXTENSIONS, extension_of
from apps.videos.streaming import send_file

VIDEOS_OFFERED = 12
STAGES = ("probing", "fingerprinting", "matching")  # as the worker names them
POLL_STOPS = 286  # htmx stops polling at this status


@look_required
@require_http_methods(["GET", "HEAD", "POST"])
@limited("search", "GET")
@limited("lookup", "POST")
def find_page(request: HttpRequest) -> HttpResponse:
    """GET: duplicates/find.html with

    - lookups: the visitor's newest Lookup rows (file_name, state, get_state_display, created_at, id)
    - text, videos: ready videos of the library whose title has these words, to ask with one of them
    - max_bytes, extensions: what is taken
    - error: why the sent file was refused, or ""

    POST (multipart "file", or "video_id" of a library video, with optional "start" and "end"): asks, then goes to the
    page of the lookup. Resumable uploads go to /api/v1/uploads with the purpose "lookup" instead and name that page
    themselves.
    """
    error, status = "", 200
    if request.method == "POST":
        try:
            return redirect("duplicates:lookup", _ask(request).id)
        except VSearchError as problem:
            error, status = problem.message, problem.status
    text = request.GET.get("text", "").replace("\x00", "").strip()[:200]
    context = {
        "lookups": lookup_list(**asker(request)),
        "error": error,
        "text": text,
        "videos": video_list(VideoFilters(text=text, state="ready"))[:VIDEOS_OFFERED],
        "max_bytes": settings.MAX_UPLOAD_BYTES,
        "extensions": sorted(VIDEO_EXTENSIONS),
    }
    return render(request, "duplicates/find.html", context, status=status)


def _ask(request: HttpRequest) -> Lookup:
    who = asker(request, start_session=True)
    if video_id := request.POST.get("video_id"):
        try:
            subject = UUID(video_id)
        except ValueError as error:
            raise InvalidInput("This is not a video of the library.", field="video_id") from error
        start, end = (_seconds(request.POST.get(name, ""), name) for name in ("start", "end"))
        return lookup_create(video_id=subject, start=start, end=end, **who)
    return lookup_receive(file=request.FILES.get("file"), **who)


def _seconds(raw: str, field: str) -> float | None:
    try:
        return parse_timecode(raw)
    except ValueError as error:
        raise InvalidInput(f"{raw[:20]!r} is not a time. Write seconds, or 1:15.", field=field) from error


def _lookup(request: HttpRequest, lookup_id: UUID) -> Lookup:
    try:
        return lookup_get(lookup_id=lookup_id, user=signed_in(request))
    except NotFound as error:
        raise Http404(error.message) from error


def _lookup_context(request: HttpRequest, lookup_id: UUID) -> dict[str, Any]:
    lookup = _lookup(request, lookup_id)
    answer = lookup_answer(lookup, with_paths=may_see_paths(signed_in(request)))
    file_open = _file_open(request, lookup)
    return {
        "lookup": lookup,
        "answer": answer,
        "matches": shown_matches(answer),
        "finished": lookup.finished,
        "steps": _steps(lookup),
        "compared": videos_compared(lookup) if lookup.finished else 0,
        "query_url": query_stream_url(lookup) if file_open else "",
        "mine": asked_video(lookup)[0],
        "may_add": lookup.state == Lookup.State.DONE
        and bool(lookup.path)
        and file_open
        and may_upload(signed_in(request)),
    }


def _file_open(request: HttpRequest, lookup: Lookup) -> bool:
    if lookup.video_id is not None:
        return True  # a video of the library
    return lookup_file_open_to(lookup, user=signed_in(request), sessions=session_keys(request))


def _steps(lookup: Lookup) -> list[tuple[str, str]]:
    """(words, done|now|later) of each stage; the upload is over once there is a lookup."""
    at = STAGES.index(lookup.stage) if lookup.stage in STAGES else -1
    words = [("Uploading", "done")] if lookup.video_id is None else []
    for number, stage in enumerate(STAGES):
        words.append((stage.capitalize(), "done" if number < at else "now" if number == at else "later"))
    return words


@media_required(may_look)
@require_safe
def lookup_stream(request: HttpRequest, lookup_id: UUID) -> HttpResponseBase:
    """The asked file itself, with ranges, for the one who asked and for administrators."""
    lookup = _lookup(request, lookup_id)
    if not _file_open(request, lookup):
        raise Http404("The file of this lookup is open only to the one who asked.")
    if not lookup.path:
        raise Http404("The file of this lookup was deleted.")
    missing = "The file of this lookup was deleted. Upload it again."
    kind = CONTENT_TYPES.get(extension_of(lookup.file_name), "application/octet-stream")
    kind = "video/mp4" if kind == "video/quicktime" else kind  # browsers play H.264 in .mov under this name
    return send_file(request, Path(lookup.path), kind, missing=missing)


@look_required
@require_safe
def lookup_page(request: HttpRequest, lookup_id: UUID) -> HttpResponse:
    """duplicates/lookup.html, which includes duplicates/_lookup_status.html; both get

    - lookup: the row (state waiting|running|done|failed, failure, video, file_name, expires_at)
    - answer: the body of the API (stage, percent, seconds_left, verdict in words, duration)
    - matches: ShownMatch list (apps.duplicates.lookups.shown), best first, each with segments and a timeline
    - finished: done or failed, so nothing needs to be asked again
    - steps: (words, done|now|later) of each stage; compared: how many library videos there were to compare with
    - mine: what the asked video is called beside its player
    - query_url: where the asked video plays, or ""
    - may_add: the button "add to the library" (POST to duplicates:lookup_add) works
    """
    return render(request, "duplicates/lookup.html", _lookup_context(request, lookup_id))


@look_required
@require_safe
def lookup_status(request: HttpRequest, lookup_id: UUID) -> HttpResponse:
    """The fragment duplicates/_lookup_status.html; status 286 ends the polling of htmx when the lookup is finished."""
    context = _lookup_context(request, lookup_id)
    status = POLL_STOPS if context["finished"] else 200
    response = render(request, "duplicates/_lookup_status.html", context, status=status)
    response["Cache-Control"] = "no-store"
    return response


@upload_required
@require_POST
@limited("work")
def lookup_add(request: HttpRequest, lookup_id: UUID) -> HttpResponse:
    """The asked file becomes a video of the library; goes to its page."""
    lookup = _lookup(request, lookup_id)
    if not _file_open(request, lookup):
        raise PermissionDenied("Only the one who asked can add the file to the library.")
    try:
        video, new = lookup_add_to_library(lookup_id=lookup.id, owner=signed_in(request))
    except VSearchError as error:
        messages.error(request, error.message)
        return redirect("duplicates:lookup", lookup.id)
    messages.success(request, "Added to the library." if new else "This video is in the library already.")
    return redirect("videos:detail", video.id)
