"""A disk that fills up under a running vsearch: reading goes on, writing is refused in words, and all comes back."""

from __future__ import annotations

import base64
import contextlib
import json
import os
import shutil
import signal
import subprocess
import sys
import tempfile
import urllib.error
import urllib.request
from collections.abc import Iterator
from pathlib import Path

import psycopg
import pytest
from django.conf import settings
from django.db import DatabaseError, connection
from django.test import Client

from apps.accounts.tokens import token_create
from apps.search.vocabulary import words_forget
from apps.videos.models import TextSegment
from tests.apps.duplicates.rows import make_video
from tests.apps.people import user
from tests.platform.servers import free_port, wait_until
from vsearch.postgres import embedded

CODE = Path(settings.BASE_DIR)
MINUTES = 300.0
MEGABYTE = 1024**2


@pytest.fixture
def small_disk() -> Iterator[Path]:
    folder = Path(tempfile.mkdtemp(prefix="vsearch-small-"))
    mounted = subprocess.run(
        ["mount", "-t", "tmpfs", "-o", "size=900m,mode=755", "tmpfs", str(folder)], capture_output=True, check=False
    )
    if mounted.returncode != 0:
        folder.rmdir()
        pytest.skip("a small disk can be mounted only by root")
    yield folder
    subprocess.run(["umount", "--lazy", str(folder)], check=True)
    folder.rmdir()


def _ask(url: str, *, headers: dict[str, str] | None = None) -> tuple[int, str]:
    """GET, or with headers POST. Status (0: no connection) and body."""
    request = urllib.request.Request(url, headers=headers or {}, method="POST" if headers else "GET")  # noqa: S310
    try:
        with urllib.request.urlopen(request, timeout=30) as answer:  # noqa: S310
            return answer.status, answer.read().decode()
    except urllib.error.HTTPError as error:
        return error.code, error.read().decode()
    except OSError:
        return 0, ""


def _fill(disk: Path) -> None:
    with contextlib.suppress(OSError), (disk / "fill").open("ab", buffering=0) as file:
        while True:
            file.write(bytes(MEGABYTE))


def _write_much(data_dir: Path) -> None:
    """Until the server cannot go on."""
    with (
        contextlib.suppress(psycopg.Error),
        psycopg.connect(embedded.database_url(data_dir), autocommit=True) as server,
    ):
        for _ in range(500):
            server.execute("SELECT pg_logical_emit_message(true, 'x', repeat(md5(random()::text), 32000))")


def test_reading_goes_on_and_everything_comes_back(small_disk: Path) -> None:
    data_dir, port = small_disk / "data", free_port()
    inherited = {name: value for name, value in os.environ.items() if name not in {"DATABASE_URL", "BROKER_URL"}}
    # No model is installed: it would only take time.
    environment = {
        **inherited,
        "DJANGO_SETTINGS_MODULE": "vsearch.settings",
        "VSEARCH_DATA_DIR": str(data_dir),
        "VSEARCH_PUBLIC_SEARCH": "yes",
        "VSEARCH_SEMANTIC_MODEL": str(small_disk / "none"),
    }
    search, uploads = f"http://127.0.0.1:{port}/api/v1/search?q=dog", f"http://127.0.0.1:{port}/api/v1/uploads"
    name, purpose = (base64.b64encode(word).decode() for word in (b"a.mp4", b"lookup"))
    creation = {"Tus-Resumable": "1.0.0", "Upload-Length": "1000",
                "Upload-Metadata": f"filename {name},purpose {purpose}"}  # fmt: skip
    command = [sys.executable, str(CODE / "manage.py"), "up", "--port", str(port), "--only", "web", "scheduler"]
    with (small_disk / "up.log").open("wb") as log:
        up = subprocess.Popen(command, env=environment, cwd=CODE, stdout=log, stderr=log)
    try:
        wait_until(lambda: _ask(search)[0] == 200, "a search is answered", MINUTES)
        assert _ask(uploads, headers=creation)[0] == 201
        wait_until((small_disk / "data" / "postgres.reserve").exists, "space is kept for the database")

        _fill(small_disk)
        status, body = _ask(uploads, headers=creation)
        assert status == 507 and "space" in json.loads(body)["detail"]
        assert _ask(search)[0] == 200

        _write_much(data_dir)
        wait_until(lambda: _ask(search)[0] == 200, "the database comes back for reading", MINUTES)
        _fill(small_disk)
        assert _ask(search)[0] == 200
        assert _ask(uploads, headers=creation)[0] == 507
        assert up.poll() is None

        (small_disk / "fill").unlink()
        wait_until(lambda: _ask(uploads, headers=creation)[0] == 201, "uploads are taken again", MINUTES)
        assert _ask(search)[0] == 200 and up.poll() is None
    finally:
        up.send_signal(signal.SIGTERM)
        up.wait(60)
        shutil.rmtree(embedded.socket_folder(data_dir), ignore_errors=True)


@pytest.mark.django_db(transaction=True)
def test_a_token_searches_for_a_misspelt_word_while_nothing_can_be_written() -> None:
    """The use of the token, the count of the limit and the vocabulary would be written: none of them is needed."""
    TextSegment.objects.create(video=make_video("lighthouse"), source="title", start=0, end=0, text="lighthouse")
    _, token = token_create(user=user("Uploaders"), name="t")
    words_forget()
    with connection.cursor() as cursor:
        cursor.execute("SET default_transaction_read_only = on")
    try:
        with pytest.raises(DatabaseError):
            TextSegment.objects.all().delete()
        answer = Client(headers={"Authorization": f"Bearer {token}"}).get("/api/v1/search", {"q": '"lihgthouse"'})
    finally:
        connection.close()
    assert answer.status_code == 200, answer.content
