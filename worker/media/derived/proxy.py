"""A copy that every browser plays, for videos that browsers do not play as they are."""

from __future__ import annotations

import os
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import ffmpeg

from worker.media.decode.client import decoder_command
from worker.media.derived.proxy_filters import Filter, picture_filters
from worker.media.disk_space import ensure_space
from worker.media.errors import MediaError
from worker.media.playback import MP4_AUDIO, is_h264_for_browsers
from worker.media.sandbox.ffmpeg_command import ffmpeg_command, untrusted_input
from worker.media.sandbox.limits import Limits, allowed
from worker.media.sandbox.runner import Completed, run_sandboxed
from worker.media.sandbox.whitelists import file_url
from worker.media.tones import is_plain, write_cube
from worker.types import ProbeFacts

KEYFRAME_SECONDS = 2
TRANSCODE_BITS_A_SECOND = 4_000_000  # what 720p at this quality needs at most, for the space check
_DISK = {
    "No space left on device": "no_space", "Disk quota exceeded": "no_space", "File too large": "too_large_output",
}  # fmt: skip
_H264 = {"fps_mode": "vfr", "c:v": "libx264", "preset": "veryfast", "crf": "23", "profile:v": "high",
         "force_key_frames": f"expr:gte(t,n_forced*{KEYFRAME_SECONDS})"}  # fmt: skip
_AAC = {"c:a": "aac", "b:a": "128k", "ac": "2"}
_MP4 = {"f": "mp4", "movflags": "+faststart", "map_metadata": "-1", "map_chapters": "-1", "sn": None, "dn": None}


def make_proxy(
    src: str | os.PathLike[str],
    dst: str | os.PathLike[str],
    *,
    facts: ProbeFacts,
    limits: Limits | None = None,
    progress: Callable[[float], None] | None = None,
    cancelled: Callable[[], bool] | None = None,
) -> None:
    """Writes an mp4 to ``dst``, whole or not at all. Raises MediaError ('no_space', 'cancelled', 'timed_out', ...).

    The pictures are copied when only the container is the problem; else they are encoded as H.264 of at most 720
    lines. ``progress`` gets the share done, 0.0 to 1.0.
    """
    limits = limits or allowed()
    target = Path(dst)
    ensure_space(target.parent, _expected_bytes(facts))
    target.parent.mkdir(parents=True, exist_ok=True)
    handle, temporary = tempfile.mkstemp(dir=target.parent, prefix=f".{target.name}.", suffix=".mp4")
    os.close(handle)
    try:
        with _readable(src, target.parent, facts, limits) as readable:
            _write(readable, temporary, facts, limits, progress, cancelled)
        os.chmod(temporary, 0o644)
        os.replace(temporary, target)
    except BaseException:
        os.unlink(temporary)
        raise


@contextmanager
def _readable(src: str | os.PathLike[str], folder: Path, facts: ProbeFacts,
              limits: Limits) -> Iterator[str | os.PathLike[str]]:  # fmt: skip
    """The file itself, or for an animated WebP a temporary one in ``folder`` that FFmpeg can decode."""
    if facts.container != "webp":
        yield src
        return
    with tempfile.NamedTemporaryFile(dir=folder, prefix=".unfolded.", suffix=".mkv") as unfolded:
        command = decoder_command("unfold", os.path.abspath(os.fspath(src)), limits.to_json(), unfolded.name)
        result = run_sandboxed(command, limits=limits, reads=[src], writes=[unfolded.name], stdout_bytes=0)
        raise_for_disk(result)
        if result.returncode or not os.path.getsize(unfolded.name):
            raise MediaError("tool_failed", detail=result.stderr_tail[-2000:])
        yield unfolded.name


def _expected_bytes(facts: ProbeFacts) -> int:
    if is_h264_for_browsers(facts):
        return facts.size_bytes + facts.size_bytes // 10
    return min(facts.size_bytes * 3, int(facts.duration_seconds * TRANSCODE_BITS_A_SECOND / 8)) + 1024 * 1024


def _write(src: str | os.PathLike[str], dst: str, facts: ProbeFacts, limits: Limits,
           progress: Callable[[float], None] | None, cancelled: Callable[[], bool] | None) -> None:  # fmt: skip
    source = untrusted_input(src, limits, noautorotate=None)  # the filters turn the pictures
    track = source[str(facts.picture_stream)]

    def run(picture: Any, codecs: dict[str, str], *tables: Path) -> Completed:
        output = ffmpeg.output(picture, source["a:0?"], file_url(dst), **_MP4, **codecs)
        command = ffmpeg_command(output, "-loglevel", "error", "-progress", "pipe:1", "-y")
        told = _progress_reader(facts.duration_seconds, progress)
        return run_sandboxed(command, limits=limits, reads=[src, *tables], writes=[dst], stdout_bytes=0,
                             cancelled=cancelled, on_line=told)  # fmt: skip

    result = None
    if is_h264_for_browsers(facts):
        result = run(track, {"c:v": "copy", **({"c:a": "copy"} if facts.audio_codec in MP4_AUDIO else _AAC)})
        raise_for_disk(result)
    if result is None or result.returncode:  # some old containers hold H.264 that cannot be copied as it is
        with tempfile.TemporaryDirectory(prefix="vsearch-proxy-") as folder:
            cube = Path(folder) / "tones.cube"
            tables = [] if is_plain(facts.colors) else [cube]
            if tables:
                write_cube(cube, facts.colors, facts.white_nits)
            result = run(_filtered(track, picture_filters(facts, cube)), _H264 | _AAC, *tables)
    raise_for_disk(result)
    if result.returncode or not os.path.getsize(dst):
        raise MediaError("tool_failed", detail=result.stderr_tail[-2000:])


def _filtered(picture: Any, filters: list[Filter]) -> Any:
    for name, options in filters:
        picture = picture.filter(name, **options)
    return picture


def raise_for_disk(result: Completed) -> None:
    """Raises MediaError 'no_space' or 'too_large_output' when that is why ffmpeg failed."""
    if not result.returncode:
        return
    for reason, code in _DISK.items():
        if reason in result.stderr_tail:
            raise MediaError(code, detail=result.stderr_tail[-500:])


def _progress_reader(duration: float, progress: Callable[[float], None] | None) -> Callable[[str], None]:
    def read(line: str) -> None:
        name, _, value = line.partition("=")
        if progress is not None and name == "out_time_us" and value.isdigit() and duration > 0:
            progress(min(1.0, int(value) / 1e6 / duration))

    return read
