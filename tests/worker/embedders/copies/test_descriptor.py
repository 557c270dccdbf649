import hashlib
import io
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image, ImageDraw
from safetensors.torch import load_file

from worker.embedders.copies.borders import NO_BORDERS, Borders
from worker.embedders.copies.descriptor import DIM, WEIGHTS, CopyDescriptor, CopyNet, to_square
from worker.embedders.towers import fuse_norms
from worker.pretraining.copies.release import release


def scene(seed: int, height: int = 144, width: int = 256) -> np.ndarray:
    """A sky, a ground and some coloured things in front, (H, W, 3) uint8."""
    rng = np.random.default_rng(seed)
    image = Image.new("RGB", (width, height), tuple(int(v) for v in rng.integers(90, 255, 3)))
    draw = ImageDraw.Draw(image)
    horizon = int(rng.uniform(0.4, 0.8) * height)
    draw.rectangle((0, horizon, width, height), fill=tuple(int(v) for v in rng.integers(20, 160, 3)))
    for _ in range(9):
        x, y = float(rng.uniform(0, width)), float(rng.uniform(0, height))
        box = (x, y, x + float(rng.uniform(10, 80)), y + float(rng.uniform(10, 70)))
        colour = tuple(int(v) for v in rng.integers(0, 256, 3))
        (draw.ellipse if rng.random() < 0.5 else draw.rectangle)(box, fill=colour)
    return np.asarray(image)


@pytest.fixture(scope="module")
def untrained(tmp_path_factory: pytest.TempPathFactory) -> CopyDescriptor:
    """A descriptor with random weights and norms that have seen something, written by the release code."""
    torch.manual_seed(0)
    net = CopyNet().train()
    pictures = np.stack([scene(i, 96, 96) for i in range(16)])
    for module in net.modules():
        if isinstance(module, torch.nn.BatchNorm2d):
            torch.nn.init.uniform_(module.weight, 0.5, 1.5)
    for _ in range(3):
        net(to_square(pictures))
    path = tmp_path_factory.mktemp("copy") / "copy.safetensors"
    release(net, pictures, np.arange(16), path, strength=0.5, seed=0)
    return CopyDescriptor(path)


@pytest.fixture(scope="module")
def bundled() -> CopyDescriptor:
    return CopyDescriptor()


def test_descriptors_are_unit_rows_of_the_declared_size(untrained: CopyDescriptor) -> None:
    vectors = untrained.encode_frames(np.stack([scene(i) for i in range(70)]))
    assert vectors.shape == (70, DIM) == (70, untrained.spec.dim)
    assert vectors.dtype == np.float32
    assert np.linalg.norm(vectors, axis=1) == pytest.approx(np.ones(70), abs=1e-5)


def test_order_is_kept_for_a_list_of_mixed_sizes(untrained: CopyDescriptor) -> None:
    images = [scene(1), scene(2, 200, 120), scene(3)]
    alone = np.concatenate([untrained.encode_frames([image]) for image in images])
    assert untrained.encode_frames(images) == pytest.approx(alone, abs=1e-5)


def test_a_batch_and_single_frames_agree(untrained: CopyDescriptor) -> None:
    frames = np.stack([scene(i) for i in range(5)])
    singly = np.concatenate([untrained.encode_frames(frame[None], NO_BORDERS) for frame in frames])
    assert untrained.encode_frames(frames, NO_BORDERS) == pytest.approx(singly, abs=1e-5)


def test_bars_are_trimmed_by_default_and_given_borders_are_obeyed(untrained: CopyDescriptor) -> None:
    frames = np.stack([scene(i) for i in range(4)])
    barred = np.pad(frames, ((0, 0), (48, 48), (0, 0), (0, 0)))
    shares = Borders(top=0.2, bottom=0.2)
    plain = untrained.encode_frames(frames, NO_BORDERS)
    assert untrained.encode_frames(barred, shares) == pytest.approx(plain, abs=1e-5)
    assert (untrained.encode_frames(barred) * plain).sum(1).min() > (
        untrained.encode_frames(barred, NO_BORDERS) * plain
    ).sum(1).max()


