"""``manage.py backup`` and ``restore``: a library moves to an empty data directory and answers as before."""

from __future__ import annotations

import io
import json
import shutil
import subprocess
import sys
import tarfile
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from django.conf import settings

from tests.clips import Scene, make_clip
from vsearch.backup.archive import ArchiveWriter, BackupProblem, Facts, read_archive
from vsearch.lifetime import FileLock
from vsearch.postgres import embedded

CODE = Path(settings.BASE_DIR)
FACTS = Facts("one", "2026-11-28T00:00:00+00:00", ["videos.0001_initial"], {"videos_video": 1}, ["media"])
PREPARE = """
from pathlib import Path
from django.conf import settings
from apps.videos.models import Video
video = Video.objects.get()
Video.objects.update(state="ready")
video.folder.mkdir(parents=True)
(video.folder / "poster.jpg").write_bytes(b"poster" * 1000)
(Path(settings.MODELS_DIR) / "one").mkdir(parents=True)
(Path(settings.MODELS_DIR) / "one" / "weights").write_bytes(bytes(range(256)) * 5000)
"""
ANSWERS = """
import hashlib, json
from pathlib import Path
from django.conf import settings
from django.contrib.auth.models import User
from apps.search.searching import search_moments
from apps.videos.models import Video
folders = [Path(settings.DATA_DIR) / part for part in ("media", "models")]
files = sorted(path for folder in folders for path in folder.rglob("*") if path.is_file())
print(json.dumps({
    "found": [result.video.title for result in search_moments(text="harbour").results],
    "files": [hashlib.sha256(path.read_bytes()).hexdigest() for path in files],
    "people": list(User.objects.values_list("username", flat=True)),
    "password": User.objects.get().check_password("correct horse battery"),
    "key": hashlib.sha256(settings.SECRET_KEY.encode()).hexdigest(),
}))
"""


def run(person: dict[str, str], *arguments: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, str(CODE / "manage.py"), *arguments]
    return subprocess.run(command, env=person, cwd=CODE, capture_output=True, text=True, check=False, timeout=400)


def well(person: dict[str, str], *arguments: str) -> str:
    done = run(person, *arguments)
    assert done.returncode == 0, done.stderr
    return done.stdout


@pytest.fixture
def empty_host(person: dict[str, str]) -> Iterator[dict[str, str]]:
    folder = Path(tempfile.mkdtemp(prefix="vsearch-new-"))
    yield {**person, "VSEARCH_DATA_DIR": str(folder)}
    shutil.rmtree(embedded.socket_folder(folder), ignore_errors=True)
    shutil.rmtree(folder)


def test_an_empty_host_gives_the_same_answers(
    person: dict[str, str], empty_host: dict[str, str], tmp_path: Path
) -> None:
    clip = make_clip(tmp_path / "harbour at night.mp4", scenes=[Scene("testsrc2", 1)], seconds=1)
    well({**person, "VSEARCH_ADMIN_PASSWORD": "correct horse battery"}, "create_admin")
    well(person, "import", str(clip))
    well(person, "shell", "-v0", "-c", PREPARE)
    before = json.loads(well(person, "shell", "-v0", "-c", ANSWERS))
    assert before["found"] == ["harbour at night"] and before["password"]

    file = tmp_path / "library.backup"
    assert "1 videos, checked" in well(person, "backup", str(file))
    assert file.stat().st_mode & 0o077 == 0
    assert [path.name for path in tmp_path.iterdir() if "backup" in path.name] == ["library.backup"]
    assert "exists already" in run(person, "backup", str(file)).stderr

    half = tmp_path / "half"
    half.write_bytes(file.read_bytes()[:-20_000])
    refused = run(empty_host, "restore", str(half))
    assert refused.returncode == 1 and "Traceback" not in refused.stderr
    assert "is whole" in well(person, "restore", str(file), "--check")
    assert "not empty" in run(person, "restore", str(file)).stderr

    # A restore that was killed after the folders took their places.
    data = Path(empty_host["VSEARCH_DATA_DIR"])
    (data / "media").mkdir()
    (data / "media" / "half written").write_text("x")
    assert "not empty" in run(empty_host, "restore", str(file)).stderr
    (data / "restoring.json").write_text(json.dumps({"backup": read_archive(file).id}))
    lock = FileLock(data / "up.lock")
    assert lock.try_own()
    assert "Stop it first" in run(empty_host, "restore", str(file)).stderr
    lock.release()
    assert "Restored the backup" in well(empty_host, "restore", str(file))
    assert not (data / "restoring.json").exists() and not (data / "restore.partial").exists()
    assert json.loads(well(empty_host, "shell", "-v0", "-c", ANSWERS)) == before


def _written(tmp_path: Path, change: Callable[[ArchiveWriter], None] = lambda writer: None) -> Path:
    source, target = tmp_path / "source", tmp_path / "file.backup"
    source.write_bytes(b"0123456789" * 200)
    with target.open("wb") as file:
        writer = ArchiveWriter(file)
        assert writer.add(source, "media/one")
        change(writer)
        writer.finish(FACTS)
    return target


def test_every_lost_or_changed_byte_is_noticed(tmp_path: Path) -> None:
    whole = _written(tmp_path)
    assert read_archive(whole) == FACTS
    content = whole.read_bytes()
    end = content.rindex(b"}") + 1  # what follows is padding
    broken = tmp_path / "broken"
    for length in range(0, end, 97):
        broken.write_bytes(content[:length])
        with pytest.raises(BackupProblem):
            read_archive(broken)
    first = content.index(b"0123456789")
    for place in range(first, first + 2000, 61):
        broken.write_bytes(content[:place] + bytes([content[place] ^ 1]) + content[place + 1 :])
        with pytest.raises(BackupProblem):
            read_archive(broken)


@pytest.mark.parametrize("name", ["../escaped", "/escaped", "media/../../escaped"])
def test_no_name_leads_out_of_the_folder(tmp_path: Path, name: str) -> None:
    source = tmp_path / "evil"
    source.write_text("x")
    file = _written(tmp_path, lambda writer: assert_added(writer, source, name))
    into = tmp_path / "into" / "deep"
    with pytest.raises(BackupProblem, match="leads out"):
        read_archive(file, into)
    assert not list(tmp_path.rglob("escaped"))


def assert_added(writer: ArchiveWriter, source: Path, name: str) -> None:
    assert writer.add(source, name)


def test_links_in_a_file_are_refused(tmp_path: Path) -> None:
    file = tmp_path / "links.backup"
    with tarfile.open(file, "w") as tar:
        link = tarfile.TarInfo("media/link")
        link.type, link.linkname = tarfile.SYMTYPE, "/etc/passwd"
        tar.addfile(link)
        tar.addfile(tarfile.TarInfo("manifest.json"), io.BytesIO(b""))
    with pytest.raises(BackupProblem, match="plain file"):
        read_archive(file, tmp_path / "into")


def test_links_and_files_that_are_gone_do_not_stop_a_backup(tmp_path: Path) -> None:
    (tmp_path / "link").symlink_to("/etc/passwd")
    with (tmp_path / "file").open("wb") as file:
        writer = ArchiveWriter(file)
        assert not writer.add(tmp_path / "gone", "media/gone")
        assert not writer.add(tmp_path / "link", "media/link")
        assert not writer.add(tmp_path, "media/folder")
