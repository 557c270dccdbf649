"""The curve survives kills, and TensorBoard can read the event files."""

from __future__ import annotations

import json
import os
import signal
import struct
import subprocess
import sys
import textwrap
from pathlib import Path

import pytest
from tensorboardX.crc32c import crc32c
from tensorboardX.proto.event_pb2 import Event, SessionLog

from worker.training.loop.events import CURVE_FILE, EventLog, read_curve


def event_files(folder: Path) -> list[Path]:
    return sorted(folder.glob("events.out.tfevents.*"), key=lambda f: f.stat().st_mtime_ns)


def read_events(file: Path) -> list[Event]:
    """TFRecord framing as TensorBoard reads it: length, its masked checksum, the event, its masked checksum."""

    def masked(data: bytes) -> int:
        value = crc32c(data)
        return (((value >> 15) | (value << 17)) + 0xA282EAD8) & 0xFFFFFFFF

    data, events, at = file.read_bytes(), [], 0
    while at < len(data):
        head = data[at : at + 8]
        (length,) = struct.unpack("<Q", head)
        (head_sum,) = struct.unpack("<I", data[at + 8 : at + 12])
        body = data[at + 12 : at + 12 + length]
        (body_sum,) = struct.unpack("<I", data[at + 12 + length : at + 16 + length])
        assert head_sum == masked(head) and body_sum == masked(body)
        events.append(Event.FromString(body))
        at += 16 + length
    return events


def scalars(file: Path) -> list[tuple[int, str, float]]:
    return [(e.step, v.tag, round(v.simple_value, 5)) for e in read_events(file) for v in e.summary.value]


def test_points_are_in_the_curve_and_in_the_event_file(tmp_path: Path) -> None:
    with EventLog(tmp_path) as events:
        events.add({"step": 1, "loss": 2.5, "rate": 0.1})
        events.add({"step": 2, "loss": float("nan"), "rate": 0.2})
        events.add({"step": 2, "t2v_r1": 12.5})
    assert read_curve(tmp_path / CURVE_FILE) == [
        {"step": 1, "loss": 2.5, "rate": 0.1},
        {"step": 2, "rate": 0.2, "t2v_r1": 12.5},
    ]
    assert "NaN" not in (tmp_path / CURVE_FILE).read_text()
    (file,) = event_files(tmp_path)
    assert scalars(file) == [(1, "loss", 2.5), (1, "rate", 0.1), (2, "rate", 0.2), (2, "t2v/r1", 12.5)]


def test_a_resumed_run_has_no_step_twice_and_no_torn_line(tmp_path: Path) -> None:
    with EventLog(tmp_path) as events:
        for step in range(1, 8):
            events.add({"step": step, "loss": float(step)})
    with (tmp_path / CURVE_FILE).open("a") as handle:
        handle.write('{"step": 8, "lo')
    assert [point["step"] for point in read_curve(tmp_path / CURVE_FILE)] == [1, 2, 3, 4, 5, 6, 7]
    with EventLog(tmp_path, resume_step=5) as events:
        events.add({"step": 6, "loss": 60.0})
    assert [p["loss"] for p in read_curve(tmp_path / CURVE_FILE)] == [1, 2, 3, 4, 5, 60]
    assert all(json.loads(line) for line in (tmp_path / CURVE_FILE).read_text().splitlines())
    second = event_files(tmp_path)[-1]
    starts = [e.step for e in read_events(second) if e.session_log.status == SessionLog.START and not e.summary.value]
    assert 6 in starts, "TensorBoard drops what the killed run wrote from step 6 on"


def test_a_run_that_starts_anew_forgets_the_old_curve(tmp_path: Path) -> None:
    for loss in (1.0, 2.0):
        with EventLog(tmp_path) as events:
            events.add({"step": 1, "loss": loss})
    assert read_curve(tmp_path / CURVE_FILE) == [{"step": 1, "loss": 2.0}]
    assert len(event_files(tmp_path)) == 2, "two runs within a second have a file each"


def test_kill_9_loses_no_point_that_was_added(tmp_path: Path) -> None:
    program = """
        import sys
        from pathlib import Path
        from worker.training.loop.events import EventLog
        events = EventLog(Path(sys.argv[1]))
        for step in range(1, 100000):
            events.add({"step": step, "loss": 1.0})
            print(step, flush=True)
    """
    with subprocess.Popen(
        [sys.executable, "-c", textwrap.dedent(program), str(tmp_path)], stdout=subprocess.PIPE, text=True
    ) as process:
        assert process.stdout is not None
        said = [process.stdout.readline() for _ in range(200)]
        os.kill(process.pid, signal.SIGKILL)
        said += process.stdout.readlines()
    told = max(int(line) for line in said if line.endswith("\n"))
    steps = [point["step"] for point in read_curve(tmp_path / CURVE_FILE)]
    assert steps == list(range(1, len(steps) + 1)) and len(steps) >= told


def test_a_broken_line_in_the_middle_is_an_error_and_no_file_is_no_points(tmp_path: Path) -> None:
    assert read_curve(tmp_path / "none.jsonl") == []
    (tmp_path / "c.jsonl").write_text('{"step": 1}\n{"st\n{"step": 3}\n')
    with pytest.raises(ValueError, match="line 2"):
        read_curve(tmp_path / "c.jsonl")
