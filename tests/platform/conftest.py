"""A data directory and an environment like those of a person who types ``manage.py``."""

from __future__ import annotations

import os
import shutil
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from vsearch.postgres import embedded

_OF_THE_TESTS = {"DATABASE_URL", "BROKER_URL", "VSEARCH_TEST_ARRANGED", "VSEARCH_SECRET_KEY"}


@pytest.fixture
def data_dir() -> Iterator[Path]:
    """Not below pytest's own folder, which is closed to the user that runs Postgres when the tests run as root."""
    folder = Path(tempfile.mkdtemp(prefix="vsearch-up-"))
    yield folder
    shutil.rmtree(embedded.socket_folder(folder), ignore_errors=True)
    shutil.rmtree(folder)


@pytest.fixture
def person(data_dir: Path) -> dict[str, str]:
    """The environment of a person who has set nothing but the data directory."""
    plain = {name: value for name, value in os.environ.items() if name not in _OF_THE_TESTS}
    return {**plain, "DJANGO_SETTINGS_MODULE": "vsearch.settings", "VSEARCH_DATA_DIR": str(data_dir)}
