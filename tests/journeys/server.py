"""A whole vsearch as a person starts it: ``manage.py up`` on a folder of its own, and its end without remains."""

from __future__ import annotations

import contextlib
import json
import os
import shutil
import signal
import subprocess
import sys
import tempfile
import urllib.error
import urllib.request
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import psutil
import psycopg

from tests.platform.servers import free_port, wait_until
from vsearch.postgres import embedded

CODE = Path(__file__).resolve().parents[2]
START_SECONDS = 600.0  # a first start exports the bundled model, perhaps on a busy machine
STOP_SECONDS = 90.0
PASSWORD = "journeys-only-9371"
_OF_THE_TESTS = {"DATABASE_URL", "BROKER_URL", "VSEARCH_TEST_ARRANGED", "VSEARCH_SECRET_KEY"}


@dataclass(frozen=True)
class Server:
    """A running vsearch. ``environment`` is that of the person who started it."""

    process: subprocess.Popen[bytes]
    port: int
    data_dir: Path
    environment: Mapping[str, str]

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    def get(self, path: str) -> tuple[int, bytes]:
        """Status and body for a visitor without a login; status 0 while nobody listens."""
        try:
            with urllib.request.urlopen(self.url + path, timeout=60) as answer:  # noqa: S310
                return answer.status, answer.read()
        except urllib.error.HTTPError as error:
            return error.code, error.read()
        except OSError:
            return 0, b""

    def json(self, path: str) -> Any:
        """What the API answers a visitor without a login; the test fails unless the status is 200."""
        status, body = self.get(path)
        assert status == 200, f"{path}: {status} {body[:300]!r}"
        return json.loads(body)

    def manage(self, *arguments: str, **more: str) -> subprocess.CompletedProcess[str]:
        """Run a manage.py command beside the server. ``more``: further environment variables."""
        return subprocess.run(
            [sys.executable, str(CODE / "manage.py"), *arguments],
            cwd=CODE, env={**self.environment, **more}, capture_output=True, text=True, check=False, timeout=600,
        )  # fmt: skip

    def query(self, sql: str, *parameters: object) -> list[tuple[Any, ...]]:
        """Rows from the database of the server, which the ORM of the tests does not see."""
        with psycopg.connect(embedded.database_url(self.data_dir)) as connection:
            return connection.execute(sql, parameters).fetchall()

    def part(self, word: str) -> psutil.Process:
        """The first process of the tree whose command line has ``word``."""
        for process in psutil.Process(self.process.pid).children(recursive=True):
            with contextlib.suppress(psutil.Error):
                if word in " ".join(process.cmdline()):
                    return process
        raise AssertionError(f"no process of {word}")

    def last_words(self) -> str:
        return (self.data_dir / "up.log").read_text(errors="replace")[-3000:]


def left_of(data_dir: Path) -> list[str]:
    """Command lines of processes that still belong to this data directory."""
    left = []
    for process in psutil.process_iter():
        with contextlib.suppress(psutil.Error):
            command = " ".join(process.cmdline())
            if process.environ().get("VSEARCH_DATA_DIR") == str(data_dir) or str(data_dir) in command:
                left.append(command)
    return left


@contextlib.contextmanager
def running_server() -> Iterator[Server]:
    """Start, wait until /readyz is fine, make the administrator; stop with SIGINT and look for what stayed."""
    data_dir = Path(tempfile.mkdtemp(prefix="vsearch-journeys-"))
    data_dir.chmod(0o755)  # the database runs as another user when this runs as root
    plain = {name: value for name, value in os.environ.items() if name not in _OF_THE_TESTS}
    environment = {
        **plain,
        "DJANGO_SETTINGS_MODULE": "vsearch.settings",
        "VSEARCH_DATA_DIR": str(data_dir),
        "VSEARCH_PUBLIC_SEARCH": "1",
        "VSEARCH_JOB_LEASE_SECONDS": "6",
    }
    port = free_port()
    command = [sys.executable, str(CODE / "manage.py"), "up", "--port", str(port)]
    try:
        with (
            (data_dir / "up.log").open("ab") as log,
            subprocess.Popen(
                command, env=environment, cwd=CODE, stdout=log, stderr=log, stdin=subprocess.DEVNULL,
                start_new_session=True,
            ) as process,
        ):  # fmt: skip
            server = Server(process, port, data_dir, environment)
            try:
                _wait_until_ready(server)
                made = server.manage("create_admin", VSEARCH_ADMIN_PASSWORD=PASSWORD)
                assert made.returncode == 0, made.stderr
                yield server
            finally:
                _stop(server)
            assert left_of(data_dir) == []
            assert process.returncode == 0, server.last_words()
    finally:
        shutil.rmtree(embedded.socket_folder(data_dir), ignore_errors=True)
        shutil.rmtree(data_dir, ignore_errors=True)


def _wait_until_ready(server: Server) -> None:
    def ready() -> bool:
        assert server.process.poll() is None, server.last_words()
        return server.get("/readyz")[0] == 200

    wait_until(ready, "/readyz is fine", START_SECONDS)


def _stop(server: Server) -> None:
    server.process.send_signal(signal.SIGINT)
    try:
        server.process.wait(STOP_SECONDS)
    except subprocess.TimeoutExpired:
        server.process.kill()
        raise
