"""A token does what it was made for, for a while, and ends with what it stands for."""

from __future__ import annotations

import io
import json
from collections.abc import Callable
from datetime import timedelta
from importlib import import_module

import pytest
from django.apps import apps
from django.contrib.auth.models import User
from django.core.management import call_command
from django.test import Client
from django.utils import timezone

from apps.accounts.models import ApiToken, Scope
from apps.accounts.tokens import token_create, token_find, tokens_purge
from apps.core.exceptions import InvalidInput
from tests.apps.people import imported, user

pytestmark = pytest.mark.django_db
EVERYTHING = [scope.value for scope in Scope]


def bearer(token: str) -> Client:
    return Client(headers={"Authorization": f"Bearer {token}"})


def made(person: User, *scopes: str) -> Client:
    return bearer(token_create(user=person, name="t", scopes=scopes)[1])


@pytest.mark.parametrize(
    ("scope", "method", "address"),
    [
        ("upload", "post", "/api/v1/uploads"),
        ("upload", "get", "/api/v1/jobs"),
        ("upload", "patch", "/api/v1/videos/{video}"),
        ("upload", "delete", "/api/v1/videos/{video}"),
        ("review", "get", "/api/v1/duplicate-groups"),
        ("review", "post", "/api/v1/pair-verdicts"),
        ("train", "get", "/api/v1/training-runs"),
        ("train", "post", "/api/v1/model-versions/{video}/promote"),
        ("administer", "post", "/api/v1/duplicate-scans"),
        ("administer", "delete", "/api/v1/model-versions/{video}"),
    ],
)
@pytest.mark.parametrize("superuser", [False, True])
def test_a_call_needs_its_scope(scope: str, method: str, address: str, superuser: bool, tmp_path) -> None:  # type: ignore[no-untyped-def]
    person = user("Uploaders", "Reviewers", "Trainers", "Administrators", is_superuser=superuser)
    video = imported(tmp_path, owner=person)
    headers = {"Upload-Length": "9", "Upload-Metadata": "filename YS5tcDQ="} if address.endswith("uploads") else {}

    def status(*scopes: str) -> int:
        call = getattr(made(person, *scopes), method)
        body = {} if method == "get" else {"data": "{}", "content_type": "application/json"}
        return int(call(address.format(video=video.id), headers=headers, **body).status_code)

    others = [name for name in EVERYTHING if name != scope]
    if address.endswith("{video}") and scope == "upload":
        others.remove("administer")  # administrators change every video
    assert status() == status(*others) == 403
    assert status(scope) not in {401, 403}


def test_no_token_is_stronger_than_its_owner() -> None:
    person = user("Uploaders")
    with pytest.raises(InvalidInput, match="administer"):
        token_create(user=person, name="t", scopes=["administer"])
    client = made(person, "upload")
    assert client.get("/api/v1/jobs").status_code == 200
    person.groups.clear()
    assert client.get("/api/v1/jobs").status_code == 403


def test_a_token_ends_on_its_day() -> None:
    row, token = token_create(user=user(), name="t", days=7)
    assert abs(row.expires_at - timezone.now() - timedelta(days=7)) < timedelta(minutes=1)
    assert bearer(token).get("/api/v1/videos").status_code == 200
    ApiToken.objects.update(expires_at=timezone.now() - timedelta(seconds=1))
    refused = bearer(token).get("/api/v1/videos")
    assert (refused.status_code, "expired" in refused.json()["detail"]) == (401, True)
    assert tokens_purge() == 0
    ApiToken.objects.update(expires_at=timezone.now() - timedelta(days=31))
    assert (tokens_purge(), ApiToken.objects.count()) == (1, 0)


@pytest.mark.parametrize("days", [0, -1, 366, 10**9])
def test_no_token_is_valid_for_ever(days: int) -> None:
    with pytest.raises(InvalidInput):
        token_create(user=user(), name="t", days=days)


def by_the_page(person: User) -> None:
    client = Client()
    client.force_login(person)
    new = {"old_password": "right horse", "new_password1": "battery-staple-9", "new_password2": "battery-staple-9"}
    assert client.post("/accounts/password", new).status_code == 302


def by_the_admin(person: User) -> None:
    client = Client()
    client.force_login(user(is_superuser=True, is_staff=True))
    new = {"password1": "battery-staple-9", "password2": "battery-staple-9", "usable_password": "true"}
    assert client.post(f"/admin/auth/user/{person.pk}/password/", {**new, "set-password": "x"}).status_code == 302


def by_switching_it_off(person: User) -> None:
    client = Client()
    client.force_login(user(is_superuser=True, is_staff=True))
    off = {"password1": "", "password2": "", "usable_password": "false", "unset-password": "x"}
    assert client.post(f"/admin/auth/user/{person.pk}/password/", off).status_code == 302


