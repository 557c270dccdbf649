"""A decoder that an attacker has taken over tries to leave the sandbox: really, on this machine's kernel."""

from __future__ import annotations

import dataclasses
import json
import os
import shutil
import subprocess
import sys
import sysconfig
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.clips import make_clip
from worker.management.examinations import sandbox
from worker.media.decode.probe import probe
from worker.media.derived.proxy import make_proxy
from worker.media.sandbox import escapes, examination
from worker.media.sandbox.limits import Limits
from worker.media.sandbox.runner import LAYERS, Sandboxed, run_sandboxed

CODE = Path(__file__).resolve().parents[2]
NOBODY = 54_321  # a user that this machine does not have


@pytest.fixture
def folder() -> Iterator[Path]:
    """Open to other users, unlike pytest's own."""
    with tempfile.TemporaryDirectory(prefix="vsearch-attacks-") as name:
        Path(name).chmod(0o755)
        yield Path(name)


@pytest.fixture(scope="module")
def held() -> dict[str, bool]:
    """The layers that hold on this machine, as the doctor sees them."""
    with tempfile.TemporaryDirectory(prefix="vsearch-attacks-") as name:
        return examination.holding(Path(name))


def test_nothing_is_within_reach(tmp_path: Path, held: dict[str, bool]) -> None:
    """Where the kernel offers all layers nothing succeeds; elsewhere the doctor says what is missing."""
    outcomes = examination.attempt(tmp_path)
    if held["seccomp"] and held["landlock"]:
        assert outcomes.succeeded == frozenset()
    for layer, signs in examination.SIGNS.items():
        assert not held[layer] or outcomes.succeeded.isdisjoint(signs)


def test_without_the_sandbox_the_attempts_succeed(tmp_path: Path) -> None:
    """The control: what the others refuse can be done."""
    with examination.targets(tmp_path) as aims:
        program = [sys.executable, "-I", "-S", escapes.__file__, aims.to_json()]
        done = subprocess.run(program, capture_output=True, check=True)
    succeeded = examination.outcomes_from(done.stdout).succeeded
    assert {sign for signs in examination.SIGNS.values() for sign in signs} - {"mount"} <= succeeded
    if os.geteuid() == 0:
        assert {"become root", "signal the server", "open the memory of the server"} <= succeeded


@pytest.mark.parametrize("layer", LAYERS)
def test_each_layer_holds_alone(layer: str, held: dict[str, bool]) -> None:
    if not held[layer]:
        pytest.skip(f"this machine has no {layer}; the doctor says so")
    assert held[layer]


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can become somebody else")
def test_nothing_is_within_reach_of_a_server_without_root(folder: Path, held: dict[str, bool]) -> None:
    """A server that runs as a normal user, by the system's Python, which every user may read."""
    python = Path("/usr/bin/python3")
    if not python.exists():
        pytest.skip("the system has no Python that other users may read")
    shutil.copytree(
        CODE / "worker" / "media", folder / "worker" / "media", ignore=shutil.ignore_patterns("__pycache__")
    )
    shutil.copy(CODE / "worker" / "__init__.py", folder / "worker")
    targets = folder / "targets"
    targets.mkdir()
    os.chown(targets, NOBODY, NOBODY)
    code = (
        f"import json, sys; sys.path.insert(0, {str(folder)!r})\nfrom pathlib import Path\n"
        "from worker.media.sandbox import examination\n"
        f"folder = Path({str(targets)!r})\n"
        "print(json.dumps([sorted(examination.attempt(folder).succeeded), examination.holding(folder)]))"
    )
    done = subprocess.run([str(python), "-c", code], capture_output=True, text=True, check=False, cwd="/",
                          user=NOBODY, group=NOBODY, extra_groups=[])  # fmt: skip
    assert done.returncode == 0, done.stderr
    succeeded, alone = json.loads(done.stdout)
    if alone["landlock"] and alone["seccomp"]:
        assert succeeded == []
    assert alone["landlock"] == held["landlock"] and alone["seccomp"] == held["seccomp"]


def test_the_one_file_is_read_and_its_neighbour_is_not(tmp_path: Path, held: dict[str, bool]) -> None:
    if not held["landlock"]:
        pytest.skip("this machine has no Landlock; the doctor says so")
    mine, other = make_clip(tmp_path / "mine.mp4", seconds=0.5), make_clip(tmp_path / "other.mp4", seconds=0.5)
    code = f"open({str(mine)!r}, 'rb').read(); print('mine')\nopen({str(other)!r}, 'rb').read(); print('other')"
    done = run_sandboxed([sys.executable, "-I", "-S", "-c", code], limits=Limits(), reads=[mine])
    assert done.stdout == b"mine\n"
    assert "Permission denied" in done.stderr_tail


