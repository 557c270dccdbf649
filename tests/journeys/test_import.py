"""A person imports a folder, and imports it again."""

from __future__ import annotations

from pathlib import Path

from tests.bad_clips import cut_off
from tests.clips import Scene, ffmpeg, make_clip
from tests.journeys.server import Server


def test_every_video_of_a_folder_becomes_ready_and_a_second_import_adds_nothing(
    server: Server, folder: Path, imported: str
) -> None:
    names = {path.name for path in folder.iterdir()}
    rows = server.query("SELECT original_name, state FROM videos_video WHERE original_name = ANY(%s)", list(names))
    assert sorted(rows) == sorted((name, "ready") for name in names)

    def counts() -> list[tuple[int, ...]]:
        return server.query(
            "SELECT (SELECT count(*) FROM videos_video), (SELECT count(*) FROM embeddings_clipembedding),"
            " (SELECT count(*) FROM core_job WHERE kind = 'ingest')"
        )

    before = counts()
    again = server.manage("import", str(folder), "--wait")
    assert again.returncode == 0, again.stderr
    assert "added" not in again.stdout.splitlines()[-1]
    assert counts() == before


def test_bad_files_end_with_a_reason_and_leave_nothing_behind(server: Server, tmp_path: Path) -> None:
    (tmp_path / "empty.mp4").write_bytes(b"")
    (tmp_path / "letter.mp4").write_text("Dear reader, this is a letter and not a film.\n" * 200, encoding="utf-8")
    (tmp_path / "playlist.mp4").write_text("#EXTM3U\n#EXTINF:10,\nfile:///etc/passwd\n", encoding="utf-8")
    silent = make_clip(tmp_path / "cut.mp4", scenes=[Scene("shapes", 77)], seconds=3.0)
    cut_off(silent, 0.4)
    _make_sound(tmp_path / "song.mp4")
    names = sorted(path.name for path in tmp_path.iterdir())

    done = server.manage("import", str(tmp_path), "--wait")

    rows = server.query(
        "SELECT id, original_name, state, failure FROM videos_video WHERE original_name = ANY(%s)", names
    )
    refused = [name for name in names if name not in {row[1] for row in rows}]
    for name in refused:  # refused before it becomes a video: the person reads why on the same line
        line = next(line for line in done.stdout.splitlines() if name in line)
        assert line.rstrip().endswith(")"), line
    for video_id, name, state, failure in rows:
        assert state == "failed", name
        assert len(failure.split()) >= 4, (name, failure)
        assert "Traceback" not in failure
        assert not (server.data_dir / "media" / str(video_id)).exists(), name
        assert failure in done.stdout
        assert server.query("SELECT count(*) FROM videos_shot WHERE video_id = %s", video_id) == [(0,)]
    assert {row[1] for row in rows} >= {"letter.mp4", "playlist.mp4", "song.mp4", "cut.mp4"}
    assert done.returncode == 1


def _make_sound(path: Path) -> None:
    ffmpeg("-f", "lavfi", "-i", "sine=frequency=440:duration=2", "-c:a", "aac", path)
