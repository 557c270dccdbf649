"""The exploratory clusters: service and page."""

from __future__ import annotations

import numpy as np
import pytest
from django.urls import reverse

from apps.core.exceptions import InvalidInput
from apps.core.models import Job
from apps.duplicates.job_kinds import CLUSTERS
from apps.duplicates.library.clusters import ClusterParameters, cluster_run_create, parameters_from
from apps.duplicates.models import ClusterRun, DuplicateGroup, VideoMatch
from apps.embeddings.vector_index import PgVectorIndex
from tests.apps.duplicates.planted import planted_video, random_frames
from tests.apps.duplicates.rows import log_in, make_version, make_video
from worker.library.clusters import descriptor_distances, score_distances
from worker.tasks import clusters as cluster_task

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("job_in_this_transaction")]


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
    match = VideoMatch.objects.get()
    videos = [v.id for v in pair]
    for distances in (
        score_distances(videos, [(match.a_id, match.b_id, match.score)]),
        descriptor_distances(PgVectorIndex(), match.model_version_id, videos, lambda share: None),
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
    assert "eps must be a distance" in refused.content.decode()


def test_clusters_are_for_administrators_only(client):
    log_in(client, "change_duplicategroup")
    assert client.get(reverse("duplicates:clusters")).status_code == 403
    assert client.post(reverse("duplicates:clusters"), {}).status_code == 403
    assert not ClusterRun.objects.exists()
