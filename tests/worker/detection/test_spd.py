"""The segment detector: its picture of a matrix, its boxes, and what the bundled weights find."""

from __future__ import annotations

import itertools
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.worker.alignment.planting import planted
from worker.alignment import AlignerConfig, SimilarityMatrix
from worker.detection.raster import SIDE, Patch, cell_rows, draw, keep_top, patches, windows
from worker.detection.spd import CONFIDENCE, STRIDE, SpdAligner, SpdNet, decode, suppress
from worker.pretraining.segments.spd import inside, lesson
from worker.pretraining.segments.spd_data import MadeUpTrack, Piece, compose


@settings(max_examples=60, deadline=None)
@given(seed=st.integers(0, 10_000), frames=st.integers(1, 40), count=st.integers(1, 60))
def test_every_cell_shows_its_own_frames_or_the_nearest_one(seed: int, frames: int, count: int) -> None:
    rng = np.random.default_rng(seed)
    cell = 0.5
    times = np.sort(rng.uniform(0, count * cell, frames))
    firsts, groups = cell_rows(times, 0.0, cell, count)
    bounds = np.r_[firsts, frames]
    for place in range(count):
        members = set(range(bounds[groups[place]], bounds[groups[place] + 1]))
        own = {i for i in range(frames) if min(int(times[i] / cell), count - 1) == place}
        if own:
            assert members == own
        else:
            nearest = np.abs(times - (place + 0.5) * cell).min()
            assert np.abs(times[sorted(members)] - (place + 0.5) * cell).min() == pytest.approx(nearest)


@settings(max_examples=60, deadline=None)
@given(query=st.floats(1, 4000), reference=st.floats(1, 4000))
def test_the_patches_cover_the_matrix_and_none_is_longer_than_three_widths(query: float, reference: float) -> None:
    found = patches(query, reference)
    for side, duration in (("query", query), ("reference", reference)):
        ends = sorted({getattr(p, side) for p in found})
        assert ends[0][0] == 0.0
        assert ends[-1][1] == pytest.approx(duration)
        assert all(after[0] < before[1] for before, after in itertools.pairwise(ends))
    for p in found:
        longest = max(p.query[1] - p.query[0], p.reference[1] - p.reference[0])
        assert longest <= 1.06 * max(3 * min(query, reference), 20.0)
        assert longest / p.cell <= SIDE + 1e-6


def test_windows_of_a_short_video_are_one() -> None:
    assert windows(30.0, 240.0) == [(0.0, 30.0)]


def test_keep_top_leaves_the_best_of_each_row() -> None:
    scores = np.random.default_rng(0).random((6, 50)).astype(np.float32)
    kept = keep_top(scores, 20)
    assert ((kept > 0).sum(axis=1) == 20).all()
    assert (np.sort(kept, axis=1)[:, -20:] == np.sort(scores, axis=1)[:, -20:]).all()


def test_a_thin_line_survives_when_a_long_matrix_shrinks() -> None:
    scores = np.full((600, 600), 0.05, np.float32)
    np.fill_diagonal(scores, 0.9)
    matrix = SimilarityMatrix.build(scores, np.arange(600.0), np.arange(600.0))
    picture = draw(matrix, Patch.of((0.0, 600.0), (0.0, 600.0)))
    assert picture is not None
    assert (picture[:, np.arange(SIDE), np.arange(SIDE)] >= 0.9).all()
    assert picture[0].mean() < 0.1


def test_uninformative_frames_leave_no_trace_in_the_picture() -> None:
    mask = np.ones(50, dtype=np.bool_)
    mask[10:30] = False
    matrix = SimilarityMatrix.build(np.ones((50, 50)), np.arange(50.0), np.arange(50.0), query_mask=mask)
    picture = draw(matrix, Patch.of((0.0, 50.0), (0.0, 50.0)))
    assert picture is not None
    assert picture[1, int(12 / 50 * SIDE) : int(28 / 50 * SIDE)].max() == 0.0
    assert picture[1, : int(8 / 50 * SIDE)].min() > 0


def test_what_the_lesson_asks_for_decodes_to_the_planted_boxes() -> None:
    pairs = (compose(np.random.default_rng(seed), MadeUpTrack) for seed in range(100))
    pair = next(p for p in pairs if len(p.pieces) >= 3)
    patch = patches(pair.query_duration, pair.reference_duration)[0]
    picture = draw(pair.matrix(), patch)
    assert picture is not None
    wanted = lesson(pair, patch, picture)
    logit = np.where(wanted.heat >= 0.999, 8.0, -8.0)
    output = torch.from_numpy(np.concatenate([logit[None], wanted.places])[None].astype(np.float32))
    found = [patch.seconds(cells) for cells, _ in decode(output)[0]]
    expected = [box for piece in pair.pieces if (box := inside(piece, patch)) is not None]
    assert len(found) == len(expected)
    for box in expected:
        assert min(np.abs(np.array(box) - np.array(f)).max() for f in found) < 0.1


