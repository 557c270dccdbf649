"""manage.py evaluate copies with the bundled descriptor on little clips and their edits."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from io import StringIO
from pathlib import Path
from typing import Any

import pytest
from django.conf import settings as project
from django.core.management import CommandError, call_command

from tests.clips import Scene, ffmpeg, make_clip

SCENES = {"a": [Scene("mandelbrot", 1), Scene("shapes", 2)], "b": [Scene("gradients", 4), Scene("shapes", 5)]}
STRANGER = [Scene("shapes", 31), Scene("life", 32)]
PROMISED = {"micro_ap", "vcsl", "vsc", "frr", "far", "by_edit", "stored_frames_per_hour", "bytes_per_hour",
            "ms_per_pair", "seconds_per_query"}  # fmt: skip


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Two library clips of 6 s; the queries: one of them again, smaller and recoded; 3 s of the other; a stranger."""
    for name, scenes in SCENES.items():
        make_clip(tmp_path / f"{name}.mp4", scenes=scenes, seconds=6.0)
    make_clip(tmp_path / "stranger.mp4", scenes=STRANGER, seconds=4.0)
    recode = ("-c:v", "libx264", "-preset", "ultrafast", "-crf", "30")
    ffmpeg("-i", tmp_path / "a.mp4", "-vf", "scale=128:96", *recode, tmp_path / "small.mp4")
    ffmpeg("-ss", "2", "-t", "3", "-i", tmp_path / "b.mp4", *recode, tmp_path / "part.mp4")
    write(tmp_path, sound())
    return tmp_path


def sound() -> dict[str, Any]:
    whole = {"reference": "a", "query": [0, 6], "reference_span": [0, 6], "edit": "re_encode"}
    part = {"reference": "b", "query": [0, 3], "reference_span": [2, 5], "edit": "trim"}
    return {
        "references": [{"id": name, "video": f"{name}.mp4"} for name in SCENES],
        "queries": [
            {"id": "small", "video": "small.mp4", "segments": [whole]},
            {"id": "part", "video": "part.mp4", "segments": [part]},
            {"id": "stranger", "video": "stranger.mp4", "segments": []},
        ],
    }


def write(folder: Path, content: dict[str, Any]) -> None:
    (folder / "m.json").write_text(json.dumps(content))


def run(folder: Path, *arguments: str) -> tuple[str, str]:
    out, err = StringIO(), StringIO()
    call_command("evaluate", "copies", "--manifest", str(folder / "m.json"), *arguments, stdout=out, stderr=err)
    return out.getvalue(), err.getvalue()


def refused(folder: Path, *arguments: str) -> dict[str, Any]:
    out, err = StringIO(), StringIO()
    with pytest.raises(CommandError):
        call_command("evaluate", "copies", "--manifest", str(folder / "m.json"), "--json", *arguments,
                     stdout=out, stderr=err)  # fmt: skip
    told: dict[str, Any] = json.loads(out.getvalue())
    return told


def test_copies_are_found_and_the_promised_figures_printed(folder: Path) -> None:
    out, err = run(folder, "--json")
    found = json.loads(out)
    assert err == ""
    assert found.keys() >= PROMISED
    assert found["vcsl"].keys() == {"precision", "recall", "f1"}
    assert (found["micro_ap"], found["frr"], found["far"]) == (1, 0, 0)
    assert found["by_edit"].keys() == {"re_encode", "trim"}
    assert all(edit.keys() == {"recall", "f1"} and edit["recall"] == 1 for edit in found["by_edit"].values())
    assert found["vcsl"]["f1"] > 0.6
    assert found["details"]["unrelated_pairs"] == 4
    assert found["stored_frames_per_hour"] >= 3600  # clips of seconds are sampled more densely than once a second
    assert found["bytes_per_hour"] > found["stored_frames_per_hour"] * 256  # at least 128 half-precision numbers each
    assert found["ms_per_pair"] > 0 and found["seconds_per_query"] > 0
    assert (found["aligner"], found["sampling"], found["problems"]) == ("hough", "uniform", [])


def test_another_aligner_is_used_and_the_table_is_for_people(folder: Path) -> None:
    out, _ = run(folder, "--aligner", "temporal_network")
    assert out.startswith("6 pairs compared, 2 of them copies; temporal_network, uniform sampling\n")
    assert "VCSL precision" in out and "re_encode" in out and "no false" in out


def test_a_query_that_cannot_be_decoded_is_listed_and_found_nothing(folder: Path) -> None:
    (folder / "part.mp4").write_text("no video at all " * 100)
    out, err = run(folder, "--json")
    found = json.loads(out)
    assert [(p["role"], p["id"], p["code"]) for p in found["problems"]] == [("query", "part", "not_video")]
    assert "counts as nothing found: part" in err
    assert (found["by_edit"]["re_encode"]["recall"], found["by_edit"]["trim"]["recall"], found["frr"]) == (1, 0, 0.5)


def test_a_library_video_that_cannot_be_decoded_is_missed(folder: Path) -> None:
    (folder / "a.mp4").write_text("no video at all " * 100)
    found = json.loads(run(folder, "--json")[0])
    assert [(p["role"], p["id"]) for p in found["problems"]] == [("reference", "a")]
    assert found["by_edit"]["re_encode"]["recall"] == 0


def test_a_faulty_manifest_is_refused_with_every_problem(folder: Path) -> None:
    content = sound()
    content["queries"][0]["segments"][0] |= {"reference": "z", "query": [4, 2]}
    write(folder, content)
    told = refused(folder)
    assert told["error"]["code"] == "schema"
    assert [p["code"] for p in told["problems"]] == ["unknown_reference", "inverted"]
    (folder / "m.json").unlink()
    assert refused(folder)["error"]["code"] == "missing"


def test_spans_behind_the_end_of_their_videos_are_refused(folder: Path) -> None:
    content = sound()
    content["queries"][1]["segments"][0] |= {"reference_span": [2, 9]}
    write(folder, content)
    told = refused(folder)
    assert [(p["where"], p["code"]) for p in told["problems"]] == [("queries[1].segments[0].reference_span", "range")]
    content["queries"][1]["segments"][0] |= {"reference_span": [2, 5], "query": [0, 30]}
    write(folder, content)
    assert [p["where"] for p in refused(folder)["problems"]] == ["queries[1].segments[0].query"]


def test_names_that_do_not_exist_are_refused_with_those_that_do(folder: Path) -> None:
    told = refused(folder, "--aligner", "astrology")
    assert told["error"]["code"] == "aligner"
    assert all(name in told["error"]["message"] for name in ("hough", "temporal_network", "spd", "vfrm"))
    assert "keyframes" in refused(folder, "--sampling", "random")["error"]["message"]
    assert refused(folder, "--weights", str(folder / "none.safetensors"))["error"]["code"] == "weights"


def test_neither_a_server_nor_a_database_is_needed(folder: Path, tmp_path: Path) -> None:
    nobody = "postgresql://nobody@127.0.0.1:1/nothing"
    environment = {**os.environ, "DATABASE_URL": nobody, "VSEARCH_DATA_DIR": str(tmp_path / "data")}
    environment["DJANGO_SETTINGS_MODULE"] = "vsearch.settings"
    command = [sys.executable, "manage.py", "evaluate", "copies", "--manifest", str(folder / "m.json"), "--json"]
    done = subprocess.run(
        command, cwd=project.BASE_DIR, env=environment, capture_output=True, text=True, check=False
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout)["details"]["true_pairs"] == 2
