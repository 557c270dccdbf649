"""A broker that is killed while jobs wait: nobody's job waits for longer than the broker was away and a few seconds.

``VSEARCH_FAULT_KILLS=20`` kills each broker twenty times and prints how long each recovery took.
"""

from __future__ import annotations

import contextlib
import os
import statistics
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager
from dataclasses import dataclass
from pathlib import Path

import pytest
from django.conf import settings
from django.db import connection

from apps.core.models import Job
from tests.platform.servers import free_port, rabbitmq_server, redis_server, running, wait_until
from tests.platform.test_brokers import ENQUEUE, database_url
from vsearch import message_queues

pytestmark = pytest.mark.django_db(transaction=True)

KILLS = int(os.environ.get("VSEARCH_FAULT_KILLS", "1"))
JOBS = 4  # that wait when the broker dies, beside the one that runs


@dataclass
class Broker:
    """``kill`` ends it without a word and starts it again under the same address."""

    url: str
    kill: Callable[[], None]


@contextlib.contextmanager
def _server(start: Callable[[Path, int], AbstractContextManager[str]], folder: Path) -> Iterator[Broker]:
    port = free_port()
    stack = contextlib.ExitStack()
    url = stack.enter_context(start(folder, port))  # its end is a SIGKILL

    def kill() -> None:
        stack.close()
        stack.enter_context(start(folder, port))

    try:
        yield Broker(url, kill)
    finally:
        stack.close()


@contextlib.contextmanager
def _queues_in_postgres(folder: Path) -> Iterator[Broker]:
    """Postgres itself is killed in tests/faults/test_postgres.py; here its messages go."""
    message_queues.install(database_url())

    def kill() -> None:
        with connection.cursor() as cursor:
            cursor.execute("SELECT pgmq.purge_queue('default')")

    kill()
    yield Broker("", kill)


BROKERS: dict[str, Callable[[Path], AbstractContextManager[Broker]]] = {
    "pgmq": _queues_in_postgres,
    "redis": lambda folder: _server(redis_server, folder),
    "rabbitmq": lambda folder: _server(rabbitmq_server, folder),
}


@pytest.mark.parametrize("name", BROKERS)
def test_jobs_go_on_as_soon_as_the_broker_is_back(name: str, tmp_path: Path) -> None:
    with BROKERS[name](tmp_path) as broker:
        environment = {
            **os.environ,
            "DJANGO_SETTINGS_MODULE": "vsearch.settings",
            "DATABASE_URL": database_url(),
            "BROKER_URL": broker.url,
            "VSEARCH_DATA_DIR": str(tmp_path),
        }
        worker = [
            "-m",
            "celery",
            "-A",
            "tests.platform.broker_app",
            "worker",
            "--queues",
            "default",
            "--pool",
            "threads",
        ]
        commands = {
            "worker": [*worker, "--pool", "threads", "--concurrency", "1"],
            "scheduler": ["-m", "vsearch.scheduler"],
        }
        with contextlib.ExitStack() as stack:
            for log, arguments in commands.items():
                stack.enter_context(running([sys.executable, *arguments], environment, tmp_path / f"{log}.log"))
            seconds = [_one_kill(broker, environment, tmp_path) for _ in range(KILLS)]
    print(f"{name}: {KILLS} kills, recovery median {statistics.median(seconds):.1f} s, longest {max(seconds):.1f} s")


def _one_kill(broker: Broker, environment: dict[str, str], folder: Path) -> float:
    """Seconds from the return of the broker to the end of all jobs."""
    Job.objects.all().delete()
    hold = folder / "hold"
    hold.touch()
    program = f"import django; django.setup(); {'; '.join([ENQUEUE] * (JOBS + 1))}"
    subprocess.run([sys.executable, "-c", program], env=environment, cwd=settings.BASE_DIR, check=True, timeout=120)
    wait_until(lambda: Job.objects.filter(state=Job.State.RUNNING).count() == 1, "one of the jobs runs")
    assert Job.objects.filter(state=Job.State.QUEUED, published_at__isnull=False).count() == JOBS
    broker.kill()
    back = time.monotonic()
    hold.unlink()
    wait_until(lambda: Job.objects.filter(state=Job.State.DONE).count() == JOBS + 1, "all jobs are done", 120)
    assert set(Job.objects.values_list("attempts", flat=True)) == {1}
    return time.monotonic() - back
