from __future__ import annotations

import pytest
from django.contrib.auth import get_user_model
from django.contrib.auth.models import Permission
from django.urls import reverse

from apps.duplicates.groups.rebuild import groups_rebuild
from tests.apps.duplicates.rows import found, groups, ids, make_version, make_video, match

pytestmark = pytest.mark.django_db


@pytest.fixture
def ann(client):
    user = get_user_model().objects.create_user("ann")
    client.force_login(user)
    return user


def test_groups_are_listed_resolved_and_undone_over_the_api(client, ann):
    version = make_version()
    a, b = make_video("a"), make_video("b")
    match(version, a, found(b))
    groups_rebuild()
    group = groups()[ids(a, b)]
    assert client.get(reverse("api:duplicate_groups")).status_code == 403

    ann.user_permissions.add(Permission.objects.get(codename="change_duplicategroup"))
    listed = client.get(reverse("api:duplicate_groups")).json()["results"]
    assert [g["id"] for g in listed] == [str(group.id)]
    detail = client.get(reverse("api:duplicate_group", args=[group.id])).json()
    assert detail["pairs"][0]["segments"][0]["a"] == [0.0, 20.0]

    resolve = reverse("api:duplicate_group_resolve", args=[group.id])
    json = {"content_type": "application/json"}
    assert client.post(resolve, {"action": "keep"}, **json).status_code == 400
    assert client.post(resolve, {"action": "confirm", "members": [str(a.id)]}, **json).status_code == 409
    done = client.post(resolve, {"action": "keep", "keeper": str(a.id)}, **json).json()
    assert (done["group"]["state"], done["group"]["keeper"]) == ("confirmed", str(a.id))

    assert client.post(reverse("api:decision_undo", args=[done["undo"]])).status_code == 200
    assert client.post(reverse("api:decision_undo", args=[done["undo"]])).status_code == 409
    verdict = {"first": str(a.id), "second": str(b.id), "verdict": "not_duplicates"}
    assert client.post(reverse("api:pair_verdicts"), verdict, **json).status_code == 201
    assert client.get(reverse("api:duplicate_groups")).json()["results"] == []
    assert client.get(reverse("api:duplicate_groups") + "?state=dismissed").json()["results"][0]["id"] == str(group.id)
    assert len(client.get(reverse("api:pair_verdicts")).json()["results"]) == 3
    assert client.get(reverse("api:duplicate_groups") + "?state=nonsense").status_code == 400
