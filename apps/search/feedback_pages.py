"""The thumbs beside a result: a plain form without JavaScript, a fragment in its place with htmx."""

from __future__ import annotations

from uuid import UUID

from django.contrib import messages
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.utils.http import url_has_allowed_host_and_scheme
from django.views.decorators.http import require_POST

from apps.accounts.people import signed_in
from apps.accounts.permissions import look_required
from apps.accounts.throttling import limited
from apps.core.exceptions import InvalidInput, VSearchError
from apps.search.feedback import feedback_record
from apps.search.models import Feedback

THANKS = {Feedback.Kind.THUMB_UP: "Marked as right.", Feedback.Kind.THUMB_DOWN: "Marked as wrong."}


@look_required
@require_POST
@limited("feedback")
def feedback(request: HttpRequest) -> HttpResponse:
    """Fields: query, video, start, end, kind, next. 204 for the beacon of a click."""
    problem, status, kind = "", 200, request.POST.get("kind", "")
    try:
        feedback_record(
            query=request.POST.get("query", ""), video_id=_id(request), kind=kind,
            start=_number(request, "start"), end=_number(request, "end"),
            user=signed_in(request),
        )  # fmt: skip
    except VSearchError as error:
        problem, status = error.message, error.status
    if kind == Feedback.Kind.CLICK:
        return HttpResponse(status=204 if not problem else status)
    said = problem or THANKS[Feedback.Kind(kind)]
    if request.headers.get("HX-Request"):
        # 200 with the words in place also when refused: htmx swaps nothing else.
        return render(request, "search/_feedback_said.html", {"said": said, "bad": bool(problem)})
    (messages.error if problem else messages.success)(request, said)
    target = request.POST.get("next", "")
    safe = url_has_allowed_host_and_scheme(target, allowed_hosts={request.get_host()}, require_https=False)
    return redirect(target if safe else "search:home")


def _id(request: HttpRequest) -> UUID:
    try:
        return UUID(request.POST.get("video", ""))
    except ValueError as error:
        raise InvalidInput("video must be the id of a video.", field="video") from error


def _number(request: HttpRequest, name: str) -> float:
    try:
        return float(request.POST.get(name, ""))
    except ValueError as error:
        raise InvalidInput(f"{name} must be a number of seconds.", field=name) from error
