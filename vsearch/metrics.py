"""Numbers of /metrics, in the text format of Prometheus. Each function costs one query."""

from __future__ import annotations

from collections.abc import Iterator

from django.conf import settings
from django.db import connection
from django.db.models import Count, Model

from apps.core.models import Job
from apps.videos.models import Video
from vsearch.message_queues import QUEUES

Sample = tuple[str, dict[str, str], float]  # metric, labels, value


def _by_state(metric: str, model: type[Model], states: list[str]) -> Iterator[Sample]:
    counted = dict(model._default_manager.order_by().values_list("state").annotate(Count("id")))
    for state in states:
        yield metric, {"state": state}, counted.get(state, 0)


def jobs() -> Iterator[Sample]:
    return _by_state("vsearch_jobs", Job, list(Job.State.values))


def videos() -> Iterator[Sample]:
    return _by_state("vsearch_videos", Video, list(Video.State.values))


def queues() -> Iterator[Sample]:
    """Messages that wait, by queue; only known when the queues live in Postgres."""
    if settings.BROKER_URL:
        return
    with connection.cursor() as cursor:
        for queue in QUEUES:
            cursor.execute("SELECT queue_length FROM pgmq.metrics(%s)", [queue])
            yield "vsearch_queue_messages", {"queue": queue}, cursor.fetchone()[0]


def render(samples: Iterator[Sample]) -> str:
    lines: list[str] = []
    known: set[str] = set()
    for metric, labels, value in samples:
        if metric not in known:
            known.add(metric)
            lines.append(f"# TYPE {metric} gauge")
        inner = ",".join(f'{name}="{text}"' for name, text in labels.items())
        lines.append(f"{metric}{{{inner}}} {value:g}")
    return "\n".join(lines) + "\n"
