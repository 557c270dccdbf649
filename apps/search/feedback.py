"""What searchers do with the moments that they get, written down as weak labels for training."""

from __future__ import annotations

import math
from uuid import UUID

from django.contrib.auth.models import User

from apps.core.exceptions import InvalidInput, NotFound
from apps.core.plain import one_line
from apps.embeddings.models import ModelVersion
from apps.embeddings.selectors import model_version_serving
from apps.search.models import Feedback
from apps.videos.models import Video

QUERY_LENGTH = 500


def feedback_record(*, query: str, video_id: UUID, start: float, end: float, kind: str, user: User | None) -> Feedback:
    """A click or a thumb. A second thumb of a person on the same moment replaces the first.

    Raises InvalidInput with the field, or NotFound.
    """
    query = " ".join(one_line(query).split())
    if not query or len(query) > QUERY_LENGTH:
        raise InvalidInput(
            f"query must be the text that was searched for, at most {QUERY_LENGTH} characters.", field="query"
        )
    if kind not in Feedback.Kind.values:
        raise InvalidInput(f"kind must be one of {', '.join(Feedback.Kind.values)}.", field="kind")
    if not (math.isfinite(start) and math.isfinite(end) and 0 <= start < end):
        raise InvalidInput("start and end must be seconds, and start must come first.", field="start")
    if not Video.objects.filter(id=video_id, state=Video.State.READY).exists():
        raise NotFound("There is no such video. It may have been deleted.", field="video")
    moment = {"query": query, "video_id": video_id, "start": start, "end": end}
    if kind != Feedback.Kind.CLICK and user is not None:
        thumbs = [Feedback.Kind.THUMB_UP, Feedback.Kind.THUMB_DOWN]
        Feedback.objects.filter(user=user, kind__in=thumbs, **moment).delete()
    version = model_version_serving(ModelVersion.Role.SEMANTIC)
    return Feedback.objects.create(kind=kind, user=user, model_version=version, **moment)
