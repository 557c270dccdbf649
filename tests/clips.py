"""Makes real little videos for tests, with the bundled ffmpeg: any scenes, codec, container, rate, track or damage.

    make_clip(path, scenes=[Scene("life", seed=1), Scene("mandelbrot", seed=2)], seconds=2.0)

Scenes with different kinds, seeds or hues look different. Clips are small (160x120) and the finished files are
kept for the test run, so that asking for the same clip again costs a copy.
"""

from __future__ import annotations

import hashlib
import os
import random
import shutil
import subprocess
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import imageio_ffmpeg

KINDS = ("testsrc", "mandelbrot", "life", "gradients", "shapes", "solid")

ENCODERS: dict[str, tuple[str, ...]] = {
    "h264": ("-c:v", "libx264", "-preset", "ultrafast", "-g", "25"),
    "hevc": ("-c:v", "libx265", "-preset", "ultrafast", "-x265-params", "log-level=none:pools=1"),
    "vp8": ("-c:v", "libvpx", "-deadline", "realtime", "-cpu-used", "8", "-b:v", "600k"),
    "vp9": ("-c:v", "libvpx-vp9", "-deadline", "realtime", "-cpu-used", "8", "-b:v", "600k"),
    "av1": ("-c:v", "libaom-av1", "-usage", "realtime", "-cpu-used", "8", "-b:v", "600k"),
    "mpeg2video": ("-c:v", "mpeg2video", "-q:v", "3"),
    "mpeg1video": ("-c:v", "mpeg1video", "-q:v", "3"),
    "mpeg4": ("-c:v", "mpeg4", "-q:v", "3"),
    "mjpeg": ("-c:v", "mjpeg", "-q:v", "3"),
    "flv1": ("-c:v", "flv", "-q:v", "3"),
    "theora": ("-c:v", "libtheora", "-q:v", "6"),
    "gif": ("-filter_complex", "[0:v]split[a][b];[a]palettegen=max_colors=64[p];[b][p]paletteuse", "-c:v", "gif"),
    "ffv1": ("-c:v", "ffv1"),
    "huffyuv": ("-c:v", "huffyuv", "-pix_fmt", "yuv422p"),
    "ffvhuff": ("-c:v", "ffvhuff"),
    "rawvideo": ("-c:v", "rawvideo", "-pix_fmt", "uyvy422"),
    "png": ("-c:v", "png", "-pix_fmt", "rgb24"),
    "qtrle": ("-c:v", "qtrle", "-pix_fmt", "rgb24"),
    "cinepak": ("-c:v", "cinepak", "-pix_fmt", "rgb24"),
    "svq1": ("-c:v", "svq1", "-pix_fmt", "yuv410p"),
    "msmpeg4v2": ("-c:v", "msmpeg4v2", "-q:v", "3"),
    "msmpeg4v3": ("-c:v", "msmpeg4", "-q:v", "3"),
    "h263": ("-c:v", "h263", "-q:v", "3"),
    "wmv1": ("-c:v", "wmv1", "-q:v", "3"),
    "wmv2": ("-c:v", "wmv2", "-q:v", "3"),
    "prores": ("-c:v", "prores_ks", "-profile:v", "0", "-pix_fmt", "yuv422p10le"),
    "dnxhd": ("-c:v", "dnxhd", "-profile:v", "dnxhr_lb", "-pix_fmt", "yuv422p"),
    "dvvideo": ("-c:v", "dvvideo", "-pix_fmt", "yuv420p"),
    "webp": ("-c:v", "libwebp_anim"),
    "apng": ("-c:v", "apng", "-pix_fmt", "rgb24"),
    "magicyuv": ("-c:v", "magicyuv", "-pix_fmt", "yuv420p"),
}
MUXERS = {"mp4": "mp4", "mov": "mov", "mkv": "matroska", "webm": "webm", "avi": "avi", "ts": "mpegts", "flv": "flv",
          "mpg": "mpeg", "ogv": "ogg", "gif": "gif", "wmv": "asf",
          "f4v": "f4v", "mxf": "mxf", "m2v": "mpeg2video", "m1v": "mpeg1video", "webp": "webp", "apng": "apng",
          "avif": "avif"}  # fmt: skip
