"""manage.py evaluate retrieval with the bundled model on real clips and pictures."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from io import StringIO
from pathlib import Path

import numpy as np
import pytest
from django.conf import settings as project
from django.core.management import CommandError, call_command
from PIL import Image

from apps.embeddings.models import ModelVersion
from tests.clips import Scene, make_clip
from worker.embedders.registry import load_semantic
from worker.evaluation.directions import both_directions
from worker.indexing.video import index_video
from worker.training.data import pictures as picture_files
from worker.training.data.items import Item
from worker.training.measuring import NothingMeasured, measure

BUNDLED = Path(project.BASE_DIR) / "models" / "semantic"
CAPTIONS = (
    ("a test pattern in bright colours", "coloured bars"),
    ("a fractal", "a black shape with a coloured border", "mathematics"),
    ("yellow cells on a dark ground",),
)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A manifest of three clips and two lists of pictures, one of them a single photo."""
    rows = []
    for number, (kind, captions) in enumerate(zip(("testsrc", "mandelbrot", "life"), CAPTIONS, strict=True)):
        # Two shots and more than one window: several clips a video.
        make_clip(tmp_path / f"{kind}.mp4", scenes=[Scene(kind, number), Scene("solid", number + 5)], seconds=4.0)
        rows.append({"id": kind, "video": f"{kind}.mp4", "captions": captions})
    for name, colours in (("sky", ["#7ec0ee"]), ("meadow", ["#3a9d23", "#2e7d1b"])):
        files = [f"{name}{i}.png" for i in range(len(colours))]
        for file, colour in zip(files, colours, strict=True):
            Image.new("RGB", (90, 60), colour).save(tmp_path / file)
        rows.append({"id": name, "frames": files, "captions": [f"the {name}"]})
    write(tmp_path, rows)
    return tmp_path


