"""The similarity picture of a match of a lookup: page, fragment and PNG."""

from __future__ import annotations

from uuid import UUID

from django.http import Http404, HttpRequest, HttpResponse
from django.urls import reverse
from django.views.decorators.http import require_safe

from apps.accounts.people import signed_in
from apps.accounts.permissions import look_required, may_look, media_required
from apps.core.exceptions import NotFound
from apps.duplicates.lookups.answers import asked_video
from apps.duplicates.lookups.selectors import lookup_get
from apps.duplicates.lookups.shown import segment_span
from apps.duplicates.models import Lookup, MatrixPicture
from apps.duplicates.pictures.pages import picture_answer, png_answer, shown_picture
from apps.duplicates.pictures.similarity import lookup_picture_get


@look_required
@require_safe
def lookup_picture(request: HttpRequest, lookup_id: UUID, video_id: UUID) -> HttpResponse:
    lookup, picture = _of_lookup(request, lookup_id, video_id)
    match = next((m for m in lookup.matches if m["video"]["id"] == str(video_id)), None)
    if match is None:
        raise Http404("This video is not a match of this lookup.")
    spans = [segment_span(segment) for segment in match["segments"]]
    mine, _ = asked_video(lookup)
    context = {
        "picture": shown_picture(picture, spans, mine, match["video"]["title"], _png(lookup.id, video_id)),
        "back_url": reverse("duplicates:lookup", args=[lookup.id]),
    }
    return picture_answer(request, context)


@media_required(may_look)
@require_safe
def lookup_picture_png(request: HttpRequest, lookup_id: UUID, video_id: UUID) -> HttpResponse:
    _, picture = _of_lookup(request, lookup_id, video_id)
    return png_answer(picture)


def _png(lookup_id: UUID, video_id: UUID) -> str:
    return reverse("duplicates:lookup_picture_png", args=[lookup_id, video_id])


def _of_lookup(request: HttpRequest, lookup_id: UUID, video_id: UUID) -> tuple[Lookup, MatrixPicture]:
    try:
        lookup = lookup_get(lookup_id=lookup_id, user=signed_in(request))
        return lookup, lookup_picture_get(lookup_id=lookup.id, video_id=video_id)
    except NotFound as error:
        raise Http404(error.message) from error
