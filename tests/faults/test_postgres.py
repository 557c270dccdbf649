"""The embedded Postgres is hurt again and again, and answers again by itself."""

from __future__ import annotations

import os
import random
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

import psutil
import psycopg
import pytest

from tests.platform.conftest import data_dir as data_dir
from tests.platform.servers import wait_until
from vsearch.postgres import embedded, keeper

KILLS = int(os.environ.get("VSEARCH_FAULT_KILLS", "6"))  # the short form; 20 and more in the long one
PATIENCE_SECONDS = 6.0


@pytest.fixture
def server(data_dir: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """A running server whose keeper has little patience."""
    monkeypatch.setattr(embedded, "PATIENCE_SECONDS", PATIENCE_SECONDS)
    usage = embedded.use(data_dir)
    with psycopg.connect(embedded.database_url(data_dir), autocommit=True) as connection:
        connection.execute("CREATE TABLE kept (number int)")
    yield data_dir
    usage.close()
    assert not embedded.answers(data_dir)


def postmaster(data_dir: Path) -> psutil.Process:
    text = (embedded.postgres_folder(data_dir) / "postmaster.pid").read_text()
    return psutil.Process(int(text.split("\n", 1)[0]))


def children(data_dir: Path) -> list[psutil.Process]:
    with suppress(OSError, ValueError, psutil.Error):
        return postmaster(data_dir).children()
    return []


def rows(data_dir: Path) -> int:
    """Of the table; -1 when nobody answers."""
    try:
        with psycopg.connect(embedded.database_url(data_dir), connect_timeout=3) as connection:
            row = connection.execute("SELECT count(*) FROM kept").fetchone()
    except psycopg.OperationalError:
        return -1
    return int(row[0]) if row else -1


def add(data_dir: Path) -> None:
    with psycopg.connect(embedded.database_url(data_dir), autocommit=True) as connection:
        connection.execute("INSERT INTO kept VALUES (1)")


def test_it_answers_again_after_kills_of_its_children(server: Path) -> None:
    """Also kills in the middle of the recovery from the kill before; what was committed stays."""
    chance = random.Random(9)
    for number in range(KILLS):
        add(server)
        for _ in range(1 + number % 3):
            if victims := children(server):
                with suppress(psutil.Error):
                    chance.choice(victims).kill()
        wait_until(lambda expected=number + 1: rows(server) == expected, f"it answers after kill {number + 1}")


def test_it_answers_again_after_the_server_was_stopped(server: Path) -> None:
    """Its socket takes connections all the time, and nobody answers there."""
    add(server)
    stopped = postmaster(server)
    stopped.suspend()
    assert rows(server) == -1
    wait_until(lambda: rows(server) == 1, "the keeper starts another one")
    assert postmaster(server).pid != stopped.pid


def stop_the_recovery(data_dir: Path) -> psutil.Process | None:
    """Kill a child and stop the one that recovers from that; None when it was quicker."""
    with psycopg.connect(embedded.database_url(data_dir)) as connection:
        os.kill(connection.info.backend_pid, signal.SIGKILL)
        for _ in range(500):
            for child in children(data_dir):
                with suppress(psutil.Error):
                    if "startup" in " ".join(child.cmdline()):
                        child.suspend()
                        return child
            time.sleep(0.002)
    return None


def test_it_answers_again_after_its_recovery_stood_still(server: Path) -> None:
    """Half dead: the server says that it starts up, and nothing ever comes of it."""
    add(server)
    for _ in range(20):
        if (stopped := stop_the_recovery(server)) is not None:
            break
        wait_until(lambda: rows(server) == 1, "it answers")
    assert stopped is not None
    wait_until(lambda: rows(server) == 1, "the keeper starts another one")
    assert not stopped.is_running()


@pytest.mark.parametrize(("work", "left_alone"), [("while True: pass", True), ("import time; time.sleep(600)", False)])
def test_a_long_recovery_is_left_alone_while_it_gets_on(
    monkeypatch: pytest.MonkeyPatch, work: str, left_alone: bool
) -> None:
    """A stand-in for a server that refuses everybody: its child does something, or nothing."""
    monkeypatch.setattr(keeper, "ASK_SECONDS", 0.1)
    code = f"import subprocess, sys; subprocess.run([sys.executable, '-c', {work!r}, 'postgres: startup recovering'])"
    launch = keeper.Launch([], "", "", "", None, ["/bin/sh", "-c", "exit 1"], patience_seconds=2.0)
    with subprocess.Popen([sys.executable, "-c", code]) as stand_in:
        watch = keeper.Watch(launch, stand_in.pid)
        if left_alone:
            for _ in range(60):
                assert not watch.hangs()
                time.sleep(0.1)
        else:
            wait_until(watch.hangs, "it is found to hang")
        watch.close()
        keeper.destroy(stand_in)
