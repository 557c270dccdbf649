"""THE way to run a program on an untrusted file: limits, no network, no other file, and nothing left behind.

``run_sandboxed`` waits for a program and returns what it wrote; ``Sandboxed`` is the same for programs whose
output is read while they run. Both put the program into a session of its own and kill its whole process group
on timeout, cancel, error, or when the caller goes away; if the caller itself is killed, the kernel kills it.

Start them in a thread that outlives the program: the kernel's death signal follows the starting *thread*.
"""

from __future__ import annotations

import contextlib
import json
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from types import TracebackType
from typing import IO, Self

from worker.media.errors import MediaError
from worker.media.sandbox.limits import Limits
from worker.media.sandbox.places import places_of

STDERR_TAIL_BYTES = 16 * 1024
STDOUT_BYTES = 32 * 1024 * 1024
POLL_SECONDS = 0.1
LAYERS = ("landlock", "seccomp", "user", "network")
_PROJECT = Path(__file__).resolve().parents[3]
_LAUNCH = "import sys; sys.path.append(sys.argv[1]); from worker.media.sandbox.launcher import main; main(sys.argv[1:])"
Paths = Sequence[str | os.PathLike[str]]


@dataclass(frozen=True, slots=True)
class Completed:
    """What a program left: its exit status (negative: the signal that ended it) and its bounded output."""

    returncode: int
    stdout: bytes
    stderr_tail: str


def minimal_environment() -> dict[str, str]:
    """Nothing of ours: no secrets, no proxies, no library paths. One BLAS thread makes numpy start fast."""
    return {
        "PATH": "/usr/bin:/bin",
        "LANG": "C.UTF-8",
        "HOME": "/nonexistent",
        "OPENBLAS_NUM_THREADS": "1",
        "MALLOC_ARENA_MAX": "4",
    }


def without_layers() -> list[str]:
    """The layers that VSEARCH_SANDBOX_WITHOUT names: for machines on which one of them is in the way."""
    named = os.environ.get("VSEARCH_SANDBOX_WITHOUT", "").replace(",", " ").split()
    return [layer for layer in LAYERS if layer in named]


class Sandboxed:
    """A running program. Use as a context manager: leaving it kills whatever still runs.

    reads: files that it may read; writes: files that exist and that it may also write. Where Landlock holds it can
    open no others but its own and the system's libraries. without: layers to leave out, by default what is set.
    ``stdout`` is a binary pipe for the caller to read; the end of stderr is collected in the background.
    """

    def __init__(self, args: Sequence[str], *, limits: Limits, reads: Paths = (), writes: Paths = (),
                 without: Sequence[str] | None = None) -> None:  # fmt: skip
        self.deadline = time.monotonic() + limits.wall_seconds
        self._writes = [os.path.abspath(path) for path in writes]
        order = {
            "limits": asdict(limits),
            "places": places_of(args[0]),
            "reads": [os.path.abspath(path) for path in reads],
            "writes": self._writes,
            "without": without_layers() if without is None else list(without),
        }
        launch = [sys.executable, "-I", "-S", "-c", _LAUNCH, str(_PROJECT)]
        command = [*launch, json.dumps(order), str(os.getpid()), *args]
        self.process: subprocess.Popen[bytes] = subprocess.Popen(
            command,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            env=minimal_environment(),
            cwd="/",
            start_new_session=True,
            close_fds=True,
            bufsize=0,
        )
        self._tail = bytearray()
        self._stderr_thread = threading.Thread(target=self._collect_stderr, name="stderr-tail", daemon=True)
        self._stderr_thread.start()

    @property
    def stdout(self) -> IO[bytes]:
        if self.process.stdout is None:
            raise ValueError("the output of this program does not go into a pipe")
        return self.process.stdout

    @property
    def pid(self) -> int:
        """Also the id of its process group."""
        return self.process.pid

    @property
    def expired(self) -> bool:
        return time.monotonic() > self.deadline

    @property
    def stderr_tail(self) -> str:
        return bytes(self._tail).decode("utf-8", "replace")

    def kill(self) -> None:
        """Ends the whole process group at once; does nothing when it has ended already."""
        if self.process.poll() is None:
            with contextlib.suppress(ProcessLookupError):  # it ended between the two lines
                os.killpg(self.process.pid, signal.SIGKILL)
        self.process.wait()
        self._take_back()

    def wait(self) -> int:
        """Waits for the end of the program, at most until the deadline; then kills it. Returns its status."""
        try:
            status = self.process.wait(max(0.0, self.deadline - time.monotonic()))
        except subprocess.TimeoutExpired:
            self.kill()
            raise MediaError("timed_out") from None
        self._stderr_thread.join(1.0)
        self._take_back()
        return status

    def _take_back(self) -> None:
        """What a user of its own wrote belongs to us again."""
        if os.geteuid() == 0:
            for path in self._writes:
                with contextlib.suppress(OSError):
                    os.chown(path, 0, os.getegid())

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None,
                 trace: TracebackType | None) -> None:  # fmt: skip
        self.kill()
        self._stderr_thread.join(1.0)
        for pipe in (self.process.stdout, self.process.stderr):
            if pipe is not None:
                pipe.close()

    def _collect_stderr(self) -> None:
        stderr = self.process.stderr
        try:
            while stderr is not None and (chunk := stderr.read(4096)):
                self._tail += chunk
                del self._tail[:-STDERR_TAIL_BYTES]
        except ValueError:
            pass  # the pipe was closed while the program was being killed


def run_sandboxed(
    args: Sequence[str],
    *,
    limits: Limits,
    reads: Paths = (),
    writes: Paths = (),
    stdout_bytes: int = STDOUT_BYTES,
    on_line: Callable[[str], None] | None = None,
    cancelled: Callable[[], bool] | None = None,
) -> Completed:
    """Runs a program to its end. At most ``stdout_bytes`` of its output are kept, the rest is thrown away.

    ``on_line`` gets every line of its standard output while it runs (in a thread of its own).
    Raises MediaError 'timed_out' or 'cancelled', after the whole process group is dead.
    """
    kept = bytearray()

    def collect(pipe: IO[bytes]) -> None:
        for chunk in iter(lambda: pipe.readline(65536) if on_line else pipe.read(65536), b""):
            if on_line:
                on_line(chunk.decode("utf-8", "replace").rstrip("\r\n"))
            kept.extend(chunk[: max(0, stdout_bytes - len(kept))])

    with Sandboxed(args, limits=limits, reads=reads, writes=writes) as program:
        reader = threading.Thread(target=collect, args=(program.stdout,), name="stdout", daemon=True)
        reader.start()
        while True:
            if cancelled is not None and cancelled():
                program.kill()
                raise MediaError("cancelled")
            if program.expired:
                program.kill()
                raise MediaError("timed_out")
            try:
                status = program.process.wait(POLL_SECONDS)
                break
            except subprocess.TimeoutExpired:
                continue
        reader.join(5.0)
        program.wait()
        return Completed(status, bytes(kept), program.stderr_tail)
