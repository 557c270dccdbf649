"""The embedded default: PostgreSQL with pgvector from a Python package, in the data directory, on a unix socket.

``use(data_dir)`` starts the server or joins the one that runs there and returns a ``Usage``; the server stops when
the last usage ends (vsearch.postgres.keeper). Needs no system package; as root the server runs as the system user
``pgserver``, because Postgres refuses to run as root. Costs about 0.3 s to start, 3 s the very first time.
"""

from __future__ import annotations

import contextlib
import hashlib
import os
import signal
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from urllib.parse import quote

from vsearch import env
from vsearch.lifetime import FileLock
from vsearch.postgres.cluster import (
    SUPERUSER,
    EmbeddedProblem,
    forget_stale_locks,
    initialise,
    own_folder,
    password_file,
    programs,
    require_password,
    server_command,
    system_user,
)
from vsearch.postgres.keeper import Launch

DATABASE = "vsearch"
START_SECONDS = 90.0  # recovery after a crash may take a while
STOP_SECONDS = 30.0
PATIENCE_SECONDS = 30.0  # a server that does not answer for so long is started again
_SOCKET_NAME = ".s.PGSQL.5432"
_LONGEST_SOCKET = 100  # the kernel takes 107 bytes
_CODE = Path(__file__).resolve().parents[2]


def default_data_dir() -> Path:
    return env.folder("VSEARCH_DATA_DIR", _CODE / "data")


def postgres_folder(data_dir: Path) -> Path:
    return data_dir / "postgres"


def log_file(data_dir: Path) -> Path:
    return data_dir / "logs" / "postgres.log"


def socket_folder(data_dir: Path) -> Path:
    """The cluster itself, or a private temporary folder when a socket cannot have that path (long, or a list)."""
    cluster = postgres_folder(data_dir.resolve())
    if len(str(cluster / _SOCKET_NAME).encode()) <= _LONGEST_SOCKET and not set(str(cluster)) & set(',"@'):
        return cluster
    name = hashlib.sha256(str(cluster).encode()).hexdigest()[:12]
    return Path(tempfile.gettempdir()) / f"vsearch-{os.getuid()}-{name}"


def database_url(data_dir: Path) -> str:
    """Names the file of the password (libpq's ``passfile``), so that the password is in no log and command line."""
    places = {"host": socket_folder(data_dir), "passfile": password_file(postgres_folder(data_dir.resolve()))}
    options = "&".join(f"{name}={quote(str(path), safe='')}" for name, path in places.items())
    return f"postgresql://{SUPERUSER}@/{DATABASE}?{options}"


def answers(data_dir: Path) -> bool:
    """True when a server listens on the socket (it may still be starting)."""
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as probe:
        try:
            probe.connect(str(socket_folder(data_dir) / _SOCKET_NAME))
        except OSError:
            return False
    return True


class Usage:
    """Holds the server; ``close`` lets go of it. Safe to close twice."""

    def __init__(self, data_dir: Path, users: FileLock, keeper: subprocess.Popen[bytes] | None) -> None:
        self.data_dir = data_dir
        self._users: FileLock | None = users
        self._keeper = keeper  # when this usage started the server

    def close(self) -> None:
        """Let go; when this was the last usage, wait until the server has stopped."""
        if self._users is None:
            return
        self._users.release()
        self._users = None
        pid_file = postgres_folder(self.data_dir) / "postmaster.pid"
        until = time.monotonic() + STOP_SECONDS
        other = FileLock(_users_file(self.data_dir))
        while time.monotonic() < until:
            free = other.try_own()  # the keeper has ended, or has not looked yet
            stopping = not free and not other.try_share()
            other.release()
            if not free and not stopping:
                return  # somebody else uses it
            if free and not pid_file.exists():
                break
            time.sleep(0.3 if free else 0.05)
        if self._keeper is not None:
            with contextlib.suppress(subprocess.TimeoutExpired):
                self._keeper.wait(STOP_SECONDS)
        sockets = socket_folder(self.data_dir)
        if sockets != postgres_folder(self.data_dir):
            with contextlib.suppress(OSError):
                sockets.rmdir()


