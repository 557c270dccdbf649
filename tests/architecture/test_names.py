"""Names that hide what a module is for do not appear, and every setting of the environment is documented."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from django.conf import settings

CODE = Path(settings.BASE_DIR)
SOURCES = [path for folder in ("apps", "vsearch", "worker", "demo") for path in (CODE / folder).rglob("*.py")]
EMPTY_NAMES = {"utils", "helpers", "common", "misc", "manager", "util", "helper"}
READERS = re.compile(r"env\.(?:text|flag|integer|rate|networks|words|folder)\(\s*\"([A-Z_]+)\"")


def test_no_module_has_a_name_that_says_nothing() -> None:
    assert len(SOURCES) > 100
    assert [str(path.relative_to(CODE)) for path in SOURCES if path.stem in EMPTY_NAMES] == []


def _variables() -> set[str]:
    return {name for path in SOURCES for name in READERS.findall(path.read_text(encoding="utf-8"))}


@pytest.mark.parametrize("name", sorted(_variables()))
def test_a_variable_of_the_environment_stands_in_the_operations_manual(name: str) -> None:
    assert f"`{name}`" in (CODE / "docs" / "operations.md").read_text(encoding="utf-8")
