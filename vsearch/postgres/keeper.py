"""The parent of the embedded Postgres: runs it while anybody uses it, restarts it when it dies, then ends.

Users hold a shared lock on ``postgres.users`` in the data directory (``embedded``). The keeper tries to own that lock;
success means that nobody is left, however the last user ended, so the server is stopped. While it stops, the owned
lock makes a newcomer wait, who then starts a keeper of his own.

Run as ``python -m vsearch.postgres.keeper REQUEST``, where REQUEST is the JSON of ``Launch``. Imports no Django.
"""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from dataclasses import asdict, dataclass
from pathlib import Path
from types import FrameType

from vsearch.lifetime import FileLock, preparing

LOOK_SECONDS = 0.2
STOP_SECONDS = 20.0
RESTART_SECONDS = 1.0


@dataclass(frozen=True)
class Launch:
    command: list[str]
    folder: str  # the cluster
    users_file: str
    log_file: str
    user: str | None  # system user, when this runs as root

    def to_json(self) -> str:
        return json.dumps(asdict(self))


class _Asked(Exception):
    pass


def _ask(number: int, frame: FrameType | None) -> None:
    raise _Asked


def _start(launch: Launch) -> subprocess.Popen[bytes]:
    log = os.open(launch.log_file, os.O_WRONLY | os.O_CREAT | os.O_APPEND | os.O_CLOEXEC, 0o600)
    try:
        return subprocess.Popen(
            launch.command,
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


def keep(launch: Launch) -> None:
    """Run the server until the lock on the users' file can be owned, or SIGTERM comes."""
    users = FileLock(Path(launch.users_file))
    server = _start(launch)
    try:
        while not users.try_own():
            if server.poll() is not None:
                time.sleep(RESTART_SECONDS)
                server = _start(launch)
            time.sleep(LOOK_SECONDS)
            users.release()
    except _Asked:
        pass
    finally:
        _stop(server)


def main() -> None:
    for number in (signal.SIGINT, signal.SIGHUP):
        signal.signal(number, signal.SIG_IGN)
    signal.signal(signal.SIGTERM, _ask)
    keep(Launch(**json.loads(sys.argv[1])))


if __name__ == "__main__":
    main()
