"""The stream of frames: bounded in memory and read-ahead, gone when it is closed, honest about progress."""

from __future__ import annotations

import io
import os
import time
from pathlib import Path

import pytest

from tests.clips import Scene, make_clip
from worker.media.decode import stream as stream_module
from worker.media.decode.stream import FrameStream, open_frames
from worker.media.decode.wire import HEADER, WireError, read_message, write_message
from worker.media.errors import MediaError

MIB = 1024 * 1024


def process_exists(stream: FrameStream) -> bool:
    return os.path.exists(f"/proc/{stream._child.pid}")


def test_the_childs_memory_does_not_grow_with_the_length(tmp_path: Path) -> None:
    peaks = {}
    for seconds in (8.0, 64.0):
        path = make_clip(tmp_path / f"{seconds}.mp4", scenes=[Scene("testsrc")], seconds=seconds, size=(320, 240))
        with open_frames(path) as stream:
            assert sum(1 for _ in stream) > 0
            peaks[seconds] = stream.peak_memory_bytes
    assert 20 * MIB < peaks[8.0] < 400 * MIB
    assert peaks[64.0] < peaks[8.0] + 16 * MIB


def test_facts_are_there_before_the_first_frame_and_totals_after_the_last(tmp_path: Path) -> None:
    with open_frames(make_clip(tmp_path / "clip.mp4", seconds=3.0)) as stream:
        assert stream.facts.video_codec == "h264"
        assert stream.duration_seconds == 0.0
        times = [frame.time for frame in stream]
        assert stream.duration_seconds == pytest.approx(3.0, abs=0.05)
        assert stream.frames_decoded == 75
        assert times == sorted(set(times))


def test_a_slow_reader_gets_every_frame_and_the_read_ahead_is_bounded(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(stream_module, "READ_AHEAD_FRAMES", 2)
    path = make_clip(tmp_path / "clip.mp4", scenes=[Scene("life")], seconds=7.0, size=(320, 240))
    with open_frames(path) as stream:
        quick = [frame.time for frame in stream]
    with open_frames(path) as stream:
        slow = []
        for frame in stream:
            assert stream._messages.qsize() <= 2
            slow.append(frame.time)
            time.sleep(0.02)
    assert slow == quick


def test_leaving_early_ends_the_child(tmp_path: Path) -> None:
    path = make_clip(tmp_path / "clip.mp4", scenes=[Scene("life")], seconds=7.0, size=(320, 240))
    with open_frames(path) as stream:
        next(iter(stream))
    assert not process_exists(stream)
    stream.close()  # again


def test_cancelling_ends_the_child_even_when_nothing_is_read(tmp_path: Path) -> None:
    path = make_clip(tmp_path / "clip.mp4", scenes=[Scene("life")], seconds=7.0, size=(320, 240))
    asked: list[bool] = []
    with open_frames(path, cancelled=lambda: bool(asked)) as stream:
        frames = iter(stream)
        next(frames)
        asked.append(True)
        with pytest.raises(MediaError, match="cancelled"):
            next(frames)
        assert not process_exists(stream)


def test_messages_survive_the_wire() -> None:
    pipe = io.BytesIO()
    write_message(pipe, {"type": "frame", "time": 1.5}, b"pixels")
    pipe.seek(0)
    assert read_message(pipe) == ({"type": "frame", "time": 1.5}, b"pixels")
    assert read_message(pipe) is None


@pytest.mark.parametrize(
    "data",
    [b"\x01", HEADER.pack(2**31, 0), HEADER.pack(2, 2**31) + b"{}", HEADER.pack(2, 0) + b"{}",
     HEADER.pack(3, 0) + b"[1]", HEADER.pack(4, 0) + b"nope", HEADER.pack(15, 9) + b'{"type": "end"}x'],
)  # fmt: skip
def test_a_hostile_child_cannot_make_the_parent_read_nonsense(data: bytes) -> None:
    with pytest.raises(WireError):
        read_message(io.BytesIO(data))
