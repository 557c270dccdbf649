"""Runs a set of processes as one tree: starts them, restarts what dies, passes signals on, leaves nothing behind.

Each child leads a session of its own, so that Ctrl-C in the terminal reaches only the supervisor, and the whole
session can be killed with whatever the child has started. The kernel kills a child when the supervisor is killed.
Knows nothing of Django; vsearch.processes.services says what runs.
"""

from __future__ import annotations

import contextlib
import os
import selectors
import signal
import subprocess
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from types import FrameType

import psutil

from vsearch.lifetime import adopt_orphans, preparing
from vsearch.processes.logs import ProcessLog, Say

TICK_SECONDS = 0.2
GRACE_SECONDS = 10.0  # between SIGTERM and SIGKILL
STEADY_SECONDS = 60.0  # a child that lived this long starts again without a wait
LONGEST_WAIT_SECONDS = 30.0


@dataclass(frozen=True)
class Service:
    name: str
    command: Sequence[str]
    environment: Mapping[str, str] = field(default_factory=dict)


class Child:
    """One service, running or waiting to be started again."""

    def __init__(self, service: Service, log: ProcessLog) -> None:
        self.service = service
        self.log = log
        self.process: subprocess.Popen[bytes] | None = None
        self.start_at = 0.0
        self._started = 0.0
        self._failures = 0

    def start(self, folder: Path) -> None:
        self._started = time.monotonic()
        self.process = subprocess.Popen(
            list(self.service.command),
            cwd=folder,
            env={**os.environ, **self.service.environment},
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            start_new_session=True,
            preexec_fn=preparing(signal.SIGKILL),
        )
        if self.process.stdout is not None:
            os.set_blocking(self.process.stdout.fileno(), False)

    def ended(self) -> bool:
        """True once the process is over. Kills its session first, while the zombie keeps the id from being reused."""
        if self.process is None:
            return True
        if os.waitid(os.P_PID, self.process.pid, os.WEXITED | os.WNOHANG | os.WNOWAIT) is None:
            return False
        self.signal_session(signal.SIGKILL)
        self.process.wait()
        return True

    def signal_session(self, number: signal.Signals) -> None:
        if self.process is not None and self.process.returncode is None:
            with contextlib.suppress(ProcessLookupError):
                os.killpg(self.process.pid, number)

    def signal_leader(self, number: signal.Signals) -> None:
        """The leader alone: a Celery worker tells its own children, each in its way."""
        if self.process is not None:
            self.process.send_signal(number)

    def plan_restart(self) -> float:
        """Seconds until the next start: none after a steady life, else doubling."""
        self._failures = 0 if time.monotonic() - self._started > STEADY_SECONDS else self._failures + 1
        wait = min(LONGEST_WAIT_SECONDS, 0.5 * 2**self._failures)
        self.start_at = time.monotonic() + wait
        self.process = None
        return wait


class Supervisor:
    """``run`` returns when a signal asked for the end and every process is gone."""

    def __init__(self, services: Sequence[Service], *, folder: Path, log_dir: Path, say: Say) -> None:
        self._children = [Child(service, ProcessLog(service.name, log_dir, say)) for service in services]
        self._folder = folder
        self._say = say
        self._selector = selectors.DefaultSelector()
        self._asked = 0

    def run(self, tick: Callable[[], None] = lambda: None) -> None:
        """Keep everything running; calls ``tick`` about five times a second from the same thread."""
        adopt_orphans()
        before = {number: signal.signal(number, self._ask) for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)}
        try:
            while not self._asked:
                self._start_due()
                self._drain(TICK_SECONDS)
                self._look_after()
                tick()
        finally:
            self.stop()
            for number, handler in before.items():
                signal.signal(number, handler)

    def _ask(self, number: int, frame: FrameType | None) -> None:
        self._asked += 1

    def _start_due(self) -> None:
        for child in self._children:
            if child.process is None and time.monotonic() >= child.start_at:
                child.start(self._folder)
                process = child.process
                if process is not None and process.stdout is not None:
                    self._selector.register(process.stdout, selectors.EVENT_READ, child)

    def _drain(self, seconds: float) -> None:
        """Move what the children wrote into their logs, waiting at most ``seconds`` for the first byte."""
        for key, _ in self._selector.select(seconds):
            with contextlib.suppress(BlockingIOError):
                text = os.read(key.fd, 65536)
                if text:
                    key.data.log.write(text)
                else:
                    self._selector.unregister(key.fileobj)

    def _look_after(self) -> None:
        for child in self._children:
            process = child.process
            if process is None or not child.ended():
                continue
            self._finish_output(child, process)
            how = _how_it_ended(process.returncode)
            if process.returncode > 0 and child.log.last_line:
                self._say(child.service.name, child.log.last_line[:300], urgent=True)
            self._say(child.service.name, f"{how}; restarting in {child.plan_restart():.1f} s", urgent=True)
            self._kill_strays()

    def _finish_output(self, child: Child, process: subprocess.Popen[bytes]) -> None:
        self._drain(0)
        if process.stdout is not None:
            with contextlib.suppress(KeyError):
                self._selector.unregister(process.stdout)
            process.stdout.close()
        child.log.flush()

    def _kill_strays(self) -> None:
        """Processes in sessions of their own whose parent died: they are ours now (see ``adopt_orphans``)."""
        known = {child.process.pid for child in self._children if child.process is not None}
        for process in psutil.Process().children():
            with contextlib.suppress(psutil.Error):
                if process.pid not in known and not _is_database(process):
                    process.kill()
                    process.wait(2)

    def stop(self) -> None:
        """SIGTERM to all, SIGKILL after ten seconds or at a second Ctrl-C; then the strays."""
        running = [child for child in self._children if child.process is not None and not child.ended()]
        for child in running:
            child.signal_leader(signal.SIGTERM)
        asked, until = self._asked, time.monotonic() + GRACE_SECONDS
        while running and time.monotonic() < until and self._asked == asked:
            self._drain(TICK_SECONDS)
            running = [child for child in running if not child.ended()]
        for child in running:
            self._say(child.service.name, "did not stop in time and was killed", urgent=True)
            child.signal_session(signal.SIGKILL)
        for child in self._children:
            process = child.process
            if process is not None:
                process.wait()
                self._finish_output(child, process)
                child.process = None
        self._kill_strays()


def _is_database(process: psutil.Process) -> bool:
    """The embedded Postgres and its keeper have an end of their own (vsearch.postgres.embedded)."""
    return process.name() == "postgres" or "vsearch.postgres.keeper" in process.cmdline()


def _how_it_ended(code: int) -> str:
    if code >= 0:
        return f"exited (exit code {code})"
    return f"was killed ({signal.Signals(-code).name})"
