"""PDQ against slow loops that follow the published description, and against the reference where it is installed."""

from __future__ import annotations

import math

import numpy as np
import pytest
from PIL import Image

from worker.embedders.copies.pdq import (
    DIHEDRAL,
    MIN_QUALITY,
    dihedral_hashes,
    hamming,
    pdq_hashes,
)

EXACT_DISTANCE = 31  # bits; the published threshold for "the same picture"
SIZES = [(96, 130), (64, 64), (131, 70), (40, 200)]


def scene(height: int, width: int, seed: int = 0) -> np.ndarray:
    """Blocks of colour enlarged smoothly: edges and areas as pictures have them."""
    blocks = np.random.default_rng(seed).integers(0, 256, (9, 11, 3), dtype=np.uint8)
    return np.asarray(Image.fromarray(blocks).resize((width, height), Image.Resampling.BICUBIC))


def slow_box(line: list[float], window: int) -> list[float]:
    ahead = (window + 2) // 2 - 1
    behind = window - 1 - ahead
    means = []
    for i in range(len(line)):
        part = line[max(0, i - behind) : i + ahead + 1]
        means.append(sum(part) / len(part))
    return means


def slow_smooth(rows: list[list[float]]) -> list[list[float]]:
    height, width = len(rows), len(rows[0])
    for _ in range(2):
        rows = [slow_box(row, (width + 127) // 128) for row in rows]
        columns = [slow_box([row[j] for row in rows], (height + 127) // 128) for j in range(width)]
        rows = [[columns[j][i] for j in range(width)] for i in range(height)]
    return rows


def slow_pdq(image: np.ndarray) -> tuple[list[int], int]:
    """256 bits, wave (i, j) at 16 i + j, and quality."""
    height, width, _ = image.shape
    luma = [[0.299 * r + 0.587 * g + 0.114 * b for r, g, b in row] for row in image.tolist()]
    if (height, width) != (64, 64):
        luma = slow_smooth(luma)
    grid = [[luma[int((i + 0.5) * height / 64)][int((j + 0.5) * width / 64)] for j in range(64)] for i in range(64)]
    steps = sum(abs(int((grid[i][j] - grid[i + 1][j]) * 100 / 255)) for i in range(63) for j in range(64))
    steps += sum(abs(int((grid[i][j] - grid[i][j + 1]) * 100 / 255)) for i in range(64) for j in range(63))
    cosine = [[math.cos(math.pi / 128 * k * (2 * n + 1)) for n in range(64)] for k in range(1, 17)]
    half = [[sum(cosine[k][n] * grid[n][j] for n in range(64)) for j in range(64)] for k in range(16)]
    waves = [sum(half[k][n] * cosine[m][n] for n in range(64)) for k in range(16) for m in range(16)]
    median = sorted(waves)[127]
    return [int(w > median) for w in waves], min(steps // 90, 100)


@pytest.mark.parametrize("size", SIZES)
def test_hash_and_quality_are_those_of_the_published_description(size: tuple[int, int]) -> None:
    image = scene(*size)
    hashes, quality = pdq_hashes([image])
    bits, expected = slow_pdq(image)
    found = np.unpackbits(hashes[0])[::-1]
    assert (found != np.array(bits)).sum() <= 2  # float32 may decide differently at the median
    assert abs(int(quality[0]) - expected) <= 1


@pytest.mark.parametrize("size", [*SIZES, (256, 455)])
def test_hashes_agree_with_the_reference_library(size: tuple[int, int]) -> None:
    reference = pytest.importorskip("pdqhash")
    images = [scene(*size, seed=seed) for seed in range(4)]
    hashes, quality = pdq_hashes(images)
    turned, _ = dihedral_hashes(images)
    for i, image in enumerate(images):
        bits, expected = reference.compute(image)
        assert hamming(hashes[i : i + 1], np.packbits(bits.astype(np.uint8))[None])[0, 0] <= 2
        assert abs(int(quality[i]) - expected) <= 1
        forms = np.packbits(np.array(reference.compute_dihedral(image)[0], np.uint8), axis=1)
        assert np.diag(hamming(turned[i], forms)).max() <= 2


def test_the_eight_forms_are_those_of_the_turned_and_mirrored_picture() -> None:
    image = scene(64, 64)  # not filtered, and sampled alike from either end
    forms = {
        "original": image,
        "turned 90": np.rot90(image),
        "turned 180": np.rot90(image, 2),
        "turned 270": np.rot90(image, 3),
        "upside down": image[::-1],
        "mirrored": image[:, ::-1],
        "transposed": image.swapaxes(0, 1),
        "anti-transposed": np.rot90(image, 2).swapaxes(0, 1),
    }
    assert tuple(forms) == DIHEDRAL
    expected, _ = pdq_hashes([np.ascontiguousarray(f) for f in forms.values()])
    found, _ = dihedral_hashes([image])
    distance = hamming(found[0], expected)
    assert np.diag(distance).max() <= 2  # with an even number of waves the lower median is no longer the same one
    assert distance[~np.eye(8, dtype=bool)].min() > 60


def test_distances_count_the_bits_that_differ() -> None:
    rng = np.random.default_rng(0)
    a, b = rng.integers(0, 256, (5, 32), dtype=np.uint8), rng.integers(0, 256, (3, 32), dtype=np.uint8)
    expected = (np.unpackbits(a, axis=1)[:, None] != np.unpackbits(b, axis=1)[None]).sum(2)
    assert (hamming(a, b) == expected).all()
    assert (np.diag(hamming(a, a)) == 0).all()


def test_a_smaller_copy_is_exact_and_another_picture_is_not() -> None:
    image = scene(240, 320)
    small = np.asarray(Image.fromarray(image).resize((160, 120), Image.Resampling.BILINEAR))
    hashes, _ = pdq_hashes([image, small, scene(240, 320, seed=9)])
    assert (hamming(hashes[:1], hashes[1:]) <= EXACT_DISTANCE).tolist() == [[True, False]]


def test_plain_pictures_have_no_quality() -> None:
    plain = np.full((90, 120, 3), 77, np.uint8)
    _, quality = pdq_hashes([plain, np.zeros_like(plain), scene(90, 120)])
    assert quality[0] == quality[1] == 0
    assert quality[2] >= MIN_QUALITY


def test_pictures_of_mixed_sizes_keep_their_order() -> None:
    images = [scene(80, 90, 1), scene(70, 120, 2), scene(80, 90, 3)]
    together, quality = pdq_hashes(images)
    for i, image in enumerate(images):
        alone, one = pdq_hashes(image[None])
        assert hamming(together[i : i + 1], alone)[0, 0] <= 2
        assert quality[i] == one[0]


def test_no_pictures_give_no_hashes_and_other_arrays_are_refused() -> None:
    assert pdq_hashes([])[0].shape == (0, 32)
    with pytest.raises(ValueError, match="8-bit RGB"):
        pdq_hashes(np.zeros((2, 8, 8, 4), np.uint8))
    with pytest.raises(ValueError, match="8-bit RGB"):
        pdq_hashes([np.zeros((8, 8, 3), np.float32)])
