"""A person trains on captions of their own, watches the curve, compares, lets the candidate serve, and goes back."""

from __future__ import annotations

import json
import re
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from playwright.sync_api import Page

from tests.journeys.server import Server

ITEMS = 48
COLOURS = {"red": (200, 30, 30), "green": (30, 170, 60), "blue": (40, 60, 200), "yellow": (220, 200, 40)}
PLACES = ("left", "right", "top", "bottom")
TRAINS_MS = 600_000  # on a machine that does other things as well


def write_manifest(folder: Path) -> Path:
    """Pictures of a coloured block somewhere on grey noise, each with two captions that say so."""
    folder.mkdir(parents=True, exist_ok=True)
    rng = np.random.default_rng(0)
    lines = []
    for number in range(ITEMS):
        colour, place = list(COLOURS)[number % 4], PLACES[number // 4 % 4]
        picture = rng.integers(90, 160, (90, 160, 3), dtype=np.uint8)
        spot = {
            "left": np.s_[30:60, 5:45], "right": np.s_[30:60, 115:155], "top": np.s_[3:30, 60:100],
            "bottom": np.s_[60:87, 60:100],
        }[place]  # fmt: skip
        picture[spot] = COLOURS[colour]
        file = folder / f"{number}.png"
        Image.fromarray(picture).save(file)
        captions = [f"a {colour} block on the {place} {number}", f"something {colour} at the {place}"]
        lines.append(json.dumps({"id": f"block {number}", "frames": [str(file)], "captions": captions}))
    manifest = folder / "blocks.jsonl"
    manifest.write_text("\n".join(lines) + "\n", encoding="utf-8")
    return manifest


def freeze(page: Page, manifest: Path) -> None:
    page.goto("/training/datasets/new")
    page.get_by_label("A file", exact=True).check()
    page.locator("input[type=file]").set_input_files(str(manifest))
    page.get_by_label("Name").fill("blocks")
    page.get_by_role("button", name="Create the dataset").click()
    page.get_by_text("held out", exact=True).wait_for(timeout=TRAINS_MS)


def train(page: Page) -> str:
    """The address of the run, which is done when this returns."""
    page.get_by_role("link", name="Training", exact=True).first.click()
    page.get_by_role("link", name="New run").click()
    page.get_by_text("Cost: ").wait_for()
    page.get_by_role("radio", name=re.compile("Quick")).check()
    page.get_by_role("button", name="Continue").click()
    page.get_by_role("button", name="Start the run").click()
    page.locator("svg.chart polyline").first.wait_for(timeout=TRAINS_MS)  # without a reload: htmx brings it
    address = page.url
    page.get_by_role("link", name="Compare with the active version").wait_for(timeout=TRAINS_MS)
    return address


@pytest.mark.usefixtures("imported")
@pytest.mark.timeout(1800)
def test_a_run_is_started_watched_compared_promoted_and_rolled_back(
    admin_page: Page, server: Server, tmp_path: Path
) -> None:
    page = admin_page
    tmp_path.chmod(0o755)
    freeze(page, write_manifest(tmp_path / "blocks"))
    train(page)
    before = server.query("SELECT id FROM embeddings_modelversion WHERE role = 'semantic' AND state = 'serving'")

    page.get_by_role("link", name="Compare with the active version").click()
    page.get_by_role("heading", name="It did not pass").wait_for()  # a handful of pictures proves nothing
    page.get_by_label("Search both versions").fill("colourful squares")
    page.get_by_role("button", name="Search both").click()
    page.get_by_text("Active version:").wait_for()
    assert page.locator("#answers .place").count() >= 4

    page.get_by_text("Promote anyway…").click()
    page.get_by_label("Why promote it although it did not pass?").fill("This journey looked at it with its own eyes.")
    page.get_by_role("button", name="Promote it anyway").click()
    page.get_by_text("answers all searches from now on").wait_for()
    assert server.json("/api/v1/search?q=squares")["results"]

    page.get_by_text("Roll back to").click()
    page.get_by_role("button", name="Roll back now").click()
    page.get_by_text("answers all searches from now on").wait_for()
    after = server.query("SELECT id FROM embeddings_modelversion WHERE role = 'semantic' AND state = 'serving'")
    assert after == before
    assert server.json("/api/v1/search?q=squares")["results"]


@pytest.mark.usefixtures("imported")
def test_a_thumb_on_a_result_is_taken_without_leaving_the_page(admin_page: Page) -> None:
    admin_page.goto("/?q=squares")
    admin_page.get_by_role("button", name=re.compile("is right for this search")).first.click()
    admin_page.get_by_text("Marked as right.").wait_for()
    assert "q=squares" in admin_page.url
