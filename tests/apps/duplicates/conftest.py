from __future__ import annotations

import pytest


@pytest.fixture
def job_in_this_transaction(monkeypatch):
    """Run tasks on the test's own connection: a heartbeat has another one, which does not see the test's rows."""
    monkeypatch.setattr("worker.tasks.running.RunningJob._beat", lambda self: None)
    monkeypatch.setattr("worker.tasks.running.close_old_connections", lambda: None)
