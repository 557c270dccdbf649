"""Programs in the sandbox keep to their limits and never outlive the one who started them."""

from __future__ import annotations

import dataclasses
import os
import signal
import subprocess
import sys
import time
from collections.abc import Sequence
from pathlib import Path

import pytest

from worker.media.decode.client import error_of_death
from worker.media.errors import MediaError
from worker.media.sandbox.ffmpeg_command import ffmpeg_binary
from worker.media.sandbox.limits import Limits
from worker.media.sandbox.runner import Sandboxed, run_sandboxed

PROJECT = Path(__file__).resolve().parents[4]
FAMILY = "sleep 300 & echo $!; sleep 300 & echo $!; wait"


@pytest.fixture
def forking(monkeypatch: pytest.MonkeyPatch) -> None:
    """As on a machine without seccomp, which refuses new processes."""
    monkeypatch.setenv("VSEARCH_SANDBOX_WITHOUT", "seccomp")


def limited(**changes: float) -> Limits:
    return dataclasses.replace(Limits(), **changes)  # type: ignore[arg-type]


def python(code: str, limits: Limits | None = None, writes: Sequence[Path] = ()) -> tuple[int, str, str]:
    done = run_sandboxed([sys.executable, "-c", code], limits=limits or Limits(), writes=writes)
    return done.returncode, done.stdout.decode(), done.stderr_tail


def alive(pid: int) -> bool:
    try:
        with open(f"/proc/{pid}/stat", encoding="ascii") as stat:
            return stat.read().rsplit(")", 1)[1].split()[0] != "Z"
    except (FileNotFoundError, ProcessLookupError):
        return False


def gone(pids: list[int]) -> bool:
    """Whether they are dead, giving the kernel a moment to finish."""
    for _ in range(100):
        if not any(alive(pid) for pid in pids):
            return True
        time.sleep(0.05)
    return False


def test_output_status_and_the_end_of_stderr_are_returned() -> None:
    code, out, err = python(
        "import sys; print('hello'); print('x' * 100000, 'last words', file=sys.stderr); sys.exit(3)"
    )
    assert (code, out) == (3, "hello\n")
    assert err.endswith("last words\n")
    assert len(err) <= 16 * 1024


def test_output_is_bounded() -> None:
    done = run_sandboxed([sys.executable, "-c", "print('x' * 10**6)"], limits=Limits(), stdout_bytes=1000)
    assert done.returncode == 0
    assert len(done.stdout) == 1000


def test_lines_are_reported_while_the_program_runs() -> None:
    lines: list[str] = []
    run_sandboxed(["/bin/sh", "-c", "echo one; echo two"], limits=Limits(), on_line=lines.append)
    assert lines == ["one", "two"]


def test_our_environment_is_not_inherited(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DATABASE_PASSWORD", "secret")
    _, out, _ = python("import os; print(sorted(os.environ))")
    assert "DATABASE_PASSWORD" not in out
    assert "PATH" in out


def test_it_runs_in_a_session_and_a_process_group_of_its_own() -> None:
    _, out, _ = python("import os; print(os.getsid(0) == os.getpgid(0) == os.getpid())")
    assert out == "True\n"


def test_a_wild_allocation_fails() -> None:
    code, _, err = python("bytearray(10**9)", limited(memory_bytes=500 * 1024 * 1024))
    assert code != 0
    assert "MemoryError" in err


def test_cpu_time_is_limited() -> None:
    code, _, err = python("while True: pass", limited(cpu_seconds=1))
    assert code == -signal.SIGXCPU
    assert error_of_death(code, err).code == "timed_out"


def test_written_files_are_limited(tmp_path: Path) -> None:
    big = tmp_path / "big"
    big.touch()
    code, _, err = python(f"open({str(big)!r}, 'wb').write(bytes(10**6))", limited(output_bytes=1000), [big])
    assert code != 0
    assert "File too large" in err
    assert 0 < big.stat().st_size <= 1000
    assert big.stat().st_uid == os.geteuid()  # whoever wrote it


def test_open_files_are_limited_and_no_core_is_written() -> None:
    _, out, _ = python("import resource as r; print(r.getrlimit(r.RLIMIT_NOFILE)[0], r.getrlimit(r.RLIMIT_CORE)[1])")
    assert out == "64 0\n"


@pytest.mark.usefixtures("forking")
def test_the_whole_group_dies_at_the_time_limit(tmp_path: Path) -> None:
    pids = tmp_path / "pids"
    pids.touch()
    with pytest.raises(MediaError, match="timed_out"):
        run_sandboxed(["/bin/sh", "-c", f"({FAMILY}) > {pids}"], limits=limited(wall_seconds=2.0), writes=[pids])
    assert len(pids.read_text().split()) == 2
    assert gone([int(pid) for pid in pids.read_text().split()])


@pytest.mark.usefixtures("forking")
def test_the_whole_group_dies_on_cancel() -> None:
    seen: list[int] = []
    with pytest.raises(MediaError, match="cancelled"):
        run_sandboxed(["/bin/sh", "-c", FAMILY], limits=Limits(), on_line=lambda line: seen.append(int(line)),
                      cancelled=lambda: len(seen) == 2)  # fmt: skip
    assert gone(seen)


@pytest.mark.usefixtures("forking")
def test_leaving_the_block_kills_the_group_whatever_the_reason() -> None:
    family = Sandboxed(["/bin/sh", "-c", FAMILY], limits=Limits())
    with pytest.raises(KeyboardInterrupt), family as program:  # noqa: PT012
        pids = [int(program.stdout.readline()), int(program.stdout.readline()), program.pid]
        raise KeyboardInterrupt
    assert gone(pids)


def test_a_killed_parent_takes_the_program_with_it() -> None:
    """kill -9 leaves no time to clean up: the kernel must do it."""
    code = (
        "import time\nfrom worker.media.sandbox.limits import Limits\n"
        "from worker.media.sandbox.runner import Sandboxed\n"
        "with Sandboxed(['/bin/sleep', '300'], limits=Limits()) as p:\n"
        "    print(p.pid, flush=True)\n    time.sleep(300)\n"
    )
    with subprocess.Popen([sys.executable, "-c", code], stdout=subprocess.PIPE, cwd=PROJECT) as parent:
        assert parent.stdout is not None
        pid = int(parent.stdout.readline())
        for _ in range(100):  # the launcher becomes 'sleep' only after it armed the death signal
            with open(f"/proc/{pid}/comm", encoding="ascii") as name:
                if name.read() == "sleep\n":
                    break
            time.sleep(0.05)
        assert alive(pid)
        parent.kill()
        parent.wait()
    assert gone([pid])


def test_the_binary_can_be_chosen(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("FFMPEG_BINARY", raising=False)
    assert os.access(ffmpeg_binary(), os.X_OK)
    monkeypatch.setenv("FFMPEG_BINARY", "/bin/true")
    assert ffmpeg_binary() == "/bin/true"
    monkeypatch.setenv("FFMPEG_BINARY", "/no/such/ffmpeg")
    with pytest.raises(MediaError, match="FFMPEG_BINARY"):
        ffmpeg_binary()
