"""Installing a model: the library is indexed beside the serving version, then it serves; failures change nothing."""

from __future__ import annotations

from io import StringIO
from pathlib import Path

import pytest
from django.core.management import CommandError, call_command
from pytest_django import Settings

from apps.core.models import Job
from apps.embeddings.models import ClipEmbedding, ModelVersion
from apps.embeddings.selectors import model_version_serving
from apps.embeddings.text_encoder import encode_query
from apps.videos.models import Video
from tests.clips import Scene, make_clip
from tests.worker.embedders.tiny_models import tiny_clip
from tests.worker.tasks.active_versions import register, versions  # noqa: F401
from worker.tasks.ingest import ingest

pytestmark = pytest.mark.django_db(transaction=True)
Versions = tuple[ModelVersion, ModelVersion]


@pytest.fixture
def library(tmp_path: Path, settings: Settings, versions: Versions) -> list[Video]:  # noqa: F811
    settings.MODELS_DIR = tmp_path / "models"
    videos = []
    for seed in (1, 2):
        path = make_clip(tmp_path / f"{seed}.mp4", scenes=[Scene("testsrc2", seed)], seconds=2)
        video = register(path)
        ingest(str(Job.objects.get(subject_id=video.id, kind="ingest").id))
        videos.append(video)
    return videos


def test_an_installed_model_serves_with_every_video(tmp_path: Path, library: list[Video], versions: Versions) -> None:  # noqa: F811
    out = StringIO()
    call_command("model", "install", str(tiny_clip(tmp_path / "clip")), stdout=out)
    serving = model_version_serving("semantic")
    assert serving is not None and serving.id != versions[0].id and serving.dim == 24
    assert set(ClipEmbedding.objects.filter(model_version=serving).values_list("video_id", flat=True)) == {
        v.id for v in library
    }
    assert encode_query(serving, ["a dog"]).shape == (1, 24)
    versions[0].refresh_from_db()
    assert versions[0].state == ModelVersion.State.READY  # kept for the way back
    assert ClipEmbedding.objects.filter(model_version=versions[0]).exists()
    call_command("model", "promote", str(versions[0].id)[:8], stdout=out)
    assert model_version_serving("semantic") == versions[0]


def test_a_file_that_vanished_does_not_block_the_switch(tmp_path: Path, library: list[Video]) -> None:
    Path(library[0].path).unlink()
    call_command("model", "install", str(tiny_clip(tmp_path / "clip")), stdout=StringIO())
    serving = model_version_serving("semantic")
    assert serving is not None and serving.name.endswith("clip")
    assert list(serving.details["unreadable"]) == [str(library[0].id)]


def test_a_model_that_cannot_be_used_leaves_the_old_one_serving(
    tmp_path: Path,
    library: list[Video],
    versions: Versions,  # noqa: F811
) -> None:
    folder = tiny_clip(tmp_path / "broken")
    (folder / "model.safetensors").write_bytes(b"no")
    with pytest.raises(CommandError, match="cannot be loaded"):
        call_command("model", "install", str(folder), stdout=StringIO())
    assert model_version_serving("semantic") == versions[0]
    assert ModelVersion.objects.get(name=str(folder)).state == ModelVersion.State.FAILED


def test_the_same_weights_twice_are_named_as_such(tmp_path: Path, library: list[Video]) -> None:
    call_command("model", "install", str(tiny_clip(tmp_path / "a")), stdout=StringIO())
    with pytest.raises(CommandError, match="installed already"):
        call_command("model", "install", str(tiny_clip(tmp_path / "b")), stdout=StringIO())