def test_folding_the_norms_changes_nothing(untrained: CopyDescriptor) -> None:
    net = CopyNet().eval()
    tensors = load_file(untrained.weights)
    net.load_state_dict({k.removeprefix("net."): v for k, v in tensors.items() if k.startswith("net.")})
    pixels = to_square(np.stack([scene(i) for i in range(4)]))
    with torch.inference_mode():
        before = net(pixels)
        fuse_norms(net.net)
        after = net(pixels)
    assert after.numpy() == pytest.approx(before.numpy(), abs=1e-4)


def test_the_background_is_unit_rows_and_half_the_size_in_the_file(untrained: CopyDescriptor) -> None:
    background = untrained.background()
    assert background.shape == (16, DIM)
    assert background.dtype == np.float32
    assert np.linalg.norm(background, axis=1) == pytest.approx(np.ones(16), abs=1e-5)
    assert load_file(untrained.weights)["background"].dtype == torch.float16


def test_the_spec_names_role_and_weights(untrained: CopyDescriptor) -> None:
    assert untrained.spec.role == "copy"
    assert untrained.spec.weights_sha256 == hashlib.sha256(untrained.weights.read_bytes()).hexdigest()
    assert CopyDescriptor(untrained.weights).spec == untrained.spec


def test_no_frames_give_an_empty_array(untrained: CopyDescriptor) -> None:
    assert untrained.encode_frames([]).shape == (0, DIM)
    assert untrained.encode_frames(np.zeros((0, 9, 9, 3), np.uint8)).shape == (0, DIM)


@pytest.mark.parametrize("frames", [np.zeros((2, 8, 8), np.uint8), np.zeros((2, 8, 8, 3), np.float32)])
def test_frames_that_are_not_8_bit_rgb_are_refused(untrained: CopyDescriptor, frames: np.ndarray) -> None:
    with pytest.raises(ValueError, match="8-bit RGB"):
        untrained.encode_frames(frames)


def test_missing_weights_say_what_to_do(tmp_path: Path) -> None:
    descriptor = CopyDescriptor(tmp_path / "gone.safetensors")
    with pytest.raises(FileNotFoundError, match="git checkout"):
        descriptor.encode_frames(scene(0)[None])


def test_the_bundled_file_is_small_and_has_a_background(bundled: CopyDescriptor) -> None:
    assert WEIGHTS.stat().st_size < 10_000_000
    assert bundled.background().shape == (1000, DIM)


def jpeg(image: np.ndarray) -> np.ndarray:
    buffer = io.BytesIO()
    Image.fromarray(image).save(buffer, "JPEG", quality=30)
    return np.asarray(Image.open(buffer).convert("RGB"))


def logo(image: np.ndarray) -> np.ndarray:
    marked = image.copy()
    marked[6:30, -50:-6] = (240, 30, 30)
    return marked


EDITS = {
    "recompressed": jpeg,
    "mirrored": lambda image: image[:, ::-1].copy(),
    "brighter": lambda image: np.clip(image * 1.2 + 15, 0, 255).astype(np.uint8),
    "logo": logo,
    "cropped to 80 %": lambda image: image[14:-14, 26:-26],
    "half the size": lambda image: image[::2, ::2],
    "letterboxed": lambda image: np.pad(image, ((30, 30), (0, 0), (0, 0))),
}


@pytest.mark.parametrize("edit", EDITS)
def test_the_bundled_descriptor_finds_an_edited_copy_among_other_pictures(bundled: CopyDescriptor, edit: str) -> None:
    originals = [scene(i) for i in range(40)]
    copies = [np.ascontiguousarray(EDITS[edit](image)) for image in originals]
    similarity = bundled.encode_frames(copies) @ bundled.encode_frames(originals).T
    found = (similarity.argmax(1) == np.arange(40)).mean()
    assert found >= 0.9, f"{edit}: {found:.2f}"
