from __future__ import annotations

from collections.abc import Set
from typing import Any

from django.conf import settings
from django.contrib.auth.models import User
from django.contrib.postgres.fields import ArrayField
from django.db import models

from apps.core.models import BaseModel


class Scope(models.TextChoices):
    """What a token is for. It never allows more than its owner may do."""

    READ = "read", "search, watch and look up videos"  # every token
    UPLOAD = "upload", "upload videos, change your own"
    REVIEW = "review", "review duplicates"
    TRAIN = "train", "train and promote models"
    ADMINISTER = "administer", "administer vsearch"


PERMISSIONS = {
    Scope.UPLOAD: "videos.upload_video",
    Scope.REVIEW: "duplicates.change_duplicategroup",
    Scope.TRAIN: "training.train",
    Scope.ADMINISTER: "core.administer",
}


class ApiToken(BaseModel):
    """Only the sha256 of a token is stored; the token itself is shown once, when it is made."""

    user = models.ForeignKey(settings.AUTH_USER_MODEL, on_delete=models.CASCADE, related_name="api_tokens")
    name = models.CharField(max_length=100)
    prefix = models.CharField(max_length=12)
    token_sha256 = models.CharField(max_length=64, unique=True)
    scopes: ArrayField[list[str], list[str]] = ArrayField(models.CharField(max_length=16))
    expires_at = models.DateTimeField()
    last_used_at = models.DateTimeField(null=True, blank=True)

    class Meta:
        ordering = ["-created_at"]

    def __str__(self) -> str:
        return f"{self.name} ({self.prefix}...)"


class TokenHolder(User):
    """A person who shows a token: has those of the own permissions that a scope of the token names, and no other.

    Every rule asks ``has_perm``, so none of them can forget the token.
    """

    scopes: Set[str] = frozenset()

    class Meta:
        proxy = True
        default_permissions = ()

    def has_perm(self, perm: str, obj: Any = None) -> bool:
        named = any(PERMISSIONS.get(Scope(scope)) == perm for scope in self.scopes)
        return named and super().has_perm(perm, obj)
