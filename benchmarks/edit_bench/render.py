"""Recipes to files: the ffmpeg filter graph of a recipe, and a cache by what the file depends on."""

from __future__ import annotations

import os
import subprocess
import tempfile
from collections.abc import Mapping
from pathlib import Path

import imageio_ffmpeg

from benchmarks.edit_bench.overlays import draw
from benchmarks.edit_bench.recipe import Piece, Recipe

EVEN = "scale=trunc(iw/2)*2:trunc(ih/2)*2,setsar=1"


class BenchError(RuntimeError):
    """The bench cannot be made or run; the message says why."""


def ffmpeg_path() -> str:
    return str(imageio_ffmpeg.get_ffmpeg_exe())


def encode(inputs: list[str], graph: str, target: Path, *, crf: int, fps: float | None = None) -> None:
    """Runs ffmpeg on a filter graph that ends in [out]; the file appears whole or not at all. Raises BenchError."""
    part = target.with_name(f"{target.stem}.{os.getpid()}.part{target.suffix}")
    rate = [] if fps is None else ["-r", str(fps)]
    command = [
        ffmpeg_path(), "-hide_banner", "-nostdin", "-loglevel", "error", "-y", "-filter_threads", "1",
        "-filter_complex_threads", "1", *inputs, "-filter_complex", graph, "-map", "[out]", "-an", "-sn", *rate,
        "-c:v", "libx264", "-preset", "ultrafast", "-crf", str(crf), "-pix_fmt", "yuv420p", "-threads", "1",
        "-fflags", "+bitexact", "-flags:v", "+bitexact", "-map_metadata", "-1", str(part),
    ]  # fmt: skip
    try:
        done = subprocess.run(command, capture_output=True, text=True, check=False)
        if done.returncode != 0:
            raise BenchError(f"ffmpeg could not make {target.name}: {done.stderr.strip()[-600:]}\ngraph: {graph}")
        part.replace(target)
    finally:
        part.unlink(missing_ok=True)


def fit_chain(mode: str, width: int, height: int) -> str:
    """Filters that bring any picture to exactly this size."""
    if mode == "squeeze":
        return f"scale={width}:{height},setsar=1"
    if mode == "crop":
        grown = f"scale={width}:{height}:force_original_aspect_ratio=increase"
        return f"{grown},crop={width}:{height},setsar=1"
    small = f"scale={width}:{height}:force_original_aspect_ratio=decrease:force_divisible_by=2"
    return f"{small},pad={width}:{height}:(ow-iw)/2:(oh-ih)/2,setsar=1"


class _Graph:
    """Collects inputs and filter chains; every method returns the label of what it made."""

    def __init__(self, recipe: Recipe, proxies: Mapping[str, str], folder: Path) -> None:
        self.recipe, self.proxies, self.folder = recipe, proxies, folder
        self.inputs: list[str] = []
        self.chains: list[str] = []
        self._inputs = self._labels = 0

    def label(self) -> str:
        self._labels += 1
        return f"[v{self._labels}]"

    def chain(self, sources: str, filters: str) -> str:
        made = self.label()
        self.chains.append(f"{sources}{filters}{made}")
        return made

    def add_input(self, *arguments: str) -> str:
        self.inputs += arguments
        self._inputs += 1
        return f"[{self._inputs - 1}:v]"

    def piece(self, piece: Piece, fit: str) -> str:
        length = piece.end - piece.start
        if piece.generated:
            here = self.add_input("-f", "lavfi", "-t", f"{length:.4f}", "-i", piece.source)
        else:
            proxy = self.proxies[piece.source]
            here = self.add_input("-ss", f"{piece.start:.4f}", "-t", f"{length:.4f}", "-i", proxy)
        steps = [f"setpts=(PTS-STARTPTS)/{piece.speed:.6g}", f"fps={self.recipe.fps:g}"]
        steps += ["reverse"] if piece.reversed else []
        steps += [piece.look.chain] if piece.look.chain else []
        steps.append(EVEN)
        here = self.chain(here, ",".join(steps))
        for drawn in piece.look.pictures:
            path = self.folder / f"{self._inputs}.png"
            draw(drawn).save(path)
            here = self.chain(here + self.add_input("-i", str(path)), f"overlay=x='{drawn.x}':y='{drawn.y}'")
        ending = [fit] if fit else []
        if piece.hold:
            ending.append(f"tpad=stop_mode=clone:stop_duration={piece.hold:.4f}")
        # Every piece gets exactly its length: sources end a frame early or late.
        ending.append(f"tpad=stop_mode=clone:stop_duration=1,trim=duration={piece.seconds:.4f},setpts=PTS-STARTPTS")
        return self.chain(here, ",".join([*ending, "format=yuv420p"]))

    def track(self, pieces: tuple[Piece, ...], fit: str) -> str:
        parts = [self.piece(piece, fit) for piece in pieces]
        return parts[0] if len(parts) == 1 else self.chain("".join(parts), f"concat=n={len(parts)}:v=1:a=0")

    def whole(self) -> str:
        recipe = self.recipe
        width, height = recipe.size
        if recipe.layout == "plain":
            alone = len(recipe.tracks[0]) == 1
            return self.track(recipe.tracks[0], "" if alone else fit_chain(recipe.fit, width, height))
        if recipe.layout in ("beside", "stacked"):
            beside = recipe.layout == "beside"
            half = (width // 4 * 2, height) if beside else (width, height // 4 * 2)
            parts = [self.track(track, fit_chain(recipe.fit, *half)) for track in recipe.tracks]
            return self.chain("".join(parts), f"{'hstack' if beside else 'vstack'}=inputs={len(parts)}:shortest=1")
        share, x, y, border = recipe.inset
        host = self.track(recipe.tracks[0], fit_chain("crop", width, height))
        box = f"scale={int(width * share) // 2 * 2}:{int(height * 0.94) // 2 * 2}"
        small = f"{box}:force_original_aspect_ratio=decrease:force_divisible_by=2,setsar=1"
        frame = f",pad=iw+{2 * border}:ih+{2 * border}:{border}:{border}:white" if border else ""
        inset = self.track(recipe.tracks[1], small + frame)
        return self.chain(host + inset, f"overlay=x=(W-w)*{x:.4f}:y=(H-h)*{y:.4f}:shortest=1")


def render(recipe: Recipe, proxies: Mapping[str, str], folder: Path, name: str) -> Path:
    """The recipe's video in ``folder``, made unless it is there already. ``proxies``: source id to file."""
    target = folder / f"{name}-{recipe.key}.mp4"
    if target.exists():
        return target
    with tempfile.TemporaryDirectory() as pictures:
        graph = _Graph(recipe, proxies, Path(pictures))
        last = graph.whole()
        chains = ";".join([*graph.chains, f"{last}trim=duration={recipe.seconds:.4f},{EVEN}[out]"])
        encode(graph.inputs, chains, target, crf=recipe.crf, fps=recipe.fps)
    return target
