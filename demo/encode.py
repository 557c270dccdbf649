"""Raw frames in, a finished video file out, through the ffmpeg binary."""

from __future__ import annotations

import subprocess
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import ffmpeg
import imageio_ffmpeg

from demo.naming import frames_of
from demo.recipes import ClipPlan

Options = Mapping[str, str]  # of ffmpeg-python: "c:v" becomes -c:v

_H264 = {"c:v": "libx264", "preset": "veryfast", "crf": "24", "pix_fmt": "yuv420p"}
_CODECS: dict[str, Options] = {
    "mp4": {**_H264, "movflags": "+faststart"},
    "mov": {**_H264, "movflags": "+faststart"},
    "mkv": _H264,
    "ts": {**_H264, "f": "mpegts"},
    "webm": {"c:v": "libvpx", "deadline": "realtime", "cpu-used": "8", "b:v": "700k", "pix_fmt": "yuv420p"},
    "avi": {"c:v": "mpeg4", "q:v": "4", "pix_fmt": "yuv420p"},
    "gif": {
        "filter_complex": "split[a][b];[a]palettegen=max_colors=96:stats_mode=diff[p];[b][p]paletteuse=dither=bayer"
    },
}
_EXACT = {"fflags": "+bitexact", "flags:v": "+bitexact", "map_metadata": "-1", "threads": "1"}


PARTIAL_FOLDER = ".partial"  # unfinished files lie here, so that nobody imports one


class RenderError(RuntimeError):
    """ffmpeg could not make a file of the demonstration library."""


def write_video(streams: Sequence[Any], target: Path, options: Options, frames: Iterator[bytes] | None = None) -> None:
    """Encodes ``streams`` of ffmpeg-python for the container that ``target`` names; ``options`` win over the usual.

    ``frames`` go to the standard input. The file appears when all is well. Raises RenderError.
    """
    part = target.parent / PARTIAL_FOLDER / target.name
    part.parent.mkdir(parents=True, exist_ok=True)
    output = ffmpeg.output(*streams, f"file:{part}", **{**_CODECS[target.suffix[1:]], **_EXACT, **options})
    command = output.compile(cmd=[imageio_ffmpeg.get_ffmpeg_exe(), "-hide_banner", "-loglevel", "error", "-y"])
    with tempfile.TemporaryFile() as log:
        process = subprocess.Popen(command, stdin=subprocess.PIPE if frames else subprocess.DEVNULL, stderr=log)
        try:
            _feed(process, frames)
            code = process.wait()
        except BaseException:  # not handled, only kept from leaving a process behind
            process.kill()
            process.wait()
            raise
        log.seek(0)
        said = log.read().decode(errors="replace").strip()
    if code != 0 or not part.exists():
        raise RenderError(f"ffmpeg could not write {target.name} (code {code}): {said[-400:]}")
    part.replace(target)


def _feed(process: subprocess.Popen[bytes], frames: Iterator[bytes] | None) -> None:
    if frames is None or process.stdin is None:
        return
    try:
        for frame in frames:
            process.stdin.write(frame)
        process.stdin.close()
    except BrokenPipeError:
        pass  # ffmpeg has given up; its exit code and its log say why


def clip_pixels(plan: ClipPlan) -> Iterator[bytes]:
    """Every frame of the clip as packed RGB, shot after shot."""
    scale = 2 * plan.size[0] / 320
    for shot in plan.shots:
        scene = shot.build(scale)
        for index in range(frames_of(shot.duration, plan.fps)):
            yield scene.frame(index / plan.fps, plan.size).tobytes()


def _clock(seconds: float) -> str:
    whole, milliseconds = divmod(round(seconds * 1000), 1000)
    return f"{whole // 3600:02d}:{whole // 60 % 60:02d}:{whole % 60:02d},{milliseconds:03d}"


def subtitle_file(lines: list[str], duration: float) -> str:
    """SubRip text with the lines spread evenly over the clip."""
    step = duration / len(lines)
    blocks = [
        f"{k + 1}\n{_clock(k * step + 0.2)} --> {_clock((k + 1) * step - 0.2)}\n{line}\n"
        for k, line in enumerate(lines)
    ]
    return "\n".join(blocks)


def render_clip(plan: ClipPlan, target: Path, subtitles: list[str]) -> None:
    """Draws and encodes one clip. Raises RenderError."""
    size = f"{plan.size[0]}x{plan.size[1]}"
    picture = ffmpeg.input("pipe:0", f="rawvideo", pix_fmt="rgb24", s=size, r=str(plan.fps))
    if not subtitles:
        write_video([picture], target, {}, clip_pixels(plan))
        return
    with tempfile.NamedTemporaryFile("w", suffix=".srt", encoding="utf-8") as text:
        text.write(subtitle_file(subtitles, plan.duration))
        text.flush()
        kind = "mov_text" if plan.container in ("mp4", "mov") else "srt"
        words = ffmpeg.input(text.name, f="srt")
        options = {"c:s": kind, "metadata:s:s:0": "language=eng"}
        write_video([picture["v"], words["s"]], target, options, clip_pixels(plan))
