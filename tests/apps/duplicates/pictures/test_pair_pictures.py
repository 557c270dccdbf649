"""The picture of a pair of library videos: asked for, drawn, shown."""

from __future__ import annotations

import pytest
from django.urls import reverse

from apps.core.models import Job
from apps.duplicates.job_kinds import PICTURE
from apps.duplicates.models import MatrixPicture, VideoMatch
from tests.apps.duplicates.rows import log_in
from worker.tasks import pictures as picture_task

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("job_in_this_transaction")]


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
    log_in(client)
    assert client.get(address).status_code == client.post(address).status_code == 403
