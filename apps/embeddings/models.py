from __future__ import annotations

from pathlib import PurePath
from typing import Any

from django.db import models
from django.db.models import Q
from pgvector.django import HalfVectorField

from apps.core.models import BaseModel
from apps.videos.models import Video


class ModelVersion(BaseModel):
    """One set of weights with its preprocessing. Vectors of two versions are never compared."""

    class Role(models.TextChoices):
        SEMANTIC = "semantic", "text search"
        COPY = "copy", "copy detection"

    class State(models.TextChoices):
        PENDING = "pending", "being installed"
        BUILDING = "building", "indexing the library"
        READY = "ready", "ready"
        SERVING = "serving", "active"
        FAILED = "failed", "failed"

    role = models.CharField(max_length=16, choices=Role)
    name = models.CharField(max_length=300)  # "bundled", a hub id, a folder
    revision = models.CharField(max_length=64, blank=True)
    dim = models.PositiveIntegerField(default=0)
    image_side = models.PositiveIntegerField(default=0)
    preprocessing_hash = models.CharField(max_length=64, blank=True)
    weights_sha256 = models.CharField(max_length=64, blank=True)
    # Folder with text.onnx, tokenizer.json and text.json (max_length, padding, lower): what queries need.
    folder = models.TextField(blank=True)
    state = models.CharField(max_length=16, choices=State, default=State.PENDING)
    failure = models.TextField(blank=True)
    details: models.JSONField[dict[str, Any], dict[str, Any]] = models.JSONField(default=dict, blank=True)
    promoted_at = models.DateTimeField(null=True, blank=True)

    class Meta:
        ordering = ["-created_at"]
        constraints = [
            models.UniqueConstraint(fields=["role"], condition=Q(state="serving"), name="one_serving_version_a_role"),
            models.UniqueConstraint(
                fields=["role", "weights_sha256", "preprocessing_hash"],
                condition=~Q(weights_sha256=""),
                name="one_row_for_the_same_weights",
            ),
        ]

    def __str__(self) -> str:
        return f"{self.shown_name} {self.weights_sha256[:8]}".strip()

    @property
    def shown_name(self) -> str:
        """Of a version from a folder the folder's own name: where it lies on the server is nobody's business."""
        return PurePath(self.name).name if self.name.startswith(("/", "~", ".")) else self.name


class ClipEmbedding(models.Model):
    """Answers text: one vector a clip of at most about 8 s."""

    pk = models.CompositePrimaryKey("video_id", "model_version_id", "ordinal")
    video = models.ForeignKey(Video, on_delete=models.CASCADE)
    model_version = models.ForeignKey(ModelVersion, on_delete=models.CASCADE)
    ordinal = models.PositiveIntegerField()
    start = models.FloatField()
    end = models.FloatField()
    embedding = HalfVectorField()

    def __str__(self) -> str:
        return f"clip {self.ordinal} of {self.video_id}"


class FrameEmbedding(models.Model):
    """Answers video: one copy descriptor a sampled frame, and one for every rectangle that was found in its picture
    (``region`` 1, 2, ...; 0 is the whole frame). ``informative`` frames may vote."""

    pk = models.CompositePrimaryKey("video_id", "model_version_id", "ordinal")
    video = models.ForeignKey(Video, on_delete=models.CASCADE)
    model_version = models.ForeignKey(ModelVersion, on_delete=models.CASCADE)
    ordinal = models.PositiveIntegerField()
    time = models.FloatField()
    informative = models.BooleanField(default=True)
    region = models.PositiveSmallIntegerField(default=0, db_default=0)
    embedding = HalfVectorField()

    def __str__(self) -> str:
        return f"frame {self.ordinal} of {self.video_id}"
