import numpy as np
import pytest

from worker.embedders.copies.borders import NO_BORDERS, Borders, find_borders, trim_borders


def moving_scene(count: int = 6, height: int = 90, width: int = 160) -> np.ndarray:
    """(N, H, W, 3) uint8: bright texture that shifts from frame to frame."""
    rng = np.random.default_rng(3)
    texture = rng.integers(60, 255, (height, width * 2, 3), dtype=np.uint8)
    return np.stack([texture[:, 5 * i : 5 * i + width] for i in range(count)])


def with_bars(
    frames: np.ndarray, colour: int, top: int = 0, bottom: int = 0, left: int = 0, right: int = 0
) -> np.ndarray:
    return np.pad(frames, ((0, 0), (top, bottom), (left, right), (0, 0)), constant_values=colour)


@pytest.mark.parametrize(
    ("colour", "bars"),
    [
        (0, {"top": 20, "bottom": 20}),
        (0, {"left": 50, "right": 50}),
        (12, {"top": 15, "bottom": 15, "left": 20, "right": 20}),
        (255, {"top": 18, "bottom": 18}),
        (0, {"bottom": 24}),
    ],
    ids=["letterbox", "pillarbox", "dark frame all round", "white letterbox", "one black bar"],
)
def test_static_bars_are_cut_off_and_at_most_two_lines_more(colour: int, bars: dict[str, int]) -> None:
    scene = moving_scene()
    trimmed = trim_borders(with_bars(scene, colour, **bars))
    assert isinstance(trimmed, np.ndarray)
    for axis in (1, 2):
        assert scene.shape[axis] - 4 <= trimmed.shape[axis] <= scene.shape[axis]


def test_compression_noise_in_a_bar_does_not_hide_it() -> None:
    frames = with_bars(moving_scene(), 16, top=20, bottom=20).astype(np.int64)
    frames += np.random.default_rng(0).integers(-4, 5, frames.shape)
    assert find_borders(np.clip(frames, 0, 255).astype(np.uint8)).top == pytest.approx(21 / 130)


def test_a_picture_without_bars_stays_whole() -> None:
    assert find_borders(moving_scene()) == NO_BORDERS


def test_a_dark_strip_that_lights_up_once_is_not_a_bar() -> None:
    frames = with_bars(moving_scene(), 0, top=20)
    frames[3, 4, 80] = 200
    assert find_borders(frames).top <= 5 / 110


def test_one_bright_plain_strip_is_content_not_a_bar() -> None:
    assert find_borders(with_bars(moving_scene(), 230, top=30)) == NO_BORDERS


@pytest.mark.parametrize("level", [0, 128, 255])
def test_plain_frames_are_left_alone(level: int) -> None:
    frames = np.full((3, 40, 60, 3), level, np.uint8)
    assert find_borders(frames) == NO_BORDERS


def test_more_than_two_fifths_is_never_cut_from_one_side() -> None:
    assert find_borders(with_bars(moving_scene(), 0, top=150)) == NO_BORDERS


def test_shares_cut_every_resolution_alike() -> None:
    borders = Borders(top=0.25, right=0.1)
    assert borders.crop(np.zeros((2, 100, 200, 3), np.uint8)).shape == (2, 75, 180, 3)
    assert borders.crop(np.zeros((40, 20, 3), np.uint8)).shape == (30, 18, 3)


def test_a_list_of_mixed_sizes_is_trimmed_size_by_size() -> None:
    barred, plain = with_bars(moving_scene(2), 0, top=20, bottom=20), moving_scene(1, 50, 50)
    trimmed = trim_borders([barred[0], plain[0], barred[1]])
    assert [image.shape[0] for image in trimmed] == [88, 50, 88]
    assert np.array_equal(trimmed[1], plain[0])


def test_no_frames_have_no_borders() -> None:
    assert find_borders(np.zeros((0, 10, 10, 3), np.uint8)) == NO_BORDERS
