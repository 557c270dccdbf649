"""The edit bench on clips whose brightness tells the second and whose colour tells the source."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import av
import numpy as np
import pytest

from benchmarks.edit_bench.edits import EDITS
from benchmarks.edit_bench.make import Draw, make_bench
from benchmarks.edit_bench.render import BenchError
from tests.clips import ffmpeg

SECONDS, WIDTH, HEIGHT = 9, 96, 64
DARK, A_SECOND = 50.0, 14.0  # mean luma of the first frame, and what a second adds
TINTS = {"red": (100, 170), "green": (90, 90), "blue": (170, 110), "violet": (150, 160)}  # (cb, cr)
TIMED = ("re_encode", "fps_12", "speed_0.5", "speed_1.25", "speed_2", "reversed", "first_half", "short_copy",
         "stitched", "stitched_5_in_15", "shuffled_scenes", "freeze", "mirror", "rotate_180")  # fmt: skip


def quiet(done: int, total: int, began: float) -> None:
    """No progress in tests."""


@pytest.fixture(scope="module")
def clips(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Four clips of one folder: a moving check pattern that gets brighter, each in its own colour."""
    folder = tmp_path_factory.mktemp("clips") / "set"
    folder.mkdir()
    for number, (name, (cb, cr)) in enumerate(TINTS.items()):
        check = f"20*mod(floor((X+{11 + 5 * number}*T)/12)+floor(Y/8),2)"
        graph = f"nullsrc=size={WIDTH}x{HEIGHT}:rate=25:duration={SECONDS},format=yuv444p,"
        graph += f"geq=lum='{DARK - 10}+{A_SECOND}*T+{check}':cb={cb}:cr={cr},format=yuv420p"
        ffmpeg(
            "-f", "lavfi", "-i", graph, "-c:v", "libx264", "-preset", "ultrafast", "-crf", "8", folder / f"{name}.mp4"
        )
    return folder.parent


