"""A folder that somebody hands over as a model gives its own files and nothing else; what fails leaves nothing."""

from __future__ import annotations

import os
from datetime import timedelta
from io import StringIO
from pathlib import Path

import pytest
from django.core.management import CommandError, call_command
from django.utils import timezone
from pytest_django import Settings

from apps.core.jobs import sweep
from apps.core.models import Job
from apps.embeddings.folders import install_folder, install_folders_purge
from apps.embeddings.model_versions import model_version_remove
from apps.embeddings.models import ModelVersion
from worker.embedders.base import EmbedderError
from worker.embedders.semantic import copying
from worker.embedders.semantic.download import fetch_model


@pytest.fixture
def model(tmp_path: Path) -> Path:
    folder = tmp_path / "given"
    folder.mkdir()
    (folder / "model.safetensors").write_bytes(b"weights")
    (folder / "config.json").write_text("{}")
    return folder


@pytest.fixture
def secret(tmp_path: Path) -> Path:
    file = tmp_path / "secret"
    file.write_text("secret key")
    return file


def left(folder: Path) -> list[str]:
    return sorted(file.name for file in folder.iterdir()) if folder.exists() else []


@pytest.mark.parametrize("way", ["absolute", "relative", "chain", "folder", "twice"])
def test_links_out_of_the_folder_are_refused(model: Path, secret: Path, tmp_path: Path, way: str) -> None:
    link = model / "vocab.json"
    if way == "absolute":
        link.symlink_to(secret)
    elif way == "relative":
        link.symlink_to("../secret")
    elif way == "chain":
        (model / "hop").symlink_to(secret)
        link.symlink_to("hop")
    elif way == "folder":
        (model / "sub").symlink_to(tmp_path)
        link.symlink_to("sub/secret")
    else:
        (tmp_path / "outside").symlink_to(secret)
        link.symlink_to("../outside")
    with pytest.raises(EmbedderError, match="link to a place outside"):
        fetch_model(str(model), tmp_path / "copy")
    assert left(tmp_path / "copy") == []


def test_links_within_the_folder_and_the_folder_itself_may_be_links(model: Path, tmp_path: Path) -> None:
    (model / "vocab.json").symlink_to("config.json")
    (tmp_path / "named").symlink_to(model)
    fetch_model(str(tmp_path / "named"), tmp_path / "copy")
    assert left(tmp_path / "copy") == ["config.json", "model.safetensors", "vocab.json"]
    assert not any(file.is_symlink() for file in (tmp_path / "copy").iterdir())


def test_the_cache_of_the_hub_keeps_working(tmp_path: Path, secret: Path) -> None:
    snapshot, blobs = tmp_path / "models--a--b/snapshots/abc", tmp_path / "models--a--b/blobs"
    snapshot.mkdir(parents=True)
    blobs.mkdir()
    (blobs / "1").write_bytes(b"weights")
    (snapshot / "model.safetensors").symlink_to("../../blobs/1")
    fetch_model(str(snapshot), tmp_path / "copy")
    assert left(tmp_path / "copy") == ["model.safetensors"]
    (blobs / "2").symlink_to(secret)
    (snapshot / "vocab.json").symlink_to("../../blobs/2")
    with pytest.raises(EmbedderError, match="outside"):
        fetch_model(str(snapshot), tmp_path / "other")
    (blobs / "1").rename(tmp_path / "1")
    (blobs / "2").unlink()
    blobs.rmdir()
    blobs.symlink_to(tmp_path)
    (snapshot / "vocab.json").unlink()
    with pytest.raises(EmbedderError, match="outside"):
        fetch_model(str(snapshot), tmp_path / "third")


def test_pipes_and_dangling_links_do_not_hang_or_crash(model: Path, tmp_path: Path) -> None:
    os.mkfifo(model / "vocab.json")
    with pytest.raises(EmbedderError, match="no regular file"):
        fetch_model(str(model), tmp_path / "copy")
    (model / "vocab.json").unlink()
    (model / "vocab.json").symlink_to("gone")
    with pytest.raises(EmbedderError, match="cannot be copied"):
        fetch_model(str(model), tmp_path / "copy")


def test_files_with_holes_count_with_their_length(model: Path, tmp_path: Path) -> None:
    with (model / "config.json").open("r+b") as file:
        file.truncate(copying.LARGEST_TEXT_BYTES + 1)
    with pytest.raises(EmbedderError, match="too large"):
        fetch_model(str(model), tmp_path / "copy")
    with (model / "config.json").open("r+b") as file:
        file.truncate(2)
    with (model / "model.safetensors").open("r+b") as file:
        file.truncate(2**42)
    with pytest.raises(EmbedderError, match="Free some space"):
        fetch_model(str(model), tmp_path / "copy")
    assert left(tmp_path / "copy") == []


def test_a_copy_that_breaks_off_leaves_no_part(model: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(self: Path, target: Path) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(Path, "replace", fail)
    with pytest.raises(EmbedderError, match="No space left"):
        fetch_model(str(model), tmp_path / "copy")
    assert left(tmp_path / "copy") == []


@pytest.mark.django_db(transaction=True)
def test_a_failed_installation_leaves_a_reason_and_no_files(model: Path, settings: Settings, tmp_path: Path) -> None:
    settings.MODELS_DIR = tmp_path / "models"
    with pytest.raises(CommandError):
        call_command("model", "install", str(model), stdout=StringIO())
    version = ModelVersion.objects.get()
    assert (version.state, bool(version.failure), left(settings.MODELS_DIR)) == ("failed", True, [])


@pytest.mark.django_db(transaction=True)
def test_an_installation_that_was_killed_too_often_leaves_no_files(settings: Settings, tmp_path: Path) -> None:
    settings.MODELS_DIR = tmp_path / "models"
    version = ModelVersion.objects.create(role="semantic", name="/given")
    install_folder(version.id).mkdir(parents=True)
    (install_folder(version.id) / "model.safetensors.part").write_bytes(b"half")
    past = timezone.now() - timedelta(minutes=5)
    Job.objects.create(
        kind="model_install",
        subject_id=version.id,
        state="running",
        attempts=settings.JOB_MAX_ATTEMPTS,
        lease_until=past,
    )
    sweep()
    version.refresh_from_db()
    assert (version.state, left(settings.MODELS_DIR)) == ("failed", [])


@pytest.mark.django_db(transaction=True)
def test_leftovers_of_a_download_go_after_a_day_or_with_their_version(settings: Settings, tmp_path: Path) -> None:
    settings.MODELS_DIR = tmp_path / "models"
    old, young, ready = (ModelVersion.objects.create(role="semantic", name=n, state="failed") for n in "abc")
    ModelVersion.objects.filter(id=ready.id).update(
        state="ready", weights_sha256="x", folder=str(install_folder(ready.id))
    )
    for version in (old, young, ready):
        install_folder(version.id).mkdir(parents=True)
    orphan = settings.MODELS_DIR / "8e2b7f0e-0000-4000-8000-000000000000"
    for folder in (orphan, settings.MODELS_DIR / "copy-abcdef"):
        folder.mkdir()
    long_ago = timezone.now() - timedelta(days=2)
    ModelVersion.objects.exclude(id=young.id).update(updated_at=long_ago)
    for folder in settings.MODELS_DIR.iterdir():
        os.utime(folder, (long_ago.timestamp(),) * 2)
    assert install_folders_purge() == 2
    assert set(left(settings.MODELS_DIR)) == {str(young.id), str(ready.id), "copy-abcdef"}
    model_version_remove(version_id=young.id)
    assert str(young.id) not in left(settings.MODELS_DIR)
