"""docs/architecture.md walks five journeys: the modules that it names are entered, in that order."""

from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import Path

import pytest
import torch
from django.core.management import call_command
from django.test import Client
from pytest_django import Settings

from tests.apps.people import user
from tests.architecture import walks
from tests.clips import Scene, ffmpeg, make_clip

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.timeout(600)]
DOCUMENT = walks.ROOT / "docs" / "architecture.md"
SCENES = [Scene("mandelbrot", 1), Scene("testsrc2", 2), Scene("shapes", 3)]


def walk_of(journey: str) -> list[str]:
    """The modules that stand in backticks under the journey's heading, in order, each once."""
    section = DOCUMENT.read_text().split(f"\n### {journey}\n", 1)[1].split("\n## ", 1)[0].split("\n### ", 1)[0]
    return list(dict.fromkeys(re.findall(r"`((?:apps|worker|vsearch)/[\w/]+\.py)`", section)))


@pytest.fixture
def client(settings: Settings, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Client:
    """Somebody who may do everything, with the bundled models in place."""
    settings.DATA_DIR = tmp_path / "data"
    settings.TRAINING_DIR, settings.MODELS_DIR = tmp_path / "data" / "training", tmp_path / "data" / "models"
    settings.TRAINING_FOLDERS = [str(tmp_path / "walls")]
    settings.MODELS_DIR.mkdir(parents=True)
    torch.set_num_threads(1)
    call_command("prepare")
    client = Client()
    client.force_login(user(is_superuser=True, is_staff=True))
    return client


def check(journey: str, travel: Callable[[], object]) -> None:
    with walks.recorded() as record:
        travel()
    entered = record.modules
    print(f"\n{journey}: {len(entered)} modules, {len(record.arrows)} arrows")  # pytest -s shows it
    walk = walk_of(journey)
    assert walk
    assert [name for name in walk if name not in entered] == []
    assert walk == sorted(walk, key=entered.index), f"the code enters them as {sorted(walk, key=entered.index)}"


def test_the_walks_are_what_the_code_does(client: Client, tmp_path: Path) -> None:
    first = make_clip(tmp_path / "first.mp4", scenes=SCENES, seconds=9)
    copy, part = tmp_path / "copy.mp4", tmp_path / "part.mp4"
    ffmpeg("-i", first, "-vf", "scale=iw/2:ih/2,eq=brightness=0.05", copy)
    ffmpeg("-ss", "2", "-t", "5", "-i", first, part)
    data = walks.manifest(tmp_path / "walls")
    check("Ingest", lambda: walks.ingest(client, first))
    check("Text query", lambda: walks.query(client))
    walks.ingest(client, copy)
    check("Video query", lambda: walks.lookup(client, part))
    check("Review", lambda: walks.review(client))
    check("Training", lambda: walks.training(client, data))
