"""Fixtures that every test may use; tests/settings.py has arranged the database before this loads."""

from __future__ import annotations

import os
import signal
import sys
from pathlib import Path
from types import FrameType

import hypothesis
import pytest
from pytest_django import Settings

from tests.database import stop

# The same examples on every machine, and never a limit on wall time. HYPOTHESIS_PROFILE=explore looks for new ones.
hypothesis.settings.register_profile("repeatable", derandomize=True, deadline=None)
hypothesis.settings.register_profile("explore", deadline=None, max_examples=300)
hypothesis.settings.load_profile(os.environ.get("HYPOTHESIS_PROFILE", "repeatable"))


def _end(number: int, frame: FrameType | None) -> None:
    sys.exit(128 + number)  # lets atexit stop the database


def pytest_configure(config: pytest.Config) -> None:
    for number in (signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, _end)


def pytest_unconfigure(config: pytest.Config) -> None:
    stop()


@pytest.fixture(autouse=True)
def media_folders(settings: Settings, tmp_path: Path) -> None:
    """Files of one test never meet those of another."""
    settings.MEDIA_DIR = tmp_path / "media"
    settings.UPLOAD_DIR = tmp_path / "uploads"
