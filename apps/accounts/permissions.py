"""Who may do what: one predicate a permission, used by pages and by the API.

look        search, watch, look up: everybody who is logged in; anybody when settings.PUBLIC_SEARCH
upload      videos.upload_video
review      duplicates.change_duplicategroup
train       training.train
administer  core.administer

Where files lie on the server is shown to people who upload and import, review or administer.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import wraps
from typing import Concatenate, ParamSpec

from django.conf import settings
from django.contrib.auth.models import User
from django.contrib.auth.views import redirect_to_login
from django.core.exceptions import PermissionDenied
from django.http import HttpRequest, HttpResponse, HttpResponseBase

from apps.accounts.people import signed_in
from apps.accounts.tokens import BadToken, token_presented

P = ParamSpec("P")
View = Callable[Concatenate[HttpRequest, P], HttpResponseBase]


def may_look(user: User | None) -> bool:
    return settings.PUBLIC_SEARCH or user is not None


def may_upload(user: User | None) -> bool:
    return _has(user, "videos.upload_video")


def may_review(user: User | None) -> bool:
    return _has(user, "duplicates.change_duplicategroup")


def may_train(user: User | None) -> bool:
    return _has(user, "training.train")


def may_administer(user: User | None) -> bool:
    return _has(user, "core.administer")


def may_see_paths(user: User | None) -> bool:
    return may_upload(user) or may_review(user) or may_administer(user)


def _has(user: User | None, permission: str) -> bool:
    return user is not None and user.has_perm(permission)


def required(allowed: Callable[[User | None], bool]) -> Callable[[View[P]], View[P]]:
    """Decorator of a page: anonymous visitors go to the login page, others without the permission get 403."""

    def decorate(view: View[P]) -> View[P]:
        @wraps(view)
        def guarded(request: HttpRequest, *args: P.args, **kwargs: P.kwargs) -> HttpResponseBase:
            user = signed_in(request)
            if allowed(user):
                return view(request, *args, **kwargs)
            if user is None:
                return redirect_to_login(request.get_full_path())
            raise PermissionDenied("Your account lacks the permission for this page. Ask an administrator for it.")

        return guarded

    return decorate


CHALLENGE = 'Bearer realm="vsearch"'


def media_required(allowed: Callable[[User | None], bool]) -> Callable[[View[P]], View[P]]:
    """Decorator of addresses that players and programs fetch: a token opens them as it opens the API.

    No redirect: who asked for bytes cannot show a login page. 401 for a token that is not valid, else 403.
    """

    def decorate(view: View[P]) -> View[P]:
        @wraps(view)
        def guarded(request: HttpRequest, *args: P.args, **kwargs: P.kwargs) -> HttpResponseBase:
            try:
                token = token_presented(request.META.get("HTTP_AUTHORIZATION", ""))
            except BadToken as error:
                return _plain(error.message, error.status, {"WWW-Authenticate": CHALLENGE})
            if token is not None:
                request.user = token.user
            if not allowed(signed_in(request)):
                return _plain("Log in, or send an API token, to see this.", 403)
            return view(request, *args, **kwargs)

        return guarded

    return decorate


def _plain(message: str, status: int, headers: dict[str, str] | None = None) -> HttpResponse:
    return HttpResponse(
        message,
        status=status,
        content_type="text/plain; charset=utf-8",
        headers={"Cache-Control": "no-store", **(headers or {})},
    )


look_required = required(may_look)
upload_required = required(may_upload)
review_required = required(may_review)
train_required = required(may_train)
administer_required = required(may_administer)
