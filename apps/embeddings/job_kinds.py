"""The job that installs a model version, and what becomes of the version when it does not succeed."""

from __future__ import annotations

from functools import partial
from uuid import UUID

from django.db import transaction

from apps.core.exceptions import Conflict
from apps.core.jobs import job_kind
from apps.embeddings.folders import install_folder_remove
from apps.embeddings.models import ModelVersion

State = ModelVersion.State
REFUSED = "refused"  # the gate of a candidate said no: the version is what it was
UNREACHABLE = "hub_unreachable"
CANCELLED = "The installation was cancelled. Retry its job to continue where it stopped."


def install_failed(version_id: UUID, code: str, message: str) -> None:
    """The row stays and says why; what was copied goes, unless the next attempt continues there."""
    if code not in {REFUSED, UNREACHABLE} and ModelVersion.objects.filter(id=version_id, weights_sha256="").exists():
        transaction.on_commit(partial(install_folder_remove, version_id))
    if code != REFUSED:
        versions = ModelVersion.objects.filter(id=version_id).exclude(state=State.SERVING)
        versions.update(state=State.FAILED, failure=message)


def install_cancelled(version_id: UUID) -> None:
    """It must not look as if somebody still worked on it."""
    unfinished = ModelVersion.objects.filter(id=version_id, state__in=[State.PENDING, State.BUILDING])
    unfinished.update(state=State.FAILED, failure=CANCELLED)


def install_retried(version_id: UUID) -> None:
    version = ModelVersion.objects.filter(id=version_id).first()
    if version is None:
        raise Conflict("The model version was removed.")
    if version.state == State.FAILED:
        version.state = State.BUILDING if version.weights_sha256 else State.PENDING
        version.failure = ""
        version.save(update_fields=["state", "failure", "updated_at"])


# Subject: ModelVersion. Fetch, export, index beside the active version, switch.
MODEL_INSTALL = job_kind(
    "model_install", queue="gpu", on_failure=install_failed, on_cancel=install_cancelled, on_retry=install_retried
)
