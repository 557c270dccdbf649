"""Names of the queues, and queues inside Postgres (pgmq as plain SQL): the broker when BROKER_URL is empty."""

from __future__ import annotations

import psycopg
from psycopg.conninfo import conninfo_to_dict, make_conninfo

# gpu: one solo worker a device, models stay loaded. lookup: the same, but people wait for it, so bulk ingest
# must not stand before it. decode: transcoding in prefork processes. default: short work without models.
# training: one solo worker of its own, so that hours of training block nobody; it loads torch at its first job.
QUEUES = ("gpu", "lookup", "decode", "default", "training")
_LOCK = 7_305_811  # any number that nobody else uses for an advisory lock


def install(dsn: str) -> None:
    """Make pgmq and our queues unless they are there; one query when they are. Safe from several processes."""
    from pgmq import install_pgmq_from_sql

    with psycopg.connect(dsn, connect_timeout=5) as connection:
        if _installed(connection):
            return
        connection.execute("SELECT pg_advisory_xact_lock(%s)", [_LOCK])
        if connection.execute("SELECT to_regclass('pgmq.meta')").fetchone() == (None,):
            install_pgmq_from_sql(conn=connection)
        for queue in QUEUES:
            connection.execute("SELECT pgmq.create(%s)", [queue])


def _installed(connection: psycopg.Connection[tuple[object, ...]]) -> bool:
    if connection.execute("SELECT to_regclass('pgmq.meta')").fetchone() == (None,):
        return False
    row = connection.execute("SELECT count(*) FROM pgmq.meta WHERE queue_name = ANY(%s)", [list(QUEUES)]).fetchone()
    return row == (len(QUEUES),)


def lengths() -> dict[str, int]:
    """Messages that wait to be taken, by queue. One that a worker took is not counted: its row is not waiting."""
    from django.db import connection

    one = "SELECT '{0}', count(*) FROM pgmq.q_{0} WHERE vt <= clock_timestamp()"
    query = " UNION ALL ".join(one.format(queue) for queue in QUEUES)
    with connection.cursor() as cursor:
        cursor.execute(query)
        return {str(queue): int(count) for queue, count in cursor.fetchall()}


def connection_string(url: str) -> str:
    """``url`` in the form that the pgmq client understands without a loss.

    It reads only host, port, user, password and dbname, drops every option of a URL (a socket's folder, sslmode),
    and joins the values again without quotes. So each value is quoted here once more, and the other options ride
    behind the name of the database.
    """
    given = {name: str(value) for name, value in conninfo_to_dict(url).items() if value is not None}
    main = {name: given.pop(name, "") for name in ("host", "port", "user", "password", "dbname")}
    others = "".join(f" {name}={_quoted(value)}" for name, value in given.items())
    return make_conninfo(
        host=_quoted(main["host"]),
        port=main["port"] or "5432",
        user=_quoted(main["user"] or "postgres"),
        password=_quoted(main["password"]),
        dbname=_quoted(main["dbname"]) + others,
    )


def _quoted(value: str) -> str:
    escaped = value.replace("\\", "\\\\").replace("'", "\\'")
    return f"'{escaped}'"
