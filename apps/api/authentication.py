"""``Authorization: Bearer vs_...``. Comes first, so that its challenge makes a 401 of a missing login."""

from __future__ import annotations

from django.contrib.auth.models import User
from django.http import HttpRequest
from rest_framework.authentication import BaseAuthentication
from rest_framework.exceptions import AuthenticationFailed
from rest_framework.request import Request

from apps.accounts.models import ApiToken
from apps.accounts.permissions import CHALLENGE
from apps.accounts.tokens import BadToken, token_presented


class TokenAuthentication(BaseAuthentication):
    """A token carries no cookie, so no CSRF check is needed; sessions keep theirs."""

    def authenticate(self, request: Request | HttpRequest) -> tuple[User, ApiToken] | None:
        try:
            row = token_presented(request.META.get("HTTP_AUTHORIZATION", ""))
        except BadToken as error:
            raise AuthenticationFailed(error.message) from error
        return (row.user, row) if row is not None else None

    def authenticate_header(self, request: Request) -> str:
        return CHALLENGE