@pytest.fixture(scope="module")
def bench(clips: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    out = tmp_path_factory.mktemp("bench")
    make_bench(clips, out, Draw(seed=3, limit=1), jobs=2, on_progress=quiet)
    return out


def manifest_of(bench: Path) -> dict[str, Any]:
    content: dict[str, Any] = json.loads((bench / "manifest.json").read_text())
    return content


def parameters_of(bench: Path) -> dict[str, Any]:
    content: dict[str, Any] = json.loads((bench / "parameters.json").read_text())
    return content


def query_of(bench: Path, edit: str) -> dict[str, Any]:
    return next(q for q in manifest_of(bench)["queries"] if q["id"].startswith(f"{edit}/"))


def frames(path: Path) -> list[tuple[float, np.ndarray, np.ndarray]]:
    """(time, luma (H, W), chroma (2, H/2, W/2)) of every frame."""
    found = []
    with av.open(str(path)) as container:
        for frame in container.decode(video=0):
            planes = frame.reformat(format="yuv420p").to_ndarray()
            luma, chroma = planes[: frame.height], planes[frame.height :]
            found.append((frame.time, luma, chroma.reshape(2, frame.height // 2, frame.width // 2)))
    return found


def test_every_edit_is_made_and_lasts_as_long_as_promised(bench: Path) -> None:
    queries = {q["id"]: q for q in manifest_of(bench)["queries"]}
    drawn = parameters_of(bench)["queries"]
    assert set(EDITS) <= {row["edit"] for row in drawn.values()}
    for name, row in drawn.items():
        seen = frames(bench / queries[name]["video"])
        times = [time for time, _, _ in seen]
        step = times[1] - times[0]
        assert times[-1] + step == pytest.approx(row["seconds"], abs=0.09), name
        assert min(seen[0][1].shape) <= 320
        assert bool(queries[name]["segments"]) is (not row["negative"] or row["negative"] == "intro"), name
        for segment in queries[name]["segments"]:
            assert 0 <= segment["query"][0] < segment["query"][1] <= row["seconds"] + 0.01


@pytest.mark.parametrize("edit", TIMED)
def test_the_ground_truth_says_which_second_is_seen(bench: Path, edit: str) -> None:
    query = query_of(bench, edit)
    references = {r["id"]: r for r in manifest_of(bench)["references"]}
    offsets = {name: 3.0 if "reference-" in row["video"] else 0.0 for name, row in references.items()}
    backwards = parameters_of(bench)["queries"][query["id"]]["pieces"][0]["reversed"]
    seen, looked = frames(bench / query["video"]), 0
    assert query["segments"]
    for segment in query["segments"]:
        (start, end), (low, high) = segment["query"], segment["reference_span"]
        cb, cr = TINTS[segment["reference"].split("/")[1]]
        for time, luma, chroma in seen:
            if not start + 0.1 < time < end - 0.1:
                continue
            share = (time - start) / (end - start)
            second = high - share * (high - low) if backwards else low + share * (high - low)
            expected = DARK + A_SECOND * (second - offsets[segment["reference"]])
            assert luma.mean() == pytest.approx(expected, abs=0.15 * A_SECOND + 1.0), (time, segment)
            assert chroma.reshape(2, -1).mean(1) == pytest.approx([cb, cr], abs=8)
            looked += 1
    assert looked > 10


@pytest.mark.parametrize(("edit", "share"), [("pip_50", 1 / 4), ("pip_40", 0.16), ("pip_33", 1 / 9)])
def test_an_inset_covers_its_share_of_the_host(bench: Path, edit: str, share: float) -> None:
    query = query_of(bench, edit)
    border = 2 * parameters_of(bench)["queries"][query["id"]]["params"]["border"]
    framed = (share**0.5 + border / WIDTH) * (share**0.5 + border / HEIGHT)  # a white border may count with either
    names = {segment["edit"]: segment["reference"].split("/")[1] for segment in query["segments"]}
    small, host = (np.array(TINTS[names[key]])[:, None, None] for key in (edit, f"{edit}_host"))
    for _, _, chroma in frames(bench / query["video"])[::20]:
        nearer = np.abs(chroma - small).sum(0) < np.abs(chroma - host).sum(0)
        assert share - 0.03 < nearer.mean() < framed + 0.03


@pytest.mark.parametrize("edit", ["split_screen", "stacked_screen"])
def test_halves_show_both_sources_in_the_order_that_was_drawn(bench: Path, edit: str) -> None:
    query = query_of(bench, edit)
    row = parameters_of(bench)["queries"][query["id"]]
    names = [piece["source"].split("/")[1] for piece in row["pieces"]]
    assert {segment["reference"].split("/")[1] for segment in query["segments"]} == set(names)
    _, _, chroma = frames(bench / query["video"])[10]
    halves = np.array_split(chroma, 2, axis=2 if edit == "split_screen" else 1)
    for name, half in zip(names, halves, strict=True):
        middle = half[
            :, half.shape[1] * 3 // 8 : half.shape[1] * 5 // 8, half.shape[2] * 3 // 8 : half.shape[2] * 5 // 8
        ]
        assert middle.reshape(2, -1).mean(1) == pytest.approx(TINTS[name], abs=10)


def test_what_is_outside_the_library_is_never_a_reference(bench: Path) -> None:
    outside = parameters_of(bench)["outside"]
    assert len(outside) == 1
    assert not {r["id"] for r in manifest_of(bench)["references"]} & set(outside)
    assert {row["negative"] for row in parameters_of(bench)["queries"].values()} >= {"look_alike", "blank", "intro"}


def test_a_second_make_draws_the_same_and_encodes_nothing(bench: Path, clips: Path) -> None:
    before = {path: path.stat().st_mtime_ns for path in bench.rglob("*.m*4")}
    manifest = manifest_of(bench)
    again = make_bench(clips, bench, Draw(seed=3, limit=1), on_progress=quiet)
    assert again == manifest
    assert {path: path.stat().st_mtime_ns for path in bench.rglob("*.m*4")} == before


def test_the_seed_decides_what_is_drawn(clips: Path, bench: Path, tmp_path: Path) -> None:
    some = ("short_copy", "brightness")
    same = make_bench(clips, tmp_path / "same", Draw(seed=3, edits=some, limit=1), on_progress=quiet)
    other = make_bench(clips, tmp_path / "other", Draw(seed=4, edits=some, limit=1), on_progress=quiet)
    assert same["queries"] == [query_of(bench, "brightness"), query_of(bench, "short_copy")]
    assert other["queries"] != same["queries"]


def test_an_empty_folder_and_an_unknown_edit_are_refused(tmp_path: Path, clips: Path) -> None:
    (tmp_path / "empty").mkdir()
    with pytest.raises(BenchError, match="no clips"):
        make_bench(tmp_path / "empty", tmp_path / "out", Draw(), on_progress=quiet)
    with pytest.raises(ValueError, match="no edit called"):
        make_bench(clips, tmp_path / "out", Draw(edits=("sepia",)), on_progress=quiet)
