"""Real brokers for tests: each on a free port, in a folder of its own, gone afterwards."""

from __future__ import annotations

import contextlib
import os
import shutil
import socket
import subprocess
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from vsearch.lifetime import preparing

START_SECONDS = 120


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def wait_until(true: Callable[[], bool], what: str, seconds: float = START_SECONDS) -> None:
    """Poll until ``true()``; the test fails with ``what`` when it never is."""
    until = time.monotonic() + seconds
    while not true():
        if time.monotonic() > until:
            pytest.fail(f"waited {seconds:.0f} s in vain: {what}")
        time.sleep(0.1)


def required(*programs: str) -> str:
    """Path of the first program that is there. Missing: a failure where CI=true, else a skip that says so."""
    for program in programs:
        found = shutil.which(program)
        if found:
            return found
    message = f"{programs[-1]} is not installed (apt-get install redis-server rabbitmq-server)"
    if os.environ.get("CI") == "true":
        pytest.fail(message)
    pytest.skip(message)


def listens(port: int) -> bool:
    with socket.socket() as probe:
        return probe.connect_ex(("127.0.0.1", port)) == 0


@contextlib.contextmanager
def running(command: list[str], environment: dict[str, str], log: Path) -> Iterator[subprocess.Popen[bytes]]:
    """A child that ends with the test, at the latest with the test run."""
    with log.open("ab") as output:
        process = subprocess.Popen(
            command, env=environment, stdout=output, stderr=output, start_new_session=True, preexec_fn=preparing()
        )
    try:
        yield process
    finally:
        with contextlib.suppress(ProcessLookupError):
            os.killpg(process.pid, 9)
        process.wait()


@contextlib.contextmanager
def redis_server(folder: Path, port: int = 0) -> Iterator[str]:
    port = port or free_port()
    command = [required("redis-server"), "--port", str(port), "--bind", "127.0.0.1", "--dir", str(folder), "--save", ""]
    with running(command, dict(os.environ), folder / "redis.log"):
        wait_until(lambda: listens(port), "redis-server listens")
        yield f"redis://127.0.0.1:{port}/0"


@contextlib.contextmanager
def rabbitmq_server(folder: Path, port: int = 0) -> Iterator[str]:
    """Started without Debian's wrapper, which insists on its own user and folders; epmd is ours too."""
    program = required("/usr/lib/rabbitmq/bin/rabbitmq-server", "rabbitmq-server")
    port, distribution, epmd = port or free_port(), free_port(), free_port()
    environment = {
        **os.environ,
        "HOME": str(folder),
        "ERL_EPMD_PORT": str(epmd),
        "RABBITMQ_NODENAME": f"vsearch{port}@localhost",
        "RABBITMQ_NODE_IP_ADDRESS": "127.0.0.1",
        "RABBITMQ_NODE_PORT": str(port),
        "RABBITMQ_DIST_PORT": str(distribution),
        "RABBITMQ_MNESIA_BASE": str(folder / "mnesia"),
        "RABBITMQ_LOG_BASE": str(folder / "log"),
        "RABBITMQ_PID_FILE": str(folder / "pid"),
        "RABBITMQ_ENABLED_PLUGINS_FILE": str(folder / "plugins"),
        "RABBITMQ_CONF_ENV_FILE": str(folder / "none"),
        "RABBITMQ_CONFIG_FILE": str(folder / "none"),
    }
    with (
        running([required("epmd"), "-port", str(epmd)], environment, folder / "epmd.log"),
        running([program], environment, folder / "rabbitmq.log"),
    ):
        wait_until(lambda: listens(port), f"rabbitmq-server listens (see {folder})")
        yield f"amqp://guest:guest@127.0.0.1:{port}//"
