"""The demonstration library: what is rendered, that it is repeatable, and that copies tell the truth."""

from __future__ import annotations

import hashlib
import json
import re
import subprocess
from pathlib import Path

import ffmpeg
import imageio_ffmpeg
import numpy as np
import pytest

from demo.copies import EDITS, describe_copy, plan_copies
from demo.encode import RenderError, write_video
from demo.library import render_library
from demo.manifest import ClipEntry, CopyEntry, Manifest
from demo.naming import name_clips
from demo.recipes import plan_library

CLIPS, COPIES = 3, 2


@pytest.fixture(scope="module")
def library(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Manifest]:
    folder = tmp_path_factory.mktemp("library")
    return folder, render_library(folder, seed=7, workers=1, clips=CLIPS, copies=COPIES)


@pytest.fixture(scope="module")
def planned() -> list[ClipEntry]:
    return name_clips(plan_library(7))


def seconds_of(path: Path) -> float:
    """Length of the video as decoded, not as its header claims."""
    told = subprocess.run(
        [imageio_ffmpeg.get_ffmpeg_exe(), "-hide_banner", "-i", str(path), "-map", "0:v", "-f", "null", "-"],
        capture_output=True,
        text=True,
        check=True,
    ).stderr
    hours, minutes, seconds = re.findall(r"time=(\d+):(\d+):([\d.]+)", told)[-1]
    return int(hours) * 3600 + int(minutes) * 60 + float(seconds)


def frame_at(path: Path, seconds: float) -> np.ndarray:
    """(90, 160) grey picture of the frame at ``seconds``."""
    raw = subprocess.run(
        [
            imageio_ffmpeg.get_ffmpeg_exe(),
            "-loglevel",
            "error",
            "-i",
            str(path),
            "-ss",
            str(seconds),
            "-frames:v",
            "1",
            "-vf",
            "scale=160:90",
            "-pix_fmt",
            "gray",
            "-f",
            "rawvideo",
            "-",
        ],
        capture_output=True,
        check=True,
    ).stdout
    return np.frombuffer(raw, np.uint8).reshape(90, 160).astype(float)


def test_every_file_is_a_video_as_long_as_the_manifest_says(library: tuple[Path, Manifest]) -> None:
    folder, manifest = library
    assert (len(manifest.clips), len(manifest.copies)) == (CLIPS, COPIES)
    lengths = [(c.file, c.duration) for c in manifest.clips] + [(c.file, c.duration) for c in manifest.copies]
    for file, duration in lengths:
        assert seconds_of(folder / file) == pytest.approx(duration, abs=0.15), file


def test_the_written_manifest_says_what_the_call_returned_and_nothing_unfinished_stays(
    library: tuple[Path, Manifest],
) -> None:
    folder, manifest = library
    kept = json.loads((folder / "manifest.json").read_text())
    assert [c["file"] for c in kept["clips"]] == [c.file for c in manifest.clips]
    assert kept["copies"][0]["spans"][0]["source"] == manifest.copies[0].spans[0].source
    listed = {c.file for c in manifest.clips} | {c.file for c in manifest.copies}
    assert {p.name for p in folder.iterdir()} == {"manifest.json", *listed}


def test_a_second_call_renders_nothing_and_a_lost_file_is_rendered_again_identically(
    library: tuple[Path, Manifest],
) -> None:
    folder, manifest = library
    before = {p: p.stat().st_mtime_ns for p in folder.glob("*.mp4")}
    rendered: list[str] = []
    render_library(
        folder, seed=7, workers=1, clips=CLIPS, copies=COPIES, progress=lambda _d, _t, file: rendered.append(file)
    )
    assert rendered == []
    assert before == {p: p.stat().st_mtime_ns for p in folder.glob("*.mp4")}
    lost = folder / manifest.clips[0].file
    digest = hashlib.sha256(lost.read_bytes()).hexdigest()
    lost.unlink()
    render_library(
        folder, seed=7, workers=1, clips=CLIPS, copies=COPIES, progress=lambda _d, _t, file: rendered.append(file)
    )
    assert rendered == [lost.name]
    assert hashlib.sha256(lost.read_bytes()).hexdigest() == digest


def test_a_copy_shows_at_its_query_time_what_the_source_shows_at_the_reference_time(
    library: tuple[Path, Manifest],
) -> None:
    folder, manifest = library
    trimmed = next(copy for copy in manifest.copies if copy.edit == "trim")
    span = trimmed.spans[0]
    middle = (span.query[1] - span.query[0]) / 2
    copied = frame_at(folder / trimmed.file, span.query[0] + middle)
    there = frame_at(folder / span.source, span.reference[0] + middle)
    assert np.abs(copied - there).mean() < 6


def test_the_whole_plan_has_a_dozen_kinds_unique_names_captions_and_several_shots_in_a_third(
    planned: list[ClipEntry],
) -> None:
    entries = planned
    assert len(entries) == 60
    assert len({shot.kind for entry in entries for shot in entry.shots}) >= 16
    assert len({entry.file.lower() for entry in entries}) == 60
    assert 15 <= sum(len(entry.shots) > 1 for entry in entries) <= 30
    assert 3 <= sum(bool(entry.subtitles) for entry in entries) <= 5
    for entry in entries:
        assert 5 <= entry.duration <= 14
        assert len(set(entry.captions) - {entry.caption}) >= 3
        assert entry.shots[0].start == 0 and entry.shots[-1].end == entry.duration
        for before, after in zip(entry.shots, entry.shots[1:], strict=False):
            assert before.end == after.start


def test_planned_copies_have_spans_inside_query_and_reference_with_lengths_that_fit_the_speed(
    planned: list[ClipEntry],
) -> None:
    entries = planned
    lengths = {entry.file: entry.duration for entry in entries}
    plans = plan_copies(7, entries)
    copies: list[CopyEntry] = [describe_copy(plan) for plan in plans]
    assert len(copies) == len(EDITS)
    assert len({copy.file for copy in copies} | set(lengths)) == len(copies) + len(entries)
    for plan, copy in zip(plans, copies, strict=True):
        assert copy.spans[0].query[0] == 0 and copy.spans[-1].query[1] == pytest.approx(copy.duration)
        for span in copy.spans:
            assert 0 <= span.reference[0] < span.reference[1] <= lengths[span.source] + 0.001
            stretched = (span.query[1] - span.query[0]) * plan.edit.speed
            assert stretched == pytest.approx(span.reference[1] - span.reference[0], abs=0.01)


def test_seeds_decide_the_library() -> None:
    def told(seed: int) -> list[str]:
        return [entry.caption for entry in name_clips(plan_library(seed, 8))]

    assert told(7) == told(7)
    assert told(7) != told(8)


def test_a_failing_encoder_is_reported_with_the_file_and_leaves_no_file(tmp_path: Path) -> None:
    with pytest.raises(RenderError, match=r"broken\.mp4"):
        write_video([ffmpeg.input(str(tmp_path / "absent.mp4"))], tmp_path / "broken.mp4", {})
    assert not (tmp_path / "broken.mp4").exists()