def by_the_command(person: User) -> None:
    from django.contrib.auth.management.commands import changepassword

    command = changepassword.Command(stdout=io.StringIO())
    command._get_pass = lambda *_: "battery-staple-9"  # type: ignore[method-assign]
    call_command(command, person.username)


def by_code(person: User) -> None:
    person.set_password("battery-staple-9")
    person.save()


@pytest.mark.parametrize("change", [by_the_page, by_the_admin, by_switching_it_off, by_the_command, by_code])
def test_tokens_end_with_the_password(change: Callable[[User], None]) -> None:
    person, other = user(), user()
    _, token = token_create(user=person, name="t")
    kept, _ = token_create(user=other, name="t")
    change(person)
    assert bearer(token).get("/api/v1/videos").status_code == 401
    assert list(ApiToken.objects.all()) == [kept]


def test_a_login_that_renews_the_hash_ends_no_token(settings) -> None:  # type: ignore[no-untyped-def]
    person = user()
    token_create(user=person, name="t")
    settings.PASSWORD_HASHERS = ["django.contrib.auth.hashers.PBKDF2PasswordHasher", *settings.PASSWORD_HASHERS]
    Client().post("/accounts/login", {"username": person.username, "password": "right horse"})
    person.refresh_from_db()
    assert person.password.startswith("pbkdf2") and ApiToken.objects.count() == 1


def test_tokens_end_with_the_account() -> None:
    person = user()
    _, token = token_create(user=person, name="t")
    User.objects.filter(pk=person.pk).update(is_active=False)
    assert token_find(token) is None
    User.objects.filter(pk=person.pk).update(is_active=True)
    assert token_find(token) is None

    token_create(user=person, name="again")
    client = Client()
    client.force_login(user(is_superuser=True, is_staff=True))
    body = {"username": person.username, "date_joined_0": "2026-01-01", "date_joined_1": "00:00:00"}
    assert client.post(f"/admin/auth/user/{person.pk}/change/", body).status_code == 302
    assert not ApiToken.objects.exists()

    token_create(user=person, name="third")
    User.objects.filter(pk=person.pk).update(is_active=False)
    assert tokens_purge() == 1


def test_the_page_offers_what_the_person_may_do() -> None:
    client = Client()
    client.force_login(user("Uploaders"))
    page = client.get("/accounts/tokens").content.decode()
    assert 'value="upload"' in page and 'value="administer"' not in page
    client.post("/accounts/tokens", {"name": "camera", "days": "30", "scopes": ["upload"]})
    assert ApiToken.objects.get().scopes == ["read", "upload"]
    refused = client.post("/accounts/tokens", {"name": "more", "days": "30", "scopes": ["administer"]})
    assert (refused.status_code, ApiToken.objects.count()) == (400, 1)


def test_the_api_makes_a_token_that_reads_unless_asked_for_more() -> None:
    client = Client()
    client.force_login(user("Trainers"))

    def ask(**body: object) -> tuple[int, dict[str, object]]:
        answer = client.post("/api/v1/tokens", json.dumps({"name": "t", **body}), content_type="application/json")
        return answer.status_code, answer.json()

    assert ask()[1]["scopes"] == ["read"]
    status, body = ask(scopes=["train"], expires_in_days=1)
    assert (status, body["scopes"], bool(body["expires_at"])) == (201, ["read", "train"], True)
    for wrong in ({"scopes": ["all"]}, {"scopes": ["upload"]}, {"expires_in_days": 0}, {"expires_in_days": 400}):
        assert ask(**wrong)[0] == 400


def test_tokens_of_before_keep_working_for_a_year() -> None:
    row, token = token_create(user=user("Uploaders"), name="t")
    ApiToken.objects.update(scopes=[], expires_at=timezone.now())
    import_module("apps.accounts.migrations.0005_token_scopes").keep_tokens(apps, None)
    row.refresh_from_db()
    assert (row.scopes, (row.expires_at - timezone.now()).days) == (EVERYTHING, 364)
    assert bearer(token).get("/api/v1/jobs").status_code == 200


def test_a_token_that_reads_does_not_go_on_with_an_upload() -> None:
    person = user("Uploaders")
    told = {"Upload-Length": "9", "Upload-Metadata": "filename YS5tcDQ="}
    address = made(person, "read", "upload").post("/api/v1/uploads", headers=told).headers["Location"]
    part = {"data": b"x", "content_type": "application/offset+octet-stream", "headers": {"Upload-Offset": "0"}}
    reader = made(person, "read")
    assert reader.patch(address, **part).status_code == 403
    assert reader.delete(address).status_code == 403
    assert made(person, "read", "upload").patch(address, **part).status_code == 204
