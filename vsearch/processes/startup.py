"""``manage.py up``: from nothing to a running vsearch, and back to nothing."""

from __future__ import annotations

import contextlib
import ipaddress
import json
import os
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Iterator, Sequence
from pathlib import Path

import psycopg
from django.conf import settings
from django.core.management import call_command, get_commands
from django.db import connections

from apps.core.health import OLDEST_PGVECTOR, version_tuple
from vsearch import message_queues
from vsearch.lifetime import FileLock, preparing
from vsearch.postgres import embedded
from vsearch.processes import services
from vsearch.processes.logs import say
from vsearch.processes.supervisor import Service, Supervisor

CODE = Path(settings.BASE_DIR)
ASK_READY_SECONDS = 1.0
TELL_WAITING_SECONDS = 20.0


class CannotStart(RuntimeError):
    """The message says what is in the way and what to do."""


def up(*, host: str, port: int, only: Sequence[str] = ()) -> None:
    """Run everything until a signal asks for the end. ``only``: names of services, all when empty."""
    chosen = [service for service in services.all_services(host, port) if not only or service.name in only]
    _warn_about_exposure(host)
    with _only_one(host, port):
        _check_port(host, port)
        with _database():
            _serve(host, port, chosen)


def _serve(host: str, port: int, chosen: list[Service]) -> None:
    _prepare()
    watch = _ReadinessWatch(host, port)
    say("up", "starting " + ", ".join(service.name for service in chosen))
    web = any(service.name == "web" for service in chosen)
    supervisor = Supervisor(chosen, folder=CODE, log_dir=settings.DATA_DIR / "logs", say=say)
    supervisor.run(watch.tick if web else lambda: None)
    say("up", "stopped")


def local_url(host: str, port: int) -> str:
    """The address to type on this machine."""
    shown = {"0.0.0.0": "127.0.0.1", "::": "[::1]"}.get(host, f"[{host}]" if ":" in host else host)  # noqa: S104
    return f"http://{shown}:{port}"


def is_loopback(host: str) -> bool:
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"


def _check_port(host: str, port: int) -> None:
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    with socket.socket(family, socket.SOCK_STREAM) as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((host, port))
        except OSError as error:
            raise CannotStart(
                f"Port {port} on {host} cannot be used ({error.strerror}). Another program uses it, perhaps "
                f"another vsearch. Stop it, or choose another port: --port {port + 1} (make demo PORT={port + 1})"
            ) from error


def _warn_about_exposure(host: str) -> None:
    if settings.PUBLIC_SEARCH and not is_loopback(host):
        say("up", f"WARNING: {host} is reachable from other machines, and VSEARCH_PUBLIC_SEARCH lets anybody there "
            "search and watch without a login", urgent=True)  # fmt: skip


@contextlib.contextmanager
def _only_one(host: str, port: int) -> Iterator[None]:
    """Two sets of workers on one data directory would fight over its files and ports."""
    settings.DATA_DIR.mkdir(parents=True, exist_ok=True)
    lock = FileLock(settings.DATA_DIR / "up.lock")
    note = settings.DATA_DIR / "up.json"
    if not lock.try_own():
        other = json.loads(note.read_text()) if note.exists() else {}
        raise CannotStart(
            f"vsearch already runs on {settings.DATA_DIR}: process {other.get('pid', '?')}, "
            f"{other.get('url', 'address unknown')}. Use that one, stop it, or set VSEARCH_DATA_DIR to another folder."
        )
    note.write_text(json.dumps({"pid": os.getpid(), "url": local_url(host, port)}))
    try:
        yield
    finally:
        note.unlink(missing_ok=True)
        lock.release()


@contextlib.contextmanager
def _database() -> Iterator[None]:
    if not settings.EMBEDDED_DATABASE:
        check_own_database(settings.DATABASE_URL)
        if not settings.BROKER_URL:
            message_queues.install(settings.DATABASE_URL)
        yield
        return
    say("up", "starting the embedded database")
    usage = embedded.use(settings.DATA_DIR)
    try:
        yield
    finally:
        connections.close_all()
        usage.close()


