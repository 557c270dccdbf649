from __future__ import annotations

from typing import Any

from django.db import models

from apps.core.models import BaseModel


class SearchSnapshot(BaseModel):
    """The ranked answer to one query, kept while somebody pages through it.

    Pages are cut from ``ranking`` and it only ever grows at its end, so that no page repeats or skips a video.
    """

    query_hash = models.CharField(max_length=64, db_index=True)
    parameters: models.JSONField[dict[str, Any], dict[str, Any]] = models.JSONField(default=dict)
    ranking: models.JSONField[list[Any], list[Any]] = models.JSONField(default=list)
    depth = models.PositiveIntegerField(default=0)  # clips that were looked at to make it
    complete = models.BooleanField(default=False)
    expires_at = models.DateTimeField(db_index=True)
