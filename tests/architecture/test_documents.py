"""Documents point to files that are there."""

from __future__ import annotations

import re
import subprocess
from pathlib import Path

ROOT = Path(__file__).parents[2]
LINK = re.compile(r"\]\((?!https?:|mailto:|#)([^)#\s]+)")
PATH = re.compile(r"`((?:apps|benchmarks|demo|docker|docs|models|recipes|templates|tests|vsearch|worker)/[\w./-]+)`")


def _documents() -> list[Path]:
    listed = subprocess.run(["git", "ls-files", "*.md"], cwd=ROOT, capture_output=True, text=True, check=True)
    return [ROOT / name for name in listed.stdout.split()]


def test_every_link_of_a_document_leads_somewhere() -> None:
    lost = [
        f"{document.relative_to(ROOT)}: {target}"
        for document in _documents()
        for target in LINK.findall(document.read_text())
        if not (document.parent / target).exists()
    ]
    assert lost == []


def test_every_path_that_a_document_names_is_there() -> None:
    """The changelog tells of what was; everything else of what is."""
    lost = [
        f"{document.relative_to(ROOT)}: {path}"
        for document in _documents()
        if document.name != "CHANGELOG.md"
        for path in PATH.findall(document.read_text())
        if not (ROOT / path.rstrip("/.")).exists()
    ]
    assert lost == []
