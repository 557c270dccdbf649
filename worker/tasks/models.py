"""Installing a model version: fetch, export the text tower, index the library beside the active one, switch.

The library is indexed in slices, so that new videos and other work on the same queue get their turn; every slice
continues where the last one ended, because what is left is read from the database.
"""

from __future__ import annotations

from django.db import IntegrityError, transaction

from apps.core.exceptions import Conflict
from apps.core.jobs import enqueue
from apps.duplicates.job_kinds import SCAN
from apps.embeddings.folders import install_folder
from apps.embeddings.job_kinds import MODEL_INSTALL, REFUSED, UNREACHABLE
from apps.embeddings.model_versions import model_version_promotable, model_version_promote
from apps.embeddings.models import ModelVersion
from apps.embeddings.vector_index import PgVectorIndex
from worker.embedders.base import EmbedderError
from worker.embedders.registry import load_semantic
from worker.embedders.semantic.download import HubUnreachable, fetch_model
from worker.embedders.semantic.export import export_text_tower
from worker.tasks.library_index import index_library, videos_waiting
from worker.tasks.running import JobContinues, JobFailed, RunningJob, task

FETCH_SHARE, EXPORT_SHARE = 0.3, 0.4  # of a job's progress; indexing takes the rest


def _fetch(job: RunningJob, version: ModelVersion) -> None:
    """Weights, spec and ONNX text tower; the version is then BUILDING. Does nothing when that is done already."""
    if version.weights_sha256:
        return
    folder = install_folder(version.id)

    def on_progress(fraction: float) -> None:
        job.progress("downloading", FETCH_SHARE * fraction)

    try:
        revision = fetch_model(version.name, folder, on_progress=on_progress)
        job.progress("exporting", FETCH_SHARE)
        embedder = load_semantic(folder, version.name, revision)
        figures = export_text_tower(embedder, folder)
        load_semantic.cache_clear()  # the export moved the model to the CPU
    except HubUnreachable as error:
        raise JobFailed(UNREACHABLE, str(error)) from error
    except EmbedderError as error:
        raise JobFailed("model", str(error)) from error
    spec = embedder.spec
    try:
        with transaction.atomic():
            job.hold()
            ModelVersion.objects.filter(id=version.id).update(
                revision=revision,
                dim=spec.dim,
                image_side=spec.image_side,
                preprocessing_hash=spec.preprocessing_hash,
                weights_sha256=spec.weights_sha256,
                folder=str(folder),
                details={"export": figures},
                state=ModelVersion.State.BUILDING,
                failure="",
            )
    except IntegrityError as error:
        raise JobFailed(
            "installed_already", "These weights are installed already; see `manage.py model list`."
        ) from error
    version.refresh_from_db()
    PgVectorIndex().ensure_index("clip", version.id, version.dim)


def _promote(job: RunningJob, version: ModelVersion) -> None:
    """Switch when no ready video is left out; videos that came in the meantime get one more round."""
    index_library(job, version, shares=(EXPORT_SHARE, 0.99))
    with transaction.atomic():
        job.hold()
        # Ingests lock the active row while they write: from here on none can finish with the old version.
        list(ModelVersion.objects.select_for_update().filter(role=version.role).order_by("id"))
        if videos_waiting(version):
            raise JobContinues(str(job.id))
        ModelVersion.objects.filter(id=version.id).update(state=ModelVersion.State.READY)
        model_version_promote(version_id=version.id)
        if version.role == ModelVersion.Role.COPY:
            enqueue(kind=SCAN, title="new copy descriptor")


@task(MODEL_INSTALL)
def model_install(job: RunningJob) -> None:
    version = ModelVersion.objects.get(id=job.subject)
    if version.state == ModelVersion.State.SERVING:
        return
    try:
        model_version_promotable(version=version)
        _fetch(job, version)
        _promote(job, version)
    except EmbedderError as error:
        raise JobFailed("model", str(error)) from error
    except Conflict as error:
        raise JobFailed(REFUSED, error.message) from error
