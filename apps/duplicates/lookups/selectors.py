"""The lookups that somebody may read."""

from __future__ import annotations

from typing import Any
from uuid import UUID

from apps.core.exceptions import NotFound
from apps.duplicates.models import Lookup


def lookup_get(*, lookup_id: UUID, user: Any) -> Lookup:
    """The lookup of this person, or one that was asked anonymously; NotFound for anybody else's.

    An anonymous lookup has no owner to prove: who knows its random id may read it, so that a script without cookies
    can ask and fetch the answer. Only the session that asked it sees it in a list or removes it.
    """
    owner = user if user is not None and user.is_authenticated else None
    lookup = Lookup.objects.select_related("video").filter(id=lookup_id).first()
    readable = lookup is not None and lookup.owner_id in {None, owner.pk if owner is not None else None}
    if lookup is None or not readable:
        raise NotFound("There is no such lookup. It may have expired.")
    return lookup


def lookup_list(*, user: Any, session_key: str = "", limit: int = 20) -> list[Lookup]:
    """The newest lookups of this person or session."""
    if user is not None and user.is_authenticated:
        mine = Lookup.objects.filter(owner=user)
    elif session_key:
        mine = Lookup.objects.filter(owner=None, session_key=session_key)
    else:
        return []
    return list(mine.select_related("video").order_by("-created_at")[:limit])
