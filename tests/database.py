"""The Postgres server and the folders of one test run, and their end."""

from __future__ import annotations

import atexit
import os
import shutil
import tempfile
from pathlib import Path

from vsearch.postgres import embedded

_started: list[embedded.Usage] = []
_FAST = {"fsync": "off", "synchronous_commit": "off", "full_page_writes": "off"}  # the data is thrown away


def arrange() -> None:
    """Point the environment at a database and at throw-away folders; called once, before settings load."""
    if os.environ.get("VSEARCH_TEST_ARRANGED") == str(os.getpid()):
        return
    os.environ["VSEARCH_TEST_ARRANGED"] = str(os.getpid())
    scratch = Path(tempfile.mkdtemp(prefix="vsearch-tests-"))
    scratch.chmod(0o755)  # the database runs as another user when this runs as root
    atexit.register(shutil.rmtree, scratch, ignore_errors=True)
    if not os.environ.get("DATABASE_URL"):
        given = os.environ.get("VSEARCH_DATA_DIR")
        os.environ["DATABASE_URL"] = _embedded(Path(given) if given else scratch, owned=not given)
    os.environ["VSEARCH_DATA_DIR"] = str(scratch / "data")
    (scratch / "data" / "static").mkdir(parents=True)
    os.environ.setdefault("BROKER_URL", "memory://")
    os.environ.setdefault("VSEARCH_SECRET_KEY", "only-for-tests")


def _embedded(folder: Path, *, owned: bool) -> str:
    if not _started:
        atexit.register(stop)
    _started.append(embedded.use(folder, settings=_FAST if owned else None))
    return embedded.database_url(folder)


def stop() -> None:
    """Let go of the server that ``arrange`` started or joined; harmless when called again."""
    while _started:
        _started.pop().close()
