"""Find copies of a span of a library video, look at the similarity picture, scan again, explore clusters."""

from __future__ import annotations

import re

import pytest
from playwright.sync_api import Page, expect

from tests.journeys.server import Server

WAIT_MS = 240_000


def _video(server: Server, title: str) -> str:
    return str(server.query("SELECT id FROM videos_video WHERE title = %s", title)[0][0])


@pytest.mark.usefixtures("imported")
def test_a_span_of_a_library_video_finds_its_copy_and_shows_the_picture(page: Page, server: Server) -> None:
    page.goto(f"/videos/{_video(server, 'squares')}")
    page.get_by_text("Find copies of a part only").click()
    page.get_by_label("From", exact=True).fill("0:01")
    page.get_by_label("To", exact=True).fill("0:07")
    page.get_by_role("button", name="Find copies of this part").click()
    page.wait_for_url(re.compile(r"/find/[0-9a-f-]{36}"))
    match = page.locator("article.match").first
    match.wait_for(timeout=WAIT_MS)
    expect(match.get_by_role("heading")).to_contain_text("squares")
    expect(page.get_by_text("Only 0:01 to 0:07")).to_be_visible()

    match.get_by_text("Similarity picture", exact=True).click()
    picture = match.get_by_role("img", name=re.compile("found segment"))
    picture.wait_for()
    assert picture.locator(".matrix-lines line").count() >= 2
    loaded = page.request.get(str(picture.locator("image").get_attribute("href")))
    assert (loaded.status, loaded.headers["content-type"]) == (200, "image/png")


@pytest.mark.usefixtures("imported")
def test_a_span_behind_the_end_is_refused_in_words(page: Page, server: Server) -> None:
    page.goto(f"/videos/{_video(server, 'squares')}")
    page.get_by_text("Find copies of a part only").click()
    page.get_by_label("From", exact=True).fill("5:00")
    page.get_by_role("button", name="Find copies of this part").click()
    expect(page.get_by_role("alert")).to_contain_text("after the end of the video")


@pytest.mark.usefixtures("imported")
def test_an_administrator_scans_again_and_explores_clusters(admin_page: Page) -> None:
    admin_page.goto("/duplicates")
    admin_page.get_by_role("button", name="Scan the library again").click()
    admin_page.get_by_text(re.compile("The library was scanned")).wait_for(timeout=WAIT_MS)
    admin_page.get_by_role("link", name="Explore clusters").click()
    admin_page.get_by_label("Method").select_option("dbscan")
    admin_page.get_by_label(re.compile("^eps")).fill("0.5")
    admin_page.get_by_role("button", name="Explore").click()
    cluster = admin_page.locator("section.cluster").first
    cluster.wait_for(timeout=WAIT_MS)
    expect(cluster).to_contain_text("squares")
    expect(admin_page.get_by_text("Exploratory.")).to_be_visible()
