"""``manage.py backup FILE``: works beside a running vsearch."""

from __future__ import annotations

import os
import shutil
import tempfile
import uuid
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from pathlib import Path

from django.conf import settings

from vsearch.backup.archive import ArchiveWriter, BackupProblem, Facts, read_archive
from vsearch.backup.database import dump

Say = Callable[[str], None]
# Unfinished uploads and the files of lookups are not in it: they expire by themselves.
PARTS = ("media", "models", "training")
DUMP = "database.dump"
KEY = "secret_key"
SETTINGS = "settings.env"
_SECRET = ("PASSWORD", "SECRET", "TOKEN")
_TELL_BYTES = 1024**3


def backup(target: Path, *, say: Say, without: frozenset[str] = frozenset()) -> Facts:
    """Write everything to ``target``, read it back, and only then give it its name. BackupProblem says why not."""
    target = target.expanduser().resolve()
    parts = [part for part in PARTS if part not in without]
    folders = {part: Path(settings.DATA_DIR) / part for part in parts}
    _check_target(target, folders)
    partial = target.with_name(f".{target.name}.partial")
    try:
        with tempfile.TemporaryDirectory(prefix=f".{target.name}.", dir=target.parent) as scratch:
            say("database: writing")
            dumped = Path(scratch) / DUMP
            migrations, rows = dump(settings.DATABASE_URL, dumped)
            created = datetime.now(UTC).isoformat(timespec="seconds")
            with os.fdopen(_private(partial), "wb") as file:
                writer = ArchiveWriter(file, _teller(say))
                writer.add(dumped, DUMP)
                _add_settings(writer, Path(scratch))
                vanished = [name for path, name in _files(folders) if not writer.add(path, name)]
                facts = Facts(str(uuid.uuid4()), created, migrations, rows, parts, vanished)
                writer.finish(facts)
                file.flush()
                os.fsync(file.fileno())
        say("checking what was written")
        read_archive(partial)
        partial.replace(target)
        return facts
    except OSError as error:
        raise BackupProblem(f"The backup could not be written to {target}: {error.strerror}.") from error
    finally:
        partial.unlink(missing_ok=True)


def _check_target(target: Path, folders: dict[str, Path]) -> None:
    if target.exists():
        raise BackupProblem(f"{target} exists already. Name another file, or move that one away.")
    if not target.parent.is_dir():
        raise BackupProblem(f"There is no folder {target.parent}.")
    if any(target.is_relative_to(folder.resolve()) for folder in folders.values()):
        raise BackupProblem("The backup would contain itself: name a file outside the data directory.")
    needed = sum(_size(path) for path, _ in _files(folders))
    free = shutil.disk_usage(target.parent).free
    if needed > free:
        raise BackupProblem(
            f"{target.parent} has {free / 1e9:.1f} GB free; the backup needs more than {needed / 1e9:.1f} GB."
        )


def _files(folders: dict[str, Path]) -> Iterator[tuple[Path, str]]:
    """Names that begin with a dot are files that somebody is just writing."""
    for part, folder in folders.items():
        for place, inner, names in os.walk(folder):
            inner[:] = sorted(name for name in inner if not name.startswith("."))
            for name in sorted(names):
                path = Path(place) / name
                if not name.startswith(".") and not path.is_symlink():
                    yield path, f"{part}/{path.relative_to(folder).as_posix()}"


def _size(path: Path) -> int:
    try:
        return path.stat().st_size
    except FileNotFoundError:
        return 0


def _add_settings(writer: ArchiveWriter, scratch: Path) -> None:
    key, noted = scratch / KEY, scratch / SETTINGS
    key.write_text(str(settings.SECRET_KEY))
    key.chmod(0o600)
    mine = sorted((name, value) for name, value in os.environ.items() if name.startswith("VSEARCH_"))
    kept = [f"{name}={value}\n" for name, value in mine if not any(word in name for word in _SECRET)]
    noted.write_text("".join(kept))
    writer.add(key, KEY)
    writer.add(noted, SETTINGS)


def _private(path: Path) -> int:
    path.unlink(missing_ok=True)
    return os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)  # it holds accounts and keys


def _teller(say: Say) -> Callable[[int], None]:
    done = told = 0

    def count(size: int) -> None:
        nonlocal done, told
        done += size
        if done - told >= _TELL_BYTES:
            told = done
            say(f"{done / 1e9:.0f} GB written")

    return count
