"""Jobs travel over each broker that vsearch supports, and survive the death of the worker that held them."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, nullcontext
from pathlib import Path
from urllib.parse import quote

import pytest
from django.conf import settings
from django.db import connection

from apps.core.models import Job
from tests.platform.servers import rabbitmq_server, redis_server, running, wait_until
from vsearch import message_queues

pytestmark = pytest.mark.django_db(transaction=True)

ENQUEUE = "from apps.core.jobs import enqueue; from apps.duplicates.job_kinds import SCAN; enqueue(kind=SCAN)"
SWEEP = "from apps.core.jobs import sweep; sweep()"
BROKERS: dict[str, Callable[[Path], AbstractContextManager[str]]] = {
    "pgmq": lambda folder: nullcontext(""),
    "redis": redis_server,
    "rabbitmq": rabbitmq_server,
}


def database_url() -> str:
    """Of the test database, for processes of the product."""
    known = connection.settings_dict
    login = quote(known["USER"]) + (f":{quote(known['PASSWORD'])}" if known["PASSWORD"] else "")
    password = f"&passfile={quote(file, safe='')}" if (file := known["OPTIONS"].get("passfile")) else ""
    place = f"host={quote(known['HOST'], safe='')}&port={known['PORT'] or 5432}"
    return f"postgresql://{login}@/{known['NAME']}?{place}{password}"


@pytest.fixture(params=BROKERS)
def environment(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[dict[str, str]]:
    """Environment of the processes of a product that runs on the test database and one real broker."""
    url = database_url()
    with BROKERS[request.param](tmp_path) as broker:
        if not broker:
            message_queues.install(url)
            with connection.cursor() as cursor:
                for queue in message_queues.QUEUES:
                    cursor.execute("SELECT pgmq.purge_queue(%s)", [queue])
        yield {
            **os.environ,
            "DJANGO_SETTINGS_MODULE": "vsearch.settings",
            "DATABASE_URL": url,
            "BROKER_URL": broker,
            "VSEARCH_DATA_DIR": str(tmp_path),
            "VSEARCH_JOB_LEASE_SECONDS": "2",
        }


def _web(code: str, environment: dict[str, str]) -> None:
    """Run ``code`` in a process like that of the web."""
    program = f"import django; django.setup(); {code}"
    subprocess.run([sys.executable, "-c", program], env=environment, cwd=settings.BASE_DIR, check=True, timeout=120)


def _worker(environment: dict[str, str]) -> AbstractContextManager[subprocess.Popen[bytes]]:
    folder = Path(environment["VSEARCH_DATA_DIR"])
    command = [sys.executable, "-m", "celery", "-A", "tests.platform.broker_app", "worker", "--queues", "default"]
    return running([*command, "--pool", "threads", "--concurrency", "1"], environment, folder / "worker.log")


def _state_is(state: Job.State) -> Callable[[], bool]:
    return lambda: Job.objects.filter(state=state).exists()


def _notes(environment: dict[str, str]) -> list[str]:
    return (Path(environment["VSEARCH_DATA_DIR"]) / "notes").read_text().splitlines()


def test_a_job_that_the_web_enqueues_is_run_by_a_worker(environment: dict[str, str]) -> None:
    with _worker(environment):
        _web(ENQUEUE, environment)
        wait_until(_state_is(Job.State.DONE), "the job is done")
    job = Job.objects.get()
    assert job.published_at is not None
    assert job.attempts == 1
    assert _notes(environment) == ["start 1", "end 1"]


def test_a_job_whose_worker_was_killed_is_done_once_by_another(environment: dict[str, str]) -> None:
    hold = Path(environment["VSEARCH_DATA_DIR"]) / "hold"
    hold.touch()
    _web(ENQUEUE, environment)
    with _worker(environment) as first:
        wait_until(_state_is(Job.State.RUNNING), "the job, published before any worker ran, runs")
        wait_until((hold.parent / "notes").exists, "its body has begun")
        first.send_signal(signal.SIGKILL)
        first.wait()
    hold.unlink()
    with _worker(environment):

        def swept_and_done() -> bool:
            _web(SWEEP, environment)
            return Job.objects.filter(state=Job.State.DONE).exists()

        wait_until(swept_and_done, "the sweeper gives the job to the second worker")
    job = Job.objects.get()
    assert job.attempts == 2
    assert _notes(environment) == ["start 1", "start 2", "end 2"]


def test_an_unreachable_broker_costs_a_delay_and_not_the_job(tmp_path: Path) -> None:
    environment = {
        **os.environ,
        "DJANGO_SETTINGS_MODULE": "vsearch.settings",
        "DATABASE_URL": database_url(),
        "BROKER_URL": "redis://127.0.0.1:1/0",
        "VSEARCH_DATA_DIR": str(tmp_path),
    }
    _web(ENQUEUE, environment)
    job = Job.objects.get()
    assert job.state == Job.State.QUEUED
    assert job.published_at is None
