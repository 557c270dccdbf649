"""Looks beside each other: what is screened out, and what an aligner sees where a look has holes."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from tests.worker.alignment.planting import Footage
from worker.alignment import AlignerConfig, HoughAligner, match_pair, unit
from worker.alignment import readings as module
from worker.alignment.readings import Reading, look_scores, reading_matrix, readings
from worker.types import Descriptors, FloatArray, View


def video(vectors: FloatArray, *views: View) -> Descriptors:
    count = len(vectors)
    return Descriptors(vectors, np.arange(float(count)), np.ones(count, bool), float(count), views)


@pytest.fixture
def rng() -> np.random.Generator:
    return np.random.default_rng(7)


@pytest.fixture
def source(rng: np.random.Generator) -> FloatArray:
    return Footage(rng, 60).at(np.arange(60.0))


def region(vectors: FloatArray, rows: np.ndarray) -> View:
    return View("region 1", "region", rows, vectors[rows], box=(0.5, 0.5, 1.0, 1.0))


def test_frames_of_a_hole_resemble_nothing(rng: np.random.Generator, source: FloatArray) -> None:
    rows = np.r_[5:20, 35:50]
    query = video(Footage(rng, 60).at(np.arange(60.0)), region(source, rows))
    whole = video(source).looks()[0]
    matrix = reading_matrix(Reading(query.views[0], whole, 1.0), query, video(source))
    assert matrix.query_times.tolist() == query.times.tolist()  # the beginning, the hole and the end are there
    assert matrix.scores[rows] == pytest.approx(look_scores(query.views[0], whole))
    assert np.flatnonzero(matrix.scores.any(axis=1)).tolist() == rows.tolist()
    assert matrix.query_mask.all()
    spans = sorted((s.query_start, s.query_end) for s in HoughAligner().align(matrix, AlignerConfig()))
    assert spans == [pytest.approx((4.5, 19.5), abs=0.6), pytest.approx((34.5, 49.5), abs=0.6)]


def test_a_look_at_every_second_frame_has_no_holes(rng: np.random.Generator, source: FloatArray) -> None:
    rows = np.arange(0, 60, 2)
    query = video(Footage(rng, 60).at(np.arange(60.0)), View("left half", "part", rows, source[rows]))
    matrix = reading_matrix(Reading(query.views[0], video(source).looks()[0], 1.0), query, video(source))
    assert matrix.query_times[:-1].tolist() == query.times[rows].tolist()  # what comes after the last is a hole
    assert matrix.scores.any(axis=1).tolist() == [True] * 30 + [False]


def test_a_span_keeps_out_of_the_holes_of_a_look(rng: np.random.Generator, source: FloatArray) -> None:
    query = video(Footage(rng, 60).at(np.arange(60.0)), region(source, np.r_[15:40]))
    matrix = reading_matrix(Reading(query.views[0], video(source).looks()[0], 1.0), query, video(source))
    (found,) = HoughAligner().align(matrix, AlignerConfig())
    assert (found.query_start, found.query_end) == pytest.approx((14.5, 39.5), abs=0.6)
    assert (found.reference_start, found.reference_end) == pytest.approx((14.5, 39.5), abs=0.6)


def test_looks_that_resemble_nothing_are_not_aligned(rng: np.random.Generator, source: FloatArray) -> None:
    other = Footage(rng, 60).at(np.arange(60.0))
    query = video(other, View("mirrored", "mirrored", np.arange(60), source, mirrored=True))
    found = list(readings(query, video(source), AlignerConfig()))
    assert [reading.query.name for reading in found] == ["mirrored"]


def test_a_part_of_a_part_is_not_tried(rng: np.random.Generator, source: FloatArray) -> None:
    other, every = Footage(rng, 60).at(np.arange(60.0)), np.arange(60)
    views = [View("left half", "part", every, source), View("turned 90", "turned", every, source, turn=90)]
    inset = region(source, every)
    config = AlignerConfig(min_similarity=0.9)
    assert not list(readings(video(-source, *views), video(other, inset), config))
    both = list(readings(video(other, inset), video(other, inset), config))
    assert [(r.query.kind, r.reference.kind) for r in both] == [("whole", "whole"), ("region", "region")]


def test_frames_without_information_promise_nothing(source: FloatArray) -> None:
    query, reference = video(source), video(source)
    dark = replace(reference, informative=np.zeros(60, bool))
    assert not list(readings(query, dark, AlignerConfig()))
    assert not list(readings(dark, reference, AlignerConfig()))
    half = replace(query, informative=np.arange(60) < 30)
    (whole,), (less,) = readings(query, reference, AlignerConfig()), readings(half, reference, AlignerConfig())
    assert less.promise == pytest.approx(whole.promise / 2, rel=1e-3)


def test_a_screen_in_blocks_says_the_same_as_one_in_one_piece(
    rng: np.random.Generator, source: FloatArray, monkeypatch: pytest.MonkeyPatch
) -> None:
    penalties = [rng.uniform(0.1, 0.3, 60).astype(np.float32) for _ in range(2)]
    query = replace(video(unit(source + 0.1 * rng.standard_normal(source.shape))), penalty=penalties[0])
    query = replace(query, informative=rng.random(60) < 0.7)
    reference = replace(video(source), penalty=penalties[1])
    (once,) = readings(query, reference, AlignerConfig())
    monkeypatch.setattr(module, "SCREEN_CELLS", 7 * 60)
    (blocks,) = readings(query, reference, AlignerConfig())
    assert blocks.promise == pytest.approx(once.promise, rel=1e-6)


def test_of_several_spans_those_stay_that_would_be_believed_alone(rng: np.random.Generator, source: FloatArray) -> None:
    other = Footage(rng, 60).at(np.arange(60.0))
    stitched = np.concatenate([source[5:25], other[:20], source[35:55]])
    both = match_pair(video(stitched), video(source))
    assert sorted(round(s.query_start) for s in both.segments) == [0, 40]
    weak = unit(source[35:38] + 0.16 * rng.standard_normal((3, 64)))  # three frames that are somewhat alike
    one = match_pair(video(np.concatenate([source[5:25], other[:20], weak, other[20:35]])), video(source))
    assert [round(s.query_start) for s in one.segments] == [0]
    alone = match_pair(video(np.concatenate([other[:20], weak, other[20:35]])), video(source))
    assert len(alone.segments) <= 1 and not alone.verdict.is_match
