"""Copy detectors of others behind one interface: describe a video, score a pair. None of them ships with the product.

Each is used as its documentation says; a score is higher for more alike, and ``threshold`` is the documented one.
"""

from __future__ import annotations

import math
import os
import shutil
import sys
import tempfile
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from benchmarks.edit_bench.render import BenchError, ffmpeg_path

PDQ_BITS = 256
PDQ_TOLERANCE = 31  # vPDQ and PDQ both document 31 of 256 bits as "the same picture"
PDQ_QUALITY = 50  # frames below are not compared
VPDQ_MATCH = 0.8  # vPDQ's example asks 80 % of the frames
SHORT_SIDE = 256
HASHES_A_SECOND = 1.0


@dataclass(frozen=True, slots=True)
class Engine:
    name: str
    describe: Callable[[Path], Any]
    score: Callable[[Any, Any], float]  # (query, reference), 0..1
    threshold: float
    rule: str


def _bits(hashes: list[Any]) -> NDArray[np.uint8]:
    """(N, 256) of 0 and 1."""
    return np.asarray(hashes, np.uint8).reshape(-1, PDQ_BITS)


def hamming(query: NDArray[np.uint8], reference: NDArray[np.uint8]) -> NDArray[np.int64]:
    """(N, M) differing bits of (N, B) and (M, B) bits."""
    a, b = query.astype(np.float32), reference.astype(np.float32)
    return np.rint(a.sum(1)[:, None] + b.sum(1)[None] - 2 * a @ b.T).astype(np.int64)


def vpdq_score(query: NDArray[np.uint8], reference: NDArray[np.uint8]) -> float:
    """vPDQ's rule: the share of frames with a frame of the other video within 31 bits; of both shares the larger.

    The larger one also finds a clip inside a longer video; the documentation leaves the two thresholds to the user.
    """
    if not len(query) or not len(reference):
        return 0.0
    close = hamming(query, reference) <= PDQ_TOLERANCE
    return float(max(close.any(1).mean(), close.any(0).mean()))


def nearest_score(query: NDArray[np.uint8], reference: NDArray[np.uint8]) -> float:
    """1 minus the mean distance (of 256 bits) of a query frame from its nearest reference frame."""
    if not len(query) or not len(reference):
        return 0.0
    return float(1 - hamming(query, reference).min(1).mean() / PDQ_BITS)


def one_frame_a_second(path: Path) -> list[NDArray[np.uint8]]:
    """(H, W, 3) RGB pictures at whole seconds, short side at most 256."""
    import av

    frames, due = [], 0.0
    with av.open(str(path)) as container:
        stream = container.streams.video[0]
        for frame in container.decode(stream):
            if frame.time is None or frame.time + 1e-6 < due:
                continue
            due = math.floor(frame.time) + 1 / HASHES_A_SECOND
            share = min(1.0, SHORT_SIDE / min(frame.width, frame.height))
            size = {"width": round(frame.width * share), "height": round(frame.height * share)}
            frames.append(frame.to_ndarray(format="rgb24", **size))
    return frames


def _pdq_frames(path: Path) -> NDArray[np.uint8]:
    import pdqhash

    found = [pdqhash.compute(np.ascontiguousarray(frame)) for frame in one_frame_a_second(path)]
    return _bits([bits for bits, quality in found if quality >= PDQ_QUALITY])


def _vpdq_frames(path: Path) -> NDArray[np.uint8]:
    import vpdq

    features = vpdq.computeHash(str(path), seconds_per_hash=1 / HASHES_A_SECOND, thread_count=1)
    good = [bytes.fromhex(f.hex) for f in features if f.quality >= PDQ_QUALITY]
    return np.unpackbits(np.frombuffer(b"".join(good), np.uint8)).reshape(-1, PDQ_BITS)


def _video_hash(path: Path) -> NDArray[np.uint8]:
    """videohash2 wants an ffmpeg on PATH; it gets the one that makes the bench."""
    with tempfile.TemporaryDirectory() as folder:
        os.symlink(ffmpeg_path(), Path(folder) / "ffmpeg")
        before = os.environ["PATH"]
        os.environ["PATH"] = f"{folder}{os.pathsep}{before}"
        try:
            from videohash2 import VideoHash

            work = Path(folder) / "work"
            work.mkdir()
            hashed = VideoHash(path=str(path), storage_path=str(work))
            return np.asarray(hashed.bitlist, np.uint8)
        finally:
            os.environ["PATH"] = before
            shutil.rmtree(Path(folder) / "work", ignore_errors=True)


def video_hash_score(query: NDArray[np.uint8], reference: NDArray[np.uint8]) -> float:
    return float(1 - np.count_nonzero(query != reference) / len(query))


PEERS: dict[str, Engine] = {
    "vpdq": Engine("vpdq", _vpdq_frames, vpdq_score, VPDQ_MATCH, "share of frames within 31 bits, larger side"),
    "pdqhash": Engine(
        "pdqhash", _pdq_frames, nearest_score, 1 - PDQ_TOLERANCE / PDQ_BITS, "PDQ at 1 fps, mean nearest distance"
    ),
    "pdqhash_vpdq": Engine(
        "pdqhash_vpdq", _pdq_frames, vpdq_score, VPDQ_MATCH, "our frame loop over pdqhash with vPDQ's rule"
    ),
    "videohash2": Engine("videohash2", _video_hash, video_hash_score, 1 - 10 / 64, "64 bits, similar within 15 %"),
}
_MODULES = {"vpdq": "vpdq", "pdqhash": "pdqhash", "pdqhash_vpdq": "pdqhash", "videohash2": "videohash2"}


def load_peer(name: str, folders: list[Path]) -> Engine:
    """The peer, with its packages from ``folders``. Raises BenchError when they cannot be imported."""
    import importlib

    for folder in folders:
        if str(folder) not in sys.path:
            sys.path.append(str(folder))  # behind our own packages
    try:
        importlib.import_module(_MODULES[name])
    except ImportError as error:
        raise BenchError(
            f"{name} cannot be used: {error}. Install it with `pip install --target FOLDER -r "
            "benchmarks/edit_bench/requirements.txt` and name FOLDER with --peers."
        ) from error
    return PEERS[name]
