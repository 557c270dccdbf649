"""What computes runs in a plain script: importing it brings neither Django nor a broker nor a database."""

from __future__ import annotations

import subprocess
import sys

import pytest
from django.conf import settings

PACKAGES = ("types", "media", "embedders", "alignment", "training", "evaluation")
PROGRAM = """
import importlib, pkgutil, sys
name = sys.argv[1]
root = importlib.import_module(name)
for found in pkgutil.walk_packages(getattr(root, "__path__", []), name + "."):
    if found.name.endswith((".stream", ".base", ".similarity", ".sampler", ".copies", ".errors")):
        importlib.import_module(found.name)
wrong = {"django", "celery", "rest_framework", "psycopg", "apps", "vsearch"} & set(sys.modules)
sys.exit(f"{name} loaded {wrong}" if wrong else 0)
"""


@pytest.mark.parametrize("package", PACKAGES)
def test_it_loads_without_django(package: str) -> None:
    command = [sys.executable, "-c", PROGRAM, f"worker.{package}"]
    done = subprocess.run(command, cwd=settings.BASE_DIR, capture_output=True, text=True, check=False, timeout=120)
    assert done.returncode == 0, done.stderr
