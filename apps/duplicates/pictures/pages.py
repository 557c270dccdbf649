"""The similarity picture of a pair of library videos: page, fragment and PNG.

The fragment and the page, here and in lookups.picture_pages, show duplicates/_picture.html with

- picture: a ShownPicture, or None while there is none
- job: the job that draws it, or None; asked: whether it is on its way
- ask_url: where POST asks for it, or ""; self_url: where GET shows it again
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any
from uuid import UUID

from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.urls import reverse
from django.views.decorators.http import require_http_methods, require_safe

from apps.accounts.permissions import may_review, media_required, review_required
from apps.accounts.throttling import limited
from apps.core.exceptions import NotFound
from apps.duplicates.models import MatchedSegment, MatrixPicture, VideoMatch
from apps.duplicates.pictures.matrix_chart import Chart, alt_text, chart
from apps.duplicates.pictures.similarity import pair_picture_ask, pair_picture_get, picture_job
from apps.duplicates.pictures.spans import Span


@dataclass(frozen=True, slots=True)
class ShownPicture:
    chart: Chart
    png_url: str
    across: str  # what runs across
    down: str
    alt: str


@review_required
@require_http_methods(["GET", "HEAD", "POST"])
@limited("work", "POST")
def pair_picture(request: HttpRequest, match_id: UUID) -> HttpResponse:
    """POST asks for the picture, GET shows it or how far it is."""
    try:
        picture = (
            pair_picture_ask(match_id=match_id) if request.method == "POST" else pair_picture_get(match_id=match_id)
        )
    except NotFound as error:
        raise Http404(error.message) from error
    address = reverse("duplicates:pair_picture", args=[match_id])
    if request.method == "POST" and not getattr(request, "htmx", False):
        return redirect(address)
    job = picture_job(picture) if picture is not None and not picture.png else None
    context = {
        "picture": _of_pair(picture, match_id) if picture is not None and picture.png else None,
        "job": job,
        "asked": job is not None and job.active,
        "ask_url": address,
        "self_url": address,
        "back_url": reverse("duplicates:review"),
    }
    return picture_answer(request, context)


@media_required(may_review)
@require_safe
def pair_picture_png(request: HttpRequest, match_id: UUID) -> HttpResponse:
    picture = MatrixPicture.objects.filter(match_id=match_id).first()
    if picture is None or not picture.png:
        raise Http404("This picture is not drawn yet.")
    return png_answer(picture)


def _of_pair(picture: MatrixPicture, match_id: UUID) -> ShownPicture:
    match = VideoMatch.objects.select_related("a", "b").get(id=match_id)
    rows = MatchedSegment.objects.filter(match=match).order_by("a_start", "b_start")
    spans = [Span(s.a_start, s.a_end, s.b_start, s.b_end, s.reversed) for s in rows]
    address = reverse("duplicates:pair_picture_png", args=[match_id])
    return shown_picture(picture, spans, match.a.title, match.b.title, address)


def shown_picture(picture: MatrixPicture, spans: list[Span], across: str, down: str, png_url: str) -> ShownPicture:
    drawn = chart(spans, (picture.across_start, picture.across_end), (0.0, picture.down_end))
    return ShownPicture(drawn, png_url, across, down, alt_text(across, down, spans))


def png_answer(picture: MatrixPicture) -> HttpResponse:
    response = HttpResponse(bytes(picture.png), content_type="image/png")
    response["Cache-Control"] = "private, max-age=3600"
    return response


def picture_answer(request: HttpRequest, context: dict[str, Any]) -> HttpResponse:
    """The fragment for htmx, whose polling ends with the drawing; the whole page for everybody else."""
    if not getattr(request, "htmx", False):
        return render(request, "duplicates/picture.html", context)
    response = render(request, "duplicates/_picture.html", context, status=200)
    response["Cache-Control"] = "no-store"
    return response
