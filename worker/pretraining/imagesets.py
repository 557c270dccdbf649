"""The bundled model's training images, packed once into one uint8 array.

A pack is a folder with ``images.npy`` (N, SIDE, SIDE, 3) uint8 and ``index.json``, one row an image:
``{"id", "split", "group", "captions"}``. ``group`` names the video or picture a frame comes from; two
rows of one group are never each other's negatives. Frames are squashed to a square, as they are at
inference, so that nothing at the border is lost.
"""

from __future__ import annotations

import json
import tarfile
from collections.abc import Iterator
from pathlib import Path
from typing import IO, TypedDict, cast

import numpy as np
from PIL import Image

SIDE = 160


class ImageRow(TypedDict):
    id: str
    split: str
    group: str
    captions: list[str]


def _read_square(handle: IO[bytes] | Path) -> np.ndarray:
    with Image.open(handle) as image:
        return np.asarray(image.convert("RGB").resize((SIDE, SIDE), Image.Resampling.BICUBIC))


def _tar_images(path: Path) -> Iterator[tuple[str, IO[bytes]]]:
    with tarfile.open(path) as archive:
        for member in archive:
            if member.isfile() and member.name.endswith(".jpg"):
                yield member.name, cast(IO[bytes], archive.extractfile(member))


def _tar_json(path: Path, name: str) -> dict[str, list[str]]:
    with tarfile.open(path) as archive:
        return cast(dict[str, list[str]], json.load(cast(IO[bytes], archive.extractfile(name))))


def _flickr(folder: Path) -> Iterator[tuple[ImageRow, np.ndarray]]:
    archive = folder / "flickr8k_160.tar.gz"
    captions = {s: _tar_json(archive, f"flickr8k_160/captions_{s}.json") for s in ("train", "dev")}
    for name, handle in _tar_images(archive):
        split, file = name.split("/")[-2:]
        row = ImageRow(id=f"flickr/{file}", split=split, group=f"flickr/{file}", captions=captions[split][file])
        yield row, _read_square(handle)


def _msrvtt(folder: Path) -> Iterator[tuple[ImageRow, np.ndarray]]:
    videos = json.loads((folder / "msrvtt_train.json").read_text())
    of_frame = {frame: (key, v["captions"]) for key, v in videos.items() for frame in v["frames"]}
    for name, handle in _tar_images(folder / "msrvtt_frames_128x96.tar.gz"):
        file = name.split("/")[-1]
        key, captions = of_frame[file]
        # Every twelfth video validates: cut by video, so that no frame of it is trained on.
        split = "dev" if int(key) % 12 == 0 else "train"
        yield ImageRow(id=f"msrvtt/{file}", split=split, group=f"msrvtt/{key}", captions=captions), _read_square(handle)


def _imagenet(folder: Path) -> Iterator[tuple[ImageRow, np.ndarray]]:
    for name, handle in _tar_images(folder / "imagenet1000_160.tar.gz"):
        file = name.split("/")[-1]
        label = file.split("_", 1)[1].removesuffix(".jpg").replace("_", " ")
        row = ImageRow(
            id=f"imagenet/{file}", split="train", group=f"imagenet/{file}", captions=[f"a photo of a {label}"]
        )
        yield row, _read_square(handle)


def _folder(folder: Path) -> Iterator[tuple[ImageRow, np.ndarray]]:
    """Frames listed in ``folder/frames.jsonl``: {"file", "group", "split", "captions"} a line."""
    for line in (folder / "frames.jsonl").read_text().splitlines():
        item = json.loads(line)
        row = ImageRow(
            id=f"{folder.name}/{item['file']}",
            split=item["split"],
            group=f"{folder.name}/{item['group']}",
            captions=item["captions"],
        )
        yield row, _read_square(folder / item["file"])


def pack_images(source: Path, out: Path, extra: list[Path] | None = None) -> None:
    """Read the training archives under ``source`` (and frame folders in ``extra``) and write the pack."""
    rows: list[ImageRow] = []
    images: list[np.ndarray] = []
    readers = [_flickr(source), _msrvtt(source), _imagenet(source), *(_folder(p) for p in extra or [])]
    for reader in readers:
        for row, image in reader:
            rows.append(row)
            images.append(image)
    out.mkdir(parents=True, exist_ok=True)
    np.save(out / "images.npy", np.stack(images))
    (out / "index.json").write_text(json.dumps(rows))


def load_pack(pack: Path) -> tuple[np.ndarray, list[ImageRow]]:
    """Return images (N, SIDE, SIDE, 3) uint8 and their rows."""
    images = np.load(pack / "images.npy")
    rows = cast(list[ImageRow], json.loads((pack / "index.json").read_text()))
    if len(images) != len(rows):
        raise ValueError(f"{pack}: {len(images)} images but {len(rows)} rows; pack it again")
    return images, rows