CODEC_OF_CONTAINER = {"webm": "vp8", "gif": "gif", "mpg": "mpeg2video", "ogv": "theora"}
# Every container with the codecs that people bring in it.
COMBINATIONS = [
    ("mp4", "h264"), ("mp4", "hevc"), ("mp4", "av1"), ("mp4", "vp9"), ("mp4", "mpeg4"),
    ("mov", "h264"), ("mov", "hevc"), ("mov", "mjpeg"),
    ("mkv", "h264"), ("mkv", "hevc"), ("mkv", "vp8"), ("mkv", "vp9"), ("mkv", "av1"), ("mkv", "mpeg2video"),
    ("webm", "vp8"), ("webm", "vp9"), ("webm", "av1"),
    ("avi", "mpeg4"), ("avi", "mjpeg"), ("avi", "h264"),
    ("ts", "h264"), ("ts", "mpeg2video"), ("ts", "hevc"),
    ("mpg", "mpeg1video"), ("mpg", "mpeg2video"),
    ("flv", "flv1"), ("flv", "h264"),
    ("ogv", "theora"), ("wmv", "mpeg4"), ("gif", "gif"), ("f4v", "h264"),
    ("mxf", "mpeg2video"), ("mxf", "h264"), ("m2v", "mpeg2video"), ("m1v", "mpeg1video"),
    ("mkv", "ffv1"), ("avi", "ffv1"), ("avi", "huffyuv"), ("mkv", "huffyuv"), ("avi", "ffvhuff"), ("avi", "rawvideo"),
    ("mov", "rawvideo"), ("mov", "png"), ("avi", "png"), ("mov", "qtrle"), ("mov", "cinepak"), ("avi", "cinepak"),
    ("mov", "svq1"), ("avi", "msmpeg4v2"), ("avi", "msmpeg4v3"), ("mov", "h263"), ("wmv", "wmv1"), ("wmv", "wmv2"),
    ("mov", "prores"), ("mxf", "dnxhd"), ("mov", "dnxhd"), ("avi", "dvvideo"),
    ("webp", "webp"), ("apng", "apng"), ("avif", "av1"),
]  # fmt: skip
OWN_SHAPE = {"dvvideo": ((720, 576), 25.0), "dnxhd": ((256, 128), 25.0), "h263": ((128, 96), 25.0)}  # size, rate


@dataclass(frozen=True)
class Scene:
    """One shot. ``seconds`` overrides its equal share of the clip."""

    kind: str = "testsrc"
    seed: int = 0
    hue: int | None = None  # degrees; by default derived from the seed
    seconds: float | None = None


def ffmpeg(*arguments: str | os.PathLike[str]) -> None:
    """Runs the bundled ffmpeg quietly; raises AssertionError with what it said."""
    command = [imageio_ffmpeg.get_ffmpeg_exe(), "-hide_banner", "-nostdin", "-loglevel", "error", "-y",
               *(os.fspath(argument) for argument in arguments)]  # fmt: skip
    result = subprocess.run(command, capture_output=True, text=True, check=False)
    assert result.returncode == 0, f"{' '.join(command)}\n{result.stderr}"


def _hue(scene: Scene) -> int:
    return scene.hue if scene.hue is not None else scene.seed * 67 % 360


def _source(scene: Scene, seconds: float, size: tuple[int, int], fps: float) -> str:
    """A lavfi graph of one scene."""
    width, height = size
    box, dice = f"size={width}x{height}:rate={fps}", random.Random(f"{scene.kind}-{scene.seed}")
    trim = f"trim=duration={seconds},setpts=PTS-STARTPTS,hue=h={_hue(scene)}"
    if scene.kind == "testsrc":
        return f"testsrc2={box}:duration={seconds + 0.1},{trim}"
    if scene.kind == "mandelbrot":
        return f"mandelbrot={box}:start_scale={dice.uniform(0.05, 2.5):.3f},{trim}"
    if scene.kind == "life":
        return (
            f"life=size={width // 4}x{height // 4}:rate={fps}:seed={scene.seed + 1}:mold=20:ratio=0.35"
            f":life_color=yellow:death_color=navy:mold_color=teal,scale={width}:{height}:flags=neighbor,{trim}"
        )
    if scene.kind == "gradients":
        return f"gradients={box}:seed={scene.seed + 1}:speed=0.02:duration={seconds + 0.1},{trim}"
    if scene.kind == "solid":
        return f"color=c=0x{dice.randrange(1 << 24):06x}:{box}:duration={seconds + 0.1},{trim}"
    return _shapes(dice, seconds, size, fps) + "," + trim


