"""API tokens: made, shown once, looked up by their hash, revoked."""

from __future__ import annotations

import hashlib
import secrets
from collections.abc import Iterable
from datetime import timedelta
from uuid import UUID

from django.contrib.auth.models import User
from django.db.models import Q
from django.utils import timezone

from apps.accounts.models import PERMISSIONS, ApiToken, Scope, TokenHolder
from apps.core.disk_full import unless_disk_full
from apps.core.exceptions import InvalidInput, NotFound, VSearchError
from apps.core.plain import one_line

TOKEN_MARK = "vs_"  # noqa: S105  lets secret scanners recognise one
PREFIX_LENGTH = len(TOKEN_MARK) + 6
TOKENS_A_PERSON = 50
NOTE_USE_EVERY = timedelta(minutes=1)
DEFAULT_DAYS, MOST_DAYS = 90, 365
EXPIRED_SHOWN = timedelta(days=30)  # an owner who looks why a program stopped finds the token in the list


class BadToken(VSearchError):
    status = 401
    title = "Unauthorized"


def token_hash(token: str) -> str:
    # A random 256-bit secret needs no slow hash: there is nothing to guess.
    return hashlib.sha256(token.encode()).hexdigest()


def scopes_open_to(user: User) -> list[Scope]:
    """What tokens of this person can be for."""
    return [scope for scope in Scope if scope not in PERMISSIONS or user.has_perm(PERMISSIONS[scope])]


def token_create(
    *, user: User, name: str, scopes: Iterable[str] = (), days: int = DEFAULT_DAYS
) -> tuple[ApiToken, str]:
    """Return the stored row and the token itself, which cannot be read again later. Every token can read."""
    name = one_line(name)
    if not name:
        raise InvalidInput("Give the token a name that says what it is for.", field="name")
    if len(name) > 100:
        raise InvalidInput("The name can have at most 100 characters.", field="name")
    if not 1 <= days <= MOST_DAYS:
        raise InvalidInput(f"A token can be valid for 1 to {MOST_DAYS} days.", field="expires_in_days")
    wanted = {Scope.READ, *_scopes(scopes)}
    refused = wanted.difference(scopes_open_to(user))
    if refused:
        named = ", ".join(sorted(refused))
        raise InvalidInput(f"Your account does not have these permissions itself: {named}.", field="scopes")
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
        scopes=[scope for scope in Scope if scope in wanted],
        expires_at=timezone.now() + timedelta(days=days),
    )
    return row, token


def _scopes(names: Iterable[str]) -> set[Scope]:
    try:
        return {Scope(name) for name in names}
    except ValueError as error:
        raise InvalidInput(f"scopes must be some of {', '.join(Scope.values)}.", field="scopes") from error


def token_revoke(*, user: User, token_id: UUID) -> None:
    """Delete a token of this user; raises NotFound for anybody else's."""
    deleted, _ = ApiToken.objects.filter(user=user, id=token_id).delete()
    if not deleted:
        raise NotFound("There is no such token in your account.")


def tokens_revoke(*, user: User) -> int:
    """All of a person; returns how many."""
    return ApiToken.objects.filter(user=user).delete()[0]


def tokens_purge() -> int:
    """Remove tokens that expired a while ago, and those of accounts that were switched off by whatever way."""
    gone = Q(expires_at__lt=timezone.now() - EXPIRED_SHOWN) | Q(user__is_active=False)
    return ApiToken.objects.filter(gone).delete()[0]


def token_find(token: str) -> ApiToken | None:
    """The row of a presented token that is valid; its ``user`` is a TokenHolder. One write a minute at most."""
    row = ApiToken.objects.filter(token_sha256=token_hash(token)).first()
    if row is None:
        return None
    now = timezone.now()
    holder = TokenHolder.objects.get(pk=row.user_id)
    if not holder.is_active:  # for good: the tokens do not come back with the account
        tokens_revoke(user=holder)
        return None
    if row.expires_at <= now:
        return None
    holder.scopes = frozenset(row.scopes)
    row.user = holder
    if row.last_used_at is None or now - row.last_used_at > NOTE_USE_EVERY:
        with unless_disk_full():
            ApiToken.objects.filter(id=row.id).update(last_used_at=now)
    return row


def token_presented(authorization: str) -> ApiToken | None:
    """The token in the value of an ``Authorization`` header; None without one. BadToken when it is not valid."""
    parts = authorization.split()
    if not parts or parts[0].lower() != "bearer":
        return None
    if len(parts) != 2:
        raise BadToken("Send the token as 'Authorization: Bearer <token>'.")
    row = token_find(parts[1])
    if row is None:
        raise BadToken("The token is not known. It may have been revoked or have expired; create a new one.")
    return row


class TokensEndWithPassword:
    """For AUTH_PASSWORD_VALIDATORS, whose ``password_changed`` Django calls whenever and however a password is set."""

    def validate(self, password: str, user: User | None = None) -> None:
        """Any password."""

    def get_help_text(self) -> str:
        return "API tokens of the account are revoked when its password changes."

    def password_changed(self, password: str, user: User | None = None) -> None:
        if user is not None:
            tokens_revoke(user=user)
