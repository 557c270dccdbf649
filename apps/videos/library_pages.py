"""Pages about many videos: the list with its live cards, and the upload."""

from __future__ import annotations

from uuid import UUID

from django.conf import settings
from django.core.paginator import Paginator
from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import render
from django.views.decorators.http import require_safe

from apps.accounts.permissions import look_required, upload_required
from apps.core.exceptions import InvalidInput
from apps.videos.cards import video_cards
from apps.videos.models import Tag, Video
from apps.videos.selectors import SORTS, VideoFilters, filters_from, video_list
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


@require_safe
@look_required
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
        "cards": video_cards(page.object_list, user=request.user),
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
    context = {"cards": video_cards(videos, user=request.user), "fresh": True}
    response = render(request, "videos/_progress.html", context)
    response["Cache-Control"] = "no-store"
    return response


@require_safe
@upload_required
def upload_page(request: HttpRequest) -> HttpResponse:
    """videos/upload.html with max_bytes and extensions (".avi", ...)."""
    context = {"max_bytes": settings.MAX_UPLOAD_BYTES, "extensions": sorted(VIDEO_EXTENSIONS)}
    return render(request, "videos/upload.html", context)
