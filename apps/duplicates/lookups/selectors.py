"""The lookups that somebody may read."""

from __future__ import annotations

from collections.abc import Set
from uuid import UUID

from django.contrib.auth.models import User

from apps.accounts.permissions import may_administer
from apps.core.exceptions import NotFound
from apps.duplicates.models import Lookup


def lookup_get(*, lookup_id: UUID, user: User | None) -> Lookup:
    """The lookup of this person, or one that was asked anonymously; NotFound for anybody else's but administrators.

    An anonymous lookup has no owner to prove: who knows its random id may read it, so that a script without cookies
    can ask and fetch the answer. Only the session that asked it sees it in a list or removes it, and the asked file is
    open to that session alone (``lookup_file_open_to``).
    """
    lookup = Lookup.objects.select_related("video").filter(id=lookup_id).first()
    if lookup is None or not (may_administer(user) or lookup.owner_id in {None, user.pk if user is not None else None}):
        raise NotFound("There is no such lookup. It may have expired.")
    return lookup


def lookup_file_open_to(lookup: Lookup, *, user: User | None, sessions: Set[str]) -> bool:
    """Whether somebody may watch the asked file or add it to the library: the one who asked, and administrators.

    ``sessions``: apps.accounts.people.session_keys.
    """
    if may_administer(user):
        return True
    if lookup.owner_id is not None:
        return user is not None and lookup.owner_id == user.pk
    return lookup.session_key in sessions


def lookup_list(*, owner: User | None, session_key: str = "", limit: int = 20) -> list[Lookup]:
    """The newest lookups of this person or session."""
    if owner is not None:
        mine = Lookup.objects.filter(owner=owner)
    elif session_key:
        mine = Lookup.objects.filter(owner=None, session_key=session_key)
    else:
        return []
    return list(mine.select_related("video").order_by("-created_at")[:limit])
