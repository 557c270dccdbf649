import numpy as np
import pytest

from worker.embedders.copies.quality import MIN_QUALITY, frame_quality


def scene(seed: int, height: int = 144, width: int = 256) -> np.ndarray:
    """A picture with a few large and small rectangles, (H, W, 3) uint8."""
    rng = np.random.default_rng(seed)
    image = np.full((height, width, 3), rng.integers(60, 200, 3), np.uint8)
    for _ in range(40):
        y, x = rng.integers(0, height - 10), rng.integers(0, width - 10)
        image[y : y + rng.integers(5, 60), x : x + rng.integers(5, 80)] = rng.integers(0, 256, 3)
    return image


def grain(level: int, noise: float, seed: int = 0) -> np.ndarray:
    rng = np.random.default_rng(seed)
    return np.clip(level + rng.normal(0, noise, (144, 256, 3)), 0, 255).astype(np.uint8)


@pytest.mark.parametrize(
    "image",
    [
        np.zeros((144, 256, 3), np.uint8),
        np.full((90, 160, 3), (20, 90, 200), np.uint8),
        grain(3, 4),
        grain(250, 3),
        np.repeat(np.linspace(90, 150, 256).astype(np.uint8)[None, :, None], 144, 0).repeat(3, 2),
        (scene(1) * 0.04).astype(np.uint8),
    ],
    ids=["black", "plain colour", "grainy black", "grainy white", "soft gradient", "nearly faded out"],
)
def test_a_frame_that_says_too_little_stays_below_the_threshold(image: np.ndarray) -> None:
    assert frame_quality(image[None])[0] < MIN_QUALITY


@pytest.mark.parametrize("seed", range(4))
def test_a_picture_with_content_passes_the_threshold(seed: int) -> None:
    assert frame_quality(scene(seed)[None])[0] >= MIN_QUALITY


def test_quality_falls_as_a_scene_fades_to_black() -> None:
    faded = np.stack([(scene(5) * share).astype(np.uint8) for share in (1.0, 0.2, 0.1, 0.05, 0.0)])
    quality = frame_quality(faded)
    assert (np.diff(quality) <= 0).all()
    assert quality[-1] == 0.0


def test_a_list_of_different_sizes_gives_the_same_values_in_order() -> None:
    images = [scene(1), np.zeros((30, 50, 3), np.uint8), scene(2, 300, 200)]
    assert frame_quality(images) == pytest.approx([frame_quality(i[None])[0] for i in images])


@pytest.mark.parametrize("shape", [(1, 1), (1, 9), (40, 3), (64, 64)])
def test_tiny_pictures_get_a_finite_value(shape: tuple[int, int]) -> None:
    value = frame_quality(np.random.default_rng(0).integers(0, 256, (1, *shape, 3), dtype=np.uint8))[0]
    assert 0.0 <= value <= 1.0


def test_no_frames_give_no_values() -> None:
    assert frame_quality([]).shape == frame_quality(np.zeros((0, 4, 4, 3), np.uint8)).shape == (0,)


def test_gray_frames_are_refused_with_the_shape_named() -> None:
    with pytest.raises(ValueError, match=r"\(1, 8, 8\)"):
        frame_quality(np.zeros((1, 8, 8), np.uint8))
