"""What ``make demo`` says at the end, and what it keeps."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from vsearch.processes import demo_run


def _library(folder: Path) -> None:
    clips = [
        {"file": "a.mp4", "caption": "a red car in the rain"},
        {"file": "b.mp4", "caption": "a blue car at night"},
        {"file": "c.mp4", "caption": "a dog runs on the beach"},
    ]
    manifest = {"clips": clips, "copies": [{"file": "a-mirrored.mp4", "edit": "mirrored"}]}
    (folder / "manifest.json").write_text(json.dumps(manifest))


def test_it_proposes_queries_and_a_copy_of_the_demo_library(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    _library(tmp_path)
    demo_run._explain("http://127.0.0.1:8000", tmp_path, demo_run.Times({"install": 61.0, "ingest": 5.0}))
    said = capsys.readouterr().out
    assert "Open http://127.0.0.1:8000" in said
    assert "a blue car at night" in said
    assert "a dog runs on the beach" in said
    assert "a red car in the rain" not in said  # one query a subject
    assert str(tmp_path / "a-mirrored.mp4") in said
    assert "install 61 s, ingest 5 s" in said


def test_a_folder_without_manifest_gets_no_invented_queries(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    demo_run._explain("http://127.0.0.1:8000", tmp_path, demo_run.Times())
    said = capsys.readouterr().out
    assert "Open http://127.0.0.1:8000" in said
    assert "for example" not in said


def test_the_times_of_every_run_are_kept(tmp_path: Path) -> None:
    for seconds in (3.0, 4.0):
        demo_run.Times({"render": seconds}).keep(tmp_path / "demo-times.json")
    kept = json.loads((tmp_path / "demo-times.json").read_text())
    assert [run["render"] for run in kept] == [3.0, 4.0]
    assert all(run["at"] for run in kept)
