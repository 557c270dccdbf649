"""``Authorization: Bearer vs_...``. Comes first, so that its challenge makes a 401 of a missing login."""

from __future__ import annotations

from django.contrib.auth.models import User
from rest_framework.authentication import BaseAuthentication, get_authorization_header
from rest_framework.exceptions import AuthenticationFailed
from rest_framework.request import Request

from apps.accounts.models import ApiToken
from apps.accounts.tokens import token_find


class TokenAuthentication(BaseAuthentication):
    """A token carries no cookie, so no CSRF check is needed; sessions keep theirs."""

    def authenticate(self, request: Request) -> tuple[User, ApiToken] | None:
        parts = get_authorization_header(request).split()
        if not parts or parts[0].lower() != b"bearer":
            return None
        if len(parts) != 2:
            raise AuthenticationFailed("Send the token as 'Authorization: Bearer <token>'.")
        row = token_find(parts[1].decode("latin-1"))
        if row is None or not row.user.is_active:
            raise AuthenticationFailed("The token is not known. It may have been revoked; create a new one.")
        return row.user, row

    def authenticate_header(self, request: Request) -> str:
        return 'Bearer realm="vsearch"'
