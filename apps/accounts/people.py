"""Who asks: a person with an account, or nobody. Resolved once, where a request comes in."""

from __future__ import annotations

from django.contrib.auth.models import AnonymousUser, User
from django.http import HttpRequest


def signed_in(request: HttpRequest) -> User | None:
    """The person of a request, None for a visitor. Costs no query beyond the login itself."""
    return person_of(request.user)


def person_of(user: User | AnonymousUser) -> User | None:
    """Services, selectors and rows take ``User | None``: an anonymous user never travels further than this."""
    return user if isinstance(user, User) else None
