"""Register the models that come with the code and make them active where no other version is."""

from __future__ import annotations

import hashlib
import json
import shutil
from pathlib import Path
from typing import Any

from django.conf import settings
from django.core.management.base import CommandError, CommandParser
from django.db import transaction

from apps.core.jobs import enqueue
from apps.core.management.prepared import PreparedCommand
from apps.embeddings.job_kinds import MODEL_INSTALL
from apps.embeddings.model_versions import model_version_promote, model_version_register
from apps.embeddings.models import ModelVersion
from apps.videos.models import Video
from worker.embedders.base import EmbedderError
from worker.types import EmbedderSpec


def _own_copy(source: Path, spec: EmbedderSpec) -> Path:
    """The weights under MODELS_DIR: an upgrade of the code must not change the files of an active version."""
    folder = Path(settings.MODELS_DIR) / f"{spec.role}-{spec.weights_sha256[:16]}"
    if not (folder / "done").exists():
        fresh = folder.with_name(folder.name + ".new")
        shutil.rmtree(fresh, ignore_errors=True)
        shutil.copytree(source, fresh)
        if spec.role == "semantic":
            from worker.embedders.semantic.bundled import BundledEmbedder
            from worker.embedders.semantic.export import export_text_tower

            (fresh / "export.json").write_text(json.dumps(export_text_tower(BundledEmbedder(fresh), fresh)))
        (fresh / "done").touch()
        shutil.rmtree(folder, ignore_errors=True)
        fresh.rename(folder)
    return folder


def _register(spec: EmbedderSpec, source: Path) -> ModelVersion:
    return model_version_register(spec=spec, folder=str(_own_copy(source, spec)))


def _make_serve(version: ModelVersion) -> str:
    serving = ModelVersion.objects.filter(role=version.role, state=ModelVersion.State.SERVING).first()
    if serving == version:
        return "is active"
    if serving is None and not Video.objects.filter(state=Video.State.READY).exists():
        model_version_promote(version_id=version.id)
        return "is active from now on"
    if serving is not None and serving.name != version.name:
        return f"is kept; {serving.name} stays active"
    with transaction.atomic():
        ModelVersion.objects.filter(id=version.id).update(state=ModelVersion.State.BUILDING)
        enqueue(kind=MODEL_INSTALL, subject_id=version.id, title=f"new {version.name} model")
    return "is newer than the active one: the library is being indexed with it, then it becomes active"


def _stamp() -> Path:
    return Path(settings.MODELS_DIR) / "prepared"


def _fingerprint(sources: Path) -> str:
    """Over the contents of every file of the bundled models."""
    digest = hashlib.sha256()
    for file in sorted(f for f in sources.rglob("*") if f.is_file()):
        digest.update(f"{file.relative_to(sources)}\0".encode() + file.read_bytes())
    return digest.hexdigest()


class Command(PreparedCommand):
    help = __doc__

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("--quiet", action="store_true")

    def handle(self, *args: Any, **options: Any) -> None:
        sources = Path(settings.BUNDLED_MODELS_DIR)
        if self._nothing_to_do(sources):
            self.stdout.write("models: nothing to do")
        else:
            self._register_bundled(sources)
            _stamp().write_text(_fingerprint(sources))
        self._preset()

    def _register_bundled(self, sources: Path) -> None:
        from worker.embedders.registry import load_copy
        from worker.embedders.semantic.bundled import bundled_spec

        try:
            for spec, source in (
                (bundled_spec(sources / "semantic"), sources / "semantic"),
                (load_copy(sources / "copy").spec, sources / "copy"),
            ):
                outcome = _make_serve(_register(spec, source))
                self.stdout.write(f"{spec.role}: {spec.name} {spec.weights_sha256[:8]} {outcome}")
        except (EmbedderError, FileNotFoundError) as error:
            raise CommandError(f"The bundled models cannot be used: {error}") from error

    def _nothing_to_do(self, sources: Path) -> bool:
        """Checked without loading torch, which takes seconds: the files are unchanged and active."""
        if not _stamp().exists() or _stamp().read_text() != _fingerprint(sources):
            return False
        serving = ModelVersion.objects.filter(state=ModelVersion.State.SERVING)
        roles = {version.role for version in serving if Path(version.folder).is_dir()}
        return roles == set(ModelVersion.Role.values)

    def _preset(self) -> None:
        """VSEARCH_SEMANTIC_MODEL: install what it names, once; the bundled model is active until then."""
        wanted = settings.SEMANTIC_MODEL
        if wanted == "bundled" or ModelVersion.objects.filter(role="semantic", name=wanted).exists():
            return
        with transaction.atomic():
            version = ModelVersion.objects.create(role="semantic", name=wanted)
            enqueue(kind=MODEL_INSTALL, subject_id=version.id, title=wanted)
        self.stdout.write(f"semantic: {wanted} will be installed by the workers; see the jobs page")
