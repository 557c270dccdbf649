"""The training worker costs little while nobody trains: its app and its tasks load no torch."""

from __future__ import annotations

import json
import subprocess
import sys

from django.conf import settings

PROGRAM = """
import json, sys
from worker.training_app import app
app.loader.import_default_modules()
print(json.dumps([sorted(sys.modules), sorted(name for name in app.tasks if name.startswith("worker."))]))
"""


def test_an_idle_training_worker_has_its_tasks_and_no_torch() -> None:
    done = subprocess.run(
        [sys.executable, "-c", PROGRAM], cwd=settings.BASE_DIR, capture_output=True, text=True, check=True, timeout=120
    )
    modules, tasks = json.loads(done.stdout.splitlines()[-1])
    assert tasks == ["worker.candidate", "worker.train"]
    assert not {"torch", "transformers", "onnx", "av"} & set(modules)
