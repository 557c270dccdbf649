"""What is said about a found span beyond its line, against counting it out frame by frame."""

from __future__ import annotations

from dataclasses import replace
from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.worker.alignment.planting import Footage, edited
from worker.alignment import unit
from worker.alignment.evidence import HASH_DISTANCE, HASH_SECONDS, LEAST_ROWS, labelled
from worker.alignment.readings import Reading
from worker.types import Descriptors, FloatArray, Segment, View


def video(vectors: FloatArray, times: np.ndarray | None = None, hashes: np.ndarray | None = None) -> Descriptors:
    clock = np.arange(float(len(vectors))) if times is None else times
    return Descriptors(vectors, clock, np.ones(len(vectors), bool), float(clock[-1]) + 1.0, hashes=hashes)


def labels(segment: Segment, query: Descriptors, reference: Descriptors, look: int = 0) -> Segment:
    return labelled(segment, Reading(query.looks()[look], reference.looks()[0], 1.0), query, reference)


def place(segment: Segment, second: float) -> float:
    """Where in the reference the line is at a second of the query."""
    into = (second - segment.query_start) / segment.query_length * segment.reference_length
    return segment.reference_end - into if segment.reversed else segment.reference_start + into


def naive_covariation(segment: Segment, query: Descriptors, reference: Descriptors) -> float:
    here, there = [], []
    for second, vector in zip(query.times, query.vectors, strict=True):
        wanted = place(segment, second)
        if segment.query_start <= second <= segment.query_end and reference.times[0] <= wanted <= reference.times[-1]:
            here.append(vector)
            there.append([np.interp(wanted, reference.times, column) for column in reference.vectors.T])
    a, b = np.array(here) - np.mean(here, axis=0), np.array(there) - np.mean(there, axis=0)
    return float((a * b).sum() / np.sqrt((a**2).sum() * (b**2).sum()))


@settings(deadline=None, max_examples=25)
@given(
    st.integers(0, 1000),
    st.sampled_from([0.5, 0.8, 1.0, 1.25, 2.0]),
    st.booleans(),
    st.floats(0.0, 20.0),
    st.sampled_from([0.5, 1.0]),
)
def test_covariation_is_the_correlation_of_what_changes_along_the_line(
    seed: int, speed: float, backwards: bool, start: float, step: float
) -> None:
    rng = np.random.default_rng(seed)
    query = video(Footage(rng, 30, 0.4).at(np.arange(0, 30, step)), np.arange(0, 30, step))
    reference = video(Footage(rng, 60, 0.4).at(np.arange(60.0)))
    segment = Segment(4.0, 20.0, start, start + 16 * speed, 0.5, 0.5, backwards)
    found = labels(segment, query, reference).covariation
    assert -1.0 <= found <= 1.0
    assert found == pytest.approx(naive_covariation(segment, query, reference), abs=1e-4)


def test_two_takes_before_one_wall_do_not_vary_together_and_a_copy_does() -> None:
    rng = np.random.default_rng(3)
    wall = 6.0 * rng.standard_normal(64)
    takes = [unit(wall + rng.standard_normal((30, 64))) for _ in range(2)]
    segment = Segment(0.0, 30.0, 0.0, 30.0, 0.5, 0.5)
    apart = labels(segment, video(takes[0]), video(takes[1]))
    copied = labels(segment, video(edited(rng, takes[0], 0.99)), video(takes[0]))
    assert abs(apart.covariation) < 0.1 < 0.5 < copied.covariation


def test_a_handful_of_frames_cannot_vary_together() -> None:
    vectors = Footage(np.random.default_rng(1), 20).at(np.arange(20.0))
    few = Segment(0.0, LEAST_ROWS - 2.0, 0.0, LEAST_ROWS - 2.0, 0.5, 0.5)
    assert labels(few, video(vectors), video(vectors)).covariation == 0.0
    assert labels(replace(few, query_end=9.0, reference_end=9.0), video(vectors), video(vectors)).covariation > 0.99
    still = video(np.repeat(vectors[:1], 20, axis=0))
    assert labels(Segment(0.0, 20.0, 0.0, 20.0, 0.5, 0.5), still, still).covariation == 0.0


