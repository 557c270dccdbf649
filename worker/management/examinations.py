"""What the doctor looks at. Each examination yields findings and never raises for the state it is there to find."""

from __future__ import annotations

import os
import shutil
import subprocess
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import psutil
from django.conf import settings
from django.db import InterfaceError, OperationalError, ProgrammingError

from apps.core import health
from apps.embeddings.models import ModelVersion

GIB = 1024**3
DISK_PROBLEM, DISK_WARNING = 1 * GIB, 10 * GIB
MEMORY_WARNING = 4 * GIB
VERSION_SECONDS = 20


@dataclass(frozen=True)
class Finding:
    state: Literal["ok", "warning", "problem"]
    part: str
    detail: str
    remedy: str = ""


def examine() -> Iterator[Finding]:
    """All findings, in the order in which one would repair things."""
    reachable = True
    for finding in _database():
        reachable = reachable and finding.state != "problem"
        yield finding
    if reachable:
        yield from _ready("extension", health.pgvector, "manage.py migrate")
        yield from _ready("migrations", health.migrations, "manage.py migrate")
    if reachable or settings.BROKER_URL:
        yield from _broker()
    yield from _ffmpeg()
    yield from _pyav()
    yield from sandbox()
    if reachable:
        yield from _models()
    yield from _disk()
    yield from _machine()
    yield from _gpu()


def _database() -> Iterator[Finding]:
    where = "embedded" if settings.EMBEDDED_DATABASE else "DATABASE_URL"
    try:
        yield Finding("ok", "database", f"{health.database()} ({where})")
    except (OperationalError, InterfaceError) as error:
        remedy = "check DATABASE_URL: address, user, password"
        if settings.EMBEDDED_DATABASE:
            remedy = f"read {settings.DATA_DIR / 'logs' / 'postgres.log'}"
        yield Finding("problem", "database", f"does not answer ({where}): {' '.join(str(error).split())}", remedy)


def _ready(part: str, check: Callable[[], str], remedy: str) -> Iterator[Finding]:
    try:
        yield Finding("ok", part, check())
    except health.NotReady as problem:
        yield Finding("problem", part, str(problem), remedy)


def _broker() -> Iterator[Finding]:
    from vsearch import readiness

    where = "in the database" if not settings.BROKER_URL else "BROKER_URL"
    try:
        yield Finding("ok", "broker", f"{readiness.broker()} ({where})")
    except health.NotReady as problem:
        remedy = "manage.py broker_prepare" if not settings.BROKER_URL else "check BROKER_URL and that its server runs"
        yield Finding("problem", "broker", str(problem), remedy)


def _ffmpeg() -> Iterator[Finding]:
    from worker.media.errors import MediaError
    from worker.media.sandbox.ffmpeg_command import ffmpeg_binary

    try:
        program = ffmpeg_binary()
    except MediaError as error:
        yield Finding("problem", "ffmpeg", str(error), "unset FFMPEG_BINARY, or name an existing program")
        return
    command = [program, "-hide_banner", "-version"]
    try:
        answer = subprocess.run(command, capture_output=True, text=True, timeout=VERSION_SECONDS, check=True)
    except (OSError, subprocess.SubprocessError) as error:
        yield Finding("problem", "ffmpeg", f"{program} does not run: {error}", "unset FFMPEG_BINARY, or make install")
        return
    first = answer.stdout.split("\n", 1)[0].split(" Copyright", 1)[0]
    yield Finding("ok", "ffmpeg", f"{first} ({program})")


def _pyav() -> Iterator[Finding]:
    try:
        import av
    except ImportError as error:
        yield Finding("problem", "PyAV", f"cannot be loaded: {error}", "make install")
        return
    yield Finding("ok", "PyAV", f"{av.__version__}, libavcodec {'.'.join(map(str, av.library_versions['libavcodec']))}")


_LAYERS = {
    "landlock": ("Landlock", "a decoder opens only its one file",
                 "use Linux 5.13 or newer, started with landlock among its lsm="),
    "seccomp": ("seccomp", "a decoder can neither start processes nor use the network or rare calls of the kernel",
                "use a kernel with CONFIG_SECCOMP_FILTER on x86_64 or aarch64"),
    "user": ("own user", "a decoder cannot touch processes of the server",
             "as root: allow changing users (SETUID, SETGID, KILL); else: allow user namespaces"),
    "network": ("own network", "a decoder sees an empty network",
                "allow user namespaces (kernel.unprivileged_userns_clone=1)"),
}  # fmt: skip


