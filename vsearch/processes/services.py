"""What one vsearch consists of: web, workers by queue, and the periodic scheduler."""

from __future__ import annotations

import os
import sys

from django.conf import settings

from vsearch import env
from vsearch.processes.supervisor import Service
from vsearch.web.server import command

PREFORK_PROCESSES = 2
_PYTHON = (sys.executable, "-m")


def _environment(threads: int) -> dict[str, str]:
    """``threads``: for numeric libraries. Waiting threads sleep: by default they spin, and when several workers share
    the cores, they take the time of the thread that they wait for. One memory arena instead of eight a core saves
    hundreds of MB."""
    return {
        "DJANGO_SETTINGS_MODULE": "vsearch.settings",
        "VSEARCH_SUPERVISED": "1",
        "PYTHONUNBUFFERED": "1",
        "OMP_NUM_THREADS": os.environ.get("OMP_NUM_THREADS", str(threads)),
        "OMP_WAIT_POLICY": os.environ.get("OMP_WAIT_POLICY", "PASSIVE"),
        "MALLOC_ARENA_MAX": os.environ.get("MALLOC_ARENA_MAX", "2"),
        "TOKENIZERS_PARALLELISM": "false",
    }


def _web(host: str, port: int) -> Service:
    address = {"VSEARCH_HOST": host, "VSEARCH_PORT": str(port)}
    return Service("web", command(host, port, settings.WEB_PROCESSES), {**_environment(1), **address})


def _worker(name: str, queues: str, pool: str, concurrency: int, threads: int, app: str = "worker.app") -> Service:
    command = [*_PYTHON, "celery", "-A", app, "worker", "--queues", queues, "--pool", pool]
    command += ["--concurrency", str(concurrency), "--hostname", f"{name}@vsearch", "--loglevel", "INFO"]
    command += ["--without-gossip", "--without-mingle"]
    return Service(name, command, _environment(threads))


def _scheduler() -> Service:
    return Service("scheduler", [*_PYTHON, "vsearch.scheduler"], _environment(1))


def all_services(host: str, port: int) -> list[Service]:
    """gpu and lookup use the pool "threads" with one thread: no fork, which CUDA would not survive, models stay
    loaded, and the main thread keeps answering the broker's heartbeats while a task runs for hours. training has an
    app of its own that imports no torch before a run needs it, so that it costs little while nobody trains."""
    cores = env.cores()
    return [
        _web(host, port),
        _worker("gpu", "gpu", "threads", 1, cores),
        _worker("lookup", "lookup", "threads", 1, cores),
        _worker("default", "default,decode", "prefork", PREFORK_PROCESSES, 1),
        _worker("training", "training", "threads", 1, cores, app="worker.training_app"),
        _scheduler(),
    ]
