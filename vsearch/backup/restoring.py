"""``manage.py restore FILE``: into an empty installation, whole or not at all.

Everything is unpacked and checked beside its place first. Then the folders take their places, and at last the database
is filled in one transaction. A restore that was broken off is simply started again: until the database has tables,
the note in ``restoring.json`` says that what lies in the folders came from this very backup.
"""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from pathlib import Path

from django.conf import settings
from django.db import connections
from django.db.migrations.loader import MigrationLoader

from vsearch import message_queues
from vsearch.backup.archive import BackupProblem, Facts, read_archive
from vsearch.backup.database import load, require_empty
from vsearch.backup.making import DUMP, KEY, SETTINGS
from vsearch.lifetime import FileLock
from vsearch.processes.startup import migrate

Say = Callable[[str], None]
_STAGING = "restore.partial"
_NOTE = "restoring.json"
_OWN_KEY_FILE = 0o600


def restore(source: Path, *, say: Say) -> Facts:
    """BackupProblem says why not; then nothing of this installation has changed, or the same command finishes it."""
    data = Path(settings.DATA_DIR)
    data.mkdir(parents=True, exist_ok=True)
    lock = FileLock(data / "up.lock")
    if not lock.try_own():
        raise BackupProblem("vsearch runs on this data directory. Stop it first.")
    try:
        return _restore(source.expanduser(), data, say)
    except OSError as error:
        raise BackupProblem(f"The restore stopped: {error}. Repair that, and start it again.") from error
    finally:
        lock.release()


def _restore(source: Path, data: Path, say: Say) -> Facts:
    require_empty(settings.DATABASE_URL)
    staging = data / _STAGING
    shutil.rmtree(staging, ignore_errors=True)
    _check_space(source, data)
    try:
        say("unpacking and checking")
        facts = read_archive(source, staging)
        _check_age(facts)
        _check_folders(data, facts)
        (data / _NOTE).write_text(json.dumps({"backup": facts.id}))
        for part in facts.parts:
            _put(staging / part, data / part)
        _put_settings(staging, data)
        say("database: reading")
        load(settings.DATABASE_URL, staging / DUMP, facts.rows)
    finally:
        shutil.rmtree(staging, ignore_errors=True)
    (data / _NOTE).unlink()
    connections.close_all()
    migrate()
    if not settings.BROKER_URL:
        message_queues.install(settings.DATABASE_URL)
    return facts


def _check_space(source: Path, data: Path) -> None:
    needed, free = source.stat().st_size if source.exists() else 0, shutil.disk_usage(data).free
    if needed > free:
        raise BackupProblem(f"{data} has {free / 1e9:.1f} GB free; the backup needs {needed / 1e9:.1f} GB and more.")


def _check_age(facts: Facts) -> None:
    loader = MigrationLoader(None, ignore_no_migrations=True)
    known = {f"{app}.{name}" for app, name in loader.disk_migrations}
    replaced = {f"{app}.{name}" for one in loader.disk_migrations.values() for app, name in one.replaces}
    unknown = sorted(set(facts.migrations) - known - replaced)
    if unknown:
        raise BackupProblem(
            f"The backup was made by a newer vsearch: this one does not know {unknown[0]}. Install that version first."
        )


def _check_folders(data: Path, facts: Facts) -> None:
    """Files of another library must never be mixed with those of the backup."""
    note = data / _NOTE
    if note.exists() and json.loads(note.read_text())["backup"] == facts.id:
        return
    for part in facts.parts:
        if any(path.is_file() for path in (data / part).rglob("*")):
            raise BackupProblem(
                f"{data / part} is not empty. A restore never overwrites anything: use a new VSEARCH_DATA_DIR."
            )


def _put(source: Path, target: Path) -> None:
    if target.exists():
        shutil.rmtree(target)
    if source.exists():
        source.rename(target)


def _put_settings(staging: Path, data: Path) -> None:
    key = data / KEY
    shutil.copyfile(staging / KEY, key)
    key.chmod(_OWN_KEY_FILE)
    shutil.copyfile(staging / SETTINGS, data / "restored-settings.env")
