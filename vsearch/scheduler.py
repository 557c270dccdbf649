"""``python -m vsearch.scheduler``: the periodic work. One process; it needs no broker to take back jobs.

Not Celery's beat: that sends the sweep through the very broker whose losses the sweep repairs, behind whatever waits
there, and it plans by the wall clock, so that a clock set back by an hour stops it for an hour.
"""

from __future__ import annotations

import logging
import os
import signal
import threading
import time
from types import FrameType

import django

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "vsearch.settings")
django.setup()

from django.db import InterfaceError, InternalError, OperationalError, close_old_connections  # noqa: E402
from kombu.exceptions import OperationalError as BrokerError  # noqa: E402

from apps.core.jobs import sweep  # noqa: E402
from vsearch.celery import app  # noqa: E402
from vsearch.lifetime import die_with_parent  # noqa: E402

SWEEP_SECONDS = 5.0
EXPIRE_SECONDS = 3600.0
EXPIRE_AGAIN_SECONDS = 60.0  # after the broker refused it

log = logging.getLogger("vsearch.scheduler")


def run(stop: threading.Event) -> None:
    """Until ``stop`` is set. An outage of database or broker is logged and lasts no longer than itself."""
    expire_at = time.monotonic()
    while not stop.wait(SWEEP_SECONDS):
        close_old_connections()
        try:
            sweep()
        except (OperationalError, InterfaceError, InternalError) as error:
            log.warning("the database does not answer, or takes no writes: %s", error)
            continue
        if time.monotonic() >= expire_at:
            expire_at = time.monotonic() + (EXPIRE_SECONDS if _send("worker.expire") else EXPIRE_AGAIN_SECONDS)


def _send(task: str) -> bool:
    try:
        app.send_task(task, queue="default", expires=EXPIRE_SECONDS, retry=False)
    except (BrokerError, OSError) as error:
        log.warning("the broker did not take %s: %s", task, error)
        return False
    return True


def main() -> None:
    if os.environ.get("VSEARCH_SUPERVISED"):
        die_with_parent()
    stop = threading.Event()

    def end(number: int, frame: FrameType | None) -> None:
        stop.set()

    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, end)
    run(stop)


if __name__ == "__main__":
    main()
