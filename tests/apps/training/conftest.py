from __future__ import annotations

from pathlib import Path

import pytest
from pytest_django import Settings

from apps.search import retrieval
from tests.apps.embeddings.towers import forget_towers


@pytest.fixture(autouse=True)
def training_folders(settings: Settings, tmp_path: Path) -> None:
    settings.DATA_DIR = tmp_path / "data"
    settings.TRAINING_DIR = tmp_path / "data" / "training"
    settings.MODELS_DIR = tmp_path / "data" / "models"
    settings.DATA_DIR.mkdir()


@pytest.fixture(autouse=True)
def no_memory_of_other_tests():
    forget_towers()
    retrieval._samples.clear()
    yield
    forget_towers()
