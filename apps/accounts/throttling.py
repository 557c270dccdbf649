"""Limits of people: what costs is counted for a person, or for the address of a visitor; guessing passwords is slow."""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from functools import wraps
from typing import Concatenate, ParamSpec

from django.contrib.auth.models import User
from django.http import HttpRequest, HttpResponseBase

from apps.accounts.people import signed_in
from apps.core.addresses import address_group, client_address
from apps.core.limits import Bucket, limit_forget, limit_give_back, limit_take

P = ParamSpec("P")
View = Callable[Concatenate[HttpRequest, P], HttpResponseBase]


def requester(request: HttpRequest) -> str:
    """Whose bucket a request takes from: the person's, or that of the address."""
    user = signed_in(request)
    return f"person {user.pk}" if user is not None else address_group(client_address(request))


def limited(name: str, *methods: str) -> Callable[[View[P]], View[P]]:
    """Decorator of a page that costs: takes one of the limit ``name``; with ``methods`` only for these.

    Below the decorator of the permission, so that who is turned away anyhow takes nothing.
    """

    def decorate(view: View[P]) -> View[P]:
        @wraps(view)
        def counted(request: HttpRequest, *args: P.args, **kwargs: P.kwargs) -> HttpResponseBase:
            if not methods or request.method in methods:
                limit_take(Bucket(name, requester(request)))
            return view(request, *args, **kwargs)

        return counted

    return decorate


def password_guess(*, username: str, address: str) -> Callable[[], None]:
    """Before the check of a password at a login. TooMany instead of a check when there were too many wrong ones.

    The attempt is taken before the check, so of guesses at the same moment no more than the limit are examined. Call
    what is returned when the password was right: the attempt is given back.
    """
    name, group = _hash(username), address_group(address)
    here = Bucket("login", _hash(f"{name} {group}"))
    elsewhere = (Bucket("login_name", name), Bucket("login_address", group))
    limit_take(here, *elsewhere, words="Too many failed logins.")

    def right() -> None:
        limit_forget(here)
        limit_give_back(*elsewhere)

    return right


def own_password_guess(user: User) -> Callable[[], None]:
    """The same where somebody who is logged in proves to be the owner of the account."""
    bucket = Bucket("password", str(user.pk))
    limit_take(bucket, words="Too many wrong passwords.")
    return lambda: limit_forget(bucket)


def _hash(username: str) -> str:
    """Names are not kept: people type passwords into the wrong field."""
    return hashlib.sha256(username.strip().casefold().encode(errors="replace")).hexdigest()
