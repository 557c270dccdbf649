"""Where the files of an installed version lie, and their end when the installation does not succeed."""

from __future__ import annotations

import shutil
from datetime import timedelta
from pathlib import Path
from uuid import UUID

from django.conf import settings
from django.utils import timezone

from apps.embeddings.models import ModelVersion

KEPT_FOR_RETRY = timedelta(days=1)


def install_folder(version_id: UUID) -> Path:
    return Path(settings.MODELS_DIR) / str(version_id)


def install_folder_remove(version_id: UUID) -> None:
    shutil.rmtree(install_folder(version_id), ignore_errors=True)


def install_folders_purge() -> int:
    """Remove what is left of installations that broke off a day ago, and folders of no version; returns how many."""
    limit = timezone.now() - KEPT_FOR_RETRY
    kept = {
        str(version.id)
        for version in ModelVersion.objects.all()
        if version.weights_sha256 or version.state != ModelVersion.State.FAILED or version.updated_at > limit
    }
    count = 0
    for folder in _named_after_versions():
        if folder.name not in kept and folder.stat().st_mtime < limit.timestamp():
            shutil.rmtree(folder, ignore_errors=True)
            count += 1
    return count


def _named_after_versions() -> list[Path]:
    try:
        entries = list(Path(settings.MODELS_DIR).iterdir())
    except FileNotFoundError:
        return []
    return [entry for entry in entries if entry.is_dir() and not entry.is_symlink() and _is_id(entry.name)]


def _is_id(name: str) -> bool:
    try:
        return str(UUID(name)) == name
    except ValueError:
        return False
