"""A person types words and lands in the player at the right second."""

from __future__ import annotations

import re
from urllib.parse import quote

import pytest
from playwright.sync_api import Page

from tests.journeys.library import SPOKEN, SPOKEN_AT
from tests.journeys.server import Server

ODD_QUERIES = [
    "",
    " ",
    "🦄🌊",
    "海边的灯塔",
    "the of and",
    "x" * 10_000,
    'word "unclosed',
    "-only -minus",
    "'; DROP TABLE",
]


@pytest.mark.usefixtures("imported")
def test_a_typed_query_leads_to_a_moment_that_plays(page: Page) -> None:
    page.goto("/")
    box = page.get_by_role("searchbox").first
    box.fill("colourful squares")
    box.press("Enter")
    page.wait_for_url(re.compile(r"[?&]q=colourful"))
    moment = page.locator("main a[href*='/videos/'][href*='t=']").first
    moment.wait_for()
    href = moment.get_attribute("href") or ""
    moment.click()
    page.wait_for_url(re.compile(r"/videos/[0-9a-f-]{36}\?t="))
    wanted = float(re.findall(r"[?&]t=([0-9.]+)", href)[0])
    page.wait_for_function("document.querySelector('video').readyState >= 1")
    page.wait_for_function("at => Math.abs(document.querySelector('video').currentTime - at) < 3", arg=wanted)


@pytest.mark.usefixtures("imported")
def test_spoken_words_are_found_at_the_second_they_are_said(page: Page, server: Server) -> None:
    results = server.json("/api/v1/search?q=" + quote("zeppelin lighthouse"))["results"]
    best = results[0]
    assert best["video"]["title"].startswith("narrated")
    said = [moment for moment in best["moments"] if "subtitle" in moment["matched"]]
    assert said, best
    assert any(moment["start"] <= SPOKEN_AT[1] and moment["end"] >= SPOKEN_AT[0] for moment in said), said
    page.goto(said[0]["play_url"])
    page.get_by_text(SPOKEN).first.wait_for()


@pytest.mark.usefixtures("imported")
@pytest.mark.parametrize("query", ODD_QUERIES, ids=lambda query: repr(query[:12]))
def test_an_odd_query_gets_a_page_and_never_an_error_of_the_server(server: Server, query: str) -> None:
    status, body = server.get("/?q=" + quote(query))
    assert status == 200
    assert b"<h1" in body
    assert server.json("/api/v1/search?q=" + quote(query)).keys() >= {"results", "page", "index", "warnings"}


@pytest.mark.usefixtures("imported")
def test_pages_that_a_visitor_may_see_hold_no_error(page: Page) -> None:
    for address in ("/", "/?q=squares", "/?q=", "/?q=" + quote("🦄 海边"), "/videos", "/find", "/accounts/login"):
        answer = page.goto(address)
        assert answer is not None and answer.status == 200, address
        page.wait_for_load_state("networkidle")


@pytest.mark.usefixtures("imported")
def test_pages_of_an_administrator_hold_no_error(admin_page: Page) -> None:
    for address in ("/upload", "/jobs", "/duplicates", "/accounts/tokens", "/accounts/password", "/admin/"):
        answer = admin_page.goto(address)
        assert answer is not None and answer.status == 200, address
