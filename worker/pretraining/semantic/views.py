"""Views of the training images with what the teacher sees in exactly these views, made once.

Distillation works best when student and teacher look at the same crop for a long time (Beyer et al. 2022, "a good
teacher is patient and consistent"), so the crops are fixed and the teacher's maps are stored: VIEWS views an image, the
whole picture first, then random crops, the last ones blended with another picture. A folder ``views`` in the pack:
``views.npz`` with ``row`` (V,), ``box`` (V, 4) as x0, y0, x1, y1 in 0..1, ``partner`` (V,) and ``blend`` (V,), the
share of the partner; ``final.npy`` (V, 7, 7, 1280) and ``middle.npy`` (V, 7, 7, 96) uint8, quantised as the
teacher does.
"""

from __future__ import annotations

import argparse
import itertools
import logging
import multiprocessing
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
import torch.nn.functional as F

from worker.pretraining.imagesets import ImageRow, load_pack
from worker.pretraining.semantic.teacher import TEACHER_SIDE, TeacherMaps, open_teacher

log = logging.getLogger("views")

VIEWS = 6
BLENDED = 2  # of VIEWS
SMALLEST_AREA = 0.3
GRID = 7


@dataclass(frozen=True)
class Views:
    row: np.ndarray  # (V,) int32, image number in the pack
    box: np.ndarray  # (V, 4) float32
    partner: np.ndarray  # (V,) int32, another view number; itself when nothing is blended
    blend: np.ndarray  # (V,) float32, 0 or 0.2..0.5

    def __len__(self) -> int:
        return len(self.row)


def choose_views(rows: list[ImageRow], seed: int) -> Views:
    """VIEWS views of every train image; the same for the same seed."""
    rng = np.random.default_rng(seed)
    keep = np.array([i for i, row in enumerate(rows) if row["split"] == "train"], np.int32)
    row = np.repeat(keep, VIEWS)
    place = np.tile(np.arange(VIEWS), len(keep))
    area = rng.uniform(SMALLEST_AREA, 1.0, len(row))
    ratio = np.exp(rng.uniform(np.log(3 / 4), np.log(4 / 3), len(row)))
    width, height = np.minimum(np.sqrt(area * ratio), 1), np.minimum(np.sqrt(area / ratio), 1)
    x, y = rng.uniform(0, 1 - width), rng.uniform(0, 1 - height)
    box = np.stack([x, y, x + width, y + height], axis=1).astype(np.float32)
    box[place == 0] = (0, 0, 1, 1)
    blended = place >= VIEWS - BLENDED
    partner = np.arange(len(row), dtype=np.int32)
    # A crop that is not blended itself, of any picture.
    partner[blended] = rng.choice(np.flatnonzero(~blended), int(blended.sum()))
    blend = np.where(blended, rng.uniform(0.2, 0.5, len(row)), 0).astype(np.float32)
    return Views(row, box, partner, blend)


def _crop(images: np.ndarray, views: Views, view: int, side: int) -> torch.Tensor:
    """(3, side, side) float in 0..255."""
    image = images[views.row[view]]
    height, width = image.shape[:2]
    x0, y0, x1, y1 = views.box[view] * (width, height, width, height)
    part = image[round(float(y0)) : round(float(y1)), round(float(x0)) : round(float(x1))]
    # Channels last: the fast uint8 kernel takes the picture as it lies in memory.
    tensor = torch.from_numpy(np.ascontiguousarray(part)).permute(2, 0, 1)[None]
    return F.interpolate(tensor, (side, side), mode="bilinear", antialias=True)[0].float()


def render_view(images: np.ndarray, views: Views, view: int, side: int) -> torch.Tensor:
    """The picture of one view, (3, side, side) float in 0..255."""
    own = _crop(images, views, view, side)
    share = float(views.blend[view])
    if not share:
        return own
    return (1 - share) * own + share * _crop(images, views, int(views.partner[view]), side)


def _write_maps(pack: Path, model: Path, first: int, last: int) -> None:
    torch.set_num_threads(1)
    images = np.load(pack / "images.npy", mmap_mode="r")
    views = load_views(pack)
    final = np.lib.format.open_memmap(pack / "views" / "final.npy", mode="r+")
    middle = np.lib.format.open_memmap(pack / "views" / "middle.npy", mode="r+")
    teacher = open_teacher(model, threads=1)
    for view in range(first, last):
        picture = render_view(images, views, view, TEACHER_SIDE).round().clamp(0, 255).to(torch.uint8)
        maps = teacher.maps(picture.permute(1, 2, 0).numpy())
        final[view], middle[view] = maps.final, maps.middle
    final.flush()
    middle.flush()


def make_views(pack: Path, model: Path, *, seed: int, processes: int) -> None:
    """Choose the views and store the teacher's maps of each. About 80 kB a view, 500 views/s on two cores."""
    _, rows = load_pack(pack)
    folder = pack / "views"
    folder.mkdir(exist_ok=True)
    views = choose_views(rows, seed)
    np.savez(folder / "views.npz", row=views.row, box=views.box, partner=views.partner, blend=views.blend)
    shape = (len(views), GRID, GRID)
    for name, channels in (("final", TeacherMaps.FINAL), ("middle", TeacherMaps.MIDDLE)):
        np.lib.format.open_memmap(folder / f"{name}.npy", mode="w+", dtype=np.uint8, shape=(*shape, channels))
    edges = np.linspace(0, len(views), processes + 1).astype(int)
    work = [
        multiprocessing.get_context("spawn").Process(target=_write_maps, args=(pack, model, int(a), int(b)))
        for a, b in itertools.pairwise(edges)
    ]
    for process in work:
        process.start()
    for process in work:
        process.join()
        if process.exitcode != 0:
            raise RuntimeError(f"a process that asked the teacher ended with {process.exitcode}")
    log.info("%d views of %d images", len(views), len(set(views.row.tolist())))


def load_views(pack: Path) -> Views:
    with np.load(pack / "views" / "views.npz") as stored:
        return Views(stored["row"], stored["box"], stored["partner"], stored["blend"])


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--pack", type=Path, required=True)
    parser.add_argument("--teacher", type=Path, required=True, help="the .tflite file")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--processes", type=int, default=2)
    args = parser.parse_args()
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(message)s")
    make_views(args.pack, args.teacher, seed=args.seed, processes=args.processes)


if __name__ == "__main__":
    main()
