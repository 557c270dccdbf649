"""Which layers of the sandbox hold on this machine: a child tries to escape, from all of them and from each alone."""

from __future__ import annotations

import contextlib
import json
import socket
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from worker.media.sandbox import escapes
from worker.media.sandbox.limits import Limits
from worker.media.sandbox.runner import LAYERS, Sandboxed

# What each layer must refuse when no other helps.
SIGNS = {
    "landlock": ("read a secret", "list a folder", "write a new file", "change a file"),
    "seccomp": ("connect to a unix socket", "start a process", "limit the server", "open a file to everybody"),
    "user": ("read the memory of the server", "mount"),
    "network": ("connect to a port of this machine", "connect to an abstract socket"),
}


@dataclass(frozen=True)
class Outcomes:
    """succeeded: the names of the attempts of ``escapes`` that did; user: whom the child ran as."""

    succeeded: frozenset[str]
    user: int


def attempt(folder: Path, without: Sequence[str] | None = None) -> Outcomes:
    """Lets a sandboxed child try everything that ``escapes`` knows. ``folder`` is where its targets are made.

    without: layers that are left out, by default those of the setting. Raises OSError when the child did not answer.
    """
    with targets(folder) as aims:
        program = [sys.executable, "-I", "-S", escapes.__file__, aims.to_json()]
        with Sandboxed(program, limits=Limits(wall_seconds=60.0), without=without) as child:
            answer = child.stdout.read()
            if child.wait() != 0:
                raise OSError(f"the child of the sandbox ended with {child.process.returncode}: {child.stderr_tail}")
    return outcomes_from(answer)


def outcomes_from(answer: bytes) -> Outcomes:
    known = json.loads(answer)
    return Outcomes(frozenset(name for name, done in known["outcomes"].items() if done), known["user"])


def holding(folder: Path) -> dict[str, bool]:
    """For each layer whether it holds by itself."""
    held = {}
    for layer in LAYERS:
        outcomes = attempt(folder, [other for other in LAYERS if other != layer])
        held[layer] = outcomes.succeeded.isdisjoint(SIGNS[layer])
    return held


def runs(program: Sequence[str]) -> str:
    """Why ``program`` does not run in the sandbox; empty when it does."""
    with Sandboxed(program, limits=Limits(wall_seconds=60.0)) as child:
        child.stdout.read()
        status = child.wait()
        return "" if status == 0 else f"it ended with {status}: {child.stderr_tail[-300:].strip()}"


@contextlib.contextmanager
def targets(folder: Path) -> Iterator[escapes.Targets]:
    """A secret file, sockets that somebody listens on and a process of ours. All are gone afterwards."""
    with (
        tempfile.TemporaryDirectory(dir=folder, prefix=".sandbox-") as private,
        tempfile.TemporaryDirectory(prefix="vsearch-") as short,  # a socket cannot have a long path
        socket.socket(socket.AF_UNIX) as named,
        socket.socket(socket.AF_UNIX) as abstract,
        socket.create_server(("127.0.0.1", 0)) as port,
        subprocess.Popen(["/bin/cat"], stdin=subprocess.PIPE, stdout=subprocess.DEVNULL) as server,
    ):
        for file in ("secret", "victim"):
            Path(private, file).write_text("a secret")
            Path(private, file).chmod(0o600)
        named.bind(f"{short}/socket")
        abstract.bind(f"\0{short}")
        for listener in (named, abstract):
            listener.listen(8)
        yield escapes.Targets(secret=f"{private}/secret", folder=private, unix_socket=f"{short}/socket",
                              abstract_socket=short, tcp_port=port.getsockname()[1], server=server.pid,
                              address=_of_stack(server.pid))  # fmt: skip


def _of_stack(process: int) -> int:
    """The address of 8 bytes that the process has."""
    for line in Path(f"/proc/{process}/maps").read_text().splitlines():
        if line.endswith("[stack]"):
            return int(line.split("-")[0], 16)
    raise OSError(f"process {process} has no stack")
