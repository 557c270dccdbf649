"""From frames to the fingerprint of a file, and what key frames keep of it."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch

from tests.worker.alignment.planting import Footage
from worker.alignment import background_penalty, match_pair, unit, with_penalties
from worker.detection.keyframes import budget
from worker.embedders.copies.descriptor import CopyDescriptor, CopyNet
from worker.embedders.copies.quality import frame_quality
from worker.indexing.fingerprints import BATCH, Fingerprinter, fingerprint, key_frames
from worker.pretraining.copies.release import release
from worker.types import Descriptors, FloatArray, SampledFrame, View


@pytest.fixture(scope="module")
def untrained(tmp_path_factory: pytest.TempPathFactory) -> CopyDescriptor:
    torch.manual_seed(0)
    path = tmp_path_factory.mktemp("copy") / "copy.safetensors"
    images = np.random.default_rng(0).integers(0, 256, (40, 96, 96, 3), dtype=np.uint8)
    release(CopyNet(), images, np.arange(40), path, strength=0.5, seed=0)
    return CopyDescriptor(path)


def frames(count: int, cuts: tuple[int, ...] = (), black: tuple[int, ...] = ()) -> list[SampledFrame]:
    rng = np.random.default_rng(1)
    made = []
    for number in range(count):
        image = rng.integers(0, 256, (64, 96, 3), dtype=np.uint8)
        made.append(SampledFrame(number / 2, image * (number not in black), "grid", starts_shot=number in (0, *cuts)))
    return made


def described(some: list[SampledFrame], copy: CopyDescriptor, pushes: int, role: str = "query") -> Descriptors:
    fingerprinter = Fingerprinter(copy, role, len(some) / 2)  # type: ignore[arg-type]
    for start in range(0, len(some), pushes):
        part = some[start : start + pushes]
        fingerprinter.add(part, frame_quality([frame.image for frame in part]))
    return fingerprinter.finish(len(some) / 2)


def test_every_frame_is_described_once_however_they_come(untrained: CopyDescriptor) -> None:
    some = frames(BATCH + 11, cuts=(5, 9), black=(7,))
    once, singly = described(some, untrained, 100), described(some, untrained, 1)
    assert once.times.tolist() == [frame.time for frame in some]
    assert np.flatnonzero(~once.informative).tolist() == [7]
    assert once.hashes is not None and once.hashes.shape == (len(some), 32)
    assert singly.vectors == pytest.approx(once.vectors, abs=1e-5)
    assert [view.name for view in singly.views] == [view.name for view in once.views]
    assert once.penalty == pytest.approx(background_penalty(once.vectors, untrained.background()))
    assert all(view.penalty is not None and len(view.penalty) == len(view.rows) for view in once.views)


def test_a_reference_has_no_looks_that_only_ask(untrained: CopyDescriptor) -> None:
    assert {view.kind for view in described(frames(6), untrained, 6, "reference").views} <= {"region"}
    assert {view.kind for view in described(frames(6), untrained, 6).views} >= {"mirrored", "part", "turned"}


def test_a_sampling_that_does_not_exist_is_refused_before_the_file_is_opened(untrained: CopyDescriptor) -> None:
    with pytest.raises(ValueError, match="uniform, keyframes"):
        fingerprint(Path("/nowhere.mp4"), copy=untrained, sampling="some")


def shots(seed: int = 3, seconds: int = 120) -> tuple[Descriptors, FloatArray]:
    """Scenes of 10 s that hardly change, the last second of each black; and a background."""
    rng = np.random.default_rng(seed)
    scenes = Footage(rng, seconds).at(np.repeat(np.arange(5.0, seconds, 10.0), 10))
    vectors = unit(scenes + 0.02 * rng.standard_normal(scenes.shape))
    informative = np.arange(seconds) % 10 != 9
    rows = np.arange(0, seconds, 2)
    region = View("region 1", "region", rows, unit(rng.standard_normal((len(rows), 64))), box=(0.0, 0.0, 0.5, 1.0))
    hashes = rng.integers(0, 256, (seconds, 32), dtype=np.uint8)
    found = Descriptors(vectors, np.arange(float(seconds)), informative, float(seconds), (region,), hashes=hashes)
    background = unit(rng.standard_normal((50, 64)))
    return with_penalties(found, background), background


def test_key_frames_keep_what_belongs_to_them() -> None:
    found, background = shots()
    kept = key_frames(found, background)
    assert 0 < len(kept.times) <= budget(found.duration)
    rows = np.searchsorted(found.times, kept.times)
    assert kept.times.tolist() == found.times[rows].tolist() and kept.informative.all()
    assert kept.hashes is not None and found.hashes is not None and (kept.hashes == found.hashes[rows]).all()
    assert kept.spans is not None and (kept.spans[:, 0] <= kept.times).all() and (kept.times <= kept.spans[:, 1]).all()
    assert (kept.spans[1:, 0] >= kept.spans[:-1, 1] - 1e-9).all()
    for view, whole in zip(kept.views, found.views, strict=True):
        assert found.times[whole.rows].tolist().count(kept.times[view.rows[0]]) == 1
        for row, vector in zip(view.rows, view.vectors, strict=True):
            (place,) = np.flatnonzero(found.times[whole.rows] == kept.times[row])
            assert (vector == whole.vectors[place]).all()


def test_the_vector_of_a_key_frame_is_the_mean_of_its_span_and_the_penalty_is_that_of_the_vector() -> None:
    found, background = shots()
    kept = key_frames(found, background)
    assert kept.spans is not None and kept.penalty is not None
    for vector, (start, end) in zip(kept.vectors, kept.spans, strict=True):
        inside = (found.times >= start) & (found.times < end) & found.informative
        assert float(vector @ unit(found.vectors[inside].sum(0)[None])[0]) > 0.999
    assert kept.penalty == pytest.approx(background_penalty(kept.vectors, background))
    bare = key_frames(with_penalties(found, background), np.zeros((0, 0), np.float32))
    assert bare.penalty is None and all(view.penalty is None for view in bare.views)


def test_a_copy_is_found_among_key_frames() -> None:
    found, background = shots()
    (segment,) = match_pair(found, key_frames(found, background)).segments
    assert segment.query_length > 100 and abs(segment.query_start - segment.reference_start) < 2
