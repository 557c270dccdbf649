"""A person uploads a clip in the browser and watches it."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

from playwright.sync_api import Page

from tests.clips import Scene, make_clip
from tests.journeys.server import Server
from tests.platform.servers import wait_until

INGEST_SECONDS = 240.0


def test_an_uploaded_clip_becomes_ready_and_plays(admin_page: Page, server: Server, tmp_path: Path) -> None:
    clip = make_clip(tmp_path / "uploaded-rings.mp4", scenes=[Scene("gradients", 91), Scene("shapes", 92)],
                     seconds=6.0, size=(320, 180))  # fmt: skip
    admin_page.goto("/upload")
    admin_page.locator("input[type=file]").first.set_input_files(clip)
    start = admin_page.get_by_role("button", name=re.compile("^(start|upload)", re.I))
    if start.count() and start.first.is_visible() and start.first.is_enabled():
        start.first.click()

    def mine() -> list[dict[str, Any]]:
        found = admin_page.request.get("/api/v1/videos?text=uploaded-rings").json()["results"]
        return [video for video in found if video["original_name"] == clip.name]

    wait_until(lambda: [video["state"] for video in mine()] == ["ready"], "the uploaded video is ready", INGEST_SECONDS)
    video = mine()[0]
    assert abs(video["duration"] - 6.0) < 0.2

    admin_page.goto(video["page_url"])
    admin_page.wait_for_function("document.querySelector('video').readyState >= 1")
    poster = admin_page.request.get(video["poster_url"])
    assert poster.status == 200
    assert poster.headers["content-type"] == "image/jpeg"
    part = admin_page.request.get(video["stream_url"], headers={"Range": "bytes=0-99"})
    assert part.status == 206
    assert part.body() == clip.read_bytes()[:100]
    storyboard = admin_page.request.get(f"/videos/{video['id']}/storyboard.vtt").text()
    assert storyboard.startswith("WEBVTT")
    sheet = re.findall(r"^(\S+)#xywh=", storyboard, re.M)[0]
    assert admin_page.request.get(f"/videos/{video['id']}/{Path(sheet).name}").status == 200
    assert server.query("SELECT count(*) FROM embeddings_clipembedding WHERE video_id = %s", video["id"])[0][0] > 0
