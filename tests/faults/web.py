"""The web server as it runs, on the database of the tests, and clients that do what browsers do not."""

from __future__ import annotations

import contextlib
import http.client
import os
import socket
import sys
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from http.cookies import SimpleCookie
from pathlib import Path
from urllib.parse import urlsplit, urlunsplit

import psutil
from django.conf import settings
from django.contrib.auth.models import User
from django.db import connection
from django.test import Client

from tests.platform.servers import free_port, running, wait_until

PATIENCE = 120.0  # seconds for an answer on a busy machine; a thread that is held never answers
TUS = {"Tus-Resumable": "1.0.0"}


@dataclass(frozen=True)
class Answer:
    status: int
    headers: Mapping[str, str]
    body: bytes


@dataclass(frozen=True)
class Web:
    """A running web server (``python -m vsearch.web``) with one process."""

    port: int
    data_dir: Path
    pid: int
    log: Path

    def ask(
        self, path: str, method: str = "GET", *, body: bytes | None = None, headers: Mapping[str, str] | None = None
    ) -> Answer:
        """One request on a connection of its own."""
        talk = http.client.HTTPConnection("127.0.0.1", self.port, timeout=PATIENCE)
        try:
            talk.request(method, path, body=body, headers=dict(headers or {}))
            answer = talk.getresponse()
            return Answer(answer.status, {k.lower(): v for k, v in answer.getheaders()}, answer.read())
        finally:
            talk.close()

    def connect(self, number: int = 0, *, receive_bytes: int | None = None) -> socket.socket:
        """A raw connection; different ``number`` means other addresses. ``receive_bytes``: a small window."""
        one = socket.socket()
        if receive_bytes is not None:
            one.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, receive_bytes)
        one.settimeout(PATIENCE)
        one.bind((f"127.0.1.{1 + number % 250}", 0))
        one.connect(("127.0.0.1", self.port))
        return one

    def incoming(self) -> list[str]:
        """Names of bodies that lie in the folder for them."""
        return sorted(path.name for path in (self.data_dir / "incoming").iterdir())

    def open_files(self, below: Path) -> list[str]:
        """Files below a folder that the server's processes hold open."""
        found = []
        for process in [psutil.Process(self.pid), *psutil.Process(self.pid).children(recursive=True)]:
            with contextlib.suppress(psutil.Error):
                found += [file.path for file in process.open_files() if file.path.startswith(str(below))]
        return found


def head(method: str, path: str, **headers: object) -> bytes:
    """The head of a request; ``content_length=3`` becomes ``Content-Length: 3``."""
    lines = [f"{method} {path} HTTP/1.1", "Host: localhost"]
    lines += [f"{name.replace('_', '-').title()}: {value}" for name, value in headers.items()]
    return ("\r\n".join(lines) + "\r\n\r\n").encode()


def logged_in(person: User) -> str:
    """The Cookie header of a browser in which ``person`` has logged in."""
    client = Client()
    client.force_login(person)
    cookies: SimpleCookie = client.cookies
    return "; ".join(f"{name}={morsel.value}" for name, morsel in cookies.items())


@contextlib.contextmanager
def web_server(folder: Path, **environment: str) -> Iterator[Web]:
    """Start it on the database of the tests and wait until it answers."""
    parts = urlsplit(settings.DATABASE_URL)
    there = {
        **os.environ,
        "DJANGO_SETTINGS_MODULE": "vsearch.settings",
        "DATABASE_URL": urlunsplit(parts._replace(path=f"/{connection.settings_dict['NAME']}")),
        "VSEARCH_DATA_DIR": str(folder),
        "VSEARCH_SECRET_KEY": settings.SECRET_KEY,
        "VSEARCH_PUBLIC_SEARCH": "yes",
        "VSEARCH_WEB_PROCESSES": "1",
        "BROKER_URL": "memory://",
        **environment,
    }
    with web_running(folder, there) as web:
        yield web


@contextlib.contextmanager
def web_running(folder: Path, environment: Mapping[str, str], port: int = 0) -> Iterator[Web]:
    """The server in this environment; on a free port unless one is named."""
    port = port or free_port()
    log = folder / "web.log"
    command = [sys.executable, "-m", "vsearch.web"]
    with running(command, {**environment, "VSEARCH_PORT": str(port)}, log) as process:
        web = Web(port, folder, process.pid, log)

        def answers() -> bool:
            assert process.poll() is None, log.read_text()
            with contextlib.suppress(OSError):
                return web.ask("/healthz").status == 200
            return False

        wait_until(answers, f"the web server answers (see {log})")
        yield web


def token_made(manage: Callable[..., str]) -> str:
    """A token of a new administrator, made through ``manage.py shell``."""
    program = (
        "from django.contrib.auth.models import User; from apps.accounts.tokens import token_create; "
        "u = User.objects.create_superuser('killer'); "
        "print('token', token_create(user=u, name='kills', scopes=['upload'])[1])"
    )
    return manage("shell", "-v", "0", "-c", program).rpartition("token ")[2].strip()
