"""Model versions: registering them and the switch."""

from __future__ import annotations

from typing import Any
from uuid import UUID

from django.db import transaction
from django.utils import timezone

from apps.core.exceptions import Conflict, NotFound
from apps.embeddings.models import ModelVersion
from apps.embeddings.vector_index import Kind, PgVectorIndex
from apps.videos.models import Video

PROMOTABLE = {ModelVersion.State.READY, ModelVersion.State.BUILDING, ModelVersion.State.SERVING}


def kind_of(role: str) -> Kind:
    """Which vectors a role stores."""
    return "clip" if role == ModelVersion.Role.SEMANTIC else "frame"


def model_version_register(
    *,
    role: str,
    name: str,
    revision: str,
    dim: int,
    image_side: int,
    preprocessing_hash: str,
    weights_sha256: str,
    folder: str,
    details: dict[str, Any] | None = None,
) -> ModelVersion:
    """The row of these weights, made once, with its empty vector index; ``folder`` follows when it moved."""
    with transaction.atomic():
        version, made = ModelVersion.objects.get_or_create(
            role=role,
            weights_sha256=weights_sha256,
            preprocessing_hash=preprocessing_hash,
            defaults={
                "name": name,
                "revision": revision,
                "dim": dim,
                "image_side": image_side,
                "folder": folder,
                "details": details or {},
                "state": ModelVersion.State.READY,
            },
        )
        if version.folder != folder:
            version.folder = folder
            version.save(update_fields=["folder", "updated_at"])
    if made:
        PgVectorIndex().ensure_index(kind_of(role), version.id, dim)
    return version


def model_version_lacks_videos(*, version: ModelVersion) -> bool:
    """Whether ready videos have no vectors of this version: they would vanish from search if it served now."""
    table = "clipembedding" if version.role == ModelVersion.Role.SEMANTIC else "frameembedding"
    known = {f"{table}__model_version_id": version.id}
    return Video.objects.filter(state=Video.State.READY).exclude(**known).exists()


def model_version_promote(*, version_id: UUID) -> ModelVersion:
    """Make the version serve and the serving one stand by, in one transaction. Rolling back is the same call.

    Conflict when it is not ready, or holds no vectors while the serving one does: search would find nothing.
    """
    with transaction.atomic():
        target = ModelVersion.objects.filter(id=version_id).first()
        if target is None:
            raise NotFound("There is no such model version.")
        # All rows of the role, always in one order: two promotions at once take turns.
        rows = list(ModelVersion.objects.select_for_update().filter(role=target.role).order_by("id"))
        target = next(row for row in rows if row.id == target.id)
        serving = next((row for row in rows if row.state == ModelVersion.State.SERVING), None)
        if serving == target:
            return target
        if target.state not in PROMOTABLE:
            raise Conflict(f"{target} cannot serve: it is {target.get_state_display()}. Install it again first.")
        _vectors_check(target, serving)
        if serving is not None:
            serving.state = ModelVersion.State.READY
            serving.save(update_fields=["state", "updated_at"])
        target.state, target.promoted_at, target.failure = ModelVersion.State.SERVING, timezone.now(), ""
        target.save(update_fields=["state", "promoted_at", "failure", "updated_at"])
        return target


def _vectors_check(target: ModelVersion, serving: ModelVersion | None) -> None:
    index, kind = PgVectorIndex(), kind_of(target.role)
    if serving is not None and not index.count(kind, target.id) and index.count(kind, serving.id):
        raise Conflict(f"{target} has indexed no video yet; {serving} goes on serving. Let the indexing end first.")
