"""Who asks: a person with an account, or nobody. Resolved once, where a request comes in."""

from __future__ import annotations

from typing import TypedDict

from django.contrib.auth.models import User
from django.core.exceptions import PermissionDenied
from django.http import HttpRequest


class Asker(TypedDict):
    """Whose upload or lookup it is: a person's, or that of a visitor's session."""

    owner: User | None
    session_key: str  # "" for a person


def signed_in(request: HttpRequest) -> User | None:
    """The person of a request, None for a visitor. Costs no query beyond the login itself.

    Services, selectors and rows take ``User | None``: an anonymous user never travels further than this.
    """
    return request.user if isinstance(request.user, User) else None


def account(request: HttpRequest) -> User:
    """The person of a request that only people with an account get through. PermissionDenied for a visitor."""
    user = signed_in(request)
    if user is None:
        raise PermissionDenied("Log in first.")
    return user


def asker(request: HttpRequest, *, start_session: bool = False) -> Asker:
    """``start_session``: a visitor without a session gets one, so that the answer can be found again."""
    user = signed_in(request)
    if user is not None:
        return {"owner": user, "session_key": ""}
    if start_session and not request.session.session_key:
        request.session.create()
    return {"owner": None, "session_key": request.session.session_key or ""}


_BEFORE_LOGIN = "key_before_login"


def session_key_remember(request: HttpRequest, key: str | None) -> None:
    """At a login: ``key`` is that of the session before."""
    if key:
        request.session[_BEFORE_LOGIN] = key


def session_keys(request: HttpRequest) -> frozenset[str]:
    """The key of this session and the one that it had before the login."""
    keys = (request.session.session_key, request.session.get(_BEFORE_LOGIN))
    return frozenset(key for key in keys if key)
