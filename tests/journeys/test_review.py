"""An administrator sees the group of copies, dismisses it, and it does not come back."""

from __future__ import annotations

import re

import pytest
from playwright.sync_api import Page

from tests.journeys.server import Server
from tests.platform.servers import wait_until

GROUPS = "/admin/duplicates/duplicategroup/"
SCAN = """
from apps.core.jobs import enqueue
from apps.duplicates.job_kinds import SCAN
print('job', enqueue(kind=SCAN).id)
"""


def _members(server: Server, state: str) -> list[list[str]]:
    """Titles of each group in a state."""
    rows = server.query(
        "SELECT array_agg(v.title ORDER BY v.title) FROM duplicates_duplicategroup g"
        " JOIN duplicates_groupmember m ON m.group_id = g.id"
        " JOIN videos_video v ON v.id = m.video_id WHERE g.state = %s GROUP BY g.id", state,
    )  # fmt: skip
    return [titles for (titles,) in rows]


def _no_work_left(server: Server) -> bool:
    return server.query("SELECT count(*) FROM core_job WHERE state IN ('queued', 'running')") == [(0,)]


def _squares(groups: list[list[str]]) -> bool:
    return any(len(titles) == 2 and all(title.startswith("squares") for title in titles) for titles in groups)


@pytest.mark.usefixtures("imported")
def test_a_dismissed_group_does_not_come_back_after_a_scan(admin_page: Page, server: Server) -> None:
    wait_until(lambda: _squares(_members(server, "open")), "the copies become a group", 180)
    admin_page.goto(GROUPS)
    admin_page.get_by_role("row").filter(has_text=re.compile("squares.*squares")).get_by_role("link").first.click()
    admin_page.get_by_role("heading", name="Evidence").wait_for()
    assert admin_page.get_by_text(re.compile(r"\d+:\d\d")).count() >= 2, "the evidence shows times"
    admin_page.get_by_role("button", name="Not duplicates", exact=True).click()
    admin_page.wait_for_load_state()
    assert not _squares(_members(server, "open"))

    asked = server.manage("shell", "-c", SCAN)
    assert asked.returncode == 0, asked.stderr
    job = re.findall(r"job ([0-9a-f-]{36})", asked.stdout)[0]
    wait_until(lambda: server.query("SELECT state FROM core_job WHERE id = %s", job) == [("done",)], "the scan", 240)
    wait_until(lambda: _no_work_left(server), "all follow-up work is done", 240)
    assert not _squares(_members(server, "open"))
    admin_page.goto(GROUPS + "?state__exact=open")
    assert admin_page.get_by_role("row").filter(has_text=re.compile("squares.*squares")).count() == 0
