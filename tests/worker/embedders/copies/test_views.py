from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from worker.alignment import with_penalties
from worker.embedders.copies.descriptor import CopyDescriptor, CopyNet
from worker.embedders.copies.looks_file import NOTHING, read_looks, write_looks
from worker.embedders.copies.regions import find_regions
from worker.embedders.copies.views import PARTS, THIN_ROWS, CopyViews
from worker.pretraining.copies.release import release
from worker.types import Descriptors, View, box_overlap


@pytest.fixture(scope="module")
def untrained(tmp_path_factory: pytest.TempPathFactory) -> CopyDescriptor:
    torch.manual_seed(0)
    path = tmp_path_factory.mktemp("copy") / "copy.safetensors"
    images = np.random.default_rng(0).integers(0, 256, (40, 96, 96, 3), dtype=np.uint8)
    release(CopyNet(), images, np.arange(40), path, strength=0.5, seed=0)
    return CopyDescriptor(path)


def texture(seed: int, frames: int, height: int, width: int, drift: int = 3) -> np.ndarray:
    """(frames, height, width, 3): smooth noise that moves on to the right and down from frame to frame."""
    size = (width + drift * frames, height + drift * frames)
    coarse = np.random.default_rng(seed).integers(0, 256, (size[1] // 12 + 2, size[0] // 12 + 2, 3), dtype=np.uint8)
    large = np.asarray(Image.fromarray(coarse).resize(size, Image.Resampling.BICUBIC))
    return np.stack([large[i * drift :, i * drift :][:height, :width] for i in range(frames)])


def composite(share: float, corner: tuple[float, float]) -> tuple[np.ndarray, tuple[float, float, float, float]]:
    host, inset = texture(1, 12, 180, 320), texture(2, 12, round(180 * share), round(320 * share), drift=2)
    top, left = round(corner[1] * (180 - inset.shape[1])), round(corner[0] * (320 - inset.shape[2]))
    host[:, top : top + inset.shape[1], left : left + inset.shape[2]] = inset
    box = (left / 320, top / 180, (left + inset.shape[2]) / 320, (top + inset.shape[1]) / 180)
    return host, box


@pytest.mark.parametrize("share", [0.34, 0.4, 0.5])
@pytest.mark.parametrize("corner", [(0.03, 0.05), (0.97, 0.05), (0.97, 0.95), (0.5, 0.5)])
def test_an_inset_is_found_where_it_stands_still_on_moving_footage(share: float, corner: tuple[float, float]) -> None:
    frames, box = composite(share, corner)
    assert max(box_overlap(box, found) for found in find_regions(frames)) > 0.8


def test_both_halves_of_a_split_screen_are_found() -> None:
    frames = np.concatenate([texture(3, 10, 180, 160), texture(4, 10, 180, 160)], axis=2)
    found = find_regions(frames)
    for half in ((0.0, 0.0, 0.5, 1.0), (0.5, 0.0, 1.0, 1.0)):
        assert max(box_overlap(half, box) for box in found) > 0.95


def test_moving_footage_in_one_piece_has_no_regions() -> None:
    assert find_regions(texture(5, 12, 180, 320)) == []


def test_no_frames_and_tiny_frames_have_no_regions() -> None:
    assert find_regions(np.zeros((0, 90, 90, 3), np.uint8)) == []
    assert find_regions(np.zeros((4, 16, 16, 3), np.uint8)) == []


def looks(copy: CopyDescriptor, role: str, frames: np.ndarray, seconds: float = 1.0) -> Descriptors:
    views = CopyViews(copy, role, len(frames) * seconds)  # type: ignore[arg-type]
    views.add(list(frames), [i * seconds for i in range(len(frames))])
    return views.finish([True] * len(frames), len(frames) * seconds)


def test_a_reference_keeps_whole_frames_and_regions_only(untrained: CopyDescriptor) -> None:
    frames, _ = composite(0.4, (0.03, 0.05))
    found = looks(untrained, "reference", frames)
    assert {view.kind for view in found.views} == {"region"}
    assert found.vectors.shape == (12, 128)
    assert found.hashes is not None and found.hashes.shape == (12, 32)
    weighed = with_penalties(found, untrained.background())
    assert weighed.penalty is not None and (weighed.penalty >= 0).all()
    assert all(view.penalty is not None and view.penalty.shape == view.rows.shape for view in weighed.views)
    assert with_penalties(found, np.zeros((0, 128), np.float32)) is found


def test_a_query_is_looked_at_mirrored_turned_and_in_parts(untrained: CopyDescriptor) -> None:
    found = looks(untrained, "query", texture(6, 5, 120, 160))
    names = {view.name for view in found.views}
    assert {"mirrored", "turned 90", "turned 180", "turned 270", "upside down", *PARTS} <= names
    assert next(look.name for look in found.looks()) == "whole"
    for view in found.views:
        assert np.allclose(np.linalg.norm(view.vectors, axis=1), 1, atol=1e-4)
        assert len(view.rows) == len(view.vectors)


def test_a_turned_copy_looks_like_its_original_in_one_of_the_looks(untrained: CopyDescriptor) -> None:
    frames = texture(7, 3, 128, 128)
    original = looks(untrained, "reference", frames)
    for turns, name in ((1, "turned 90"), (2, "turned 180"), (3, "turned 270")):
        copy = looks(untrained, "query", np.rot90(frames, turns, axes=(1, 2)).copy())  # turned to the left
        view = next(v for v in copy.views if v.name == name)
        assert (view.vectors * original.vectors[view.rows]).sum(1) == pytest.approx(1, abs=0.02)


def test_the_parts_of_a_long_query_are_looked_at_a_bounded_number_of_times(untrained: CopyDescriptor) -> None:
    views = CopyViews(untrained, "query", 4 * THIN_ROWS)
    frame = texture(8, 1, 64, 64)[0]
    views.add([frame] * 40, [float(i) for i in range(40)])
    found = views.finish([True] * 40, 40.0)
    assert len(found.times) == 40
    assert len(next(v for v in found.views if v.kind == "part").rows) == 10


@pytest.mark.parametrize(("seconds", "places"), [(10.0, 10), (60.0, 5)])
def test_a_library_video_is_looked_at_in_parts_half_as_often_unless_it_is_short(
    untrained: CopyDescriptor, seconds: float, places: int
) -> None:
    views = CopyViews(untrained, "library", seconds)
    frame = texture(8, 1, 64, 64)[0]
    views.add([frame] * 10, [float(i) for i in range(10)])
    found = views.finish([True] * 10, 10.0)
    assert {len(v.rows) for v in found.views if v.kind in ("part", "turned")} == {places}
    assert {len(v.rows) for v in found.views if v.kind == "mirrored"} == {10}


def test_looks_come_back_from_their_file(untrained: CopyDescriptor, tmp_path: Path) -> None:
    found = looks(untrained, "query", texture(9, 4, 90, 120))
    write_looks(tmp_path / "looks.npz", found)
    again = read_looks(tmp_path / "looks.npz", 4, all_views=True)
    assert np.array_equal(again.hashes, found.hashes)
    for before, after in zip(found.views, again.views, strict=True):
        assert (before.name, before.kind, before.mirrored, before.turn, before.box) == (
            after.name, after.kind, after.mirrored, after.turn, after.box,
        )  # fmt: skip
        assert np.array_equal(before.rows, after.rows)
        assert np.allclose(before.vectors, after.vectors, atol=1e-3)
    assert read_looks(tmp_path / "looks.npz", 4, all_views=False).views == ()


def test_a_missing_broken_or_foreign_looks_file_says_nothing(tmp_path: Path) -> None:
    path = tmp_path / "looks.npz"
    assert read_looks(path, 3, all_views=True) == NOTHING
    path.write_bytes(b"PK not a zip")
    assert read_looks(path, 3, all_views=True) == NOTHING
    vectors = np.eye(3, 128, dtype=np.float32)
    view = View("mirrored", "mirrored", np.arange(3), vectors, mirrored=True)
    of_three = Descriptors(vectors, np.arange(3.0), np.ones(3, bool), 3.0, (view,), hashes=np.zeros((3, 32), np.uint8))
    write_looks(path, of_three)
    assert read_looks(path, 2, all_views=True) == NOTHING
