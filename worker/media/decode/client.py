"""Starts the decoding child and turns its messages and its death into facts and MediaErrors."""

from __future__ import annotations

import compileall
import functools
import os
import re
import signal
import sys
from pathlib import Path
from typing import Any

from worker.media.errors import MESSAGES, MediaError
from worker.media.sandbox.limits import Limits
from worker.media.sandbox.runner import Sandboxed
from worker.media.sandbox.signatures import check_signature
from worker.types import Colors, ProbeFacts

_WORKER = Path(__file__).resolve().parents[2]
# Imports of "worker" from its own folder: the one above, which may hold the library, stays closed to the child.
_DECODE = (
    "import sys, types; sys.modules['worker'] = types.ModuleType('worker'); "
    "sys.modules['worker'].__path__ = [sys.argv[1]]; "
    "from worker.media.decode.child import main; sys.exit(main(sys.argv[1:]))"
)
_SIZE_REFUSED = re.compile(r"Picture size \d+x\d+ (is invalid|exceeds)")
_MEMORY_SIGNS = ("MemoryError", "Cannot allocate memory", "failed to map segment", "can't start new thread")


def start_decoder(mode: str, path: str | os.PathLike[str], limits: Limits) -> Sandboxed:
    """Starts the child on a file that looks like a video. Raises MediaError for one that does not."""
    check_signature(path, limits)
    _compile()
    absolute = os.path.abspath(os.fspath(path))
    return Sandboxed(decoder_command(mode, absolute, limits.to_json()), limits=limits, reads=[absolute])


@functools.cache
def _compile() -> None:
    """Once in a process: the child cannot write what it compiled, and would compile it again at each start."""
    compileall.compile_dir(_WORKER / "media", quiet=2)
    compileall.compile_file(_WORKER / "types.py", quiet=2)


def decoder_command(*arguments: str) -> list[str]:
    """``arguments`` are those of ``child.main``."""
    return [sys.executable, "-s", "-P", "-c", _DECODE, str(_WORKER), *arguments]


def facts_from(fields: dict[str, Any]) -> ProbeFacts:
    values = {name: value for name, value in fields.items() if name != "type"}
    values |= {"subtitle_streams": tuple(values["subtitle_streams"]), "colors": Colors(**values["colors"])}
    return ProbeFacts(**values)


def error_from(fields: dict[str, Any], child: Sandboxed) -> MediaError:
    """The reason that the child gave, with FFmpeg's own last words for the log."""
    child.wait()
    code, tail = str(fields.get("code")), child.stderr_tail[-1000:]
    if code == "damaged" and _SIZE_REFUSED.search(tail):
        code = "too_large_picture"  # the decoder saw the size first, and calls it an invalid argument
    if code == "out_of_memory" and "exceeds max_streams" in tail:
        code = "too_many_streams"  # what the demuxer of mp4 says
    detail = f"{str(fields.get('detail', ''))[:1000]} {tail}".strip()
    return MediaError(code if code in MESSAGES else "damaged", detail=detail)


def error_of_death(status: int, stderr_tail: str) -> MediaError:
    """Why a child ended without saying goodbye."""
    detail = f"decoder ended with {status}: {stderr_tail[-1000:]}"
    if status == -signal.SIGXCPU:
        return MediaError("timed_out", detail=detail)
    if status == -signal.SIGKILL or any(sign in stderr_tail for sign in _MEMORY_SIGNS):
        return MediaError("out_of_memory", detail=detail)
    if status < 0:
        return MediaError("damaged", detail=detail)
    return MediaError("tool_failed", detail=detail)