def use(data_dir: Path, settings: Mapping[str, str] | None = None) -> Usage:
    """Start the server or join the running one; makes the database and the queues. EmbeddedProblem says why not.

    ``settings`` are Postgres parameters that win over ours; they count only when this call starts the server.
    """
    data_dir = data_dir.resolve()
    data_dir.mkdir(parents=True, exist_ok=True)
    users = FileLock(_users_file(data_dir))
    users.share()
    starting = FileLock(data_dir / "postgres.starting")
    try:
        starting.own()
        keeper = None if answers(data_dir) else _launch(data_dir, dict(settings or {}))
        _bootstrap(data_dir)
    except BaseException:
        users.release()
        raise
    finally:
        starting.release()
    return Usage(data_dir, users, keeper)


def _users_file(data_dir: Path) -> Path:
    return data_dir / "postgres.users"


def _launch(data_dir: Path, settings: dict[str, str]) -> subprocess.Popen[bytes]:
    cluster, user = postgres_folder(data_dir), system_user()
    initialise(cluster, user)
    sockets = socket_folder(data_dir)
    own_folder(sockets, user)
    forget_stale_locks(cluster, sockets / f"{_SOCKET_NAME}.lock")
    require_password(cluster, user)
    log = log_file(data_dir)
    log.parent.mkdir(parents=True, exist_ok=True)
    command = server_command(cluster, sockets, settings)
    question = [str(programs() / "pg_isready"), "-q", "-h", str(sockets), "-U", SUPERUSER, "-d", "postgres"]
    launch = Launch(command, str(cluster), str(_users_file(data_dir)), str(log), user, question, PATIENCE_SECONDS)
    keeper = subprocess.Popen(
        [sys.executable, "-m", "vsearch.postgres.keeper", launch.to_json()],
        cwd=_CODE,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL,
        stderr=log.open("ab"),
        start_new_session=True,
    )
    until = time.monotonic() + START_SECONDS
    while not answers(data_dir):
        if keeper.poll() is not None or time.monotonic() > until:
            keeper.send_signal(signal.SIGTERM)
            raise EmbeddedProblem(
                f"The embedded database did not start. Its log, {log}, ends with:\n{_last_lines(log)}"
            )
        time.sleep(0.05)
    return keeper


def _last_lines(log: Path, count: int = 8) -> str:
    lines = log.read_text(errors="replace").splitlines() if log.exists() else []
    return "\n".join(f"  {line}" for line in lines[-count:]) or "  (nothing)"


def _bootstrap(data_dir: Path) -> None:
    """Wait until the server takes connections, then make the database and the queues if they are missing."""
    import psycopg

    from vsearch import message_queues

    url = database_url(data_dir)
    maintenance = url.replace(f"/{DATABASE}?", "/postgres?")
    until = time.monotonic() + START_SECONDS
    while True:
        try:
            with psycopg.connect(maintenance, autocommit=True, connect_timeout=5) as connection:
                found = connection.execute("SELECT 1 FROM pg_database WHERE datname = %s", [DATABASE]).fetchone()
                if found is None:
                    connection.execute(f"CREATE DATABASE {DATABASE}")
            break
        except psycopg.OperationalError as error:  # "the database system is starting up"
            if "password" in str(error) and not password_file(postgres_folder(data_dir)).exists():
                raise EmbeddedProblem(
                    f"{password_file(postgres_folder(data_dir))} is gone. Stop vsearch and start it again: a new "
                    "password is made."
                ) from error
            if time.monotonic() > until:
                raise EmbeddedProblem(f"The embedded database does not answer: {error}") from error
            time.sleep(0.1)
    message_queues.install(url)


# These start the database themselves or need none. Every other command gets one for its own duration.
_WITHOUT_DATABASE = {
    "up", "demo", "help", "version", "check", "collectstatic", "findstatic", "diffsettings", "makemessages",
    "compilemessages", "startapp", "startproject", "spectacular", "evaluate",
}  # fmt: skip


@contextlib.contextmanager
def for_command(arguments: Sequence[str]) -> Iterator[None]:
    """The embedded server for the duration of one ``manage.py`` command, unless it needs none or has its own."""
    name = next((word for word in arguments[:1] if not word.startswith("-")), "")
    asks_only = {"--help", "-h", "--version"} & set(arguments)
    if not name or name in _WITHOUT_DATABASE or asks_only:
        yield
        return
    with for_database():
        yield


@contextlib.contextmanager
def for_database() -> Iterator[None]:
    """The embedded server while something is asked of it; nothing when DATABASE_URL names another."""
    if env.text("DATABASE_URL", ""):
        yield
        return
    usage = use(default_data_dir())
    try:
        yield
    finally:
        usage.close()
