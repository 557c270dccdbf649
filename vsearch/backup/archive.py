"""The backup file: a plain tar whose last member, ``manifest.json``, lists every other one with its checksum.

A file that broke off has no manifest, so it cannot be taken for a whole one. Any tar program can look inside.
"""

from __future__ import annotations

import hashlib
import io
import json
import os
import stat
import tarfile
from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass, field
from pathlib import Path, PurePosixPath
from typing import IO

FORMAT = 1
MANIFEST = "manifest.json"
MAX_MANIFEST_BYTES = 1024**3
_BLOCK_BYTES = 1024**2


class BackupProblem(RuntimeError):
    """The message says what is in the way and what to do."""


@dataclass(frozen=True)
class Facts:
    """What a restore must know before it begins. ``rows``: of every table at the moment of the dump."""

    id: str
    created_at: str
    migrations: list[str]
    rows: dict[str, int]
    parts: list[str]
    vanished: list[str] = field(default_factory=list)  # files that were deleted while the backup ran


@dataclass(frozen=True)
class Member:
    size: int
    sha256: str


class _Hashing:
    """Reads ``file`` and keeps the checksum of what was read."""

    def __init__(self, file: IO[bytes], read: Callable[[int], None]) -> None:
        self._file, self._read = file, read
        self.digest = hashlib.sha256()

    def read(self, size: int) -> bytes:
        block = self._file.read(size)
        self.digest.update(block)
        self._read(len(block))
        return block


class ArchiveWriter:
    """``add`` files, then ``finish``. Memory: one block, and a line a file."""

    def __init__(self, file: IO[bytes], on_bytes: Callable[[int], None] = lambda count: None) -> None:
        self._tar = tarfile.TarFile.open(fileobj=file, mode="w|", format=tarfile.PAX_FORMAT)
        self._members: dict[str, Member] = {}
        self._on_bytes = on_bytes

    def add(self, path: Path, name: str) -> bool:
        """False when there is no such file any more, or it is not a plain file. BackupProblem when it got shorter."""
        try:
            descriptor = _open_plain(path)
        except FileNotFoundError:
            return False
        except OSError as error:
            if path.is_symlink():
                return False
            raise BackupProblem(f"{path} cannot be read: {error.strerror}") from error
        about = os.fstat(descriptor)
        if not stat.S_ISREG(about.st_mode):
            os.close(descriptor)
            return False
        with os.fdopen(descriptor, "rb") as source:
            info = tarfile.TarInfo(name)
            info.size, info.mtime, info.mode = about.st_size, about.st_mtime, stat.S_IMODE(about.st_mode) & 0o755
            reader = _Hashing(source, self._on_bytes)
            try:
                self._tar.addfile(info, reader)  # type: ignore[arg-type]  # only its read is used
            except OSError as error:
                if error.errno is not None:
                    raise
                raise BackupProblem(f"{path} became shorter while it was read. Run the backup again.") from error
        self._members[name] = Member(info.size, reader.digest.hexdigest())
        return True

    def finish(self, facts: Facts) -> None:
        members = {name: asdict(member) for name, member in self._members.items()}
        text = json.dumps({"format": FORMAT, "facts": asdict(facts), "members": members}).encode()
        info = tarfile.TarInfo(MANIFEST)
        info.size, info.mode = len(text), 0o600
        self._tar.addfile(info, io.BytesIO(text))
        self._tar.close()


def _open_plain(path: Path) -> int:
    # NONBLOCK: a pipe that somebody left there must not make the backup wait.
    return os.open(path, os.O_RDONLY | os.O_CLOEXEC | os.O_NOFOLLOW | os.O_NONBLOCK)


def read_archive(path: Path, into: Path | None = None) -> Facts:
    """Check every byte of the backup; with ``into``, also write its files there. Returns its facts.

    Raises BackupProblem when anything is missing, changed or not ours; files in ``into`` are then of no use.
    """
    seen: dict[str, Member] = {}
    manifest: bytes | None = None
    try:
        with tarfile.open(path, mode="r|") as tar:
            for info in tar:
                content = _content(tar, info)
                if manifest is not None:
                    raise BackupProblem(f"{path} goes on behind its end. It is not a backup of vsearch.")
                if info.name == MANIFEST:
                    if info.size > MAX_MANIFEST_BYTES:
                        raise BackupProblem(f"{path} is not a backup of vsearch: its list of files is too large.")
                    manifest = b"".join(content)
                else:
                    seen[info.name] = _store(content, _place(into, info.name), info)
    except (tarfile.TarError, EOFError) as error:
        raise BackupProblem(f"{path} is damaged, or not a backup of vsearch ({error}).") from error
    except FileNotFoundError as error:
        raise BackupProblem(f"There is no file {path}.") from error
    if manifest is None:
        raise BackupProblem(f"{path} is not whole: its end is missing. Take another backup.")
    return _agree(path, manifest, seen)


def _agree(path: Path, manifest: bytes, seen: dict[str, Member]) -> Facts:
    try:
        text = json.loads(manifest)
        if text["format"] != FORMAT:
            raise BackupProblem(
                f"{path} has the format {text['format']}; this vsearch reads {FORMAT}. Use a newer one."
            )
        facts = Facts(**text["facts"])
        promised = {name: Member(**member) for name, member in text["members"].items()}
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise BackupProblem(f"{path} is not a backup of vsearch: its list of files cannot be read.") from error
    for name in sorted(promised.keys() | seen.keys()):
        if promised.get(name) != seen.get(name):
            raise BackupProblem(f"{path} is damaged: {name!r} is not what was stored. Take another backup.")
    return facts


def _content(tar: tarfile.TarFile, info: tarfile.TarInfo) -> Iterator[bytes]:
    source = tar.extractfile(info) if info.isreg() else None
    if source is None:
        raise BackupProblem(f"The backup holds {info.name!r}, which is not a plain file. It is not one of vsearch.")
    return iter(lambda: source.read(_BLOCK_BYTES), b"")


def _place(into: Path | None, name: str) -> Path | None:
    parts = PurePosixPath(name).parts
    if not parts or name.startswith("/") or ".." in parts or "\x00" in name:
        raise BackupProblem(
            f"The backup holds the name {name!r}, which leads out of its folder. It is not one of vsearch."
        )
    return into.joinpath(*parts) if into is not None else None


def _store(content: Iterator[bytes], place: Path | None, info: tarfile.TarInfo) -> Member:
    digest, size = hashlib.sha256(), 0
    file: IO[bytes] | None = None
    try:
        if place is not None:
            place.parent.mkdir(parents=True, exist_ok=True)
            file = place.open("xb")
        for block in content:
            digest.update(block)
            size += len(block)
            if file is not None:
                file.write(block)
        if file is not None and place is not None:
            os.fchmod(file.fileno(), info.mode & 0o755 | 0o600)
            file.flush()
            os.utime(place, (info.mtime, info.mtime))
    except FileExistsError as error:
        raise BackupProblem(f"The backup holds {info.name!r} twice. It is not one of vsearch.") from error
    finally:
        if file is not None:
            file.close()
    return Member(size, digest.hexdigest())
