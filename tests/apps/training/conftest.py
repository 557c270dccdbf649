from __future__ import annotations

from pathlib import Path

import pytest
from pytest_django import Settings

from apps.embeddings import text_encoder
from apps.search import retrieval


@pytest.fixture(autouse=True)
def training_folders(settings: Settings, tmp_path: Path) -> None:
    settings.DATA_DIR = tmp_path / "data"
    settings.TRAINING_DIR = tmp_path / "data" / "training"
    settings.MODELS_DIR = tmp_path / "data" / "models"
    settings.DATA_DIR.mkdir()


@pytest.fixture(autouse=True)
def no_memory_of_other_tests():
    text_encoder.forget()
    retrieval.forget_background()
    yield
    text_encoder.forget()
