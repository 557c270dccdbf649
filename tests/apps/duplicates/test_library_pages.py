"""The scan of the library, the picture of a pair, and the exploratory clusters: services, pages, API, command."""

from __future__ import annotations

from datetime import timedelta
from io import StringIO

import numpy as np
import pytest
from django.contrib.auth import get_user_model
from django.contrib.auth.models import Permission
from django.core.management import CommandError, call_command
from django.urls import reverse
from django.utils import timezone

from apps.core.exceptions import InvalidInput
from apps.core.jobs import enqueue, sweep
from apps.core.models import Job
from apps.duplicates.job_kinds import CLUSTERS, PICTURE, SCAN
from apps.duplicates.library.clusters import ClusterParameters, cluster_run_create, parameters_from
from apps.duplicates.library.scans import scan_latest, scan_start
from apps.duplicates.models import ClusterRun, DuplicateGroup, MatrixPicture, VideoMatch
from tests.apps.duplicates.library import groups, ids, make_version, make_video
from tests.apps.duplicates.planted import edited, planted_video, random_frames
from worker.tasks import clusters as cluster_task
from worker.tasks import matching
from worker.tasks import pictures as picture_task

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("job_in_this_transaction")]


def person(client, *permissions: str):
    user = get_user_model().objects.create_user("-".join(permissions) or "nobody")
    user.user_permissions.add(*Permission.objects.filter(codename__in=permissions))
    client.force_login(user)
    return user


@pytest.fixture
def admin(client):
    return person(client, "administer", "change_duplicategroup")


@pytest.fixture
def pair():
    """Two copies and a stranger, matched by a scan."""
    version = make_version()
    source = random_frames(1, 30)
    videos = [planted_video(version, "one", source), planted_video(version, "other", edited(source, 2))]
    planted_video(version, "stranger", random_frames(9, 30))
    matching.scan(str(enqueue(kind=SCAN).id))
    return videos


# the scan


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
    person(client, "change_duplicategroup")
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
        dead.setattr("worker.tasks.running._fail", lambda *a, **k: None)
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


# the picture of a pair


def test_the_picture_of_a_pair_is_drawn_when_somebody_asks_and_once(client, admin, pair):
    match = VideoMatch.objects.get()
    address = reverse("duplicates:pair_picture", args=[match.id])
    assert "Draw the similarity picture" in client.get(address).content.decode()
    assert not MatrixPicture.objects.exists()
    for _ in range(2):
        waiting = client.post(address, headers={"HX-Request": "true"}).content.decode()
        assert 'hx-trigger="every 1s"' in waiting
    job = Job.objects.get(kind=PICTURE.name)
    picture_task.picture(str(job.id))
    page = client.get(address).content.decode()
    assert "every 1s" not in page
    assert "1 found segment" in page
    png = client.get(reverse("duplicates:pair_picture_png", args=[match.id]))
    assert png.content[:4] == b"\x89PNG"
    client.post(address)
    assert Job.objects.filter(kind=PICTURE.name).count() == 1


def test_a_picture_that_failed_can_be_asked_for_again_and_goes_with_its_match(client, admin, pair):
    match = VideoMatch.objects.get()
    address = reverse("duplicates:pair_picture", args=[match.id])
    client.post(address)
    Job.objects.filter(kind=PICTURE.name).update(state=Job.State.FAILED, error="It broke.")
    assert "It broke." in client.get(address).content.decode()
    client.post(address)
    assert Job.objects.filter(kind=PICTURE.name, state=Job.State.QUEUED).count() == 1
    match.delete()
    assert not MatrixPicture.objects.exists()
    assert client.get(address).status_code == 404


def test_pictures_of_pairs_are_for_reviewers(client, pair):
    address = reverse("duplicates:pair_picture", args=[VideoMatch.objects.get().id])
    person(client)
    assert client.get(address).status_code == client.post(address).status_code == 403


# clusters


