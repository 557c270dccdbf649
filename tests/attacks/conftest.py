from __future__ import annotations

from tests.faults.conftest import web, web_started

__all__ = ["web", "web_started"]
