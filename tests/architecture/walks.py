"""The five journeys of docs/architecture.md, driven through the pages and the tasks in one process, with a record of
the modules that they enter.

What runs in processes of its own (the sandboxed decoder) is not seen.
"""

from __future__ import annotations

import base64
import json
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from importlib import import_module
from pathlib import Path
from pkgutil import walk_packages
from types import FrameType
from typing import Any

import numpy as np
from django.test import Client
from PIL import Image

from apps.core.models import Job
from apps.duplicates.models import DuplicateGroup, Lookup
from apps.training.models import TrainingRun
from apps.videos.models import Video
from worker.app import app

ROOT = Path(__file__).parents[2]
PACKAGES = ("apps", "vsearch", "worker")
TUS = {"Tus-Resumable": "1.0.0"}

# All of it is imported before anything is recorded: what runs on import is no step of a journey.
for _package in ("worker", "apps"):
    for _module in walk_packages([str(ROOT / _package)], f"{_package}."):
        if not {"pretraining", "migrations", "commands"} & set(_module.name.split(".")):
            import_module(_module.name)


@dataclass
class Walk:
    """``modules``: paths from the project's root, in the order in which a function of theirs first runs.

    ``arrows``: which module's functions called which other module's, directly or through a library.
    """

    modules: list[str] = field(default_factory=list)
    arrows: set[tuple[str, str]] = field(default_factory=set)


@contextmanager
def recorded() -> Iterator[Walk]:
    """Imports do not count."""
    walk, files = Walk(), dict[str, str | None]()

    def module_of(frame: FrameType) -> str | None:
        file = frame.f_code.co_filename
        if file not in files:
            path = Path(file)
            inside = path.is_relative_to(ROOT) and path.relative_to(ROOT).parts[0] in PACKAGES
            files[file] = path.relative_to(ROOT).as_posix() if inside else None
        return None if frame.f_code.co_name == "<module>" else files[file]

    def profile(frame: FrameType, event: str, _: Any) -> None:
        if event != "call" or (name := module_of(frame)) is None:
            return
        if name not in walk.modules:
            walk.modules.append(name)
        caller = frame.f_back
        while caller is not None and module_of(caller) is None:
            caller = caller.f_back
        if caller is not None and (asked_by := module_of(caller)) not in (None, name):
            walk.arrows.add((str(asked_by), name))

    threading.setprofile(profile)
    sys.setprofile(profile)
    try:
        yield walk
    finally:
        sys.setprofile(None)
        threading.setprofile(None)


def run_jobs(*kinds: str) -> None:
    """What workers would do: run the waiting jobs of these kinds (all when none is named) until none is left."""
    wanted = {"kind__in": kinds} if kinds else {}
    while job := Job.objects.filter(state="queued", **wanted).order_by("created_at").first():
        app.tasks[f"worker.{job.kind}"](str(job.id))
        job.refresh_from_db()
        assert job.state == "done", (job.kind, job.error)


def _upload(client: Client, file: Path, **metadata: str) -> Any:
    told = {"filename": file.name, **metadata}
    words = ",".join(f"{name} {base64.b64encode(value.encode()).decode()}" for name, value in told.items())
    headers = {**TUS, "Upload-Length": str(file.stat().st_size), "Upload-Metadata": words}
    made = client.post("/api/v1/uploads", headers=headers)
    assert made.status_code == 201, made.content
    headers = {**TUS, "Upload-Offset": "0"}
    kind = "application/offset+octet-stream"
    sent = client.patch(made["Location"], file.read_bytes(), content_type=kind, headers=headers)
    assert sent.status_code == 204, sent.content
    return json.loads(sent["Upload-Result"])


def ingest(client: Client, file: Path) -> Video:
    made = _upload(client, file)
    run_jobs()
    video = Video.objects.get(id=made["id"])
    assert video.state == "ready", video.failure
    assert client.get(f"/videos/{video.id}").status_code == 200
    return video


def query(client: Client) -> None:
    assert client.get("/", {"q": "colourful squares -boat"}).status_code == 200


def lookup(client: Client, file: Path) -> Lookup:
    _upload(client, file, purpose="lookup")
    run_jobs("lookup")
    asked = Lookup.objects.get()
    assert asked.state == "done", asked.failure
    assert client.get(f"/find/{asked.id}").status_code == 200
    return asked


def review(client: Client) -> None:
    group = DuplicateGroup.objects.get()
    assert client.get(f"/duplicates/{group.id}").status_code == 200
    members = [str(member) for member in group.members.values_list("id", flat=True)]
    answer = client.post(f"/duplicates/{group.id}", {"action": "dismiss", "member": members})
    assert answer.status_code == 302, answer.content
    assert client.get("/duplicates").status_code == 200


def manifest(folder: Path, items: int = 48) -> Path:
    """Pictures of noise in four tints, each with a caption that names its tint."""
    folder.mkdir()
    rng = np.random.default_rng(0)
    lines = []
    for number in range(items):
        file = folder / f"{number}.png"
        tint = np.roll([1.0, 0.4, 0.4], number % 4)
        Image.fromarray((rng.integers(0, 255, (48, 64, 3)) * tint).astype(np.uint8)).save(file)
        captions = [f"a {('red', 'green', 'blue', 'dark')[number % 4]} wall {number}"]
        lines.append(json.dumps({"id": str(number), "frames": [str(file)], "captions": captions}))
    path = folder / "walls.jsonl"
    path.write_text("\n".join(lines) + "\n")
    return path


def training(client: Client, data: Path) -> TrainingRun:
    with data.open("rb") as file:
        client.post("/training/datasets/new", {"source": "file", "name": "walls", "file": file})
    run_jobs()
    (dataset,) = client.get("/training/runs/new").context["datasets"]
    client.post("/training/runs/new", {"recipe": "adapter", "dataset": dataset.id})
    run = TrainingRun.objects.get()
    client.post(f"/training/runs/{run.id}/start")
    run_jobs()
    run.refresh_from_db()
    assert run.candidate is not None, run.reason
    version = f"/training/versions/{run.candidate_id}"
    assert client.get(f"{version}/compare", {"q": "a red wall"}).status_code == 200
    client.post(f"{version}/promote", {"override": "The journey wants to see the switch."})
    run_jobs()
    run.candidate.refresh_from_db()
    assert run.candidate.state == "serving"
    client.post(f"/training/versions/{run.base_id}/roll-back", {"note": "and back"})
    run_jobs()
    return run
