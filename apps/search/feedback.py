"""What searchers do with the moments that they get, written down as weak labels for training."""

from __future__ import annotations

import math
from uuid import UUID

from django.contrib.auth.models import User
from django.core.cache import cache

from apps.core.exceptions import InvalidInput, NotFound, VSearchError
from apps.embeddings.models import ModelVersion
from apps.embeddings.selectors import model_version_serving
from apps.search.models import Feedback
from apps.videos.models import Video

QUERY_LENGTH = 500
A_MINUTE = 60  # marks of one person or address; nobody judges faster


class TooMany(VSearchError):
    status = 429
    title = "Too many requests"
    wait = 60.0


def feedback_record(
    *, query: str, video_id: UUID, start: float, end: float, kind: str, user: User | None, address: str = ""
) -> Feedback:
    """A click or a thumb. A second thumb of a person on the same moment replaces the first.

    Raises InvalidInput with the field, NotFound, TooMany. ``address`` only counts requests and is not stored.
    """
    query = " ".join(query.replace("\x00", "").split())
    if not query or len(query) > QUERY_LENGTH:
        raise InvalidInput(
            f"query must be the text that was searched for, at most {QUERY_LENGTH} characters.", field="query"
        )
    if kind not in Feedback.Kind.values:
        raise InvalidInput(f"kind must be one of {', '.join(Feedback.Kind.values)}.", field="kind")
    if not (math.isfinite(start) and math.isfinite(end) and 0 <= start < end):
        raise InvalidInput("start and end must be seconds, and start must come first.", field="start")
    _throttle(f"user-{user.pk}" if user is not None else f"address-{address}")
    if not Video.objects.filter(id=video_id, state=Video.State.READY).exists():
        raise NotFound("There is no such video. It may have been deleted.", field="video")
    moment = {"query": query, "video_id": video_id, "start": start, "end": end}
    if kind != Feedback.Kind.CLICK and user is not None:
        thumbs = [Feedback.Kind.THUMB_UP, Feedback.Kind.THUMB_DOWN]
        Feedback.objects.filter(user=user, kind__in=thumbs, **moment).delete()
    version = model_version_serving(ModelVersion.Role.SEMANTIC)
    return Feedback.objects.create(kind=kind, user=user, model_version=version, **moment)


def _throttle(who: str) -> None:
    """Counted in this process's memory, which is enough against a finger or a script gone wild."""
    key = f"feedback-{who}"
    cache.add(key, 0, timeout=60)
    try:
        count = cache.incr(key)
    except ValueError:  # it expired between the two
        count = 1
    if count > A_MINUTE:
        raise TooMany("That was a lot of feedback in a short time. Wait a minute, then continue.")
