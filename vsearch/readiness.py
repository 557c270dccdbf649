"""Parts of /readyz that need more than core: broker, model in use, text encoder."""

from __future__ import annotations

from django.conf import settings
from django.db import connection
from kombu import Connection
from kombu.exceptions import OperationalError

from apps.core.health import NotReady
from apps.embeddings.selectors import model_version_serving
from vsearch.message_queues import QUEUES


def broker() -> str:
    if not settings.BROKER_URL:
        with connection.cursor() as cursor:
            cursor.execute("SELECT to_regclass('pgmq.meta') IS NOT NULL")
            if not cursor.fetchone()[0]:
                raise NotReady("The queues are not installed in Postgres: run manage.py broker_prepare")
            cursor.execute("SELECT count(*) FROM pgmq.meta WHERE queue_name = ANY(%s)", [list(QUEUES)])
            if cursor.fetchone()[0] < len(QUEUES):
                raise NotReady("Queues are missing in Postgres: run manage.py broker_prepare")
        return "queues in Postgres"
    options = {"socket_connect_timeout": 2} if settings.BROKER_URL.startswith("redis") else {}
    with Connection(settings.BROKER_URL, connect_timeout=2, transport_options=options) as broker_connection:
        try:
            broker_connection.ensure_connection(max_retries=1, timeout=3)
        except (OperationalError, OSError) as error:
            raise NotReady(f"The broker of BROKER_URL does not answer: {error}") from error
        return str(broker_connection.transport.driver_type)


def model() -> str:
    version = model_version_serving("semantic")
    if version is None:
        raise NotReady("No model answers searches yet: run manage.py prepare, or wait until the installation ends")
    return str(version)


def text_encoder() -> str:
    from apps.core.exceptions import Unavailable
    from apps.embeddings.text_encoder import encode_query

    version = model_version_serving("semantic")
    if version is None:
        raise NotReady("unknown: no model is in use")
    try:
        encode_query(version, ["ready"])
    except Unavailable as error:
        raise NotReady(error.message) from error
    return "answers"