def sandbox() -> Iterator[Finding]:
    """What a decoder that was taken over could do. A layer that is missing is a warning: the others hold."""
    from worker.media.sandbox import examination
    from worker.media.sandbox.runner import without_layers

    place = settings.DATA_DIR if settings.DATA_DIR.exists() else settings.DATA_DIR.parent
    try:
        together = examination.attempt(place)
        alone = examination.holding(place)
    except OSError as error:
        remedy = "leave a layer out, VSEARCH_SANDBOX_WITHOUT=landlock for example, until this line is gone"
        yield Finding("problem", "sandbox", f"nothing runs in it: {error}", remedy)
        return
    left_out = without_layers()
    for layer, (name, meaning, remedy) in _LAYERS.items():
        if layer in left_out:
            yield Finding("warning", "sandbox", f"{name} is left out by VSEARCH_SANDBOX_WITHOUT", "unset it")
        elif layer == "user" and together.user == 0:
            yield Finding("warning", "sandbox", "a decoder runs as root, without the rights of root", remedy)
        elif alone[layer]:
            yield Finding("ok", "sandbox", f"{name} holds: {meaning}")
        else:
            yield Finding("warning", "sandbox", f"{name} does not hold on this machine", remedy)
    if together.succeeded:
        could = ", ".join(sorted(together.succeeded))
        yield Finding("warning", "sandbox", f"a decoder that was taken over could: {could}", "add the layers above")
    yield from _in_the_sandbox(examination.runs)


def _in_the_sandbox(runs: Callable[[Sequence[str]], str]) -> Iterator[Finding]:
    from worker.media.decode.client import decoder_command
    from worker.media.errors import MediaError
    from worker.media.sandbox.ffmpeg_command import ffmpeg_binary

    try:
        programs = {"ffmpeg": [ffmpeg_binary(), "-version"], "PyAV": decoder_command("check")}
    except MediaError:
        return  # which the line "ffmpeg" reports
    for name, command in programs.items():
        if reason := runs(command):
            remedy = "leave a layer out, VSEARCH_SANDBOX_WITHOUT=landlock for example, until this line is gone"
            yield Finding("problem", "sandbox", f"{name} does not run in it: {reason}", remedy)


def _models() -> Iterator[Finding]:
    for role in ("semantic", "copy"):
        part = f"{role} model"
        try:
            version = ModelVersion.objects.filter(role=role, state=ModelVersion.State.SERVING).first()
        except ProgrammingError:  # tables are missing, which the line "migrations" reports
            yield Finding("problem", part, "unknown: tables are missing", "manage.py migrate")
            continue
        if version is None:
            yield Finding("problem", part, "none is active", "manage.py prepare")
            continue
        if role == "semantic":
            yield from _text_encoder(version)
        yield Finding("ok", part, str(version))


def _text_encoder(version: ModelVersion) -> Iterator[Finding]:
    folder = Path(version.folder)
    missing = [name for name in ("text.onnx", "text.json", "tokenizer.json") if not (folder / name).is_file()]
    if missing:
        yield Finding("problem", "text encoder", f"{', '.join(missing)} missing in {folder}", "manage.py prepare")
    else:
        yield Finding("ok", "text encoder", str(folder))


def _disk() -> Iterator[Finding]:
    place = settings.DATA_DIR if settings.DATA_DIR.exists() else settings.DATA_DIR.parent
    free = shutil.disk_usage(place).free
    detail = f"{free / GIB:.1f} GiB free for {settings.DATA_DIR}"
    remedy = "free some space, or move the folder and set VSEARCH_DATA_DIR"
    if not os.access(place, os.W_OK):
        yield Finding("problem", "disk", f"{place} cannot be written", "allow this user to write there")
    elif free < DISK_PROBLEM:
        yield Finding("problem", "disk", detail, remedy)
    elif free < DISK_WARNING:
        yield Finding("warning", "disk", detail, remedy)
    else:
        yield Finding("ok", "disk", detail)


def _machine() -> Iterator[Finding]:
    memory = psutil.virtual_memory()
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    detail = f"{cores} cores, {memory.available / GIB:.1f} of {memory.total / GIB:.1f} GiB memory available"
    if memory.available < MEMORY_WARNING and not _runs_now():
        yield Finding("warning", "machine", detail, "workers with models need 4 GiB; close other programs")
    else:
        yield Finding("ok", "machine", detail)


def _runs_now() -> bool:
    return (settings.DATA_DIR / "up.json").exists()


def _gpu() -> Iterator[Finding]:
    try:
        import torch
    except ImportError as error:
        yield Finding("problem", "torch", f"cannot be loaded: {error}", "make install")
        return
    if torch.cuda.is_available():
        name, total = torch.cuda.get_device_name(0), torch.cuda.get_device_properties(0).total_memory
        yield Finding("ok", "GPU", f"{name}, {total / GIB:.0f} GiB, torch {torch.__version__}")
    elif shutil.which("nvidia-smi"):
        remedy = "install the torch build for your CUDA driver (docs/operations.md)"
        yield Finding("warning", "GPU", f"found, but torch {torch.__version__} cannot use it", remedy)
    else:
        yield Finding("ok", "GPU", f"none; the models run on the processor (torch {torch.__version__})")
