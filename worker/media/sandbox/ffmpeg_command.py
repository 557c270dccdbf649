"""Command lines of the ffmpeg binary for an untrusted file, put together by ffmpeg-python; ``runner`` starts them."""

from __future__ import annotations

import os
from typing import Any

import ffmpeg
import imageio_ffmpeg

from worker.media.errors import MediaError
from worker.media.sandbox.limits import Limits
from worker.media.sandbox.whitelists import file_url, reading_options


def ffmpeg_binary() -> str:
    """The ffmpeg that is used: FFMPEG_BINARY if set, else the one that comes with imageio-ffmpeg."""
    named = os.environ.get("FFMPEG_BINARY", "").strip()
    if named and not os.access(named, os.X_OK):
        raise MediaError("tool_failed", f"FFMPEG_BINARY is set to {named}, but there is no program. "
                         "Correct it, or unset it to use the bundled ffmpeg.")  # fmt: skip
    return named or str(imageio_ffmpeg.get_ffmpeg_exe())


def untrusted_input(path: str | os.PathLike[str], limits: Limits, **more: str | None) -> Any:
    """The file as a stream of ffmpeg-python: ``stream["V:0"]`` selects a track. The whitelists stand before its -i.

    ``more``: further options of the input, None for one without a value.
    """
    options = reading_options(pixels=limits.pixels, streams=limits.streams)
    del options["enable_drefs"]  # the binary rejects an option that this file's demuxer does not know; 0 is its default
    return ffmpeg.input(file_url(path), **{**more, **options})


def ffmpeg_command(output: Any, *options: str) -> list[str]:
    """``output`` of ffmpeg-python as a command line; ``options`` are for the whole program, such as its log level."""
    return list(output.compile(cmd=[ffmpeg_binary(), "-hide_banner", "-nostdin", *options]))
