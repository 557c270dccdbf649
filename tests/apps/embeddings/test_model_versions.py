from __future__ import annotations

from uuid import uuid4

import pytest
from django.contrib.auth import get_user_model
from django.urls import reverse

from apps.core.exceptions import Conflict, NotFound
from apps.embeddings.model_versions import model_version_promote, model_version_register
from apps.embeddings.models import ModelVersion
from apps.embeddings.selectors import model_version_serving
from apps.embeddings.vector_index import PgVectorIndex
from tests.apps.embeddings.library import clip_rows, directions, make_version, make_video
from worker.types import EmbedderSpec

pytestmark = pytest.mark.django_db
State = ModelVersion.State


def test_promoting_swaps_the_serving_version_of_its_role_only():
    old, new, copy = make_version(), make_version(state=State.READY), make_version(role="copy")
    model_version_promote(version_id=new.id)
    old.refresh_from_db()
    assert old.state == State.READY
    assert model_version_serving("semantic") == new
    assert model_version_serving("copy") == copy
    model_version_promote(version_id=old.id)
    assert model_version_serving("semantic") == old


@pytest.mark.parametrize("state", [State.PENDING, State.FAILED])
def test_a_version_that_is_not_ready_does_not_serve(state):
    old, new = make_version(), make_version(state=state)
    with pytest.raises(Conflict):
        model_version_promote(version_id=new.id)
    assert model_version_serving("semantic") == old


def test_a_version_without_vectors_does_not_replace_one_that_has_some():
    old, new, video = make_version(), make_version(state=State.READY), make_video().id
    PgVectorIndex().upsert("clip", video, old.id, clip_rows(directions(2)))
    with pytest.raises(Conflict, match="has not indexed any video"):
        model_version_promote(version_id=new.id)
    PgVectorIndex().upsert("clip", video, new.id, clip_rows(directions(2)))
    assert model_version_promote(version_id=new.id).state == State.SERVING


def test_an_unknown_version_is_not_found():
    with pytest.raises(NotFound):
        model_version_promote(version_id=uuid4())


def test_registering_the_same_weights_twice_makes_one_row_and_follows_the_folder():
    spec = EmbedderSpec("semantic", "m", "1", 16, 64, "p", "w")
    first = model_version_register(spec=spec, folder="/a")
    second = model_version_register(spec=spec, folder="/b")
    assert first.id == second.id
    assert second.folder == "/b"
    assert ModelVersion.objects.count() == 1


def test_the_admin_lists_versions_and_makes_one_serve(client):
    client.force_login(get_user_model().objects.create_superuser("boss", password="x"))
    make_version()
    new = make_version(state=State.READY)
    address = reverse("admin:embeddings_modelversion_changelist")
    assert client.get(address).status_code == 200
    assert client.get(reverse("admin:embeddings_modelversion_change", args=[new.id])).status_code == 200
    client.post(address, {"action": "make_serve", "_selected_action": [str(new.id)]})
    assert model_version_serving("semantic") == new