def test_a_segment_that_the_patch_cuts_keeps_its_slope() -> None:
    patch = Patch.of((0.0, 100.0), (50.0, 150.0))
    assert inside(Piece((0, 60), (20, 140)), patch) == pytest.approx((15, 60, 50, 140))
    assert inside(Piece((0, 60), (20, 140), backwards=True), patch) == pytest.approx((0, 45, 50, 140))
    assert inside(Piece((0, 60), (200, 260)), patch) is None


@settings(max_examples=40, deadline=None)
@given(seed=st.integers(0, 10_000))
def test_suppression_keeps_a_best_box_of_every_cluster(seed: int) -> None:
    rng = np.random.default_rng(seed)
    boxes = []
    for _ in range(12):
        q, r, high, wide = rng.uniform(0, 30), rng.uniform(0, 30), *rng.uniform(1, 20, 2)
        boxes.append(((q, q + high, r, r + wide), float(rng.random())))

    def overlap(a: tuple[float, ...], b: tuple[float, ...]) -> float:
        both = max(0.0, min(a[1], b[1]) - max(a[0], b[0])) * max(0.0, min(a[3], b[3]) - max(a[2], b[2]))
        return both / ((a[1] - a[0]) * (a[3] - a[2]) + (b[1] - b[0]) * (b[3] - b[2]) - both)

    kept = suppress(boxes)
    assert max(boxes, key=lambda b: b[1]) in kept
    for i, (box, _) in enumerate(kept):
        assert all(overlap(box, other) <= 0.3 for other, _ in kept[i + 1 :])
    for box, score in boxes:
        assert any(overlap(box, other) > 0.3 and better >= score for other, better in kept) or (box, score) in kept


def test_the_network_stays_small_and_takes_the_picture() -> None:
    net = SpdNet().eval()
    assert sum(p.numel() for p in net.parameters()) < 3_000_000
    with torch.inference_mode():
        assert net(torch.zeros(1, 2, SIDE, SIDE)).shape == (1, 5, SIDE // STRIDE, SIDE // STRIDE)


def test_empty_and_blank_matrices_hold_nothing() -> None:
    aligner = SpdAligner(net=SpdNet().eval())
    for shape in ((0, 5), (5, 0), (0, 0)):
        matrix = SimilarityMatrix.build(np.zeros(shape), np.arange(float(shape[0])), np.arange(float(shape[1])))
        assert aligner.align(matrix, AlignerConfig()) == []
    blank = SimilarityMatrix.build(np.zeros((30, 30)), np.arange(30.0), np.arange(30.0))
    assert aligner.align(blank, AlignerConfig()) == []


def test_missing_weights_are_named(tmp_path: Path) -> None:
    matrix = SimilarityMatrix.build(np.ones((30, 30)), np.arange(30.0), np.arange(30.0))
    with pytest.raises(FileNotFoundError, match="weights are missing"):
        SpdAligner(tmp_path / "none.safetensors").align(matrix, AlignerConfig())


def test_the_name_is_known_without_loading_pytorch() -> None:
    code = (
        "import sys, worker.detection, worker.alignment as a; print('spd' in a.aligner_names(), 'torch' in sys.modules)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.split() == ["True", "False"]


@pytest.mark.parametrize(
    ("query", "reference"), [((20, 60), (70, 110)), ((10, 50), (60, 120)), ((15, 55), (110, 70))],
    ids=["plain", "speed 1.5", "reversed"],
)  # fmt: skip
def test_the_bundled_detector_finds_a_planted_copy(query: tuple[float, float], reference: tuple[float, float]) -> None:
    matrix = planted([(query, reference)], query_seconds=80, reference_seconds=160, cosine=0.8)
    (found,) = SpdAligner().align(matrix, AlignerConfig())
    assert (found.query_start, found.query_end) == pytest.approx(query, abs=1.5)
    assert (found.reference_start, found.reference_end) == pytest.approx(sorted(reference), abs=2.0)
    assert found.reversed == (reference[0] > reference[1])


def test_the_bundled_detector_says_where_without_a_look_at_single_frames() -> None:
    matrix = planted([((20, 60), (70, 110))], query_seconds=80, reference_seconds=160, cosine=0.8)
    box, score = SpdAligner().boxes(matrix)[0]
    assert score > CONFIDENCE
    assert box == pytest.approx((20, 60, 70, 110), abs=6)


def test_the_bundled_detector_finds_nothing_in_unrelated_footage() -> None:
    for seed in range(5):
        matrix = planted([], query_seconds=80, reference_seconds=160, seed=seed)
        assert SpdAligner().align(matrix, AlignerConfig()) == []
