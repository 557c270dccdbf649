"""The clips that edits are made of: one working copy of each, small and without sound, and what is known of it."""

from __future__ import annotations

import hashlib
import json
import subprocess
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from benchmarks.clip_families import Split, clips_in, family, split_of
from benchmarks.edit_bench.render import BenchError, encode, ffmpeg_path

SHORT_SIDE = 256  # what our sampler keeps at most, so nothing is lost by working on it
FIXED_CAMERA = 0.9  # steadiness from which on only things in the picture move, not the camera
STEADY = 0.98  # steadiness from which on a time edit cannot be told from the picture
MIN_DETAIL = 6.0  # of 255: below it the picture is as good as empty (a plain sky, one colour) and shows no source
LOOK_SIZE = (32, 18)


@dataclass(frozen=True, slots=True)
class Source:
    """The first clip of a family and its working copy (``proxy``); ``others`` are its known edits in the folder."""

    id: str
    path: str
    proxy: str
    duration: float
    width: int
    height: int
    steadiness: float  # median correlation of a frame with the clip's median picture: 1 is a still
    detail: float  # median over time of the mean step between neighbours in a 32 x 18 picture, 0..255
    others: tuple[tuple[str, float], ...] = ()  # (path, duration)

    @property
    def folder(self) -> str:
        return self.id.split("/")[0]

    @property
    def fixed_camera(self) -> bool:
        return self.steadiness >= FIXED_CAMERA

    @property
    def moves(self) -> bool:
        """Whether its moments look different, so that the picture says which one it is."""
        return self.steadiness < STEADY


def small_gray(path: Path, per_second: float = 4.0) -> NDArray[np.uint8]:
    """(N, 18, 32) gray pictures of a video, evenly spaced."""
    width, height = LOOK_SIZE
    command = [
        ffmpeg_path(), "-hide_banner", "-nostdin", "-loglevel", "error", "-threads", "1", "-i", str(path),
        "-vf", f"fps={per_second},scale={width}:{height}:flags=area,format=gray", "-f", "rawvideo", "-",
    ]  # fmt: skip
    done = subprocess.run(command, capture_output=True, check=False)
    if done.returncode != 0:
        raise BenchError(f"{path} cannot be read: {done.stderr.decode(errors='replace').strip()[-300:]}")
    return np.frombuffer(done.stdout, np.uint8).reshape(-1, height, width)


def steadiness_of(looks: NDArray[np.float64]) -> float:
    """Median correlation of (N, H, W) gray pictures with their median picture; 1 where a picture has no contrast."""
    flat = looks.reshape(len(looks), -1)
    middle = np.median(flat, axis=0)
    centred, target = flat - flat.mean(1, keepdims=True), middle - middle.mean()
    scale = np.linalg.norm(centred, axis=1) * np.linalg.norm(target)
    return float(np.median(np.where(scale > 0, centred @ target / np.where(scale > 0, scale, 1.0), 1.0)))


def detail_of(looks: NDArray[np.float64]) -> float:
    """How much there is to see in (N, H, W) gray pictures: mean step across plus mean step down, median over time."""
    across, down = np.abs(np.diff(looks, axis=2)).mean((1, 2)), np.abs(np.diff(looks, axis=1)).mean((1, 2))
    return float(np.median(across + down))


def video_facts(path: Path) -> tuple[float, int, int]:
    """(seconds, width, height) of a video as it is shown. Decodes it: headers lie."""
    import av

    with av.open(str(path)) as container:
        stream = container.streams.video[0]
        stream.thread_type = "AUTO"
        first = last = None
        step = 1 / float(stream.average_rate or 25)
        width = height = 0
        for frame in container.decode(stream):
            if frame.time is None:
                continue
            first = frame.time if first is None else first
            last, width, height = frame.time, frame.width, frame.height
    if first is None or last is None:
        raise BenchError(f"{path} has no picture")
    return last - first + step, width, height


def _prepare(path: Path, others: list[Path], out: Path) -> Source:
    state = path.stat()
    stamp = f"{path.resolve()} {state.st_size} {state.st_mtime_ns} {SHORT_SIDE}"
    name = hashlib.sha256(stamp.encode()).hexdigest()[:20]
    proxy, facts = out / "sources" / f"{name}.mkv", out / "sources" / f"{name}.json"
    if facts.exists() and proxy.exists():
        kept = json.loads(facts.read_text())
        known = {str(p): s for p, s in kept.pop("others")}
        if set(known) == {str(p) for p in others}:
            return Source(**kept, others=tuple(known.items()))
    if not proxy.exists():
        side = SHORT_SIDE
        chain = (
            f"setpts=PTS-STARTPTS,scale=w='if(gt(iw,ih),-2,min(iw,{side}))':h='if(gt(iw,ih),min(ih,{side}),-2)'"
            f":flags=area,scale=trunc(iw/2)*2:trunc(ih/2)*2,setsar=1,fps=25"
        )
        encode(["-i", str(path)], f"[0:v]{chain}[out]", proxy, crf=12)
    duration, width, height = video_facts(proxy)
    looks = small_gray(proxy, 2.0).astype(np.float64)
    source = Source(
        family(path), str(path), str(proxy), round(duration, 3), width, height,
        round(steadiness_of(looks), 4), round(detail_of(looks), 3),
        tuple((str(p), round(video_facts(p)[0], 3)) for p in others),
    )  # fmt: skip
    facts.write_text(json.dumps(asdict(source)))
    return source


def find_sources(clips: Path, out: Path, split: Split | None = None, jobs: int = 1) -> list[Source]:
    """One source of every family below ``clips`` (of one half of them with ``split``), by id. Raises BenchError."""
    families: dict[str, list[Path]] = {}
    for path in clips_in(clips):
        families.setdefault(family(path), []).append(path)
    chosen = sorted(name for name in families if split is None or split_of(name) == split)
    if not chosen:
        raise BenchError(f"there are no clips {f'of the {split} half ' if split else ''}in {clips}")
    (out / "sources").mkdir(parents=True, exist_ok=True)
    with ThreadPoolExecutor(jobs) as pool:
        return list(pool.map(lambda name: _prepare(families[name][0], families[name][1:], out), chosen))
