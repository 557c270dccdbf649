"""What /readyz says about the database. A check returns its detail, or raises NotReady with what to do."""

from __future__ import annotations

from collections.abc import Callable

from django.conf import settings
from django.db import DEFAULT_DB_ALIAS, InterfaceError, OperationalError, connection
from django.db.migrations.executor import MigrationExecutor
from django.utils.module_loading import import_string

OLDEST_PGVECTOR = (0, 8, 4)
_complete: set[str] = set()  # migrations cannot be taken back while this process runs its code


class NotReady(Exception):
    """The message says what is missing and what to do."""


def readiness() -> tuple[bool, dict[str, dict[str, object]]]:
    """Run every check of settings.READINESS_CHECKS: (all fine, {name: {"ok": ..., "detail": ...}}).

    The first failing database check spares the ones that need it, so an outage is reported at once.
    """
    parts: dict[str, dict[str, object]] = {}
    for name, path in settings.READINESS_CHECKS.items():
        if parts.get("database", {}).get("ok") is False:
            parts[name] = {"ok": False, "detail": "unknown: the database does not answer"}
            continue
        check: Callable[[], str] = import_string(path)
        try:
            parts[name] = {"ok": True, "detail": check()}
        except NotReady as problem:
            parts[name] = {"ok": False, "detail": str(problem)}
        except (OperationalError, InterfaceError) as error:
            connection.close()
            parts[name] = {"ok": False, "detail": f"The database does not answer: {str(error).strip()}"}
    return all(part["ok"] for part in parts.values()), parts


def database() -> str:
    with connection.cursor() as cursor:
        cursor.execute("SHOW server_version")
        return f"PostgreSQL {cursor.fetchone()[0]}"


def version_tuple(text: str) -> tuple[int, ...]:
    """ "0.8.5" -> (0, 8, 5)"""
    return tuple(int(part) for part in text.split(".") if part.isdigit())


def pgvector() -> str:
    with connection.cursor() as cursor:
        cursor.execute("SELECT extversion FROM pg_extension WHERE extname = 'vector'")
        row = cursor.fetchone()
    if row is None:
        raise NotReady("The extension vector is not installed in this database: run manage.py migrate")
    if version_tuple(row[0]) < OLDEST_PGVECTOR:
        wanted = ".".join(map(str, OLDEST_PGVECTOR))
        raise NotReady(
            f"pgvector {row[0]} is too old, {wanted} is needed: upgrade it, then ALTER EXTENSION vector UPDATE"
        )
    return f"pgvector {row[0]}"


def migrations() -> str:
    if "migrations" not in _complete:
        executor = MigrationExecutor(connection)
        missing = executor.migration_plan(executor.loader.graph.leaf_nodes())
        if missing:
            raise NotReady(f"{len(missing)} migrations are missing in {DEFAULT_DB_ALIAS}: run manage.py migrate")
        _complete.add("migrations")
    return "complete"
