"""The parent of the embedded Postgres: runs it while anybody uses it, restarts it when it dies or hangs, then ends.

Users hold a shared lock on ``postgres.users`` in the data directory (``embedded``). The keeper tries to own that lock;
success means that nobody is left, however the last user ended, so the server is stopped. While it stops, the owned
lock makes a newcomer wait, who then starts a keeper of his own.

A server that stopped because the disk is full comes back for reading only (``reserve``).

A server that runs and does not answer is killed with all its children and started again. One that recovers from a crash
answers "starting up"; it is left alone, however long that takes, as long as it gets on.

Run as ``python -m vsearch.postgres.keeper REQUEST``, where REQUEST is the JSON of ``Launch``. Imports no Django.
"""

from __future__ import annotations

import contextlib
import json
import os
import signal
import subprocess
import sys
import time
from dataclasses import asdict, dataclass
from pathlib import Path
from types import FrameType

import psutil

from vsearch.lifetime import FileLock, preparing
from vsearch.postgres.reserve import Reserve

LOOK_SECONDS = 0.2
STOP_SECONDS = 20.0
RESTART_SECONDS = 1.0
ASK_SECONDS = 3.0
ANSWER_SECONDS = 10.0
_REJECTS, _SILENT = 1, 2  # what pg_isready returns; the rest says nothing against the server
_RECOVERING = ("startup", "checkpointer")  # the children that work while a server starts up


@dataclass(frozen=True)
class Launch:
    command: list[str]
    folder: str  # the cluster
    users_file: str
    log_file: str
    user: str | None  # system user, when this runs as root
    question: list[str]  # the command that asks whether the server answers
    patience_seconds: float

    def to_json(self) -> str:
        return json.dumps(asdict(self))


class _Asked(Exception):
    pass


def _ask(number: int, frame: FrameType | None) -> None:
    raise _Asked


def _start(launch: Launch, *, read_only: bool = False) -> subprocess.Popen[bytes]:
    log = os.open(launch.log_file, os.O_WRONLY | os.O_CREAT | os.O_APPEND | os.O_CLOEXEC, 0o600)
    try:
        return subprocess.Popen(
            [*launch.command, *(["-c", "default_transaction_read_only=on"] if read_only else [])],
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=log,
            cwd=launch.folder,
            user=launch.user,
            group=launch.user,
            extra_groups=[] if launch.user else None,
            start_new_session=True,
            preexec_fn=preparing(signal.SIGINT),  # SIGINT: Postgres' fast shutdown
        )
    finally:
        os.close(log)


def _stop(server: subprocess.Popen[bytes]) -> None:
    for number in (signal.SIGINT, signal.SIGQUIT, signal.SIGKILL):
        if server.poll() is not None:
            return
        server.send_signal(number)
        try:
            server.wait(STOP_SECONDS)
        except subprocess.TimeoutExpired:
            continue


class Watch:
    """Asks one server again and again whether it answers, without ever waiting for it."""

    def __init__(self, launch: Launch, server: int) -> None:
        self._launch, self._server = launch, server
        self._question: subprocess.Popen[bytes] | None = None
        self._signs: object = None
        self._well = self._asked = time.monotonic()

    def hangs(self) -> bool:
        """Whether it has neither answered nor got on for the time of patience. Call it several times a second."""
        now = time.monotonic()
        if self._question is None:
            if now - self._asked >= ASK_SECONDS:
                self._asked = now
                self._ask(now)
        elif (answer := self._question.poll()) is not None or now - self._asked > 2 * ANSWER_SECONDS:
            self.close()
            if answer not in (_REJECTS, _SILENT, None) or self._gets_on(rejects=answer == _REJECTS):
                self._well = now
        return now - self._well > self._launch.patience_seconds

    def _ask(self, now: float) -> None:
        try:
            self._question = subprocess.Popen(
                [*self._launch.question, "-t", str(round(ANSWER_SECONDS))],
                stdin=subprocess.DEVNULL,
                stdout=subprocess.DEVNULL,
                stderr=subprocess.DEVNULL,
            )
        except OSError:  # no memory, no more processes: that says nothing about the server
            self._well = now

    def close(self) -> None:
        if self._question is not None:
            self._question.kill()
            self._question.wait()
            self._question = None

    def _gets_on(self, *, rejects: bool) -> bool:
        """While it starts up: the children that recover do something. Always: waiting for the disk is no hanging."""
        signs = []
        try:
            server = psutil.Process(self._server)
            for process in (server, *server.children()):
                if process.status() == psutil.STATUS_DISK_SLEEP:
                    return True
                title = " ".join(process.cmdline())
                if rejects and process.pid != self._server and any(role in title for role in _RECOVERING):
                    spent = process.cpu_times()
                    signs.append((process.pid, title, spent.user, spent.system))
        except psutil.Error:
            return True  # a child ended meanwhile; the next question sees what came of it
        before, self._signs = self._signs, signs
        return bool(signs) and signs != before


def destroy(server: subprocess.Popen[bytes]) -> None:
    """Also its children: those of a server that hangs do not see it go, and would keep a new one from starting."""
    try:
        family = psutil.Process(server.pid).children(recursive=True)
    except psutil.Error:
        family = []
    server.kill()
    for process in family:
        try:
            process.kill()
        except psutil.Error:
            continue
    server.wait()
    psutil.wait_procs(family, timeout=STOP_SECONDS)


def _tell(line: str) -> None:
    with contextlib.suppress(OSError):  # the log may be on the disk that is full
        print(line, file=sys.stderr, flush=True)


def keep(launch: Launch) -> None:
    """Run the server until the lock on the users' file can be owned, or SIGTERM comes."""
    users = FileLock(Path(launch.users_file))
    reserve, read_only = Reserve(Path(launch.folder)), False
    server = _start(launch)
    watch = Watch(launch, server.pid)
    try:
        while not users.try_own():
            if read_only and reserve.disk_is_wide:
                _tell("There is space on the disk again: the database may write.")
                _stop(server)
            elif not read_only:
                reserve.make()
            if server.poll() is None and watch.hangs():
                _tell(f"The database did not answer for {launch.patience_seconds:.0f} s: it is started again.")
                destroy(server)
            if server.poll() is not None:
                watch.close()
                time.sleep(RESTART_SECONDS)
                read_only = reserve.disk_is_full
                if read_only:
                    reserve.release()
                    _tell("The disk is full: the database can only be read.")
                server = _start(launch, read_only=read_only)
                watch = Watch(launch, server.pid)
            time.sleep(LOOK_SECONDS)
            users.release()
    except _Asked:
        pass
    finally:
        watch.close()
        _stop(server)


def main() -> None:
    for number in (signal.SIGINT, signal.SIGHUP):
        signal.signal(number, signal.SIG_IGN)
    signal.signal(signal.SIGTERM, _ask)
    keep(Launch(**json.loads(sys.argv[1])))


if __name__ == "__main__":
    main()
