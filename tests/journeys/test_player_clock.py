"""The frame that the browser shows at a sampled time is the frame that was sampled there."""

from __future__ import annotations

import io
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray
from PIL import Image
from playwright.sync_api import Browser, Page

from tests.clips import ffmpeg
from worker.media.decode.stream import open_frames
from worker.media.derived.proxy import make_proxy
from worker.media.playback import needs_proxy

BITS, CHECKED = 8, 6
H264 = ["-c:v", "libx264", "-preset", "veryfast", "-g", "25", "-pix_fmt", "yuv420p", "-bf", "2"]
SEEK = """([video, time]) => new Promise((done) => {
  video.addEventListener("seeked", () => setTimeout(done, 150), {once: true});
  video.currentTime = time;
})"""


def number_of(picture: NDArray[np.uint8]) -> int:
    """The number of the frame, written in it as bars: white for a one, the lowest bit on the left."""
    height, width = picture.shape[:2]
    return sum(1 << bit for bit in range(BITS) if picture[height // 2, int((bit + 0.5) * width / BITS)].mean() > 128)


@pytest.fixture(scope="module")
def base(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Four seconds of numbered frames with sound."""
    path = tmp_path_factory.mktemp("clock") / "base.mp4"
    bars = f"geq=lum='if(mod(floor(N/pow(2,floor(X*{BITS}/W))),2),235,16)':cb=128:cr=128"
    ffmpeg("-f", "lavfi", "-i", f"color=black:size=320x180:rate=25:duration=4,format=yuv420p,{bars}",
           "-f", "lavfi", "-i", "sine=330:duration=4", *H264, "-c:a", "aac", path)  # fmt: skip
    return path


@pytest.fixture
def page(browser: Browser) -> Page:
    return browser.new_page(viewport={"width": 400, "height": 300})


def copied(*before: str, end: tuple[str, ...] = ()) -> Callable[[Path, Path], None]:
    return lambda base, path: ffmpeg(*before, "-i", base, "-map", "0", "-c", "copy", *end, path)


def encoded(*codecs: str) -> Callable[[Path, Path], None]:
    return lambda base, path: ffmpeg("-i", base, *codecs, path)


def delayed(base: Path, path: Path) -> None:
    """The picture begins 1.5 s after the sound."""
    codecs = ["-c:v", "libvpx", "-c:a", "libopus"] if path.suffix == ".webm" else ["-c", "copy"]
    ffmpeg("-itsoffset", "1.5", "-i", base, "-i", base, "-map", "0:v", "-map", "1:a", *codecs, path)


def joined(base: Path, path: Path) -> None:
    parts = []
    for start in ("0", "1", "2.52"):
        part = path.with_name("part.ts")
        ffmpeg("-ss", start, "-t", {"0": "1", "1": "1.52", "2.52": "2"}[start], "-i", base, *H264, "-c:a", "aac", part)
        parts.append(part.read_bytes())
    path.write_bytes(b"".join(parts))


LATE = ("-output_ts_offset", "30")
CASES: dict[str, Callable[[Path, Path], None]] = {
    "plain.mp4": copied(),
    "starts_at_30.mp4": copied(end=LATE),
    "starts_at_30.webm": encoded("-c:v", "libvpx", "-b:v", "1M", "-c:a", "libopus", *LATE),
    "starts_at_30.mkv": copied(end=LATE),
    "starts_at_30.flv": copied(end=LATE),
    "starts_at_30.mpg": encoded("-c:v", "mpeg2video", "-q:v", "2", "-c:a", "mp2", *LATE),
    "fragments.mp4": copied(end=("-movflags", "frag_keyframe+empty_moov+default_base_moof")),
    "empty_edit.mp4": copied("-itsoffset", "2"),
    "cut_inside_a_group.mp4": copied("-ss", "1.5"),
    "delayed.mp4": delayed, "delayed.webm": delayed, "delayed.mkv": delayed, "delayed.ts": delayed,
    "joined.ts": joined,
}  # fmt: skip


@pytest.mark.parametrize("name", CASES)
def test_the_frame_on_screen_is_the_sampled_one(base: Path, page: Page, tmp_path: Path, name: str) -> None:
    path = tmp_path / name
    CASES[name](base, path)
    with open_frames(path) as stream:
        sampled = [(frame.time, number_of(frame.image)) for frame in stream]
    assert len({number for _, number in sampled}) == len(sampled)
    played = path
    if needs_proxy(stream.facts):
        played = tmp_path / "proxy.mp4"
        make_proxy(path, played, facts=stream.facts)
    (tmp_path / "page.html").write_text(f'<video muted preload="auto" src="{played.name}"></video>')
    page.goto((tmp_path / "page.html").as_uri())
    page.wait_for_function("document.querySelector('video').readyState >= 2")
    video = page.query_selector("video")
    assert video is not None
    for time, number in sampled[:: max(1, len(sampled) // CHECKED)]:
        page.evaluate(SEEK, [video, time + 0.012])
        shown = np.asarray(Image.open(io.BytesIO(video.screenshot())).convert("RGB"))
        assert number_of(shown) == number, f"{name} at {time:.3f} s"
    page.close()
