"""A person asks where a clip exists already."""

from __future__ import annotations

import re
import time
from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import APIRequestContext, Page

from tests.journeys.library import TRIM, make_edited_copy

LOOKUP_SECONDS = 240.0


def _ask(request: APIRequestContext, file: Path) -> dict[str, Any]:
    """POST the file to the API and wait for the end of the lookup."""
    content = {"name": file.name, "mimeType": "video/mp4", "buffer": file.read_bytes()}
    made = request.post("/api/v1/lookups", multipart={"file": content}, headers=_csrf(request))
    assert made.status == 201, made.text()
    until = time.monotonic() + LOOKUP_SECONDS
    while time.monotonic() < until:
        answer: dict[str, Any] = request.get(made.headers["location"]).json()
        if answer["state"] in {"done", "failed"}:
            return answer
        time.sleep(0.5)
    pytest.fail(f"the lookup did not end: {answer}")


def _csrf(request: APIRequestContext) -> dict[str, str]:
    cookies = {cookie["name"]: cookie["value"] for cookie in request.storage_state()["cookies"]}
    return {"X-CSRFToken": cookies["csrftoken"]} if "csrftoken" in cookies else {}


@pytest.mark.usefixtures("imported")
def test_the_page_names_the_source_of_an_edited_copy(page: Page, folder: Path, tmp_path: Path) -> None:
    asked = make_edited_copy(folder / "squares.mp4", tmp_path / "mystery.mp4")
    page.goto("/find")
    page.locator("input[type=file]").first.set_input_files(asked)
    start = page.get_by_role("button", name=re.compile("^find", re.I))
    if "/find/" not in page.url and start.count() and start.first.is_visible() and start.first.is_enabled():
        start.first.click()
    page.wait_for_url(re.compile(r"/find/[0-9a-f-]{36}"))
    link = page.locator("main a[href*='/videos/']", has_text=re.compile("squares")).first
    link.wait_for(timeout=LOOKUP_SECONDS * 1000)
    assert page.get_by_text(re.compile(r"\d+:\d\d")).count() >= 2, "spans of both videos are shown"


@pytest.mark.usefixtures("imported")
def test_the_api_says_which_span_matches_which(page: Page, folder: Path, tmp_path: Path) -> None:
    answer = _ask(page.request, make_edited_copy(folder / "squares.mp4", tmp_path / "mystery.mp4"))
    assert answer["state"] == "done", answer
    titles = [match["video"]["title"] for match in answer["matches"]]
    assert titles[:1] in (["squares"], ["squares-again"], ["squares again"]), answer
    assert all(title.startswith("squares") for title in titles), titles
    best = answer["matches"][0]
    assert set(best) >= {"video", "score", "relation", "segments"}
    assert set(best["video"]) >= {"id", "title", "path"}
    assert 0 < best["score"] <= 1
    assert best["mirrored"] is True
    first = best["segments"][0]
    offset = first["reference"][0] - first["query"][0]
    assert abs(offset - TRIM[0]) < 1.0, best["segments"]
    covered = sum(segment["query"][1] - segment["query"][0] for segment in best["segments"])
    assert covered > 0.6 * (TRIM[1] - TRIM[0]), best["segments"]


@pytest.mark.usefixtures("imported")
def test_a_letter_that_calls_itself_a_video_gets_a_reason(page: Page, tmp_path: Path) -> None:
    letter = tmp_path / "letter.mp4"
    letter.write_text("Dear reader, this is no film.\n" * 100, encoding="utf-8")
    answer = _ask(page.request, letter)
    assert answer["state"] == "failed"
    assert len(answer["failure"]["message"].split()) >= 4
    assert answer["matches"] == []
