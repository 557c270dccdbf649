"""Active model versions for the tests of tasks: a tiny bundled encoder and the repository's copy descriptor."""

from __future__ import annotations

from pathlib import Path

import pytest
from django.conf import settings

from apps.embeddings.model_versions import model_version_promote, model_version_register
from apps.embeddings.models import ModelVersion
from apps.videos.models import Video
from apps.videos.registration import video_register
from tests.worker.embedders.tiny_models import tiny_bundled
from worker.embedders.registry import load_copy, load_semantic
from worker.embedders.semantic.bundled import bundled_spec
from worker.types import EmbedderSpec


def activate(spec: EmbedderSpec, folder: Path) -> ModelVersion:
    version = model_version_register(spec=spec, folder=str(folder))
    return model_version_promote(version_id=version.id)


@pytest.fixture
def versions(tmp_path: Path, transactional_db: None) -> tuple[ModelVersion, ModelVersion]:
    """(semantic, copy), both active."""
    load_semantic.cache_clear()
    folder = tmp_path / "tiny"
    folder.mkdir()
    tiny_bundled(folder)
    copy = Path(settings.BUNDLED_MODELS_DIR) / "copy"
    return activate(bundled_spec(folder), folder), activate(load_copy(copy).spec, copy)


def register(path: Path) -> Video:
    video, _ = video_register(path=path, original_name=path.name, source=Video.Source.IMPORT)
    return video
