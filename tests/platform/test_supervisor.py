"""The supervisor restarts what dies and leaves no process behind, however it ends."""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import psutil
import pytest
from django.conf import settings

from tests.platform.servers import wait_until

# Each child writes its process id into a file of its own and sleeps; "stubborn" ignores SIGTERM, "parent" has a
# child in a session of its own, as sandboxed decoders are.
PROGRAM = """
import sys
from pathlib import Path
from vsearch.processes import supervisor
from vsearch.processes.logs import say
supervisor.GRACE_SECONDS = 1.0
folder = Path(sys.argv[1])
note = "import os, pathlib, signal, subprocess, sys, time; pathlib.Path(sys.argv[1]).write_text(str(os.getpid())); "
sleep = "time.sleep(600)"
bodies = {
    "plain": note + sleep,
    "stubborn": note + "signal.signal(signal.SIGTERM, signal.SIG_IGN); " + sleep,
    "parent": note + "subprocess.Popen([sys.executable, '-c', sys.argv[2], sys.argv[1] + '-child'], "
              "start_new_session=True); " + sleep,
}
services = [
    supervisor.Service(name, [sys.executable, "-c", body, str(folder / name), note + sleep])
    for name, body in bodies.items()
]
supervisor.Supervisor(services, folder=folder, log_dir=folder / "logs", say=say).run()
"""
CHILDREN = ("plain", "stubborn", "parent", "parent-child")


def _pid(file: Path) -> int:
    with contextlib.suppress(FileNotFoundError, ValueError):
        return int(file.read_text())
    return 0


def _alive(pid: int) -> bool:
    with contextlib.suppress(psutil.NoSuchProcess):
        return psutil.Process(pid).status() != psutil.STATUS_ZOMBIE
    return False


@pytest.fixture
def supervisor(tmp_path: Path) -> Iterator[subprocess.Popen[bytes]]:
    command = [sys.executable, "-c", PROGRAM, str(tmp_path)]
    with subprocess.Popen(command, cwd=settings.BASE_DIR, stderr=subprocess.PIPE) as process:
        wait_until(lambda: all(_pid(tmp_path / name) for name in CHILDREN), "all children run")
        yield process
        process.kill()


def test_a_child_that_was_killed_runs_again(supervisor: subprocess.Popen[bytes], tmp_path: Path) -> None:
    first = _pid(tmp_path / "plain")
    os.kill(first, signal.SIGKILL)
    wait_until(lambda: _pid(tmp_path / "plain") not in {0, first}, "another process took its place")
    assert supervisor.poll() is None


def test_what_a_killed_child_had_started_does_not_stay(supervisor: subprocess.Popen[bytes], tmp_path: Path) -> None:
    grandchild = _pid(tmp_path / "parent-child")
    os.kill(_pid(tmp_path / "parent"), signal.SIGKILL)
    wait_until(lambda: not _alive(grandchild), "its child in another session ends too")


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP])
def test_a_signal_ends_every_process(
    supervisor: subprocess.Popen[bytes], tmp_path: Path, number: signal.Signals
) -> None:
    pids = [_pid(tmp_path / name) for name in CHILDREN]
    supervisor.send_signal(number)
    assert supervisor.wait(60) == 0
    assert [pid for pid in pids if _alive(pid)] == []
    assert supervisor.stderr is not None
    assert b"stubborn did not stop in time" in supervisor.stderr.read()


def test_children_end_when_the_supervisor_is_killed(supervisor: subprocess.Popen[bytes], tmp_path: Path) -> None:
    pids = [_pid(tmp_path / name) for name in ("plain", "stubborn", "parent")]
    supervisor.kill()
    wait_until(lambda: not any(_alive(pid) for pid in pids), "the kernel ends them")
    os.kill(_pid(tmp_path / "parent-child"), signal.SIGKILL)  # its parent here set no tie, as real decoders do
