"""An outage is answered as an outage: 503 with a reason, for people and for programs."""

from __future__ import annotations

import contextlib
import errno
import json
from pathlib import Path

import pytest
from django.db import OperationalError
from django.http import HttpRequest
from django.test import Client, RequestFactory, override_settings
from psycopg.errors import DiskFull

from apps.core.exceptions import InvalidInput, Unavailable
from apps.core.health import NotReady, version_tuple
from apps.core.middleware import OutageMiddleware
from vsearch.metrics import render
from vsearch.processes.logs import ProcessLog, say


def _middleware() -> OutageMiddleware:
    return OutageMiddleware(lambda request: pytest.fail("not called"))


def _request(path: str) -> HttpRequest:
    return RequestFactory().get(path)


def test_a_page_without_database_is_a_503_that_says_so() -> None:
    answer = _middleware().process_exception(_request("/"), OperationalError("refused"))
    assert answer is not None
    assert answer.status_code == 503
    assert answer["Retry-After"]
    assert "database" in answer.content.decode()


def test_the_api_without_database_answers_with_a_problem_document() -> None:
    answer = _middleware().process_exception(_request("/api/v1/search"), OperationalError("refused"))
    assert answer is not None
    assert answer.status_code == 503
    assert answer["Content-Type"] == "application/problem+json"
    assert json.loads(answer.content)["status"] == 503


def test_a_part_that_is_down_is_told_in_its_own_words() -> None:
    answer = _middleware().process_exception(_request("/"), Unavailable("The model is being installed."))
    assert answer is not None
    assert "The model is being installed." in answer.content.decode()


def test_other_errors_pass() -> None:
    assert _middleware().process_exception(_request("/"), InvalidInput("no")) is None
    assert _middleware().process_exception(_request("/"), ValueError("no")) is None


def _fails() -> str:
    raise NotReady("do this")


def _cannot_reach() -> str:
    raise OperationalError("refused")


def _fine() -> str:
    return "fine"


@pytest.mark.django_db
def test_readyz_is_200_when_every_part_is_fine(client: Client) -> None:
    with override_settings(READINESS_CHECKS={"database": f"{__name__}._fine"}):
        answer = client.get("/readyz")
    assert answer.status_code == 200
    assert answer.json() == {"ready": True, "parts": {"database": {"ok": True, "detail": "fine"}}}


@pytest.mark.django_db
def test_readyz_is_503_and_names_the_part_that_is_missing(client: Client) -> None:
    with override_settings(READINESS_CHECKS={"database": f"{__name__}._fine", "model": f"{__name__}._fails"}):
        answer = client.get("/readyz")
    assert answer.status_code == 503
    assert answer.json()["parts"]["model"] == {"ok": False, "detail": "do this"}
    assert answer.json()["parts"]["database"]["ok"]


@pytest.mark.django_db
def test_readyz_claims_nothing_about_other_parts_while_the_database_is_away(client: Client) -> None:
    with override_settings(READINESS_CHECKS={"database": f"{__name__}._cannot_reach", "model": f"{__name__}._fine"}):
        answer = client.get("/readyz")
    assert answer.status_code == 503
    assert not answer.json()["parts"]["model"]["ok"]


def test_healthz_needs_nothing(client: Client) -> None:
    assert client.get("/healthz").json() == {"status": "alive"}


@pytest.mark.django_db
def test_the_jobs_page_asks_strangers_to_log_in(client: Client) -> None:
    answer = client.get("/jobs")
    assert answer.status_code == 302
    assert "next=/jobs" in answer["Location"]


def test_versions_compare_as_numbers() -> None:
    assert version_tuple("0.8.10") > version_tuple("0.8.4") > version_tuple("0.8")


def test_metrics_are_written_as_prometheus_reads_them() -> None:
    samples = iter([("jobs", {"state": "done"}, 3.0), ("jobs", {"state": "failed"}, 0.0)])
    assert render(samples) == '# TYPE jobs gauge\njobs{state="done"} 3\njobs{state="failed"} 0\n'


def test_a_log_that_cannot_be_written_is_dropped_and_counted(tmp_path: Path) -> None:
    folder = tmp_path / "logs"
    folder.touch()  # no folder can be made there
    log = ProcessLog("gpu", folder, lambda name, line, urgent=False: None)
    log.write(b"one\ntwo\n")
    folder.unlink()
    log.write(b"three\n")
    assert (folder / "gpu.log").read_text() == "(2 lines are missing here: they could not be written)\nthree\n"


def test_a_full_terminal_is_not_fatal(monkeypatch: pytest.MonkeyPatch) -> None:
    with open("/dev/full", "w") as full:
        monkeypatch.setattr("sys.stdout", full)
        say("web", "a line")
        monkeypatch.undo()
        with contextlib.suppress(OSError):
            full.close()


def _disk_full() -> Exception:
    error = OperationalError("could not extend file")
    error.__cause__ = DiskFull("could not extend file")
    return error


@pytest.mark.parametrize("error", [OSError(errno.ENOSPC, "x"), OSError(errno.EDQUOT, "x"), _disk_full()])
def test_a_full_disk_is_a_507_in_a_sentence(error: Exception) -> None:
    for path in ("/upload", "/api/v1/uploads"):
        answer = _middleware().process_exception(_request(path), error)
        assert answer is not None and answer.status_code == 507
        assert "Free some space" in answer.content.decode() or "free some space" in answer.content.decode()
    assert _middleware().process_exception(_request("/"), OSError(errno.EACCES, "x")) is None


def test_the_terminal_shows_warnings_only_and_the_file_everything(tmp_path, monkeypatch) -> None:  # type: ignore[no-untyped-def]
    shown: list[str] = []
    log = ProcessLog("gpu", tmp_path, lambda name, line, urgent=False: shown.append(line))
    log.write(b"2026-01-01 10:00:00,123 INFO celery fine\n2026-01-01 10:00:01,000 ERROR celery bro")
    log.write(b"ken\nan unfinished last line")
    log.flush()
    assert shown == ["ERROR celery broken"]
    assert (tmp_path / "gpu.log").read_text().count("\n") == 3
