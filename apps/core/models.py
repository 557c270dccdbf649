from __future__ import annotations

import uuid
from typing import Any

from django.db import models
from django.db.models import Q


class BaseModel(models.Model):
    id = models.UUIDField(primary_key=True, default=uuid.uuid4, editable=False)
    created_at = models.DateTimeField(auto_now_add=True, db_index=True)
    updated_at = models.DateTimeField(auto_now=True)

    class Meta:
        abstract = True


class Job(BaseModel):
    """One piece of background work: its progress, its lease and how it ended.

    A worker claims a queued job by raising ``fencing_token`` and taking the lease; every later write names
    its token, so a worker that lost the lease can change nothing.
    """

    class State(models.TextChoices):
        QUEUED = "queued", "waiting"
        RUNNING = "running", "active"
        DONE = "done", "done"
        FAILED = "failed", "failed"
        CANCELLED = "cancelled", "cancelled"

    kind = models.CharField(max_length=32, db_index=True)
    subject_id = models.UUIDField(null=True, blank=True, db_index=True)
    title = models.CharField(max_length=200, blank=True)
    arguments: models.JSONField[dict[str, Any], dict[str, Any]] = models.JSONField(default=dict, blank=True)
    state = models.CharField(max_length=16, choices=State, default=State.QUEUED)
    stage = models.CharField(max_length=32, blank=True)
    percent = models.FloatField(default=0.0)
    seconds_left = models.FloatField(null=True, blank=True)
    attempts = models.PositiveIntegerField(default=0)
    fencing_token = models.PositiveIntegerField(default=0)
    lease_until = models.DateTimeField(null=True, blank=True)
    heartbeat_at = models.DateTimeField(null=True, blank=True)
    published_at = models.DateTimeField(null=True, blank=True)
    not_before = models.DateTimeField(null=True, blank=True)  # of a waiting job that found no space on the disk
    started_at = models.DateTimeField(null=True, blank=True)
    finished_at = models.DateTimeField(null=True, blank=True)
    cancel_requested = models.BooleanField(default=False)
    error_code = models.CharField(max_length=64, blank=True)
    error = models.TextField(blank=True)

    class Meta:
        ordering = ["-created_at"]
        indexes = [
            models.Index(fields=["state", "created_at"]),
            models.Index(fields=["lease_until"], condition=Q(state="running"), name="job_running_lease"),
        ]
        permissions = [("administer", "Can administer vsearch (models, scans, jobs of others)")]

    def __str__(self) -> str:
        return f"{self.kind} {self.title or self.subject_id or ''} ({self.state})"

    @property
    def active(self) -> bool:
        return self.state in {self.State.QUEUED, self.State.RUNNING}


class Allowance(models.Model):
    """When the bucket of a limit is full again (apps.core.limits). In no write-ahead log: a crash empties it."""

    KEY_LENGTH = 120

    key = models.CharField(max_length=KEY_LENGTH, primary_key=True)
    full_at = models.DateTimeField()

    class Meta:
        default_permissions = ()

    def __str__(self) -> str:
        return self.key
