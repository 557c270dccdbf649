"""API tokens: made, shown once, looked up by their hash, revoked."""

from __future__ import annotations

import hashlib
import secrets
from datetime import timedelta
from uuid import UUID

from django.contrib.auth.models import User
from django.utils import timezone

from apps.accounts.models import ApiToken
from apps.core.exceptions import InvalidInput, NotFound

TOKEN_MARK = "vs_"  # noqa: S105  lets secret scanners recognise one
PREFIX_LENGTH = len(TOKEN_MARK) + 6
TOKENS_A_PERSON = 50
NOTE_USE_EVERY = timedelta(minutes=1)


def token_hash(token: str) -> str:
    # A random 256-bit secret needs no slow hash: there is nothing to guess.
    return hashlib.sha256(token.encode()).hexdigest()


def token_create(*, user: User, name: str) -> tuple[ApiToken, str]:
    """Return the stored row and the token itself, which cannot be read again later."""
    name = name.strip()
    if not name:
        raise InvalidInput("Give the token a name that says what it is for.", field="name")
    if len(name) > 100:
        raise InvalidInput("The name can have at most 100 characters.", field="name")
    if ApiToken.objects.filter(user=user).count() >= TOKENS_A_PERSON:
        raise InvalidInput(
            f"You have {TOKENS_A_PERSON} tokens already. Revoke one that you do not use.",
            field="name",
        )
    token = TOKEN_MARK + secrets.token_urlsafe(32)
    row = ApiToken.objects.create(
        user=user,
        name=name,
        prefix=token[:PREFIX_LENGTH],
        token_sha256=token_hash(token),
    )
    return row, token


def token_revoke(*, user: User, token_id: UUID) -> None:
    """Delete a token of this user; raises NotFound for anybody else's."""
    deleted, _ = ApiToken.objects.filter(user=user, id=token_id).delete()
    if not deleted:
        raise NotFound("There is no such token in your account.")


def token_find(token: str) -> ApiToken | None:
    """The row of a presented token with its user. One query, and one write a minute at most."""
    row = ApiToken.objects.select_related("user").filter(token_sha256=token_hash(token)).first()
    if row is None:
        return None
    now = timezone.now()
    if row.last_used_at is None or now - row.last_used_at > NOTE_USE_EVERY:
        ApiToken.objects.filter(id=row.id).update(last_used_at=now)
    return row