def check_own_database(url: str) -> None:
    """The Postgres of DATABASE_URL answers and has a pgvector that can be trusted; else CannotStart."""
    try:
        with psycopg.connect(url, connect_timeout=5) as connection:
            found = connection.execute(
                "SELECT default_version, installed_version FROM pg_available_extensions WHERE name = 'vector'"
            ).fetchone()
    except psycopg.Error as error:
        raise CannotStart(
            f"The Postgres of DATABASE_URL refused the connection: {str(error).strip()}. Check address, user "
            "and password, or unset DATABASE_URL to use the embedded one."
        ) from error
    if found is None:
        raise CannotStart("The Postgres of DATABASE_URL has no pgvector: install the extension on its server")
    available, installed = found
    if version_tuple(installed or available) >= OLDEST_PGVECTOR:
        return
    wanted = ".".join(map(str, OLDEST_PGVECTOR))
    remedy = f"upgrade pgvector on the server to {wanted} or newer"
    if version_tuple(available) >= OLDEST_PGVECTOR:
        remedy = "run ALTER EXTENSION vector UPDATE in this database"
    raise CannotStart(
        f"The Postgres of DATABASE_URL has pgvector {installed or available}; vsearch needs {wanted}. Its indexes are "
        "HNSW, and before: 0.8.2 fixed a buffer overflow in parallel HNSW builds (CVE-2026-3172), 0.8.3 index "
        f"corruption and 0.8.4 errors while such an index is vacuumed. To do: {remedy}."
    )


def _prepare() -> None:
    """Tables, static files, models: each idempotent and quick when there is nothing to do."""
    started = time.monotonic()
    say("up", "preparing tables, static files and models (the first time takes a minute or two)")
    migrate()
    call_command("collectstatic", verbosity=0, interactive=False)
    if "prepare" in get_commands():
        try:
            run_command("prepare")
        except CannotStart as problem:  # pages, uploads and administration work without a model
            say("up", f"WARNING: {problem}; searches do not work until it succeeds", urgent=True)
    say("up", f"database and files are prepared ({time.monotonic() - started:.1f} s)")


def migrate() -> None:
    """Bring the tables up to date; processes that start at the same time take turns."""
    lock = FileLock(settings.DATA_DIR / "migrate.lock")
    lock.own()
    try:
        call_command("migrate", verbosity=0, interactive=False)
    finally:
        lock.release()


def run_command(*arguments: str, quiet: bool = False) -> None:
    """A manage.py command in a process of its own, whose memory goes away with it. CannotStart when it fails.

    ``quiet``: what it prints is dropped; what it reports on stderr is shown.
    """
    command = [sys.executable, str(CODE / "manage.py"), *arguments]
    output = subprocess.DEVNULL if quiet else None
    done = subprocess.run(command, cwd=CODE, preexec_fn=preparing(), stdout=output, check=False)
    if done.returncode != 0:
        raise CannotStart(f"manage.py {' '.join(arguments)} failed; see its messages above")


class _ReadinessWatch:
    """Asks /readyz until it is fine, says so once, and says what is missing while it takes long."""

    def __init__(self, host: str, port: int) -> None:
        self._url = local_url(host, port)
        self._ready = False
        self._ask_at = 0.0
        self._pause = TELL_WAITING_SECONDS
        self._tell_at = time.monotonic() + self._pause

    def tick(self) -> None:
        now = time.monotonic()
        if self._ready or now < self._ask_at:
            return
        self._ask_at = now + ASK_READY_SECONDS
        missing = missing_parts(self._url)
        if not missing:
            self._ready = True
            say("up", f"ready: {self._url}  (Ctrl-C stops it)")
        elif now >= self._tell_at:
            self._pause *= 2
            self._tell_at = now + self._pause
            say("up", "not ready yet: " + "; ".join(missing), urgent=True)


def missing_parts(url: str) -> list[str]:
    """What /readyz says is missing; empty when all is fine."""
    request = urllib.request.Request(f"{url}/readyz", headers={"Host": "localhost"})  # noqa: S310
    try:
        with urllib.request.urlopen(request, timeout=5) as answer:  # noqa: S310
            answer.read()
            return []
    except urllib.error.HTTPError as error:
        if error.code != 503:
            return [f"/readyz answers {error.code}"]
        parts = json.load(error)["parts"]
        return [f"{name}: {part['detail']}" for name, part in parts.items() if not part["ok"]]
    except OSError as error:
        return [f"the web process does not answer yet ({error})"]