def test_the_file_that_is_converted_cannot_be_emptied(tmp_path: Path, held: dict[str, bool]) -> None:
    """Opening it for reading is enough for that on a kernel whose Landlock is old."""
    if not held["seccomp"]:
        pytest.skip("this machine has no seccomp; the doctor says so")
    original, output = tmp_path / "original", tmp_path / "output"
    original.write_text("a video")
    output.write_text("longer than what is written")
    code = (
        f"open({str(output)!r}, 'w').write('new')\nimport os\n"
        f"print(open({str(original)!r}).read(), flush=True)\nos.open({str(original)!r}, os.O_RDONLY | os.O_TRUNC)"
    )
    python = [sys.executable, "-I", "-S", "-c", code]
    with Sandboxed(python, limits=Limits(), reads=[original], writes=[output], without=["landlock", "user"]) as child:
        assert child.stdout.read() == b"a video\n"
        assert child.wait() != 0
    assert (original.read_text(), output.read_text()) == ("a video", "new")


def test_the_code_beside_the_decoder_is_closed_to_it(held: dict[str, bool]) -> None:
    """The folder that holds the code may also hold the library (``./data``)."""
    if not held["landlock"]:
        pytest.skip("this machine has no Landlock; the doctor says so")
    code = f"import os; print(len(os.listdir({sysconfig.get_path('purelib')!r})) > 0); os.listdir({str(CODE)!r})"
    done = run_sandboxed([sys.executable, "-I", "-S", "-c", code], limits=Limits())
    assert done.stdout == b"True\n"
    assert "Permission denied" in done.stderr_tail


def test_a_fork_bomb_ends_at_its_limit(held: dict[str, bool]) -> None:
    """Without seccomp, which refuses the first one already."""
    if not held["user"]:
        pytest.skip("this machine gives a decoder no user of its own; the doctor says so")
    code = (
        "import os, time\nmade = 0\ntry:\n    while made < 200:\n        if os.fork() == 0:\n"
        "            time.sleep(60)\n            os._exit(0)\n        made += 1\n"
        "except OSError:\n    pass\nprint(made, flush=True)"
    )
    limits = dataclasses.replace(Limits(), processes=20)
    with Sandboxed([sys.executable, "-I", "-S", "-c", code], limits=limits, without=["seccomp"]) as bomb:
        made = int(bomb.stdout.readline())
    assert 0 < made < 20


def test_a_fork_is_refused(held: dict[str, bool]) -> None:
    if not held["seccomp"]:
        pytest.skip("this machine has no seccomp; the doctor says so")
    code = "import threading; threading.Thread(target=print, args=('thread',)).start(); import os; os.fork()"
    done = run_sandboxed([sys.executable, "-I", "-S", "-c", code], limits=Limits())
    assert done.stdout == b"thread\n"
    assert "Operation not permitted" in done.stderr_tail


@pytest.mark.parametrize("without", [*LAYERS, ",".join(LAYERS)])
def test_a_machine_without_a_layer_still_decodes_and_converts(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, without: str
) -> None:
    monkeypatch.setenv("VSEARCH_SANDBOX_WITHOUT", without)
    clip = make_clip(tmp_path / "clip.mkv", seconds=1.0)
    clip.chmod(0o600)
    facts = probe(clip)
    make_proxy(clip, tmp_path / "out" / "proxy.mp4", facts=facts)
    written = tmp_path / "out" / "proxy.mp4"
    assert probe(written).video_codec == "h264"
    assert written.stat().st_uid == os.geteuid()


def test_the_doctor_says_what_is_missing(monkeypatch: pytest.MonkeyPatch, held: dict[str, bool]) -> None:
    monkeypatch.setenv("VSEARCH_SANDBOX_WITHOUT", "seccomp")
    findings = {finding.detail: finding for finding in sandbox()}
    assert findings["seccomp is left out by VSEARCH_SANDBOX_WITHOUT"].state == "warning"
    [could] = [finding for finding in findings.values() if "taken over could" in finding.detail]
    assert "start a process" in could.detail and could.remedy
    holds = {finding.detail.split(" holds:")[0] for finding in findings.values() if " holds:" in finding.detail}
    assert ("Landlock" in holds) == held["landlock"]


def test_the_doctor_finds_a_program_that_cannot_run_in_the_sandbox(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, held: dict[str, bool]
) -> None:
    if not held["landlock"]:
        pytest.skip("this machine has no Landlock; the doctor says so")
    hidden, wrapper = tmp_path / "elsewhere" / "settings", tmp_path / "ffmpeg"
    hidden.parent.mkdir()
    hidden.write_text("a line\n")
    wrapper.write_text(f"#!/bin/sh\nread line < {hidden} || exit 7\nexec /bin/true\n")
    wrapper.chmod(0o755)
    monkeypatch.setenv("FFMPEG_BINARY", str(wrapper))
    problems = [finding for finding in sandbox() if finding.state == "problem"]
    assert [finding.detail for finding in problems if "ffmpeg does not run in it" in finding.detail]
    assert all("VSEARCH_SANDBOX_WITHOUT" in finding.remedy for finding in problems)
