"""An outage must look like an outage: never like an empty result, never like a fault of the request."""

from __future__ import annotations

import logging
from collections.abc import Callable
from http import HTTPStatus

from django.db import InterfaceError, OperationalError
from django.http import HttpRequest, HttpResponse, JsonResponse
from django.template import TemplateDoesNotExist, loader

from apps.core.disk_full import MESSAGE, is_disk_full
from apps.core.exceptions import TooMany, Unavailable

log = logging.getLogger(__name__)

OUTAGES = (OperationalError, InterfaceError, Unavailable)
RETRY_SECONDS = 10
CHARSETS = frozenset({"utf-8", "utf8", "us-ascii", "ascii"})
_MESSAGE = "The database does not answer right now. Nothing is lost; try again in a moment."
_PLAIN_PAGE = """<!doctype html><html lang="en"><meta charset="utf-8"><title>{title}</title>
<h1>{title}</h1><p>{message}</p></html>"""


class OutageMiddleware:
    """Answers 503 when a view could not reach the database or another part of vsearch, 507 when the disk is full."""

    def __init__(self, get_response: Callable[[HttpRequest], HttpResponse]) -> None:
        self._get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponse:
        return self._get_response(request)

    def process_exception(self, request: HttpRequest, exception: Exception) -> HttpResponse | None:
        if is_disk_full(exception):
            log.error("%s %s: %s", request.method, request.path, exception)
            return disk_full_response(request)
        if not isinstance(exception, OUTAGES):
            return None
        log.error("%s %s: %s", request.method, request.path, exception)
        return outage_response(request, exception.message if isinstance(exception, Unavailable) else _MESSAGE)


def disk_full_response(request: HttpRequest) -> HttpResponse:
    return outage_response(request, MESSAGE, status=507, title="No space left")


def outage_response(
    request: HttpRequest,
    message: str = _MESSAGE,
    *,
    status: int = Unavailable.status,
    title: str = Unavailable.title,
) -> HttpResponse:
    """A page, or problem+json under /api/. Touches no database: no request context is rendered."""
    response: HttpResponse
    if request.path.startswith("/api/"):
        response = _problem(status, title, message)
    else:
        try:
            page = loader.get_template("refused.html").render({"message": message, "title": title})
        except TemplateDoesNotExist:
            page = _PLAIN_PAGE.format(message=message, title=title)
        response = HttpResponse(page, status=status)
    response["Retry-After"] = str(RETRY_SECONDS)
    response["Cache-Control"] = "no-store"
    return response


def _problem(status: int, title: str, message: str) -> HttpResponse:
    body = {"type": "about:blank", "title": title, "status": status, "detail": message}
    return JsonResponse(body, status=status, content_type="application/problem+json")


class ReadableMiddleware:
    """Answers 400 or 415 to what Django would fail to read later: a charset that is none ("hex"), NULs in a query.

    Pages clean what people type into their fields; only programs can send a NUL, and a program wants to hear of it.
    """

    def __init__(self, get_response: Callable[[HttpRequest], HttpResponse]) -> None:
        self._get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponse:
        charset = (request.content_params or {}).get("charset", "utf-8").strip("\"' ").lower()
        if charset not in CHARSETS:
            return self._refused(request, 415, "Send text in UTF-8.")
        query = request.META.get("QUERY_STRING", "")
        if request.path.startswith("/api/") and ("%00" in query or "\x00" in query):
            return self._refused(request, 400, "A parameter contains a NUL character.")
        return self._get_response(request)

    def _refused(self, request: HttpRequest, status: int, message: str) -> HttpResponse:
        title = HTTPStatus(status).phrase
        if request.path.startswith("/api/"):
            return _problem(status, title, message)
        return HttpResponse(_PLAIN_PAGE.format(title=title, message=message), status=status)


class LimitMiddleware:
    """Answers 429 when a page was asked for too often; the API turns the same exception into a problem."""

    def __init__(self, get_response: Callable[[HttpRequest], HttpResponse]) -> None:
        self._get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponse:
        return self._get_response(request)

    def process_exception(self, request: HttpRequest, exception: Exception) -> HttpResponse | None:
        return limit_response(request, exception) if isinstance(exception, TooMany) else None


def limit_response(request: HttpRequest, error: TooMany) -> HttpResponse:
    """A page, or a fragment for htmx. Needs no database: who asks too often costs little."""
    template = "core/_too_many.html" if request.headers.get("HX-Request") else "refused.html"
    page = loader.get_template(template).render({"title": "Too many requests", "message": error.message})
    headers = {"Retry-After": str(error.wait), "Cache-Control": "no-store"}
    response = HttpResponse(page, status=error.status, headers=headers)
    response._has_been_logged = True  # type: ignore[attr-defined]  # once, by the limit, and not as a warning
    return response
