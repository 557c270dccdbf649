"""The first command that somebody types, before ``up`` ever ran: it prepares what it needs, or says what to do."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import psycopg
import pytest
from django.conf import settings

from tests.clips import Scene, make_clip
from tests.platform.servers import free_port
from vsearch.postgres import embedded

CODE = Path(settings.BASE_DIR)


def run(person: dict[str, str], *arguments: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, str(CODE / "manage.py"), *arguments]
    return subprocess.run(command, env=person, cwd=CODE, capture_output=True, text=True, check=False, timeout=400)


@pytest.mark.parametrize("arguments", [("create_admin",), ("scan",), ("model", "list")], ids=lambda words: words[0])
def test_a_data_directory_that_was_never_used_is_prepared(person: dict[str, str], arguments: tuple[str, ...]) -> None:
    done = run(person, *arguments)
    assert done.returncode == 0, done.stderr
    assert "Preparing the tables" in done.stderr and "Preparing" not in done.stdout


def test_import_search_and_lookup_work_before_anything_else_ran(person: dict[str, str], tmp_path: Path) -> None:
    clip = make_clip(tmp_path / "clip.mp4", scenes=[Scene("testsrc2", 1)], seconds=2)
    assert f"new  {clip}" in run(person, "import", str(clip)).stdout
    found = run(person, "search", "a dog", "--json")
    assert found.returncode == 0, found.stderr
    assert "Preparing the models" in found.stderr and found.stdout.startswith("{")
    asked = run(person, "lookup", str(clip))
    assert asked.returncode == 0, asked.stderr
    assert "Preparing" not in asked.stderr


def test_a_postgres_without_our_tables_is_left_alone(person: dict[str, str], data_dir: Path) -> None:
    usage = embedded.use(data_dir)
    try:
        url = embedded.database_url(data_dir)
        done = run({**person, "DATABASE_URL": url}, "create_admin")
        assert done.returncode == 1
        assert "manage.py migrate" in done.stderr and "Traceback" not in done.stderr
        with psycopg.connect(url) as connection:
            assert connection.execute("SELECT to_regclass('auth_user')").fetchone() == (None,)
    finally:
        usage.close()


def test_a_postgres_that_does_not_answer_is_named(person: dict[str, str]) -> None:
    done = run({**person, "DATABASE_URL": f"postgresql://postgres@127.0.0.1:{free_port()}/none"}, "scan")
    assert done.returncode == 1
    assert "DATABASE_URL" in done.stderr and "Traceback" not in done.stderr
