"""Pages about many videos: the list with its live cards, and the upload."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from uuid import UUID

from django.conf import settings
from django.contrib.auth.models import User
from django.core.paginator import Paginator
from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import render
from django.utils import timezone
from django.views.decorators.http import require_safe

from apps.accounts.people import signed_in
from apps.accounts.permissions import look_required, upload_required
from apps.accounts.throttling import limited
from apps.core.exceptions import InvalidInput
from apps.core.models import Job
from apps.videos.job_kinds import INGEST
from apps.videos.models import Tag, Video
from apps.videos.selectors import SORTS, STATES, VideoFilters, filters_from, may_edit, video_list
from apps.videos.storage import VIDEO_EXTENSIONS

VIDEOS_A_PAGE = 48
TAGS_OFFERED = 200
SORT_WORDS = {
    "newest": "newest first",
    "oldest": "oldest first",
    "title": "title",
    "longest": "longest first",
    "shortest": "shortest first",
    "largest": "largest file first",
}
STATE_WORDS = {"": "all", "ready": "ready", "pending": "not ready yet", "failed": "failed"}


@dataclass(frozen=True, slots=True)
class VideoCard:
    """A video as the list shows it: with the job that indexes it and what this person may do."""

    video: Video
    job: Job | None  # the newest that indexes it; only looked up while it is unfinished
    may_edit: bool

    @property
    def unfinished(self) -> bool:
        return self.video.state in STATES["pending"]

    @property
    def running(self) -> bool:
        return self.job is not None and self.job.state == Job.State.RUNNING

    @property
    def silent(self) -> bool:
        """Its worker has not been heard of for longer than it promised."""
        lease = self.job.lease_until if self.job is not None and self.running else None
        return lease is not None and lease < timezone.now()


def video_cards(videos: Iterable[Video], *, person: User | None) -> list[VideoCard]:
    """One query more, and only when a video is unfinished."""
    videos = list(videos)
    waited = [video.id for video in videos if video.state in STATES["pending"]]
    jobs = Job.objects.filter(kind=INGEST.name, subject_id__in=waited).order_by("created_at") if waited else []
    newest = {job.subject_id: job for job in jobs}
    return [VideoCard(video, newest.get(video.id), may_edit(person, video)) for video in videos]


@require_safe
@look_required
@limited("search")
def video_list_page(request: HttpRequest) -> HttpResponse:
    """videos/list.html with page, cards (of the page), filters, problem, states, sorts, tags, and filtered."""
    problem = ""
    try:
        filters = filters_from(request.GET)
    except InvalidInput as error:
        filters, problem = VideoFilters(), error.message
    page = Paginator(video_list(filters), VIDEOS_A_PAGE).get_page(request.GET.get("page"))
    context = {
        "page": page,
        "cards": video_cards(page.object_list, person=signed_in(request)),
        "filters": filters,
        "problem": problem,
        "states": STATE_WORDS.items(),
        "sorts": [(sort, SORT_WORDS.get(sort, sort)) for sort in SORTS],
        "tags": Tag.objects.filter(videos__isnull=False).distinct()[:TAGS_OFFERED],
        "filtered": filters != VideoFilters(sort=filters.sort),
    }
    return render(request, "videos/list.html", context, status=400 if problem else 200)


@require_safe
@look_required
def video_progress(request: HttpRequest) -> HttpResponse:
    """Fragment for htmx: the cards named by ``id`` as they are now; asks again for those that are unfinished."""
    ids = []
    for value in request.GET.getlist("id")[:VIDEOS_A_PAGE]:
        try:
            ids.append(UUID(value))
        except ValueError as error:
            raise Http404("This is not a video.") from error
    videos = Video.objects.filter(id__in=ids).prefetch_related("tags")
    context = {"cards": video_cards(videos, person=signed_in(request)), "fresh": True}
    response = render(request, "videos/_progress.html", context)
    response["Cache-Control"] = "no-store"
    return response


@require_safe
@upload_required
def upload_page(request: HttpRequest) -> HttpResponse:
    """videos/upload.html with max_bytes and extensions (".avi", ...)."""
    context = {"max_bytes": settings.MAX_UPLOAD_BYTES, "extensions": sorted(VIDEO_EXTENSIONS)}
    return render(request, "videos/upload.html", context)
