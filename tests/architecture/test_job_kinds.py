"""Every kind of job has a task, in every worker that listens to its queue, however vsearch is deployed."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Callable, Sequence
from functools import cache

import pytest
import yaml
from django.conf import settings

from apps.core.jobs import JobKind, job_kinds
from vsearch.message_queues import QUEUES
from vsearch.processes.services import all_services

PROGRAM = """
import json, sys
from django.utils.module_loading import import_string
app = import_string(sys.argv[1] + ".app")
app.loader.import_default_modules()
print(json.dumps(list(app.tasks)))
"""


@cache
def tasks_of(app: str) -> set[str]:
    """Names of the tasks that a worker of this Celery app knows."""
    command = [sys.executable, "-c", PROGRAM, app]
    done = subprocess.run(command, cwd=settings.BASE_DIR, capture_output=True, text=True, check=True, timeout=120)
    return set(json.loads(done.stdout.splitlines()[-1]))


def commands_of_up() -> list[Sequence[str]]:
    return [service.command for service in all_services("127.0.0.1", 8000)]


def commands_of_compose() -> list[Sequence[str]]:
    """Of every service; the worker without one has that of its image."""
    services = yaml.safe_load((settings.BASE_DIR / "docker/compose.yaml").read_text())["services"].values()
    image = (settings.BASE_DIR / "docker/worker.Dockerfile").read_text()
    default = json.loads(image[image.rindex("CMD ") + 4 :].replace("\\\n", ""))
    return [s.get("command", default if s.get("image") == "vsearch-worker" else []) for s in services]


@pytest.mark.parametrize("kind", job_kinds(), ids=lambda kind: kind.name)
@pytest.mark.parametrize("commands", [commands_of_up, commands_of_compose])
def test_workers_of_its_queue_know_its_task(kind: JobKind, commands: Callable[[], list[Sequence[str]]]) -> None:
    assert kind.queue in QUEUES
    workers = [command for command in commands() if "--queues" in command]
    listening = [c for c in workers if kind.queue in c[c.index("--queues") + 1].split(",")]
    assert listening
    for command in listening:
        assert kind.task in tasks_of(command[command.index("-A") + 1])


def test_rows_of_running_installations_keep_their_meaning() -> None:
    """Names are in the rows, queues in the brokers: neither changes without a migration."""
    assert {(kind.name, kind.queue) for kind in job_kinds()} >= {
        ("ingest", "gpu"), ("proxy", "decode"), ("match", "default"), ("lookup", "lookup"), ("model_install", "gpu"),
        ("scan", "default"), ("picture", "lookup"), ("clusters", "default"), ("dataset", "default"),
        ("train", "training"), ("candidate", "training"),
    }  # fmt: skip
