"""What is answered before Django saw a request, or instead of it."""

from __future__ import annotations

import json
from http import HTTPStatus

from django.template import loader

from vsearch.web.answers import Answer
from vsearch.web.exceptions import Refused

_TITLES = {
    408: "The request took too long",
    413: "Too large",
    429: "Too many requests at once",
    503: "Temporarily unavailable",
    507: "Not enough space",
}


def refusal(path: str, refused: Refused) -> Answer:
    """A page, or problem+json under /api/. Touches no database."""
    title = _TITLES.get(refused.status) or HTTPStatus(refused.status).phrase
    if path.startswith("/api/"):
        content_type = "application/problem+json"
        told = {"type": "about:blank", "title": title, "status": refused.status, "detail": refused.detail}
        body = json.dumps(told).encode()
    else:
        content_type = "text/html; charset=utf-8"
        body = loader.get_template("refused.html").render({"title": title, "message": refused.detail}).encode()
    headers = {
        "Content-Type": content_type,
        "Content-Length": str(len(body)),
        "Cache-Control": "no-store",
        "X-Content-Type-Options": "nosniff",
        "Content-Security-Policy": "default-src 'self'; frame-ancestors 'none'",
    }
    if path.startswith("/api/v1/uploads"):
        headers["Tus-Resumable"] = "1.0.0"
    if refused.retry_seconds is not None:
        headers["Retry-After"] = str(refused.retry_seconds)
    return Answer(refused.status, [(name.encode(), value.encode()) for name, value in headers.items()], body)


def broken() -> Answer:
    """What nobody foresaw; the traceback is in the log."""
    body = b"<!doctype html><title>Server error</title><h1>Something went wrong</h1>"
    headers = [(b"Content-Type", b"text/html; charset=utf-8"), (b"Content-Length", str(len(body)).encode())]
    return Answer(500, headers, body)
