"""What nobody may see, play or become."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from django.contrib.auth.models import Group, Permission, User
from django.core.files.uploadedfile import SimpleUploadedFile
from django.test import Client
from django.urls import reverse
from pytest_django import Settings

from apps.accounts.tokens import token_create
from apps.duplicates.lookups.states import lookup_mark_done
from apps.duplicates.models import Lookup
from apps.embeddings.models import ModelVersion
from apps.videos.models import Video
from tests.apps.duplicates.rows import found, make_video
from tests.apps.people import imported, user
from worker.embedders.base import EmbedderError
from worker.tasks.running import model_failed

pytestmark = pytest.mark.django_db

SEE_PATHS = {"Uploaders": True, "Reviewers": True, "Administrators": True, "Trainers": False, "": False}


def bearer(*groups: str, scopes: tuple[str, ...] = (), **fields: Any) -> Client:
    _, token = token_create(user=user(*groups, **fields), name="t", scopes=scopes)
    return Client(headers={"Authorization": f"Bearer {token}"})


def asked(client: Client) -> Lookup:
    """A finished lookup of a file by this visitor."""
    answer = client.post("/api/v1/lookups", {"file": SimpleUploadedFile("clip.mp4", b"bytes of mine", "video/mp4")})
    lookup = Lookup.objects.get(id=answer.json()["id"])
    lookup_mark_done(lookup_id=lookup.id, sha256="0" * 64, duration_seconds=20.0, found=[found(make_video("holiday"))])
    return lookup


@pytest.mark.parametrize(("group", "sees"), SEE_PATHS.items())
def test_paths_of_the_server_are_for_those_who_work_with_files(group: str, sees: bool, tmp_path: Path) -> None:
    client = Client()
    client.force_login(user(*filter(None, [group])))
    video = imported(tmp_path / "secret-folder")
    lookup = asked(client)
    match = Video.objects.exclude(id=video.id).get()
    Video.objects.filter(id=match.id).update(path="/secret-folder/holiday.mp4", original_name="holiday.mp4")
    pages = [f"/videos/{video.id}", f"/api/v1/videos/{video.id}", "/api/v1/videos"]
    pages += [f"/find/{lookup.id}", f"/api/v1/lookups/{lookup.id}"]
    told = {page: "secret-folder" in client.get(page).content.decode() for page in pages}
    told.pop(f"/find/{lookup.id}") if sees else None  # shows paths to nobody where there is one copy
    assert set(told.values()) == {sees}, told


def test_a_token_sees_paths_only_with_a_scope_that_does(tmp_path: Path) -> None:
    video = imported(tmp_path / "secret-folder")
    address = f"/api/v1/videos/{video.id}"
    assert "path" not in bearer("Administrators").get(address).json()
    assert "path" in bearer("Administrators", scopes=("upload",)).get(address).json()


def test_the_folder_of_a_model_is_not_part_of_its_name(client: Client, settings: Settings) -> None:
    settings.PUBLIC_SEARCH = True
    version = ModelVersion.objects.create(role="semantic", name="/srv/secret-folder/clip", state="serving")
    assert str(version) == "clip"
    for page in ("/", "/api/v1/search?q=dog", "/api/v1/model-versions"):
        answer = client.get(page).content.decode()
        assert "secret-folder" not in answer and "clip" in answer, page


def test_why_a_model_failed_is_for_administrators() -> None:
    failed = {"state": "failed", "failure": "The model in /secret-folder cannot be loaded"}
    version = ModelVersion.objects.create(role="semantic", name="a", **failed)
    for group, sees in (("Trainers", False), ("Administrators", True)):
        client = Client()
        client.force_login(user(group))
        for page in (
            f"/training/versions/{version.id}",
            f"/api/v1/model-versions/{version.id}",
            "/api/v1/model-versions",
        ):
            assert ("secret-folder" in client.get(page).content.decode()) == sees, page


def test_what_a_broken_model_says_itself_is_for_the_log() -> None:
    shown = model_failed(EmbedderError("The model in /secret-folder cannot be loaded"))
    assert (shown.code, "secret-folder" in shown.message) == ("model", False)


def test_details_of_readiness_are_for_this_machine_and_administrators() -> None:
    def details(client: Client, address: str) -> bool:
        return any("detail" in part for part in client.get("/readyz", REMOTE_ADDR=address).json()["parts"].values())

    admin = Client()
    admin.force_login(user("Administrators"))
    assert details(Client(), "127.0.0.1")
    assert not details(Client(), "192.0.2.1")
    assert details(admin, "192.0.2.1")


def test_the_file_of_a_lookup_is_open_to_the_one_who_asked(settings: Settings) -> None:
    settings.PUBLIC_SEARCH = True
    visitor, owner, stranger, uploader, admin = (Client() for _ in range(5))
    owner.force_login(user())
    stranger.force_login(user())
    uploader.force_login(user("Uploaders"))
    admin.force_login(user("Administrators"))
    theirs, his = asked(visitor), asked(owner)

    def plays(client: Client, lookup: Lookup) -> bool:
        page = client.get(f"/find/{lookup.id}").content.decode()
        status = client.get(f"/find/{lookup.id}/stream").status_code
        assert status in {200, 404}
        if lookup.owner_id is None:  # the answer is readable by its id, the file is not
            assert (f"/find/{lookup.id}/stream" in page) == (status == 200)
        return status == 200

    assert [plays(client, theirs) for client in (visitor, Client(), stranger, uploader, admin)] == [
        True, False, False, False, True,
    ]  # fmt: skip
    assert [plays(client, his) for client in (visitor, owner, stranger, uploader, admin)] == [
        False, True, False, False, True,
    ]  # fmt: skip
    for lookup in (theirs, his):  # nor does it become a video that everybody plays
        assert uploader.post(f"/api/v1/lookups/{lookup.id}/add").status_code in {403, 404}
        assert uploader.post(f"/find/{lookup.id}/add").status_code in {403, 404}
    assert Video.objects.filter(source="upload").count() == 0
    assert admin.post(f"/api/v1/lookups/{theirs.id}/add").status_code == 201


def test_a_visitor_who_logs_in_keeps_the_lookups_of_before(settings: Settings) -> None:
    settings.PUBLIC_SEARCH = True
    client = Client()
    lookup = asked(client)
    person = user("Uploaders")
    client.post("/accounts/login", {"username": person.username, "password": "right horse"})
    assert client.get(f"/find/{lookup.id}/stream").status_code == 200
    assert client.post(f"/api/v1/lookups/{lookup.id}/add").status_code == 201


MEDIA = [
    "/videos/{video}/stream", "/videos/{video}/poster.jpg", "/videos/{video}/thumbs/0.jpg",
    "/videos/{video}/storyboard.vtt", "/videos/{video}/sprite.jpg", "/videos/{video}/sprite-1.jpg",
    "/videos/{video}/subtitles-0.vtt", "/find/{lookup}/stream", "/find/{lookup}/pictures/{video}.png",
    "/duplicates/pairs/{video}/picture.png",
]  # fmt: skip


@pytest.mark.parametrize("address", MEDIA)
def test_media_take_tokens(tmp_path: Path, address: str) -> None:
    _, token = token_create(user=user("Reviewers"), name="t", scopes=["review"])
    client = Client(headers={"Authorization": f"Bearer {token}"})
    lookup, video = asked(client), imported(tmp_path)
    place = address.format(video=video.id, lookup=lookup.id)
    assert client.get(place).status_code in {200, 404}
    refused = Client(headers={"Authorization": "Bearer vs_unknown"}).get(place)
    assert (refused.status_code, refused["WWW-Authenticate"]) == (401, 'Bearer realm="vsearch"')
    assert Client().get(place, {"token": token, "access_token": token}).status_code == 403


def test_a_token_plays_a_video(tmp_path: Path) -> None:
    video = imported(tmp_path, b"the bytes")
    answer = bearer().get(f"/videos/{video.id}/stream", headers={"Range": "bytes=4-8"})
    assert (answer.status_code, b"".join(answer)) == (206, b"bytes")  # type: ignore[arg-type]


def test_a_token_opens_no_pages() -> None:
    client = bearer("Administrators", is_staff=True, is_superuser=True, scopes=("administer",))
    for page in ("/videos", "/accounts/tokens", "/admin/", "/jobs"):
        assert client.get(page).status_code == 302, page


@pytest.mark.parametrize("public", [False, True])
def test_the_schema_is_public_when_search_is(client: Client, settings: Settings, public: bool) -> None:
    settings.PUBLIC_SEARCH = public
    answer = client.get("/api/schema")
    assert answer.status_code == (200 if public else 401)
    assert b"/api/v1/videos" in answer.content if public else b"/api/v1" not in answer.content
    assert bearer().get("/api/schema").status_code == 200


@pytest.mark.parametrize("rest", ["1/1/", "1/x/", "999999/1/", "x/1/", "99999999999999999999/1/", "1/%00/", "4/1/"])
def test_view_on_site_is_no_page(client: Client, rest: str) -> None:
    client.raise_request_exception = False
    for person in (None, user("Administrators", is_staff=True), user(is_staff=True, is_superuser=True)):
        if person is not None:
            client.force_login(person)
        assert client.get(f"/admin/r/{rest}").status_code == 404


class TestAdministrators:
    """Of the group, without being superusers: they hand out what they have and nothing more."""

    @pytest.fixture
    def me(self, client: Client) -> User:
        person: User = user("Administrators", is_staff=True)
        client.force_login(person)
        return person

    @staticmethod
    def change(client: Client, person: User, **fields: Any) -> int:
        kept = {
            "username": person.username, "is_active": "on", "is_staff": "on",
            "date_joined_0": "2026-01-01", "date_joined_1": "00:00:00",
            "groups": [group.pk for group in person.groups.all()],
        }  # fmt: skip
        return client.post(f"/admin/auth/user/{person.pk}/change/", {**kept, **fields}).status_code

    def test_make_no_superuser(self, client: Client, me: User) -> None:
        other = user()
        for person in (me, other):
            self.change(client, person, is_superuser="on")
        assert not User.objects.filter(is_superuser=True).exists()
        made = {"username": "new", "password1": "battery-staple-9", "password2": "battery-staple-9"}
        client.post("/admin/auth/user/add/", {**made, "usable_password": "true", "is_superuser": "on"})
        assert not User.objects.get(username="new").is_superuser
        assert self.change(client, other, first_name="Ann") == 302
        other.refresh_from_db()
        assert (other.first_name, other.is_superuser) == ("Ann", False)

    def test_touch_no_superuser(self, client: Client, me: User) -> None:
        root = user(is_superuser=True, is_staff=True)
        before = User.objects.get(pk=root.pk)
        page = f"/admin/auth/user/{root.pk}"
        new = {"password1": "battery-staple-9", "password2": "battery-staple-9", "usable_password": "true"}
        assert client.post(f"{page}/password/", {**new, "set-password": "x"}).status_code == 403
        assert client.post(f"{page}/delete/", {"post": "yes"}).status_code == 403
        assert self.change(client, root, is_active="") == 403
        many = {"action": "delete_selected", "_selected_action": [root.pk], "post": "yes"}
        client.post("/admin/auth/user/", many)
        after = User.objects.get(pk=root.pk)
        assert (after.password, after.is_active) == (before.password, True)
        assert client.get(f"{page}/change/").status_code == 200  # to be looked at

    def test_give_no_permission_that_they_lack(self, client: Client, me: User) -> None:
        foreign = Permission.objects.get(codename="delete_session")
        assert not me.has_perm("sessions.delete_session")
        strong = Group.objects.create(name="Strong")
        strong.permissions.add(foreign)
        other = user()
        assert self.change(client, other, groups=[strong.pk]) == 200  # refused by the form
        assert self.change(client, other, user_permissions=[foreign.pk]) == 200
        mine = Group.objects.get(name="Administrators")
        body = {"name": mine.name, "permissions": [foreign.pk, *mine.permissions.values_list("pk", flat=True)]}
        assert client.post(f"/admin/auth/group/{mine.pk}/change/", body).status_code == 200
        assert client.post("/admin/auth/group/add/", {"name": "More", "permissions": [foreign.pk]}).status_code == 200
        assert client.post(f"/admin/auth/group/{strong.pk}/change/", {"name": "Weak"}).status_code == 403
        assert not Permission.objects.filter(group__user=other).exists()
        assert not mine.permissions.filter(pk=foreign.pk).exists()
        above = user()
        above.user_permissions.add(foreign)
        assert client.get(f"/admin/auth/user/{above.pk}/password/").status_code == 403

    def test_still_make_uploaders_and_administrators(self, client: Client, me: User) -> None:
        other = user()
        groups = [group.pk for group in Group.objects.filter(name__in=["Uploaders", "Administrators"])]
        assert self.change(client, other, groups=groups) == 302
        assert other.groups.count() == 2

    def test_superusers_still_do_everything(self, client: Client) -> None:
        client.force_login(user(is_superuser=True, is_staff=True))
        other = user()
        assert self.change(client, other, is_superuser="on") == 302
        other.refresh_from_db()
        assert other.is_superuser


def test_links_of_the_admin_lead_somewhere(client: Client) -> None:
    client.force_login(user(is_superuser=True, is_staff=True))
    assert reverse("admin:password_change") in client.get("/admin/").content.decode()
    assert client.get(reverse("admin:password_change"), follow=True).status_code == 200
