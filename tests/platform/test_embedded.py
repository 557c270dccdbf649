"""The embedded Postgres: starts, is shared, survives violence, and leaves nothing behind."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from pathlib import Path

import psutil
import psycopg
import pytest
from django.conf import settings

from tests.platform.servers import wait_until
from vsearch import env
from vsearch.postgres import embedded
from vsearch.postgres.cluster import password_file, programs

CODE = Path(settings.BASE_DIR)


def _postmaster(data_dir: Path) -> int:
    return int((embedded.postgres_folder(data_dir) / "postmaster.pid").read_text().split("\n", 1)[0])


def _answer(data_dir: Path) -> object:
    with psycopg.connect(embedded.database_url(data_dir), connect_timeout=5) as connection:
        row = connection.execute("SELECT count(*) FROM pgmq.meta").fetchone()
    return row and row[0]


def _processes(data_dir: Path) -> list[psutil.Process]:
    return [process for process in psutil.process_iter(["cmdline"]) if str(data_dir) in str(process.info["cmdline"])]


def test_the_first_use_makes_the_database_and_the_queues(data_dir: Path) -> None:
    usage = embedded.use(data_dir)
    try:
        assert _answer(data_dir) == len(("gpu", "lookup", "decode", "default", "training"))
    finally:
        usage.close()
    assert not embedded.answers(data_dir)
    assert _processes(data_dir) == []


def test_the_server_runs_until_its_last_user_lets_go(data_dir: Path) -> None:
    first = embedded.use(data_dir)
    second = embedded.use(data_dir)
    first.close()
    assert _answer(data_dir)
    second.close()
    assert not embedded.answers(data_dir)


def test_a_path_that_is_too_long_for_a_socket_is_no_obstacle(data_dir: Path) -> None:
    deep = data_dir / ("a-folder-with-a-long-name" * 3) / ("and another, with a comma" * 3)
    usage = embedded.use(deep)
    try:
        assert _answer(deep)
    finally:
        usage.close()
    assert not embedded.socket_folder(deep).exists()


def test_a_server_that_was_killed_is_started_again_with_what_it_held(data_dir: Path) -> None:
    usage = embedded.use(data_dir)
    try:
        killed = _postmaster(data_dir)
        os.kill(killed, signal.SIGKILL)
        wait_until(lambda: embedded.answers(data_dir) and _postmaster(data_dir) != killed, "the keeper restarts it")
        embedded.use(data_dir).close()  # waits for the end of the recovery
        assert _answer(data_dir)
    finally:
        usage.close()


def test_a_pid_file_of_a_program_that_is_no_postgres_does_not_stop_the_start(data_dir: Path) -> None:
    embedded.use(data_dir).close()
    pid_file = embedded.postgres_folder(data_dir) / "postmaster.pid"
    pid_file.write_text(f"{os.getpid()}\n{pid_file.parent}\n1\n5432\n\n\n\nready\n")
    usage = embedded.use(data_dir)
    usage.close()
    assert not embedded.answers(data_dir)


def test_nothing_stays_when_the_only_user_is_killed(data_dir: Path) -> None:
    program = f"import time; from pathlib import Path; from vsearch.postgres import embedded\n\
usage = embedded.use(Path({str(data_dir)!r})); print('up', flush=True); time.sleep(600)"
    with subprocess.Popen([sys.executable, "-c", program], cwd=CODE, stdout=subprocess.PIPE) as user:
        assert user.stdout is not None
        assert user.stdout.readline() == b"up\n"
        assert embedded.answers(data_dir)
        user.kill()
    wait_until(lambda: _processes(data_dir) == [], "keeper and server end by themselves")


def test_a_command_brings_its_own_server_and_takes_it_away(person: dict[str, str], data_dir: Path) -> None:
    command = [sys.executable, str(CODE / "manage.py"), "migrate", "--verbosity", "0"]
    subprocess.run(command, env=person, cwd=CODE, check=True, timeout=300)
    assert _processes(data_dir) == []
    assert {path.name for path in data_dir.iterdir()} <= {
        "postgres", "postgres.users", "postgres.starting", "postgres.reserve", "logs", "secret_key", "incoming",
    }  # fmt: skip


def test_the_folder_may_come_from_the_environment(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("VSEARCH_DATA_DIR", str(tmp_path))
    assert embedded.default_data_dir() == env.folder("VSEARCH_DATA_DIR", Path("/")) == tmp_path.resolve()


def _refused(data_dir: Path) -> str:
    """What the server tells somebody who reaches its socket and has no password."""
    url = embedded.database_url(data_dir).split("&passfile=", maxsplit=1)[0] + "&passfile=%2Fdev%2Fnull"
    with pytest.raises(psycopg.OperationalError) as refusal:
        psycopg.connect(url, connect_timeout=5).close()
    return str(refusal.value)


def test_the_socket_alone_opens_nothing(data_dir: Path) -> None:
    usage = embedded.use(data_dir)
    try:
        assert "no password supplied" in _refused(data_dir)
        file = password_file(embedded.postgres_folder(data_dir))
        assert file.stat().st_mode & 0o077 == 0
        command = [str(programs() / "pg_dump"), "--schema-only", embedded.database_url(data_dir)]
        assert "pgmq" in subprocess.run(command, capture_output=True, text=True, check=True).stdout
    finally:
        usage.close()


def test_a_database_of_an_older_vsearch_gets_a_password(data_dir: Path) -> None:
    embedded.use(data_dir).close()
    cluster = embedded.postgres_folder(data_dir)
    password_file(cluster).unlink()
    (cluster / "pg_hba.conf").write_text("local all all trust\n")  # as initdb wrote it then
    usage = embedded.use(data_dir)
    try:
        assert _answer(data_dir)
        assert "no password supplied" in _refused(data_dir)
    finally:
        usage.close()
