"""Training frames: written with their captions, and never from the libraries that are held out."""

from __future__ import annotations

import json
import re
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from demo.frames import HeldOutSeed, main, parse_seeds, write_frames
from demo.scenes import KINDS, build_scene, look_for
from demo.wording import caption_plain, captions_other


def test_the_command_writes_squares_and_a_line_for_each(tmp_path: Path) -> None:
    assert main([str(tmp_path), "--seeds", "100-101", "--per-clip", "2", "--size", "64", "--clips", "2"]) == 0
    lines = [json.loads(line) for line in (tmp_path / "frames.jsonl").read_text().splitlines()]
    assert len(lines) == 8
    assert {line["group"] for line in lines} == {"s100-000", "s100-001", "s101-000", "s101-001"}
    for line in lines:
        assert line["split"] == "train"
        assert 4 <= len(set(line["captions"])) <= 6
        with Image.open(tmp_path / line["file"]) as image:
            assert image.size == (64, 64) and image.format == "JPEG"


@pytest.mark.parametrize("seeds", ["7", "99-101", "100,3"])
def test_seeds_of_demonstration_libraries_are_refused_with_a_reason(
    tmp_path: Path, seeds: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main([str(tmp_path), "--seeds", seeds]) == 2
    assert "held out" in capsys.readouterr().err
    assert not list(tmp_path.iterdir())


def test_the_function_refuses_held_out_seeds_too(tmp_path: Path) -> None:
    with pytest.raises(HeldOutSeed):
        write_frames(tmp_path, [7])


def test_seeds_are_read_as_ranges_and_lists_and_nonsense_is_refused() -> None:
    assert parse_seeds("100-102,110") == [100, 101, 102, 110]
    for text in ("a-b", "105-101", ""):
        with pytest.raises(ValueError, match="seeds"):
            parse_seeds(text)


@pytest.mark.parametrize("kind", sorted(KINDS))
def test_each_kind_moves_repeats_by_seed_and_is_told_in_many_ways(kind: str) -> None:
    look = look_for(kind, np.random.default_rng(5))
    scene, again = (build_scene(kind, 11, look, 6.0, 0.7) for _ in range(2))
    early, late = (np.asarray(scene.frame(t, (160, 90)), dtype=float) for t in (1.0, 2.6))
    assert np.abs(early - late).max() > 8
    assert np.array_equal(early, np.asarray(again.frame(1.0, (160, 90)), dtype=float))
    assert early.std() > 12
    others = captions_other(np.random.default_rng(1), scene.words, look)
    assert len(others) >= 3
    assert caption_plain(scene.words, look) not in others
    assert not [text for text in others if re.search(r"\ba [aeiou]", text)]
    assert all("  " not in text and text == text.strip() for text in others)
