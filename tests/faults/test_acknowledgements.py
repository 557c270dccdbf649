"""What a client was told is true, whenever web or Postgres are killed, and every retry ends well.

UPLOAD_KILLS=200 makes as many kills; six by default.
"""

from __future__ import annotations

import base64
import contextlib
import http.client
import json
import os
import random
import shutil
import signal
import subprocess
import sys
import tempfile
import threading
import time
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field
from functools import partial
from hashlib import sha256
from pathlib import Path
from typing import Any

import psutil
import psycopg
import pytest
from django.conf import settings

from tests.faults.web import Web, token_made, web_running
from tests.platform.servers import wait_until
from vsearch.postgres import embedded

KILLS = int(os.environ.get("UPLOAD_KILLS", "6"))
UPLOADERS = 4
PART_BYTES = 64 * 1024
END_SECONDS = 300.0
_OF_THE_TESTS = {"DATABASE_URL", "BROKER_URL", "VSEARCH_TEST_ARRANGED", "VSEARCH_SECRET_KEY"}

pytestmark = pytest.mark.timeout(3600)


@dataclass
class Told:
    """What clients heard: (sha256, id of the video) of finished uploads, and answers by status."""

    finished: list[tuple[str, str]] = field(default_factory=list)
    statuses: Counter[str] = field(default_factory=Counter)
    wrong: list[str] = field(default_factory=list)


@dataclass
class Uploader:
    """A client that follows the protocol: after any trouble it asks for the offset and continues."""

    port: int
    token: str
    told: Told
    random: random.Random

    def request(self, method: str, path: str, body: bytes = b"", **headers: str) -> tuple[int, dict[str, str]] | None:
        """None when the connection broke."""
        talk = http.client.HTTPConnection("127.0.0.1", self.port, timeout=60)
        shown = {"Authorization": f"Bearer {self.token}", "Tus-Resumable": "1.0.0"}
        named = {name.replace("_", "-"): value for name, value in headers.items()}
        try:
            talk.request(method, path, body=body or None, headers={**shown, **named})
            answer = talk.getresponse()
            answer.read()
        except (OSError, http.client.HTTPException):
            self.told.statuses["broken"] += 1
            return None
        finally:
            talk.close()
        self.told.statuses[f"{method} {answer.status}"] += 1
        return answer.status, {name.lower(): value for name, value in answer.getheaders()}

    def upload(self, until: float) -> None:
        content = self.random.randbytes(self.random.randrange(1, 6 * PART_BYTES))
        name = base64.b64encode(b"a.mp4").decode()
        made = None
        while made is None or made[0] != 201:
            made = self.request("POST", "/api/v1/uploads", Upload_Length=str(len(content)),
                                Upload_Metadata=f"filename {name}")  # fmt: skip
            self._patience(until, made)
        address, offset = made[1]["location"], 0
        sure = 0  # bytes that the server said it has
        while True:
            asked = self.request("HEAD", address)
            self._patience(until, asked)
            if asked is None or asked[0] >= 500 or asked[0] == 423:
                continue
            if asked[0] != 200:
                self.told.wrong.append(f"HEAD {asked[0]} after {sure} of {len(content)} bytes")
                return
            offset = int(asked[1]["upload-offset"])
            if offset < sure:
                self.told.wrong.append(f"{sure} bytes were acknowledged, {offset} are there")
                return
            if "upload-result" in asked[1]:
                self._finished(content, asked[1])
                return
            answer: tuple[int, dict[str, str]] | None = (200, {})
            while answer is not None and answer[0] < 300 and offset < len(content):
                answer = self.request("PATCH", address, content[offset : offset + PART_BYTES],
                                      Upload_Offset=str(offset),
                                      Content_Type="application/offset+octet-stream")  # fmt: skip
                if answer is not None and answer[0] == 204:
                    sure = offset = int(answer[1]["upload-offset"])
                    if "upload-result" in answer[1]:
                        self._finished(content, answer[1])
                        return

    def _finished(self, content: bytes, headers: dict[str, str]) -> None:
        self.told.finished.append((sha256(content).hexdigest(), json.loads(headers["upload-result"])["id"]))

    def _patience(self, until: float, answer: tuple[int, dict[str, str]] | None) -> None:
        if answer is None or answer[0] >= 300:
            time.sleep(0.05)
        if time.monotonic() > until:
            raise TimeoutError("an upload did not come to its end")


