"""Model versions: registering them, the switch, and removing them by hand."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any, Protocol
from uuid import UUID

from django.conf import settings
from django.db import transaction
from django.utils import timezone

from apps.core.exceptions import Conflict, NotFound
from apps.core.models import Job
from apps.embeddings.folders import install_folder_remove
from apps.embeddings.models import ModelVersion
from apps.embeddings.rows import Kind
from apps.embeddings.vector_index import PgVectorIndex
from apps.videos.models import Video


class Spec(Protocol):
    """What identifies a version for good; every embedder has one (worker.types.EmbedderSpec)."""

    @property
    def role(self) -> str: ...
    @property
    def name(self) -> str: ...
    @property
    def revision(self) -> str: ...
    @property
    def dim(self) -> int: ...
    @property
    def image_side(self) -> int: ...
    @property
    def preprocessing_hash(self) -> str: ...
    @property
    def weights_sha256(self) -> str: ...


PROMOTABLE = {ModelVersion.State.READY, ModelVersion.State.BUILDING, ModelVersion.State.SERVING}

PromotionCheck = Callable[[ModelVersion], None]
_promotion_checks: list[PromotionCheck] = []
_removal_checks: list[PromotionCheck] = []


def promotion_check_register(check: PromotionCheck) -> None:
    """``check`` raises Conflict for a version that must not become active; its app registers it in ready()."""
    if check not in _promotion_checks:
        _promotion_checks.append(check)


def removal_check_register(check: PromotionCheck) -> None:
    """``check`` raises Conflict for a version that somebody still needs."""
    if check not in _removal_checks:
        _removal_checks.append(check)


def model_version_promotable(*, version: ModelVersion) -> None:
    """Raise what the registered checks raise, before work is put into a switch that would be refused."""
    for check in _promotion_checks:
        check(version)


def kind_of(role: str) -> Kind:
    """Which vectors a role stores."""
    return "clip" if role == ModelVersion.Role.SEMANTIC else "frame"


def model_version_register(*, spec: Spec, folder: str, details: dict[str, Any] | None = None) -> ModelVersion:
    """The row of these weights, made once, with its empty vector index; ``folder`` follows when it moved."""
    with transaction.atomic():
        version, made = ModelVersion.objects.get_or_create(
            role=spec.role,
            weights_sha256=spec.weights_sha256,
            preprocessing_hash=spec.preprocessing_hash,
            defaults={
                "name": spec.name,
                "revision": spec.revision,
                "dim": spec.dim,
                "image_side": spec.image_side,
                "folder": folder,
                "details": details or {},
                "state": ModelVersion.State.READY,
            },
        )
        if version.folder != folder:
            version.folder = folder
            version.save(update_fields=["folder", "updated_at"])
    if made:
        PgVectorIndex().ensure_index(kind_of(version.role), version.id, version.dim)
    return version


def model_version_lacks_videos(*, version: ModelVersion) -> bool:
    """Whether ready videos have no vectors of this version: they would vanish from search if it became active now."""
    table = "clipembedding" if version.role == ModelVersion.Role.SEMANTIC else "frameembedding"
    known = {f"{table}__model_version_id": version.id}
    return Video.objects.filter(state=Video.State.READY).exclude(**known).exists()


def role_locked(version_id: UUID) -> tuple[ModelVersion, list[ModelVersion]]:
    """The version and all of its role, locked in one order: switches and removals take turns. NotFound without it."""
    version = ModelVersion.objects.filter(id=version_id).first()
    if version is None:
        raise NotFound("There is no such model version.")
    rows = list(ModelVersion.objects.select_for_update().filter(role=version.role).order_by("id"))
    return next(row for row in rows if row.id == version.id), rows


def model_version_promote(*, version_id: UUID) -> ModelVersion:
    """Make the version active in place of the one that is, in one transaction. Rolling back is the same call.

    Conflict when it is not ready, or has no vectors while the active one has: search would find nothing.
    """
    with transaction.atomic():
        target, rows = role_locked(version_id)
        serving = next((row for row in rows if row.state == ModelVersion.State.SERVING), None)
        if serving == target:
            return target
        if target.state not in PROMOTABLE:
            raise Conflict(
                f"{target} cannot become active: it is {target.get_state_display()}. Install it again first."
            )
        model_version_promotable(version=target)
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
        raise Conflict(f"{target} has not indexed any video yet; {serving} stays active. Wait until it is indexed.")


def model_version_remove(*, version_id: UUID) -> None:
    """Delete a version with its vectors, their index and its folder. Only a person asks for this; nothing else does.

    Conflict for the active version, and while a job works on the version. A folder outside the data directory is the
    person's own and stays. Costs a scan of the version's vectors.
    """
    with transaction.atomic():
        version, rows = role_locked(version_id)
        if version.state == ModelVersion.State.SERVING:
            raise Conflict(
                f"{version} is active: without it nothing would be found. Make another version active first."
            )
        if Job.objects.filter(subject_id=version.id, state__in=[Job.State.QUEUED, Job.State.RUNNING]).exists():
            raise Conflict(f"A job works on {version}. Cancel it first; see the jobs page.")
        for check in _removal_checks:
            check(version)
        shared = any(row.folder == version.folder for row in rows if row.id != version.id)
        folder = Path(version.folder) if version.folder and not shared else None
        PgVectorIndex().delete_version(kind_of(version.role), version.id)
        version.delete()
        if folder is not None and Path(settings.DATA_DIR).resolve() in folder.resolve().parents:
            transaction.on_commit(partial(shutil.rmtree, folder, ignore_errors=True))
        if not version.folder:
            transaction.on_commit(partial(install_folder_remove, version_id))
