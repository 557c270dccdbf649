from __future__ import annotations

import pytest

from apps.core.jobs import enqueue
from apps.duplicates.job_kinds import SCAN
from tests.apps.duplicates.planted import edited, planted_video, random_frames
from tests.apps.duplicates.rows import log_in, make_version
from worker.tasks import matching


@pytest.fixture
def job_in_this_transaction(monkeypatch):
    """Run tasks on the test's own connection: a heartbeat has another one, which does not see the test's rows."""
    monkeypatch.setattr("worker.tasks.running.RunningJob._beat", lambda self: None)
    monkeypatch.setattr("worker.tasks.running.close_old_connections", lambda: None)


@pytest.fixture
def admin(client):
    return log_in(client, "administer", "change_duplicategroup")


@pytest.fixture
def pair():
    """Two copies and a stranger, matched by a scan."""
    version = make_version()
    source = random_frames(1, 30)
    videos = [planted_video(version, "one", source), planted_video(version, "other", edited(source, 2))]
    planted_video(version, "stranger", random_frames(9, 30))
    matching.scan(str(enqueue(kind=SCAN).id))
    return videos
