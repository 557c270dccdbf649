from __future__ import annotations

import pytest

from apps.embeddings import text_encoder
from apps.search import retrieval
from tests.apps.embeddings.library import make_version
from tests.apps.embeddings.towers import write_tower


@pytest.fixture(autouse=True)
def no_memory_of_other_tests():
    text_encoder.forget()
    retrieval.forget_background()
    yield
    text_encoder.forget()


@pytest.fixture
def version(db, tmp_path):
    """A serving model whose text tower knows a few words (tests.apps.embeddings.towers.WORDS)."""
    version = make_version()
    version.folder = str(write_tower(tmp_path / "tower"))
    version.save()
    return version
