from __future__ import annotations

from typing import Any

from django.conf import settings
from django.db import models

from apps.core.models import BaseModel
from apps.embeddings.models import ModelVersion
from apps.videos.models import Video


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


class Feedback(BaseModel):
    """What a searcher did with a moment that answered a query: a weak label for training."""

    class Kind(models.TextChoices):
        CLICK = "click", "played"
        THUMB_UP = "thumb_up", "right"
        THUMB_DOWN = "thumb_down", "wrong"

    query = models.CharField(max_length=500)
    video = models.ForeignKey(Video, on_delete=models.CASCADE)
    start = models.FloatField()
    end = models.FloatField()
    kind = models.CharField(max_length=16, choices=Kind)
    # Null: a visitor without a login. Nothing else of them is kept.
    user = models.ForeignKey(settings.AUTH_USER_MODEL, null=True, blank=True, on_delete=models.SET_NULL)
    model_version = models.ForeignKey(ModelVersion, null=True, blank=True, on_delete=models.SET_NULL)

    class Meta:
        ordering = ["-created_at"]
        verbose_name_plural = "feedback"

    def __str__(self) -> str:
        return f"{self.get_kind_display()}: {self.query[:60]}"


class VocabularyWord(models.Model):
    """A word that texts of the library have, folded; see apps.search.vocabulary."""

    word = models.CharField(max_length=40, unique=True)

    def __str__(self) -> str:
        return self.word


class Vocabulary(models.Model):
    """How far the texts were read for their words. One row."""

    ONLY = 1

    read_until = models.BigIntegerField(default=0)  # id of a text segment
    cleaned_at = models.DateTimeField(null=True)

    def __str__(self) -> str:
        return f"read until {self.read_until}"
