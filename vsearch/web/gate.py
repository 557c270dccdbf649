"""Whether a large file may come at all, asked before its bytes are read."""

from __future__ import annotations

from typing import Any

from django.contrib.auth.middleware import AuthenticationMiddleware
from django.contrib.auth.models import User
from django.contrib.sessions.middleware import SessionMiddleware
from django.core.handlers.wsgi import WSGIRequest
from django.core.signals import request_finished, request_started
from django.http import HttpRequest, HttpResponse

from apps.accounts.people import signed_in
from apps.accounts.permissions import may_look, may_train
from apps.accounts.tokens import token_presented
from apps.core.exceptions import VSearchError
from apps.core.middleware import OUTAGES, RETRY_SECONDS
from apps.videos.storage import space_check
from vsearch.web.exceptions import Refused
from vsearch.web.routes import Route


def may_send(environ: dict[str, Any], route: Route, length: int) -> None:
    """Raises Refused unless the sender is allowed to do what the address is for, and the disk takes ``length`` bytes.

    Runs in a thread. The view checks all of it again.
    """
    request_started.send(sender=may_send, environ=environ)  # as around a view: a broken connection is replaced
    try:
        _check(_sender(WSGIRequest(environ)), route, length)
    except VSearchError as error:
        raise Refused(error.status, error.message) from error
    except OUTAGES as error:
        raise Refused(503, "The database does not answer right now. Try again.", retry_seconds=RETRY_SECONDS) from error
    finally:
        request_finished.send(sender=may_send)


def _sender(request: HttpRequest) -> User | None:
    for middleware in (SessionMiddleware, AuthenticationMiddleware):
        middleware(lambda _: HttpResponse()).process_request(request)
    token = token_presented(request.META.get("HTTP_AUTHORIZATION", ""))
    return token.user if token is not None else signed_in(request)


def _check(sender: User | None, route: Route, length: int) -> None:
    if not (may_train(sender) if route.trains else may_look(sender)):
        if sender is None:
            raise Refused(401, "Log in first, then send the file again.")
        raise Refused(403, "Your account is not allowed to send files here. Ask an administrator for it.")
    space_check(2 * length)  # Django writes the file out of the form
