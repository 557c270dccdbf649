"""The page of one video."""

from __future__ import annotations

from typing import Any
from uuid import UUID

from django.contrib import messages
from django.contrib.auth.views import redirect_to_login
from django.core.exceptions import PermissionDenied
from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.views.decorators.http import require_http_methods, require_safe

from apps.accounts.people import signed_in
from apps.accounts.permissions import look_required, may_see_paths
from apps.accounts.throttling import limited
from apps.core.exceptions import NotFound, VSearchError
from apps.core.selectors import job_latest
from apps.videos.editing import video_delete
from apps.videos.identical import identical_files
from apps.videos.ingest import video_cancel, video_retry
from apps.videos.job_kinds import INGEST, PROXY
from apps.videos.models import Video
from apps.videos.presence import LOST, video_check
from apps.videos.selectors import may_edit, video_get
from apps.videos.subtitles import subtitle_cues, subtitle_tracks, unread_subtitle_files

CUES_SHOWN = 3000
SHOTS_SHOWN = 500
QUERY_SHOWN = 500  # a longer query is not carried through addresses
PLAYABLE = {Video.State.PROBED, Video.State.READY}


@require_http_methods(["GET", "HEAD", "POST"])
@look_required
@limited("search", "GET")
@limited("work", "POST")
def video_page(request: HttpRequest, video_id: UUID) -> HttpResponse:
    """GET: videos/detail.html; ``?t=`` seconds where to start, ``?q=`` whose moments are marked (by template tags of
    the search app, which stands above this one), ``?track=`` whose subtitles are listed. POST
    action=retry|cancel|delete, for who may edit the video."""
    video = _video_or_404(video_id)
    if request.method == "POST":
        return _act(request, video)
    place = video_check(video)
    tracks = subtitle_tracks(video.id)
    track = next((one for one in tracks if str(one.number) == request.GET.get("track")), next(iter(tracks), None))
    context = {
        **_progress(video),
        "may_edit": may_edit(signed_in(request), video),
        "sees_paths": may_see_paths(signed_in(request)),
        "identical": identical_files([video])[video.id],
        "start": start_seconds(request.GET.get("t", "")),
        "q": request.GET.get("q", "")[:QUERY_SHOWN],
        "playable": bool(video.has_proxy or not (video.needs_proxy or place in LOST)) and video.state in PLAYABLE,
        "not_there": "" if video.state == Video.State.FAILED else place.words,
        "shots": list(video.shots.all()[:SHOTS_SHOWN]),
        "tracks": tracks,
        "track": track,
        "cues": subtitle_cues(video.id, track=track.number, limit=CUES_SHOWN) if track else [],
        "unread_subtitles": unread_subtitle_files(video.id),
    }
    return render(request, "videos/detail.html", context)


@require_safe
@look_required
def video_status(request: HttpRequest, video_id: UUID) -> HttpResponse:
    """The fragment that htmx asks for while a video is indexed or converted; at the end the page is loaded again."""
    context = _progress(_video_or_404(video_id))
    response = render(request, "videos/_status.html", context)
    response["Cache-Control"] = "no-store"
    if not context["unfinished"]:
        response["HX-Refresh"] = "true"
    return response


def start_seconds(raw: str) -> float:
    """ "12.5" -> 12.5; what is not a time in a video starts at its beginning."""
    try:
        seconds = float(raw)
    except ValueError:
        return 0.0
    return seconds if 0 <= seconds < 1e6 else 0.0


def _video_or_404(video_id: UUID) -> Video:
    try:
        return video_get(video_id=video_id)
    except NotFound as error:
        raise Http404(error.message) from error


def _progress(video: Video) -> dict[str, Any]:
    """``job`` is the work that people wait for; ``unfinished``: asking again will tell more."""
    converting = video.state == Video.State.READY and video.needs_proxy and not video.has_proxy
    job = job_latest(kind=PROXY if converting else INGEST, subject_id=video.id)
    indexing = video.state not in {Video.State.READY, Video.State.FAILED}
    active = job is not None and job.active
    return {
        "video": video,
        "job": job,
        "converting": converting,
        "indexing": indexing,
        "unfinished": indexing or (converting and active),
    }


def _act(request: HttpRequest, video: Video) -> HttpResponse:
    if signed_in(request) is None:
        return redirect_to_login(request.get_full_path())
    if not may_edit(signed_in(request), video):
        raise PermissionDenied("You can change only videos that you uploaded. Administrators can change all.")
    action = request.POST.get("action", "")
    try:
        if action == "delete":
            video_delete(video_id=video.id)
            messages.success(request, f"\u201c{video.title}\u201d was deleted.")
            return redirect("videos:list")
        if action == "retry":
            video_retry(video_id=video.id)
        elif action == "cancel":
            video_cancel(video_id=video.id)
        else:
            messages.error(request, "This button is not known. Reload the page.")
    except VSearchError as error:
        messages.error(request, error.message)
    return redirect("videos:detail", video.id)
