"""kill -9 of the worker in the middle of an ingest: the video becomes ready, once."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

from tests.clips import Scene, make_clip
from tests.journeys.server import CODE, Server
from tests.platform.servers import wait_until


def test_a_video_whose_worker_was_killed_becomes_ready_exactly_once(server: Server, tmp_path: Path) -> None:
    scenes = [Scene("shapes", seed) for seed in range(60, 76)]
    clip = make_clip(tmp_path / "interrupted.mp4", scenes=scenes, seconds=60.0, size=(640, 360))
    job = ("SELECT j.state, j.percent, j.attempts, v.id::text, v.state FROM core_job j JOIN videos_video v"
           " ON v.id = j.subject_id WHERE j.kind = 'ingest' AND v.original_name = 'interrupted.mp4'")  # fmt: skip
    worker = server.part("gpu@vsearch")
    command = [sys.executable, str(CODE / "manage.py"), "import", str(clip), "--wait"]
    with subprocess.Popen(command, cwd=CODE, env=dict(server.environment), stdout=subprocess.PIPE) as waiting:
        wait_until(lambda: [row[0] for row in server.query(job)] == ["running"], "the ingest has begun", 180)
        worker.kill()
        state, _, attempts, video_id, video_state = server.query(job)[0]
        assert (state, attempts) == ("running", 1), "the worker died while it worked"
        assert video_state != "ready"
        said = waiting.communicate(timeout=420)[0].decode()
    assert waiting.returncode == 0, said

    rows = server.query(job)
    assert [(row[0], row[4]) for row in rows] == [("done", "ready")]
    assert rows[0][2] >= 2
    for table in ("clipembedding", "frameembedding"):
        sets = server.query(
            f"SELECT count(*), min(ordinal), max(ordinal) FROM embeddings_{table} WHERE video_id = %s"
            " GROUP BY model_version_id", video_id,
        )  # fmt: skip
        assert len(sets) == 1, "vectors of one version"
        count, first, last = sets[0]
        assert (first, last) == (0, count - 1)
    spans = server.query('SELECT start, "end" FROM embeddings_clipembedding WHERE video_id = %s', video_id)
    assert len(set(spans)) == len(spans)
    shots = server.query("SELECT ordinal, start FROM videos_shot WHERE video_id = %s ORDER BY ordinal", video_id)
    assert [ordinal for ordinal, _ in shots] == list(range(len(shots)))
    assert [start for _, start in shots] == sorted({start for _, start in shots})
    derived = server.data_dir / "media" / video_id
    assert (derived / "poster.jpg").is_file()
    assert [name for name in derived.rglob("*") if ".part" in name.name or name.name.startswith((".", "tmp"))] == []
