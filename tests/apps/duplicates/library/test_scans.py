"""The scan of the library: service, page, API, command."""

from __future__ import annotations

from datetime import timedelta
from io import StringIO

import pytest
from django.core.management import CommandError, call_command
from django.urls import reverse
from django.utils import timezone

from apps.core.jobs import sweep
from apps.core.models import Job
from apps.duplicates.library.scans import scan_latest, scan_start
from tests.apps.duplicates.planted import edited, planted_video, random_frames
from tests.apps.duplicates.rows import groups, ids, log_in, make_version
from worker.tasks import matching

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("job_in_this_transaction")]


def test_two_who_ask_for_a_scan_get_the_same_one():
    job, new = scan_start()
    again, new_again = scan_start()
    assert (new, new_again, again.id) == (True, False, job.id)
    Job.objects.update(state=Job.State.DONE)
    assert scan_start()[1]


def test_the_button_starts_a_scan_and_the_page_shows_how_far_it_is(client, admin):
    page = client.get(reverse("duplicates:review")).content.decode()
    assert "Scan the library again" in page
    assert client.post(reverse("duplicates:scan")).status_code == 302
    Job.objects.update(state=Job.State.RUNNING, percent=40.0, seconds_left=120.0)
    fragment = client.get(reverse("duplicates:scan_status")).content.decode()
    assert "40 %" in fragment
    assert "about 2 min left" in fragment
    assert "hx-get" in fragment
    Job.objects.update(state=Job.State.DONE, finished_at=timezone.now())
    fragment = client.get(reverse("duplicates:scan_status")).content.decode()
    assert "hx-get" not in fragment
    assert "was scanned" in fragment


def test_reviewers_see_the_scan_and_only_administrators_start_one(client):
    log_in(client, "change_duplicategroup")
    assert "Scan the library again" not in client.get(reverse("duplicates:review")).content.decode()
    assert client.post(reverse("duplicates:scan")).status_code == 403
    assert client.post(reverse("api:duplicate_scans")).status_code == 403
    assert client.get(reverse("api:duplicate_scan_latest")).status_code == 404
    assert not Job.objects.exists()


def test_the_api_starts_a_scan_once_and_tells_its_state(client, admin):
    first, second = (client.post(reverse("api:duplicate_scans")) for _ in range(2))
    assert (first.status_code, second.status_code) == (201, 200)
    assert first.json()["job"] == second.json()["job"]
    told = client.get(reverse("api:duplicate_scan_latest")).json()
    assert (told["state"], told["percent"], told["finished_at"]) == ("queued", 0.0, None)


def test_the_time_left_of_a_scan_between_two_slices_follows_from_its_pace():
    job, _ = scan_start()
    Job.objects.filter(id=job.id).update(percent=25.0, created_at=timezone.now() - timedelta(seconds=100))
    scan = scan_latest()
    assert scan is not None
    assert scan.seconds_left == pytest.approx(300, rel=0.1)
    Job.objects.filter(id=job.id).update(percent=0.5)
    assert scan_latest().seconds_left is None


def test_the_command_queues_a_scan_and_waits_for_its_end(monkeypatch):
    monkeypatch.setattr("time.sleep", lambda seconds: Job.objects.update(state=Job.State.DONE))
    out = StringIO()
    call_command("scan", "--wait", stdout=out)
    assert "queued" in out.getvalue()
    assert "done" in out.getvalue()
    monkeypatch.setattr("time.sleep", lambda seconds: Job.objects.update(state=Job.State.FAILED, error="no model"))
    with pytest.raises(CommandError, match="no model"):
        call_command("scan", "--wait", stdout=out)


def test_a_scan_whose_worker_was_killed_goes_on_behind_the_last_video(monkeypatch):
    version = make_version()
    source = random_frames(1, 20)
    videos = [planted_video(version, f"copy {n}", edited(source, n + 2)) for n in range(4)]
    seen, real = [], matching.match_video

    class Killed(BaseException):
        """What a worker does not survive."""

    def dies(video, *args, **kwargs):
        if len(seen) == 2:
            raise Killed
        seen.append(video.id)
        return real(video, *args, **kwargs)

    monkeypatch.setattr(matching, "match_video", dies)
    job, _ = scan_start()
    # As after kill -9: the row still says running, and nobody renews the lease.
    with monkeypatch.context() as dead:
        dead.setattr("worker.tasks.running.RunningJob._fail", lambda *a, **k: None)
        with pytest.raises(Killed):
            matching.scan(str(job.id))
    Job.objects.filter(id=job.id).update(state=Job.State.RUNNING, lease_until=timezone.now() - timedelta(minutes=5))
    sweep()
    monkeypatch.setattr(matching, "match_video", lambda video, *a, **k: seen.append(video.id) or real(video, *a, **k))
    matching.scan(str(job.id))
    job.refresh_from_db()
    assert job.state == "done"
    assert sorted(seen) == sorted(v.id for v in videos)
    assert list(groups()) == [ids(*videos)]