def explored(**parameters) -> ClusterRun:
    run = cluster_run_create(parameters=ClusterParameters(**parameters))
    cluster_task.clusters(str(Job.objects.get(kind=CLUSTERS.name, subject_id=run.id).id))
    run.refresh_from_db()
    return run


@pytest.mark.parametrize("method", ["dbscan", "hdbscan"])
@pytest.mark.parametrize("metric", ["pair_score", "mean_descriptor"])
def test_copies_end_in_one_cluster_and_nothing_changes_in_the_groups(pair, method, metric):
    before = list(DuplicateGroup.objects.values())
    if method == "hdbscan":  # needs something to tell density by
        version = VideoMatch.objects.get().model_version
        for seed in range(20, 26):
            planted_video(version, f"more {seed}", random_frames(seed, 30))
    run = explored(method=method, metric=metric, eps=0.3, min_samples=2 if method == "dbscan" else 1)
    together = next(cluster for cluster in run.result["clusters"] if str(pair[0].id) in cluster)
    assert str(pair[1].id) in together
    assert method == "hdbscan" or len(together) == 2  # density alone may take strangers in: it is no verdict
    assert run.result["videos"] - sum(map(len, run.result["clusters"])) == run.result["noise"]
    assert list(DuplicateGroup.objects.values()) == before


def test_an_empty_library_and_one_video_have_no_clusters():
    make_version()
    for metric in ("pair_score", "mean_descriptor"):
        assert explored(metric=metric).result == {"videos": 0, "left_out": 0, "noise": 0, "clusters": []}
    make_video("without vectors")
    assert explored(metric="mean_descriptor").result["noise"] == 1


def test_the_newest_videos_are_taken_and_the_others_counted(pair, monkeypatch):
    monkeypatch.setattr(cluster_task, "MAX_VIDEOS", 2)
    result = explored(method="dbscan").result
    assert (result["videos"], result["left_out"]) == (2, 1)


def test_distances_are_symmetric_and_zero_on_the_diagonal(pair):
    version = VideoMatch.objects.get().model_version_id
    videos = [v.id for v in pair]
    for distances in (
        cluster_task.score_distances(videos, version),
        cluster_task.descriptor_distances(videos, version, lambda share: None),
    ):
        assert np.array_equal(distances, distances.T)
        assert not distances.diagonal().any()
        assert 0 < distances[0, 1] < 0.3


@pytest.mark.parametrize(
    "values",
    [
        {"method": "kmeans"},
        {"metric": "cosine"},
        {"eps": "0"},
        {"eps": "nan"},
        {"eps": "far"},
        {"min_samples": "0"},
        {"min_samples": "2.5"},
        {"min_cluster_size": "1"},
    ],
)
def test_parameters_out_of_range_are_refused_by_name(values):
    with pytest.raises(InvalidInput) as refused:
        parameters_from(values)
    assert refused.value.field == next(iter(values))


def test_the_page_runs_a_job_and_lists_clusters_with_pictures_as_exploratory(client, admin, pair):
    started = client.post(reverse("duplicates:clusters"), {"method": "dbscan", "eps": "0.4"})
    run = ClusterRun.objects.get()
    assert started["Location"] == reverse("duplicates:cluster_run", args=[run.id])
    assert "Waiting for a worker" in client.get(started["Location"]).content.decode()
    cluster_task.clusters(str(Job.objects.get(kind=CLUSTERS.name).id))
    page = client.get(started["Location"]).content.decode()
    assert "Exploratory." in page
    assert "1 cluster among 3 videos; 1 in none of them." in page
    assert all(f"/videos/{video.id}/poster.jpg" in page for video in pair)
    refused = client.post(reverse("duplicates:clusters"), {"eps": "-1"})
    assert refused.status_code == 400
    assert "eps is a distance" in refused.content.decode()


def test_clusters_are_for_administrators_only(client):
    person(client, "change_duplicategroup")
    assert client.get(reverse("duplicates:clusters")).status_code == 403
    assert client.post(reverse("duplicates:clusters"), {}).status_code == 403
    assert not ClusterRun.objects.exists()
