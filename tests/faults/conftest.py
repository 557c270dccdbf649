from __future__ import annotations

from collections.abc import Iterator

import pytest
from pytest_django import Settings

from tests.faults.web import Web, web_server


@pytest.fixture(scope="module")
def web_started(django_db_setup: None, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Web]:
    with web_server(tmp_path_factory.mktemp("web")) as started:
        yield started


@pytest.fixture
def web(web_started: Web, transactional_db: None, settings: Settings) -> Web:
    """A web server on the database of the test, which keeps its files where the test sees them."""
    settings.MEDIA_DIR, settings.UPLOAD_DIR = web_started.data_dir / "media", web_started.data_dir / "uploads"
    return web_started