def write(folder: Path, rows: list[dict[str, object]]) -> None:
    (folder / "m.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))


def rows_of(folder: Path) -> list[dict[str, object]]:
    return [json.loads(line) for line in (folder / "m.jsonl").read_text().splitlines()]


def run(*arguments: object) -> tuple[str, str]:
    out, err = StringIO(), StringIO()
    call_command("evaluate", "retrieval", *map(str, arguments), stdout=out, stderr=err, no_color=True)
    return out.getvalue(), err.getvalue()


def test_the_figures_are_those_of_the_products_own_vectors(folder: Path) -> None:
    out, err = run("--manifest", folder / "m.jsonl", "--json")
    found = json.loads(out)
    assert err == ""
    embedder = load_semantic(BUNDLED, "bundled", "")
    captions, owners, columns = [], [], []
    for number, row in enumerate(rows_of(folder)):
        captions += row["captions"]
        owners += [number] * len(row["captions"])
        if "video" in row:
            indexed = index_video(folder / row["video"], semantic=embedder, copy=None, folder=None)
            assert len(indexed.clips) > 1
            columns.append(np.stack([vector for _, vector in indexed.clips]))
        else:
            pictures = [np.asarray(Image.open(folder / file).convert("RGB")) for file in row["frames"]]
            columns.append(embedder.encode_clip(embedder.encode_frames(pictures))[None])
    asked = np.concatenate([embedder.encode_text([caption]) for caption in captions])
    similarity = np.stack([(asked @ clips.T).max(axis=1) for clips in columns], axis=1)
    expected = both_directions(similarity, owners).as_dict()
    assert {key: found[key] for key in expected} == {
        key: pytest.approx(value) if isinstance(value, dict) else value for key, value in expected.items()
    }
    assert found["t2v"].keys() == found["v2t"].keys() == {"r1", "r5", "r10", "mdr", "mnr", "map"}
    assert (found["n_videos"], found["n_queries"], found["problems"]) == (5, 8, [])
    low, high = found["intervals"]["t2v"]["r1"]
    assert 0 <= low <= found["t2v"]["r1"] <= high <= 100


def test_broken_items_are_listed_and_the_others_evaluated(folder: Path) -> None:
    sound = rows_of(folder)
    before = json.loads(run("--manifest", folder / "m.jsonl", "--json")[0])
    (folder / "text.mp4").write_text("no video at all " * 100)
    (folder / "cut.png").write_bytes((folder / "sky0.png").read_bytes()[:60])
    (folder / "cut.mp4").write_bytes((folder / "life.mp4").read_bytes()[:4000])
    broken = [
        {"id": "gone", "video": "gone.mp4", "captions": ["x"]},
        {"id": "text", "video": "text.mp4", "captions": ["x"]},
        {"id": "cut video", "video": "cut.mp4", "captions": ["x"]},
        {"id": "cut picture", "frames": ["sky0.png", "cut.png"], "captions": ["x"]},
        {"id": "wordless", "video": "life.mp4", "captions": []},
    ]
    write(folder, [broken[0], *sound[:2], *broken[1:3], *sound[2:], *broken[3:]])
    out, err = run("--manifest", folder / "m.jsonl", "--json")
    after = json.loads(out)
    assert {p["id"]: p["code"] for p in after["problems"]} == {
        "gone": "missing",
        "text": "not_video",
        "cut video": after["problems"][3]["code"],
        "cut picture": "damaged",
        "wordless": "captions",
    }
    assert all(f"({row['id']})" in err for row in broken)
    assert {k: after[k] for k in ("t2v", "v2t", "n_videos", "n_queries")} == {
        k: before[k] for k in ("t2v", "v2t", "n_videos", "n_queries")
    }


def test_the_table_is_for_people(folder: Path) -> None:
    out, _ = run("--manifest", folder / "m.jsonl", "--model", BUNDLED)
    assert out.startswith("bundled: 5 videos, 8 captions\n")
    assert "text to video" in out
    assert "95 % intervals" in out


def test_it_fails_when_nothing_can_be_evaluated(folder: Path) -> None:
    (folder / "text.mp4").write_text("no video at all " * 100)
    for rows, code in (
        ([{"id": "gone", "video": "gone.mp4", "captions": ["x"]}], "empty_data"),
        ([{"id": "text", "video": "text.mp4", "captions": ["x"]}], "empty_data"),
        ([], "empty_data"),
        ([{"videos": [{}], "sentences": [{}]}], "schema"),
    ):
        write(folder, rows)
        out, err = StringIO(), StringIO()
        with pytest.raises(CommandError):
            call_command("evaluate", "retrieval", manifest=folder / "m.jsonl", json=True, stdout=out, stderr=err)
        told = json.loads(out.getvalue())
        assert told["error"]["code"] == code
        assert [p["id"] for p in told["problems"]] == [row["id"] for row in rows if "id" in row]


@pytest.mark.django_db
def test_a_model_is_found_by_name_and_one_that_is_not_there_is_named(folder: Path) -> None:
    spec = load_semantic(BUNDLED, "bundled", "").spec
    version = ModelVersion.objects.create(
        role="semantic", name="our own", folder=str(BUNDLED), weights_sha256=spec.weights_sha256, state="ready"
    )
    by_default = json.loads(run("--manifest", folder / "m.jsonl", "--json")[0])
    for name in ("our own", str(version.id)[:8]):
        found = json.loads(run("--manifest", folder / "m.jsonl", "--json", "--model", name)[0])
        assert found["t2v"] == by_default["t2v"]
        assert found["model"]["weights_sha256"] == spec.weights_sha256
    with pytest.raises(CommandError, match="Installed are: our own"):
        run("--manifest", folder / "m.jsonl", "--model", "theirs")
    with pytest.raises(CommandError, match="safetensors"):
        run("--manifest", folder / "m.jsonl", "--model", folder)
    ModelVersion.objects.update(weights_sha256="other")
    with pytest.raises(CommandError, match="not those"):
        run("--manifest", folder / "m.jsonl", "--model", "our own")


def manage(environment: dict[str, str], *arguments: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "manage.py", "evaluate", "retrieval", *arguments]
    return subprocess.run(command, cwd=project.BASE_DIR, env=environment, capture_output=True, text=True, check=False)


def test_no_server_is_started_or_asked_for_the_bundled_model(folder: Path, tmp_path: Path) -> None:
    write(folder, rows_of(folder)[3:])
    nobody = "postgresql://nobody@127.0.0.1:1/nothing"
    for database, data in ((nobody, "a"), ("", "b")):
        environment = {**os.environ, "DATABASE_URL": database, "VSEARCH_DATA_DIR": str(tmp_path / data)}
        environment["DJANGO_SETTINGS_MODULE"] = "vsearch.settings"
        command = [
            sys.executable,
            "manage.py",
            "evaluate",
            "retrieval",
            "--manifest",
            str(folder / "m.jsonl"),
            "--json",
        ]
        done = subprocess.run(
            command, cwd=project.BASE_DIR, env=environment, capture_output=True, text=True, check=False
        )
        assert done.returncode == 0, done.stderr
        assert json.loads(done.stdout)["n_videos"] == 2
        assert not (tmp_path / data / "postgres").exists()
        if database:
            done = manage(environment, "--manifest", str(folder / "m.jsonl"), "--model", "ours")
            assert done.returncode == 1
            assert "cannot be reached" in done.stderr


class Constant:
    """An embedder whose vectors are all the same number."""

    def __init__(self, value: float) -> None:
        self.value = value

    def encode_frames(self, images: list[np.ndarray]) -> np.ndarray:
        return np.full((len(images), 2), self.value, np.float32)

    def encode_clip(self, vectors: np.ndarray) -> np.ndarray:
        return vectors.mean(0)

    def encode_text(self, texts: list[str]) -> np.ndarray:
        return np.full((len(texts), 2), self.value, np.float32)


def pictures(folder: Path) -> list[Item]:
    return [
        Item("sky", ("the sky",), None, (folder / "sky0.png",)),
        Item("meadow", ("grass", "green"), None, (folder / "meadow0.png", folder / "meadow1.png")),
    ]


def test_nan_of_a_model_is_an_error_and_a_constant_model_is_always_wrong(folder: Path) -> None:
    with pytest.raises(ValueError, match="NaN"):
        measure(pictures(folder), Constant(float("nan")))
    found = measure(pictures(folder), Constant(0.5)).as_dict()
    assert (found["t2v"]["r1"], found["t2v"]["mnr"], found["v2t"]["mdr"]) == (0, 2, 2)


def test_items_of_one_source_are_right_answers_for_each_other(folder: Path) -> None:
    same = [*pictures(folder), Item("meadow again", ("a lawn",), None, (folder / "meadow1.png",))]
    found = measure(same, Constant(0.5))
    assert found.results.t2v.rank.tolist() == [3, 2, 2, 2]
    one = measure(same[1:], Constant(0.5))
    assert "intervals" not in one.as_dict()  # a single source has none
    with pytest.raises(NothingMeasured):
        measure([], Constant(0.5))


def test_a_picture_of_too_many_pixels_is_refused(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(picture_files, "MAX_PIXELS", 5000)
    with pytest.raises(NothingMeasured) as nothing:
        measure(pictures(folder), Constant(0.5))
    assert [p.code for p in nothing.value.problems] == ["too_large_picture"] * 2
