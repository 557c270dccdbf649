"""Settings of the test run: a database of its own, a throw-away data directory, an in-memory broker.

Environment, all optional: DATABASE_URL (any Postgres with pgvector), else VSEARCH_DATA_DIR (join the embedded
server that runs there), else an embedded server in a temporary folder. VSEARCH_TEST_DB names the test database.
pytest-django imports this before any conftest, so the environment is arranged here.
"""

from __future__ import annotations

import os

from tests.database import arrange

arrange()

from vsearch.settings import *  # noqa: E402
from vsearch.settings import DATABASES  # noqa: E402

DATABASES["default"]["TEST"] = {"NAME": os.environ.get("VSEARCH_TEST_DB", "test_vsearch")}
DATABASES["default"]["CONN_MAX_AGE"] = 0
PASSWORD_HASHERS = ["django.contrib.auth.hashers.MD5PasswordHasher"]