def near(hashes: np.ndarray, bits: int, rng: np.random.Generator) -> np.ndarray:
    """Each hash with so many of its 256 bits turned."""
    flat = np.unpackbits(hashes, axis=1)
    for row in flat:
        row[rng.permutation(256)[:bits]] ^= 1
    return np.packbits(flat, axis=1)


@settings(deadline=None, max_examples=40)
@given(st.integers(0, 1000), st.booleans(), st.sampled_from([0.3, 1.0, 2.5]), st.floats(-1.5, 1.5))
def test_the_hash_share_counts_query_frames_that_are_the_picture_at_their_place(
    seed: int, backwards: bool, step: float, late: float
) -> None:
    rng = np.random.default_rng(seed)
    r_times = np.arange(0, 40, step)
    hashes = rng.integers(0, 256, (len(r_times), 32), dtype=np.uint8)
    q_times = np.sort(rng.uniform(0, 20, 25))
    segment = Segment(2.0, 18.0, 6.0, 30.0, 0.5, 0.5, backwards)
    nearest = [int(np.abs(r_times - place(segment, second) - late).argmin()) for second in q_times]
    bits = rng.choice([0, HASH_DISTANCE, HASH_DISTANCE + 1, 120], 25)
    mine = np.concatenate([near(hashes[n][None], b, rng) for n, b in zip(nearest, bits, strict=True)])
    query = video(Footage(rng, 20).at(q_times), q_times, mine)
    query = replace(query, informative=rng.random(25) < 0.8)
    reference = video(Footage(rng, 40).at(r_times), r_times, hashes)
    reach = max(HASH_SECONDS, 0.6 * step)
    counted = []
    for row in np.flatnonzero(query.informative & (q_times >= 2.0) & (q_times <= 18.0)):
        wanted = place(segment, float(q_times[row]))
        counted.append(
            any(
                abs(second - wanted) <= reach and np.unpackbits(mine[row] ^ theirs).sum() <= HASH_DISTANCE
                for second, theirs in zip(r_times, hashes, strict=True)
            )
        )
    expected = float(np.mean(counted)) if counted else 0.0
    assert labels(segment, query, reference).hash_share == pytest.approx(expected)


def test_only_whole_frames_have_hashes_to_compare() -> None:
    rng = np.random.default_rng(0)
    vectors, hashes = Footage(rng, 12).at(np.arange(12.0)), rng.integers(0, 256, (12, 32), dtype=np.uint8)
    reference = video(vectors, hashes=hashes)
    flipped = View("mirrored", "mirrored", np.arange(12), vectors, mirrored=True)
    query = replace(reference, views=(flipped,))
    segment = Segment(0.0, 12.0, 0.0, 12.0, 0.5, 0.5)
    assert labels(segment, query, reference).hash_share == 1.0
    mirrored = labels(segment, query, reference, look=1)
    assert (mirrored.hash_share, mirrored.look, mirrored.mirrored) == (0.0, "mirrored", True)
    assert labels(segment, query, replace(reference, hashes=None)).hash_share == 0.0


def test_background_is_the_mean_penalty_of_both_sides_inside_the_span() -> None:
    vectors = Footage(np.random.default_rng(2), 20).at(np.arange(20.0))
    ordinary = replace(video(vectors), penalty=np.where(np.arange(20) < 10, 0.4, 0.9).astype(np.float32))
    rare = replace(video(vectors), penalty=np.full(20, 0.1, np.float32))
    assert labels(Segment(0.0, 9.0, 0.0, 9.0, 0.5, 0.5), ordinary, rare).background == pytest.approx(0.25)
    assert labels(Segment(0.0, 9.0, 0.0, 9.0, 0.5, 0.5), video(vectors), video(vectors)).background == 0.0


def test_variety_is_the_way_that_the_reference_goes() -> None:
    vectors = Footage(np.random.default_rng(4), 20).at(np.arange(20.0))
    way = sum(1 - float(a @ b) for a, b in pairwise(vectors[5:13]))
    assert labels(Segment(0.0, 7.0, 5.0, 12.0, 0.5, 0.5), video(vectors), video(vectors)).variety == pytest.approx(
        way, abs=1e-4
    )
