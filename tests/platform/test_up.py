"""``manage.py up`` as a person uses it: real database, web and worker processes."""

from __future__ import annotations

import contextlib
import json
import os
import signal
import socket
import subprocess
import sys
import urllib.error
import urllib.request
from collections.abc import Iterator
from pathlib import Path

import psutil
import pytest
from django.conf import settings

from tests.platform.servers import free_port, wait_until

CODE = Path(settings.BASE_DIR)
MINUTES = 300.0  # a first start on a busy machine


def _get(port: int, path: str) -> tuple[int, bytes]:
    """Status and body; 0 while nobody listens."""
    try:
        with urllib.request.urlopen(f"http://127.0.0.1:{port}{path}", timeout=20) as answer:
            return answer.status, answer.read()
    except urllib.error.HTTPError as error:
        return error.code, error.read()
    except OSError:
        return 0, b""


def _database_is_fine(port: int) -> bool | None:
    status, body = _get(port, "/readyz")
    return json.loads(body)["parts"]["database"]["ok"] if status in {200, 503} else None


def _part_of_tree(root: int, word: str) -> psutil.Process | None:
    for process in psutil.Process(root).children(recursive=True):
        with contextlib.suppress(psutil.Error):
            if word in " ".join(process.cmdline()):
                return process
    return None


@contextlib.contextmanager
def _up(person: dict[str, str], port: int) -> Iterator[subprocess.Popen[str]]:
    command = [sys.executable, str(CODE / "manage.py"), "up", "--port", str(port), "--only", "web", "scheduler"]
    with subprocess.Popen(
        command, env=person, cwd=CODE, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True
    ) as process:
        try:
            wait_until(lambda: _get(port, "/healthz")[0] == 200, "the web process answers", MINUTES)
            yield process
        finally:
            process.send_signal(signal.SIGINT)
            process.communicate(timeout=60)


def _left_of(data_dir: Path) -> list[str]:
    """Command lines of processes that still belong to this data directory."""
    left = []
    for process in psutil.process_iter():
        with contextlib.suppress(psutil.Error):
            if process.environ().get("VSEARCH_DATA_DIR") == str(data_dir) or str(data_dir) in str(process.cmdline()):
                left.append(" ".join(process.cmdline()))
    return left


def test_it_restarts_what_dies_tells_the_truth_and_leaves_nothing(person: dict[str, str], data_dir: Path) -> None:
    port = free_port()
    with _up(person, port) as process:
        assert _database_is_fine(port) is True
        assert b"vsearch_jobs{" in _get(port, "/metrics")[1]

        web = _part_of_tree(process.pid, "granian")
        assert web is not None
        web.kill()
        wait_until(lambda: _get(port, "/healthz")[0] == 200, "another web process answers", MINUTES)

        keeper = _part_of_tree(process.pid, "vsearch.postgres.keeper")
        postgres = _part_of_tree(process.pid, "/postgres -D")
        assert keeper is not None
        assert postgres is not None
        keeper.suspend()  # so that it does not restart the server at once
        postgres.send_signal(signal.SIGQUIT)
        wait_until(lambda: _database_is_fine(port) is False, "/readyz says that the database is gone")
        assert _get(port, "/admin/login/")[0] in {200, 503}
        assert _get(port, "/healthz")[0] == 200
        keeper.resume()
        wait_until(lambda: _database_is_fine(port) is True, "/readyz says that it is back", MINUTES)
    assert process.returncode == 0
    assert _left_of(data_dir) == []
    assert not (data_dir / "up.json").exists()
    with _up(person, port) as again:
        assert _database_is_fine(port) is True
    assert again.returncode == 0


def test_kill_9_leaves_nothing_and_the_next_start_is_clean(person: dict[str, str], data_dir: Path) -> None:
    port = free_port()
    with _up(person, port) as process:
        process.kill()
        process.wait()
        wait_until(lambda: _left_of(data_dir) == [], f"all processes end: {_left_of(data_dir)}")
    with _up(person, port) as again:
        assert _database_is_fine(port) is True
    assert again.returncode == 0


def test_a_second_one_on_the_same_folder_says_who_runs_there(person: dict[str, str]) -> None:
    port = free_port()
    with _up(person, port) as process:
        command = [sys.executable, str(CODE / "manage.py"), "up", "--port", str(free_port())]
        second = subprocess.run(command, env=person, cwd=CODE, capture_output=True, text=True, check=False, timeout=120)
        assert second.returncode == 1
        assert f"process {process.pid}" in second.stderr
        assert f"http://127.0.0.1:{port}" in second.stderr
        assert _get(port, "/healthz")[0] == 200


def test_a_taken_port_is_named_together_with_the_way_out(person: dict[str, str]) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        command = [sys.executable, str(CODE / "manage.py"), "up", "--port", str(port)]
        done = subprocess.run(command, env=person, cwd=CODE, capture_output=True, text=True, check=False, timeout=120)
    assert done.returncode == 1
    assert f"Port {port}" in done.stderr
    assert f"--port {port + 1}" in done.stderr


@pytest.mark.parametrize(
    ("installed", "available", "remedy"),
    [("0.8.1", "0.8.1", "upgrade pgvector on the server"), ("0.8.1", "0.8.5", "ALTER EXTENSION vector UPDATE")],
)
def test_an_old_pgvector_is_refused_with_the_reason(
    monkeypatch: pytest.MonkeyPatch, installed: str, available: str, remedy: str
) -> None:
    from vsearch.processes import startup

    class Connection:
        def execute(self, _: str) -> Connection:
            return self

        def fetchone(self) -> tuple[str, str]:
            return available, installed

    monkeypatch.setattr(startup.psycopg, "connect", lambda *_, **__: contextlib.nullcontext(Connection()))
    with pytest.raises(startup.CannotStart, match=r"CVE-2026-3172") as refused:
        startup.check_own_database("postgresql://somewhere")
    assert remedy in str(refused.value)


def test_a_pgvector_that_is_new_enough_is_accepted() -> None:
    from vsearch.processes import startup

    startup.check_own_database(os.environ["DATABASE_URL"])


def test_a_database_that_does_not_answer_is_told_without_the_password() -> None:
    from vsearch.processes import startup

    with pytest.raises(startup.CannotStart, match="refused the connection") as refused:
        startup.check_own_database("postgresql://somebody:secret-word@127.0.0.1:1/vsearch")
    assert "secret-word" not in str(refused.value)
