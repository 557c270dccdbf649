"""One server, one library and one browser for all journeys; they end before the tests of other folders begin."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Browser, ConsoleMessage, Page, Response, sync_playwright

from tests.journeys import library
from tests.journeys.server import PASSWORD, Server, running_server
from tests.platform.servers import required

ARGUMENTS = ["--no-sandbox", "--disable-gpu", "--disable-background-networking", "--disable-component-update",
             "--disable-sync", "--no-first-run"]  # fmt: skip


@pytest.fixture(scope="package")
def server() -> Iterator[Server]:
    with running_server() as started:
        yield started


@pytest.fixture(scope="package")
def folder() -> Iterator[Path]:
    """The videos as files, before anybody imports them."""
    with library.videos_folder() as path:
        yield path


@pytest.fixture(scope="package")
def imported(server: Server, folder: Path) -> str:
    """The folder is in the library and ready; what the import said."""
    done = server.manage("import", str(folder), "--wait")
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


@pytest.fixture(scope="package")
def browser() -> Iterator[Browser]:
    program = required("chromium", "chromium-browser", "google-chrome")
    with sync_playwright() as playwright:
        started = playwright.chromium.launch(executable_path=program, args=ARGUMENTS)
        yield started
        started.close()


@pytest.fixture
def page(browser: Browser, server: Server) -> Iterator[Page]:
    """A visitor's page. The test fails when a page it visits logs an error, breaks the CSP or answers 5xx."""
    context = browser.new_context(base_url=server.url, viewport={"width": 1100, "height": 900})
    context.set_default_timeout(60_000)
    problems: list[str] = []

    def on_console(message: ConsoleMessage) -> None:
        if "status of 400" in message.text:
            return  # Chromium's remark on a form that was refused, as the test wanted
        if message.type == "error" or re.search("content security policy", message.text, re.I):
            where = message.page.url if message.page else "?"
            problems.append(f"console on {where}: {message.text} ({message.location.get('url')})")

    def on_response(response: Response) -> None:
        if response.status >= 500:
            problems.append(f"{response.status} {response.url}")

    context.on("console", on_console)
    context.on("weberror", lambda error: problems.append(f"script: {error.error}"))
    context.on("response", on_response)
    yield context.new_page()
    context.close()
    assert problems == []


@pytest.fixture
def admin_page(page: Page) -> Page:
    """The page of an administrator who has logged in through the form."""
    page.goto("/accounts/login")
    page.get_by_label("Username").fill("admin")
    page.get_by_label("Password", exact=False).first.fill(PASSWORD)
    page.get_by_label("Password", exact=False).first.press("Enter")
    page.wait_for_url(lambda url: "/login" not in url)
    return page
