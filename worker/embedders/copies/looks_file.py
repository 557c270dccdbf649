"""The looks of a fingerprint as one file: PDQ hashes, and every view with its rows. Half precision, no pickle."""

from __future__ import annotations

import json
import zipfile
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from worker.types import Descriptors, View


@dataclass(frozen=True, slots=True)
class Looks:
    hashes: NDArray[np.uint8] | None  # (N, 32)
    views: tuple[View, ...]


NOTHING = Looks(None, ())


def write_looks(path: Path, found: Descriptors) -> None:
    """Whole or not at all."""
    names = [
        {"name": v.name, "kind": v.kind, "mirrored": v.mirrored, "turn": v.turn, "box": v.box} for v in found.views
    ]
    arrays: dict[str, np.ndarray] = {"views": np.frombuffer(json.dumps(names).encode(), np.uint8)}
    if found.hashes is not None:
        arrays["hashes"] = found.hashes
    for number, view in enumerate(found.views):
        arrays[f"rows_{number}"] = view.rows.astype(np.int32)
        arrays[f"vectors_{number}"] = view.vectors.astype(np.float16)
    fresh = path.with_name(path.name + ".new.npz")
    np.savez(fresh, allow_pickle=False, **arrays)
    fresh.replace(path)


def read_looks(path: Path, frames: int, *, all_views: bool) -> Looks:
    """Of a video with ``frames`` whole frames; NOTHING when the file is missing, broken or of another video."""
    try:
        with np.load(path, allow_pickle=False) as held:
            hashes = held.get("hashes")
            if hashes is not None and hashes.shape != (frames, 32):
                return NOTHING
            names = json.loads(bytes(held["views"])) if all_views else []
            views = tuple(_view(held, number, name) for number, name in enumerate(names))
    except (FileNotFoundError, ValueError, EOFError, KeyError, zipfile.BadZipFile):
        return NOTHING
    if any(len(v.rows) != len(v.vectors) or (len(v.rows) and v.rows.max() >= frames) for v in views):
        return NOTHING
    return Looks(hashes, views)


def _view(held: np.lib.npyio.NpzFile, number: int, name: dict[str, object]) -> View:
    box = name["box"]
    return View(
        str(name["name"]),
        name["kind"],  # type: ignore[arg-type]
        held[f"rows_{number}"].astype(np.int64),
        held[f"vectors_{number}"].astype(np.float32),
        bool(name["mirrored"]),
        int(str(name["turn"])),
        tuple(box) if isinstance(box, list) else None,
    )
