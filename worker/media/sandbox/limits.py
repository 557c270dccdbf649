"""How much one untrusted video may cost. Every number is checked while reading, never trusted from a header."""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass, replace

GIB = 1024**3


@dataclass(frozen=True, slots=True)
class Limits:
    """The defaults fit a two-core machine with 4 GB; pass ``dataclasses.replace(Limits(), ...)`` for others."""

    # The child process.
    wall_seconds: float = 6 * 3600.0  # the whole call
    stall_seconds: float = 300.0  # nothing at all was heard from a decoding child
    cpu_seconds: int = 24 * 3600  # all threads together
    memory_bytes: int = 4 * GIB  # address space, so that a wild allocation fails instead of the machine
    output_bytes: int = 64 * GIB  # the largest file that it may write
    open_files: int = 64
    processes: int = 512  # and threads; where it has a user of its own
    threads: int = 0  # 0: as many as the machine has cores

    # The video.
    input_bytes: int = 64 * GIB
    pixels: int = 8192 * 4608  # of one picture
    duration_seconds: float = 12 * 3600.0
    frames_per_second: float = 480.0
    frames: int = 12 * 3600 * 120
    streams: int = 256
    subtitle_tracks: int = 16  # of one file; further ones are not read

    def to_json(self) -> str:
        return json.dumps(asdict(self))

    @classmethod
    def from_json(cls, text: str) -> Limits:
        return cls(**json.loads(text))


def limits_for(*, hours: int, tracks: int, subtitle_tracks: int, pixels: int, file_bytes: int) -> Limits:
    """The defaults with what operators choose. Time, frames and space to work with grow with the length allowed."""
    usual = Limits()
    return replace(
        usual,
        wall_seconds=max(usual.wall_seconds, hours * 1800.0),
        cpu_seconds=max(usual.cpu_seconds, hours * 7200),
        output_bytes=max(usual.output_bytes, file_bytes),
        input_bytes=file_bytes,
        pixels=pixels,
        duration_seconds=hours * 3600.0,
        frames=hours * 3600 * 120,
        streams=tracks,
        subtitle_tracks=subtitle_tracks,
    )


_allowed = Limits()


def allow(limits: Limits) -> None:
    """What every later call in this process allows that is not given limits of its own."""
    global _allowed
    _allowed = limits


def allowed() -> Limits:
    return _allowed