def _shapes(dice: random.Random, seconds: float, size: tuple[int, int], fps: float) -> str:
    """Coloured boxes on a coloured ground; one of them moves."""
    width, height = size
    parts = [f"color=c=0x{dice.randrange(1 << 24):06x}:size={width}x{height}:rate={fps}:duration={seconds + 0.1}"]
    for _ in range(6):
        w, h = dice.randrange(width // 8, width // 2), dice.randrange(height // 8, height // 2)
        x, y = dice.randrange(width - w), dice.randrange(height - h)
        parts.append(f"drawbox=x={x}:y={y}:w={w}:h={h}:color=0x{dice.randrange(1 << 24):06x}:t=fill")
    return ",".join(parts)


def _graph(scenes: Sequence[Scene], seconds: float, size: tuple[int, int], fps: float) -> str:
    share = seconds / len(scenes)
    even = (max(16, size[0] // 2 * 2), max(16, size[1] // 2 * 2))
    chains = [
        _source(scene, scene.seconds or share, even, fps)
        + f",scale={size[0]}:{size[1]},setsar=1,format=yuv444p,fps={fps}[s{number}]"
        for number, scene in enumerate(scenes)
    ]
    inputs = "".join(f"[s{number}]" for number in range(len(scenes)))
    return ";".join([*chains, f"{inputs}concat=n={len(scenes)}:v=1:a=0[out0]"])


def make_clip(
    path: str | os.PathLike[str],
    *,
    scenes: Sequence[Scene] = (Scene(),),
    seconds: float = 2.0,
    size: tuple[int, int] = (160, 120),
    fps: float = 25.0,
    codec: str | None = None,
    container: str | None = None,
    audio: str | None = None,
    rotation: int = 0,
    sample_aspect: str | None = None,
    pixel_format: str | None = None,
    variable_rate: bool = False,
    subtitles: str | None = None,
    subtitle_codec: str | None = None,
    encoder_args: Sequence[str] = (),
    muxer_args: Sequence[str] = (),
) -> Path:
    """Writes a video and returns its path. ``container`` is a file extension, by default that of ``path``.

    audio: None or an ffmpeg audio encoder ("aac", "libmp3lame", "libopus", "ac3"). rotation: clockwise degrees that a
    player must turn the picture by. variable_rate: every third frame of the first half is left out.
    subtitles: SRT text, muxed as ``subtitle_codec`` (mp4: mov_text, webm: webvtt, mkv: srt).
    """
    path = Path(path)
    container = container or path.suffix.lstrip(".")
    codec = codec or CODEC_OF_CONTAINER.get(container, "h264")
    key = hashlib.sha256(repr((tuple(scenes), seconds, size, fps, codec, container, audio, rotation, sample_aspect,
                               pixel_format, variable_rate, subtitles, subtitle_codec, tuple(encoder_args),
                               tuple(muxer_args))).encode()).hexdigest()[:24]  # fmt: skip
    kept = _cache_directory() / f"{key}.{container}"
    if not kept.exists():
        temporary = kept.with_name(f"{key}.{os.getpid()}.part.{container}")
        arguments = _inputs(scenes, seconds, size, fps, audio, subtitles, temporary)
        arguments += _encoding(codec, container, audio, sample_aspect, pixel_format, variable_rate, encoder_args)
        if subtitles is not None:
            codecs = {"mp4": "mov_text", "mov": "mov_text", "webm": "webvtt"}
            arguments += ["-c:s", subtitle_codec or codecs.get(container, "srt"), "-metadata:s:s:0", "language=eng"]
        ffmpeg(*arguments, *muxer_args, "-f", MUXERS[container], temporary)
        if rotation:
            _set_rotation(temporary, rotation, container)
        os.replace(temporary, kept)
    path.parent.mkdir(parents=True, exist_ok=True)
    shutil.copyfile(kept, path)
    return path


def _inputs(scenes: Sequence[Scene], seconds: float, size: tuple[int, int], fps: float, audio: str | None,
            subtitles: str | None, temporary: Path) -> list[str]:  # fmt: skip
    arguments = ["-f", "lavfi", "-i", _graph(scenes, seconds, size, fps)]
    total = sum(scene.seconds or seconds / len(scenes) for scene in scenes)
    if audio:
        arguments += ["-f", "lavfi", "-i", f"sine=frequency=440:sample_rate=48000:duration={total}"]
    if subtitles is not None:
        srt = temporary.with_suffix(".srt")
        srt.write_text(subtitles, encoding="utf-8")
        arguments += ["-i", str(srt)]
    return arguments


def _encoding(codec: str, container: str, audio: str | None, sample_aspect: str | None, pixel_format: str | None,
              variable_rate: bool, encoder_args: Sequence[str]) -> list[str]:  # fmt: skip
    arguments = list(ENCODERS[codec])
    filters = []
    if variable_rate:
        filters.append("select='gte(n,25)+mod(n,3)'")
        arguments += ["-fps_mode", "vfr"]
    if sample_aspect:
        filters.append(f"setsar={sample_aspect}")
    if filters:
        arguments += ["-vf", ",".join(filters)]
    if codec not in ("gif", "magicyuv") and "-pix_fmt" not in arguments:
        arguments += ["-pix_fmt", pixel_format or ("yuvj420p" if codec == "mjpeg" else "yuv420p")]
    if codec == "hevc" and container in ("mp4", "mov"):
        arguments += ["-tag:v", "hvc1"]
    if audio:
        arguments += ["-c:a", audio, "-b:a", "64k", "-ar", "44100" if container == "flv" else "48000"]
    return [*arguments, "-threads", "1", *encoder_args]


def _set_rotation(path: Path, clockwise: int, container: str) -> None:
    turned = path.with_name(f"turned-{path.name}")
    ffmpeg("-display_rotation", str(-clockwise), "-i", path, "-c", "copy", "-f", MUXERS[container], turned)
    os.replace(turned, path)


_cache: tempfile.TemporaryDirectory[str] | None = None


def _cache_directory() -> Path:
    """One directory for this process's test run, removed when it ends."""
    global _cache
    if _cache is None:
        _cache = tempfile.TemporaryDirectory(prefix="vsearch-test-clips-")
    return Path(_cache.name)
