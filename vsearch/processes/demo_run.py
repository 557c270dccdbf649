"""``manage.py demo``: a running vsearch with a library in it, and what to try there.

Everything below is safe to repeat: an administrator, rendered clips and imported videos that exist stay as they are.
"""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from types import FrameType

from django.conf import settings

from vsearch.lifetime import preparing
from vsearch.processes.logs import say
from vsearch.processes.startup import CannotStart, is_loopback, local_url, missing_parts

READY_SECONDS = 900.0  # a first start exports the text encoder
STOP_SECONDS = 40.0
QUERIES = 3
_CODE = Path(settings.BASE_DIR)


class EndAsked(Exception):
    """A signal asked for the end."""


@dataclass
class Times:
    """Seconds by part, printed at the end and appended to demo-times.json."""

    parts: dict[str, float] = field(default_factory=dict)

    @contextmanager
    def measure(self, part: str) -> Iterator[None]:
        started = time.monotonic()
        yield
        self.parts[part] = round(time.monotonic() - started, 1)

    def keep(self, file: Path) -> None:
        runs = json.loads(file.read_text()) if file.exists() else []
        runs.append({"at": datetime.now(UTC).isoformat(timespec="seconds"), **self.parts})
        file.write_text(json.dumps(runs, indent=1) + "\n")


def demo(*, host: str, port: int, videos: Path | None, install_seconds: float | None) -> int:
    """Serve until Ctrl-C; returns the exit code. CannotStart tells what is in the way."""
    first = not (settings.DATA_DIR / "demo-times.json").exists()
    times = Times({"install": install_seconds} if first and install_seconds is not None else {})
    for number in _ENDS:
        signal.signal(number, _stop)
    server = _start_server(host, port)
    try:
        with times.measure("start"):
            _wait_until_ready(server, local_url(host, port))
        folder = videos or settings.DATA_DIR / "demo"
        _command("create_admin")
        if videos is None:
            say("demo", f"rendering the demo library in {folder} (about two minutes, only the first time)")
            with times.measure("render"):
                _run([sys.executable, "-m", "demo", str(folder)])
        say("demo", f"importing {folder}")
        with times.measure("ingest"):
            if _command("import", str(folder), "--wait", may_fail=True):
                say("demo", "some files could not be used; the page Jobs says why", urgent=True)
        times.keep(settings.DATA_DIR / "demo-times.json")
        _explain(local_url(host, port), folder, times)
        return server.wait()
    except EndAsked:
        return 0
    finally:
        _end(server)


_ENDS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)


def _stop(number: int, frame: FrameType | None) -> None:
    """Once: a terminal, make and a service manager may all send the same signal."""
    for other in _ENDS:
        signal.signal(other, signal.SIG_IGN)
    raise EndAsked


def _start_server(host: str, port: int) -> subprocess.Popen[bytes]:
    environment = dict(os.environ)
    if is_loopback(host):
        environment.setdefault("VSEARCH_PUBLIC_SEARCH", "yes")
    return subprocess.Popen(
        [sys.executable, str(_CODE / "manage.py"), "up", "--host", host, "--port", str(port)],
        cwd=_CODE,
        env=environment,
        start_new_session=True,  # Ctrl-C reaches it through us, once
        preexec_fn=preparing(signal.SIGTERM),
    )


def _wait_until_ready(server: subprocess.Popen[bytes], url: str) -> None:
    until = time.monotonic() + READY_SECONDS
    while missing := missing_parts(url):
        if server.poll() is not None:
            raise CannotStart("vsearch stopped during its start; see its messages above")
        if time.monotonic() > until:
            raise CannotStart("vsearch did not become ready: " + "; ".join(missing))
        time.sleep(0.5)


def _run(command: list[str], *, may_fail: bool = False) -> int:
    """One step in a process of its own, which ends with this one. Its output goes to the terminal."""
    step = subprocess.Popen(command, cwd=_CODE, start_new_session=True, preexec_fn=preparing(signal.SIGTERM))
    try:
        code = step.wait()
    except EndAsked:
        step.terminate()
        step.wait(STOP_SECONDS)
        raise
    if code != 0 and not may_fail:
        raise CannotStart(f"{' '.join(command[1:])} failed; see its messages above")
    return code


def _command(*arguments: str, may_fail: bool = False) -> int:
    return _run([sys.executable, str(_CODE / "manage.py"), *arguments], may_fail=may_fail)


def _end(server: subprocess.Popen[bytes]) -> None:
    for number in _ENDS:
        signal.signal(number, signal.SIG_IGN)
    if server.poll() is None:
        server.terminate()
        try:
            server.wait(STOP_SECONDS)
        except subprocess.TimeoutExpired:
            server.kill()


def _explain(url: str, folder: Path, times: Times) -> None:
    spent = ", ".join(f"{part} {seconds:.0f} s" for part, seconds in times.parts.items())
    print(f"\n  Open {url}\n")
    queries = _queries(folder)
    if queries:
        print("  Type what you want to see, for example:")
        for query in queries:
            print(f"    {query}")
    copy = _copy(folder)
    if copy:
        print(f"  Find a copy:         {url}/find  with the file {copy}")
    print(f"  Review duplicates:   {url}/duplicates  (log in as the administrator)")
    print(f"  Time: {spent}. Ctrl-C stops everything; make demo starts it again in seconds.\n", flush=True)


def _manifest(folder: Path) -> dict[str, list[dict[str, str]]]:
    file = folder / "manifest.json"
    try:
        manifest: dict[str, list[dict[str, str]]] = json.loads(file.read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return {}
    return manifest


def _queries(folder: Path) -> list[str]:
    """Short captions of clips of the demo library, of different kinds."""
    captions = sorted(
        {clip["caption"] for clip in _manifest(folder).get("clips", [])}, key=lambda text: (len(text), text)
    )
    chosen: list[str] = []
    for caption in captions:
        if not any(set(caption.split()) & set(other.split()) - {"a", "the", "in", "on", "at"} for other in chosen):
            chosen.append(caption)
    return chosen[:QUERIES]


def _copy(folder: Path) -> str:
    copies = _manifest(folder).get("copies", [])
    return str(folder / copies[0]["file"]) if copies else ""
