from __future__ import annotations

import hashlib
import re
from datetime import timedelta

import pytest
from django.test import Client
from django.utils import timezone
from pytest_django import DjangoAssertNumQueries

from apps.accounts.models import ApiToken
from apps.accounts.tokens import TOKENS_A_PERSON, token_create, token_find
from apps.core.exceptions import InvalidInput
from tests.apps.people import user

pytestmark = pytest.mark.django_db


def bearer(token: str) -> Client:
    return Client(headers={"Authorization": f"Bearer {token}"})


def test_only_the_hash_of_a_token_is_stored() -> None:
    row, token = token_create(user=user(), name="script")
    assert token.startswith(row.prefix)
    assert len(token) > 40
    assert row.token_sha256 == hashlib.sha256(token.encode()).hexdigest()
    stored = ApiToken.objects.filter(id=row.id).values_list()[0]
    assert not any(token in str(value) for value in stored)


def test_a_token_opens_the_api_and_a_revoked_one_does_not(client: Client) -> None:
    person = user()
    client.force_login(person)
    made = client.post("/api/v1/tokens", {"name": "script"}, content_type="application/json")
    assert (made.status_code, made["Cache-Control"]) == (201, "no-store")
    token = made.json()["token"]
    assert bearer(token).get("/api/v1/videos").status_code == 200
    listed = client.get("/api/v1/tokens")
    assert token not in listed.content.decode()
    assert [row["prefix"] for row in listed.json()["results"]] == [token[:9]]
    assert client.delete(f"/api/v1/tokens/{made.json()['id']}").status_code == 204
    refused = bearer(token).get("/api/v1/videos")
    assert (refused.status_code, refused["WWW-Authenticate"]) == (401, 'Bearer realm="vsearch"')
    assert "revoked" in refused.json()["detail"]


def test_the_page_shows_a_new_token_once(client: Client) -> None:
    client.force_login(user())
    made = client.post("/accounts/tokens", {"name": "laptop", "days": "90"})
    token = re.search(r"vs_[\w-]{40,}", made.content.decode())
    assert token is not None
    assert token_find(token[0]) is not None
    again = client.get("/accounts/tokens")
    assert token[0] not in again.content.decode()
    assert "laptop" in again.content.decode()
    assert "no-store" in made["Cache-Control"]


def test_the_page_revokes_own_tokens_only(client: Client) -> None:
    mine, other = user(), user()
    kept, _ = token_create(user=other, name="other")
    gone, _ = token_create(user=mine, name="mine")
    client.force_login(mine)
    for row in (kept, gone):
        client.post(f"/accounts/tokens/{row.id}/revoke")
    assert list(ApiToken.objects.all()) == [kept]
    assert client.delete(f"/api/v1/tokens/{kept.id}").status_code == 404


def test_a_token_cannot_make_tokens() -> None:
    _, token = token_create(user=user(), name="script")
    assert bearer(token).post("/api/v1/tokens", {"name": "more"}, content_type="application/json").status_code == 403


def test_a_token_of_a_disabled_account_is_refused() -> None:
    person = user()
    _, token = token_create(user=person, name="script")
    type(person).objects.filter(id=person.id).update(is_active=False)
    assert bearer(token).get("/api/v1/videos").status_code == 401


@pytest.mark.parametrize("header", ["Bearer", "Bearer a b", "Bearer vs_unknown", "Bearer \xff", "bearer  "])
def test_a_header_that_holds_no_known_token_is_401(header: str) -> None:
    refused = Client().get("/api/v1/videos", headers={"Authorization": header})
    assert (refused.status_code, refused["Content-Type"]) == (401, "application/problem+json")


def test_use_is_noted_once_a_minute(django_assert_num_queries: DjangoAssertNumQueries) -> None:
    row, token = token_create(user=user(), name="script")
    token_find(token)
    with django_assert_num_queries(2):
        token_find(token)
    ApiToken.objects.filter(id=row.id).update(last_used_at=timezone.now() - timedelta(hours=1))
    token_find(token)
    row.refresh_from_db()
    assert row.last_used_at is not None
    assert timezone.now() - row.last_used_at < timedelta(minutes=1)


@pytest.mark.parametrize("name", ["", "   ", "x" * 101])
def test_a_token_needs_a_name(name: str) -> None:
    with pytest.raises(InvalidInput) as refused:
        token_create(user=user(), name=name)
    assert refused.value.field == "name"


def test_nobody_collects_tokens_without_end() -> None:
    person = user()
    for number in range(TOKENS_A_PERSON):
        token_create(user=person, name=str(number))
    with pytest.raises(InvalidInput, match="Revoke one"):
        token_create(user=person, name="one more")