@dataclass
class Instance:
    """A web server and an embedded Postgres of its own, each of which can be killed."""

    data_dir: Path
    environment: dict[str, str]

    def manage(self, *words: str) -> str:
        command = [sys.executable, str(settings.BASE_DIR / "manage.py"), *words]
        done = subprocess.run(command, env=self.environment, capture_output=True, text=True, check=False)
        assert done.returncode == 0, done.stderr
        return done.stdout

    def query(self, sql: str) -> list[tuple[Any, ...]]:
        with psycopg.connect(embedded.database_url(self.data_dir)) as connection:
            return connection.execute(sql).fetchall()

    def postgres_kill(self) -> None:
        first = (self.data_dir / "postgres" / "postmaster.pid").read_text().split("\n", 1)[0]
        with contextlib.suppress(psutil.NoSuchProcess):
            psutil.Process(int(first)).kill()


@pytest.fixture
def instance() -> Iterator[Instance]:
    data_dir = Path(tempfile.mkdtemp(prefix="vsearch-kills-"))
    data_dir.chmod(0o755)
    plain = {name: value for name, value in os.environ.items() if name not in _OF_THE_TESTS}
    environment = {
        **plain,
        "DJANGO_SETTINGS_MODULE": "vsearch.settings",
        "VSEARCH_DATA_DIR": str(data_dir),
        "VSEARCH_WEB_PROCESSES": "1",
        "VSEARCH_LIMIT_UPLOAD": "none",
        "VSEARCH_LIMIT_API": "none",
        "BROKER_URL": "memory://",
    }
    usage = embedded.use(data_dir)
    try:
        one = Instance(data_dir, environment)
        one.manage("migrate", "--verbosity", "0")
        yield one
    finally:
        usage.close()
        shutil.rmtree(embedded.socket_folder(data_dir), ignore_errors=True)
        shutil.rmtree(data_dir, ignore_errors=True)


def test_every_answer_that_a_client_saw_is_true_after_kills_of_web_and_postgres(instance: Instance) -> None:
    told, chance = Told(), random.Random(7)
    failed: list[BaseException] = []
    over = threading.Event()
    with contextlib.ExitStack() as stack:
        web = stack.enter_context(contextlib.ExitStack())
        server: Web = web.enter_context(web_running(instance.data_dir, instance.environment))
        token = token_made(instance.manage)

        def work(number: int) -> None:
            uploader = Uploader(server.port, token, told, random.Random(number))
            try:
                while not over.is_set():
                    uploader.upload(time.monotonic() + END_SECONDS)
            except BaseException as error:  # noqa: BLE001  told in the main thread
                failed.append(error)

        threads = [threading.Thread(target=work, args=(number,), daemon=True) for number in range(UPLOADERS)]
        for thread in threads:
            thread.start()
        for kill in range(KILLS):
            time.sleep(chance.uniform(0.2, 1.5))
            if kill % 2:
                instance.postgres_kill()
            else:
                os.killpg(server.pid, signal.SIGKILL)
                web.close()
                server = web.enter_context(web_running(instance.data_dir, instance.environment, port=server.port))
            # The next kill must meet work, not an outage.
            wait_until(partial(_more, told, failed, told.statuses["PATCH 204"]), "uploads go on", END_SECONDS)
        over.set()
        for thread in threads:
            thread.join()
    print(f"\n{KILLS} kills, {len(told.finished)} uploads, answers {dict(told.statuses)}")  # pytest -s shows it
    assert failed == []
    assert told.wrong == []
    assert told.finished
    rows = instance.query("SELECT id, sha256, path FROM videos_video")
    stored = {str(video): (digest, path) for video, digest, path in rows}
    for digest, video in told.finished:
        assert stored[video][0] == digest
        assert sha256(Path(stored[video][1]).read_bytes()).hexdigest() == digest
    jobs = dict(instance.query("SELECT subject_id::text, count(*) FROM core_job WHERE kind = 'ingest' GROUP BY 1"))
    assert jobs == dict.fromkeys(stored, 1)
    media = {path.name for path in (instance.data_dir / "media").iterdir()}
    assert media == set(stored)


def _more(told: Told, failed: list[BaseException], before: int) -> bool:
    return told.statuses["PATCH 204"] > before or bool(failed)
