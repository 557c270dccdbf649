"""The lookups that somebody may read."""

from __future__ import annotations

from uuid import UUID

from django.contrib.auth.models import User

from apps.core.exceptions import NotFound
from apps.duplicates.models import Lookup


def lookup_get(*, lookup_id: UUID, user: User | None) -> Lookup:
    """The lookup of this person, or one that was asked anonymously; NotFound for anybody else's.

    An anonymous lookup has no owner to prove: who knows its random id may read it, so that a script without cookies
    can ask and fetch the answer. Only the session that asked it sees it in a list or removes it.
    """
    lookup = Lookup.objects.select_related("video").filter(id=lookup_id).first()
    if lookup is None or lookup.owner_id not in {None, user.pk if user is not None else None}:
        raise NotFound("There is no such lookup. It may have expired.")
    return lookup


def lookup_list(*, owner: User | None, session_key: str = "", limit: int = 20) -> list[Lookup]:
    """The newest lookups of this person or session."""
    if owner is not None:
        mine = Lookup.objects.filter(owner=owner)
    elif session_key:
        mine = Lookup.objects.filter(owner=None, session_key=session_key)
    else:
        return []
    return list(mine.select_related("video").order_by("-created_at")[:limit])
