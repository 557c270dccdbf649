"""The database in and out, by the programs that come with Postgres."""

from __future__ import annotations

import os
import shutil
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import psycopg
from psycopg import sql
from psycopg.conninfo import conninfo_to_dict, make_conninfo

from vsearch.backup.archive import BackupProblem
from vsearch.postgres.cluster import MAJOR_VERSION, programs

QUEUES_SCHEMA = "pgmq"  # messages are not kept: the scheduler sends those of waiting jobs again


def dump(url: str, target: Path) -> tuple[list[str], dict[str, int]]:
    """Write the whole database, as of one moment, to ``target``. Returns its migrations, and the rows of each table."""
    with _one_moment(url) as (connection, snapshot):
        migrations, rows = _migrations(connection), _rows(connection)
        _run(connection, url, "pg_dump", "--format=custom", f"--exclude-schema={QUEUES_SCHEMA}",
             f"--snapshot={snapshot}", f"--file={target}")  # fmt: skip
    return migrations, rows


def load(url: str, source: Path, rows: dict[str, int]) -> None:
    """Fill an empty database from ``source``, whole or not at all, and compare the number of rows with ``rows``."""
    with psycopg.connect(url, autocommit=True) as connection:
        _run(connection, url, "pg_restore", "--no-owner", "--no-privileges", "--exit-on-error", "--single-transaction",
             str(source))  # fmt: skip
        found = _rows(connection)
    different = sorted(table for table in rows.keys() | found.keys() if rows.get(table) != found.get(table))
    if different:
        raise BackupProblem(f"The restored tables {', '.join(different)} do not have the rows of the backup.")


def require_empty(url: str) -> None:
    """BackupProblem unless the database has no tables of vsearch."""
    with psycopg.connect(url, autocommit=True) as connection:
        tables = _tables(connection)
    if tables:
        raise BackupProblem(
            f"The database is not empty: it has {len(tables)} tables. A restore never overwrites anything: "
            "use a new data directory (VSEARCH_DATA_DIR=/another/folder), or with DATABASE_URL a new, empty database."
        )


@contextmanager
def _one_moment(url: str) -> Iterator[tuple[psycopg.Connection[tuple[object, ...]], str]]:
    with psycopg.connect(url) as connection:
        connection.isolation_level = psycopg.IsolationLevel.REPEATABLE_READ
        connection.read_only = True
        row = connection.execute("SELECT pg_export_snapshot()").fetchone()
        yield connection, str(row[0] if row else "")


def _tables(connection: psycopg.Connection[tuple[object, ...]]) -> list[str]:
    found = connection.execute("SELECT tablename FROM pg_tables WHERE schemaname = 'public' ORDER BY tablename")
    return [str(name) for (name,) in found.fetchall()]


def _rows(connection: psycopg.Connection[tuple[object, ...]]) -> dict[str, int]:
    counts: dict[str, int] = {}
    for table in _tables(connection):
        row = connection.execute(sql.SQL("SELECT count(*) FROM public.{}").format(sql.Identifier(table))).fetchone()
        counts[table] = int(str(row[0])) if row else 0
    return counts


def _migrations(connection: psycopg.Connection[tuple[object, ...]]) -> list[str]:
    if "django_migrations" not in _tables(connection):
        raise BackupProblem("The database has no tables of vsearch: there is nothing to back up.")
    found = connection.execute("SELECT app || '.' || name FROM django_migrations ORDER BY 1").fetchall()
    return [str(name) for (name,) in found]


def _run(connection: psycopg.Connection[tuple[object, ...]], url: str, name: str, *arguments: str) -> None:
    """The password goes through the environment: the command line of a process is readable for everybody."""
    given = conninfo_to_dict(url)
    password = given.pop("password", None)
    environment = {**os.environ, **({"PGPASSWORD": str(password)} if password else {})}
    command = [_program(connection, name), f"--dbname={make_conninfo('', **given)}", *arguments]
    done = subprocess.run(command, env=environment, capture_output=True, text=True, check=False)
    if done.returncode != 0:
        raise BackupProblem(f"{name} failed: {done.stderr.strip()[-2000:]}")


def _program(connection: psycopg.Connection[tuple[object, ...]], name: str) -> str:
    """Ours serves every server that is not newer."""
    server = connection.info.server_version // 10_000
    if server <= int(MAJOR_VERSION):
        return str(programs() / name)
    found = shutil.which(name)
    if found is None:
        raise BackupProblem(f"The server is PostgreSQL {server}: install its client programs ({name}) on this machine.")
    return found
