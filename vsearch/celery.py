"""Celery app for producers and the scheduler; ``worker.app`` adds the task modules."""

from __future__ import annotations

import os

from celery import Celery
from celery.signals import worker_process_init
from kombu import Connection, Queue

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "vsearch.settings")

from django.conf import settings

from vsearch import message_queues
from vsearch.lifetime import die_with_parent

app = Celery("vsearch", set_as_current=True)


def _broker() -> dict[str, object]:
    """A killed worker's message comes back after the visibility timeout; the job's own lease guards the work."""
    if not settings.BROKER_URL:
        return {
            "broker_url": "pgmq://localhost",  # the connection string is what counts
            "broker_transport_options": {
                "conn_string": message_queues.connection_string(settings.DATABASE_URL),
                "init_extension": False,  # plain SQL, see vsearch.message_queues
                "use_notify": True,  # wakes an idle worker at once ...
                "wait_time_seconds": 0,  # ... so no long poll, which would block the worker's other queue
                "polling_interval": 0.2,
                "visibility_timeout": 3600,
                "pool_size": 3,
                "pool_timeout": 5,
            },
        }
    options: dict[str, object] = {}
    if settings.BROKER_URL.startswith("redis"):
        options = {"visibility_timeout": 3600, "socket_connect_timeout": 5, "socket_keepalive": True}
    return {"broker_url": settings.BROKER_URL, "broker_transport_options": options}


def _queues() -> list[Queue]:
    """RabbitMQ ends consumers that hold a message for 30 minutes; an ingest of hours may."""
    arguments = {"x-consumer-timeout": 24 * 3600 * 1000} if settings.BROKER_URL.startswith("amqp") else None
    return [Queue(name, queue_arguments=arguments) for name in message_queues.QUEUES]


app.conf.update(
    **_broker(),
    task_ignore_result=True,
    result_backend=None,
    task_serializer="json",
    accept_content=["json"],
    task_acks_late=True,
    task_reject_on_worker_lost=True,
    worker_prefetch_multiplier=1,
    task_default_queue="default",
    task_queues=_queues(),
    task_create_missing_queues=False,
    broker_connection_retry_on_startup=True,
    broker_connection_timeout=5,
    worker_soft_shutdown_timeout=5,
    worker_send_task_events=False,
    worker_hijack_root_logger=False,
    worker_enable_remote_control=False,
)


def queue_lengths() -> dict[str, int]:
    """Messages that wait to be taken, by queue. Raises kombu's OperationalError or OSError when the broker is away."""
    if not settings.BROKER_URL:
        return message_queues.lengths()
    with app.connection_for_read(connect_timeout=5) as connection:
        connection.ensure_connection(max_retries=1, timeout=5)
        return {name: _length(connection, name) for name in message_queues.QUEUES}


def _length(connection: Connection, queue: str) -> int:
    try:
        with connection.channel() as channel:
            return int(channel.queue_declare(queue=queue, passive=True).message_count)
    except connection.channel_errors:
        return 0  # Redis: an empty queue is no queue


@worker_process_init.connect
def _tie_to_parent(**_: object) -> None:
    """A prefork process of a killed worker must not finish its task beside the one that took the job over."""
    die_with_parent()
