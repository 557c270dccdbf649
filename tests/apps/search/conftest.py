from __future__ import annotations

import pytest

from apps.search import retrieval
from apps.search.vocabulary import words_forget
from tests.apps.embeddings.library import make_version
from tests.apps.embeddings.towers import forget_towers, write_tower


@pytest.fixture(autouse=True)
def no_memory_of_other_tests():
    forget_towers()
    retrieval._samples.clear()
    words_forget()
    yield
    forget_towers()


@pytest.fixture
def version(db, tmp_path):
    """A serving model whose text tower knows a few words (tests.apps.embeddings.towers.WORDS)."""
    version = make_version()
    version.folder = str(write_tower(tmp_path / "tower"))
    version.save()
    return version
