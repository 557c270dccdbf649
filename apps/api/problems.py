"""Every error of the API as application/problem+json (RFC 9457), with a JSON pointer to the field at fault."""

from __future__ import annotations

from collections.abc import Iterator
from http import HTTPStatus
from math import ceil
from typing import Any

from django.core.exceptions import BadRequest, PermissionDenied, RequestDataTooBig, SuspiciousOperation
from django.http import Http404
from rest_framework import exceptions
from rest_framework.renderers import JSONRenderer
from rest_framework.response import Response
from rest_framework.views import set_rollback

from apps.core.exceptions import VSearchError

MEDIA_TYPE = "application/problem+json"


def problem_response(error: Exception, context: dict[str, Any]) -> Response | None:
    """DRF's EXCEPTION_HANDLER. None (a 500 with a traceback in the log) for what nobody foresaw."""
    if isinstance(error, VSearchError):
        set_rollback()
        errors = [{"pointer": f"#/{error.field}", "detail": error.message}] if error.field else []
        return problem(
            error.status,
            error.title,
            error.message,
            errors=errors,
            headers=headers_of(error),
        )
    if isinstance(error, Http404):
        error = exceptions.NotFound()
    elif isinstance(error, PermissionDenied):
        error = exceptions.PermissionDenied(str(error) or None)
    elif isinstance(error, RequestDataTooBig):
        return problem(413, HTTPStatus(413).phrase, "The body is too large for this address.")
    elif isinstance(error, SuspiciousOperation | BadRequest):  # too many fields, or files, of a form
        error = exceptions.ParseError(str(error) or None)
    if not isinstance(error, exceptions.APIException):
        return None
    set_rollback()
    title = HTTPStatus(error.status_code).phrase
    if isinstance(error, exceptions.ValidationError):
        errors = list(_field_errors(error.detail, ""))
        detail = errors[0]["detail"] if len(errors) == 1 else "Some fields are not valid; see errors."
        return problem(error.status_code, "The request cannot be used", detail, errors=errors)
    return problem(error.status_code, title, str(error.detail), headers=headers_of(error))


class Problem(Response):
    """JSON whatever the address answers otherwise: the schema is YAML."""

    @property
    def rendered_content(self) -> bytes:
        self["Content-Type"] = MEDIA_TYPE
        rendered: bytes = JSONRenderer().render(self.data)
        return rendered


def problem(
    status: int,
    title: str,
    detail: str,
    *,
    errors: list[dict[str, str]] | None = None,
    headers: dict[str, str] | None = None,
) -> Response:
    body: dict[str, Any] = {
        "type": "about:blank",
        "title": title,
        "status": status,
        "detail": detail,
    }
    if errors:
        body["errors"] = errors
    return Problem(body, status=status, headers=headers)


def headers_of(error: Exception) -> dict[str, str]:
    """The challenge of a 401, Retry-After of a 429 or 503, and what the exception itself carries."""
    headers: dict[str, str] = dict(getattr(error, "headers", None) or {})
    challenge = getattr(error, "auth_header", None)
    if challenge:
        headers["WWW-Authenticate"] = challenge
    wait = getattr(error, "wait", None)
    if wait is not None:
        headers["Retry-After"] = str(ceil(wait))
    elif getattr(error, "status", None) == 503:
        headers["Retry-After"] = "5"
    return headers


def _field_errors(detail: Any, pointer: str) -> Iterator[dict[str, str]]:
    """DRF's nested dictionaries and lists as flat (pointer, detail) pairs."""
    if isinstance(detail, dict):
        for name, inner in detail.items():
            yield from _field_errors(inner, pointer if name == "non_field_errors" else f"{pointer}/{name}")
    elif isinstance(detail, list):
        for position, inner in enumerate(detail):
            nested = isinstance(inner, dict | list)
            yield from _field_errors(inner, f"{pointer}/{position}" if nested else pointer)
    else:
        yield {"pointer": f"#{pointer}", "detail": str(detail)}
