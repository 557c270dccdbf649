import numpy as np
import pytest
from PIL import Image

from worker.pretraining.copies import edits
from worker.pretraining.copies.edits import edited_views


def pictures(count: int, side: int = 128) -> np.ndarray:
    rng = np.random.default_rng(0)
    return rng.integers(0, 256, (count, side, side, 3), dtype=np.uint8)


def test_two_views_of_each_picture_come_in_the_asked_size() -> None:
    views, second = edited_views(pictures(6), 64, np.random.default_rng(1))
    assert views.shape == (2, 6, 64, 64, 3)
    assert views.dtype == np.uint8
    assert second.shape == (2, 6)


def test_the_same_seed_makes_the_same_views() -> None:
    first, again = (edited_views(pictures(8), 64, np.random.default_rng(7)) for _ in range(2))
    assert np.array_equal(first[0], again[0])
    assert np.array_equal(first[1], again[1])


def test_a_second_picture_is_another_row_and_appears_in_some_views() -> None:
    _, second = edited_views(pictures(60), 64, np.random.default_rng(2))
    rows = np.tile(np.arange(60), (2, 1))
    assert (second != rows).all()
    assert second.max() < 60
    assert 0.1 < (second[1] >= 0).mean() < 0.6


SINGLE = ("recompress", "soften", "add_noise", "add_shapes", "add_text", "add_bars")


@pytest.mark.parametrize("name", SINGLE)
@pytest.mark.parametrize("seed", range(8))
def test_an_edit_changes_the_picture_but_not_its_size(name: str, seed: int) -> None:
    image = Image.fromarray(pictures(1, 96)[0])
    edited = getattr(edits, name)(image, np.random.default_rng(seed))
    assert edited.size == image.size
    assert edited.mode == "RGB"
    assert not np.array_equal(np.asarray(edited), np.asarray(image))


@pytest.mark.parametrize("name", SINGLE)
def test_an_edit_leaves_its_input_alone(name: str) -> None:
    image = Image.fromarray(pictures(1, 96)[0])
    before = np.asarray(image).copy()
    getattr(edits, name)(image, np.random.default_rng(0))
    assert np.array_equal(np.asarray(image), before)


@pytest.mark.parametrize("name", ["split_screen", "picture_in_picture", "blend"])
@pytest.mark.parametrize("seed", range(6))
def test_a_composite_shows_both_pictures(name: str, seed: int) -> None:
    red, blue = Image.new("RGB", (96, 96), (255, 0, 0)), Image.new("RGB", (96, 96), (0, 0, 255))
    mixed = np.asarray(getattr(edits, name)(red, blue, np.random.default_rng(seed)))
    assert mixed.shape == (96, 96, 3)
    assert mixed[..., 0].max() > 60
    assert mixed[..., 2].max() > 60
    assert mixed[..., 0].mean() > 15
    assert mixed[..., 2].mean() > 15


@pytest.mark.parametrize("seed", range(20))
def test_reframing_without_turns_never_shows_outside_the_picture(seed: int) -> None:
    white = Image.new("RGB", (128, 128), (255, 255, 255))
    view = edits.reframe(white, 64, np.random.default_rng(seed), least_area=0.3, tilt=0.0)
    assert np.asarray(view)[2:-2, 2:-2].min() == 255


def test_gray_and_faded_tones_occur() -> None:
    image = Image.fromarray(pictures(1, 64)[0])
    tones = [np.asarray(edits.recolour(image, np.random.default_rng(s), strength=1.0)) for s in range(60)]
    spread = [float(np.ptp(t.astype(int), axis=2).mean()) for t in tones]
    assert min(spread) < 12 < 40 < max(spread)
