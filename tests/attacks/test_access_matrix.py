"""Every address against every kind of visitor. An address that is not in this table fails: decide who gets in."""

from __future__ import annotations

from collections.abc import Iterator
from functools import cache
from pathlib import Path
from typing import Any
from uuid import uuid4

import pytest
from django.contrib.auth.models import User
from django.core.files.uploadedfile import SimpleUploadedFile
from django.db import transaction
from django.test import Client
from django.urls import get_resolver
from django.urls.resolvers import URLPattern, URLResolver
from pytest_django import Settings

from apps.accounts.tokens import token_create
from apps.core.models import Job
from apps.duplicates.models import Lookup
from tests.apps.people import imported, user

pytestmark = pytest.mark.django_db

GROUPS = ("Uploaders", "Reviewers", "Trainers", "Administrators")
# Kind of visitor -> what it may. Names of tokens say the scope; their owner is in all groups.
ROLES: dict[str, set[str]] = {
    "visitor": set(),
    "visitor where search is public": {"look"},
    "person": {"look", "person"},
    "uploader": {"look", "person", "upload"},
    "reviewer": {"look", "person", "review"},
    "trainer": {"look", "person", "train"},
    "administrator": {"look", "person", "upload", "train", "administer", "edit", "review"},
    "staff": {"look", "person", "staff"},
    "superuser": {"look", "person", "upload", "review", "train", "administer", "edit", "staff", "model pages"},
    "token read": {"look", "token"},
    "token upload": {"look", "token", "upload"},
    "token review": {"look", "token", "review"},
    "token train": {"look", "token", "train"},
    "token administer": {"look", "token", "administer", "edit"},
}
# "GET look" on a line of pages: visitors are sent to the login, people without the right get 403. Media answer 403
# instead of a page, the API 401. "anybody" is for everybody, "person" only for a login, never for a token.
PAGES = """
favicon.ico                                          GET anybody
healthz                                              GET anybody
readyz                                               GET anybody
metrics                                              GET anybody
jobs                                                 GET person
jobs/list                                            GET person
/                                                    GET look
feedback                                             POST look
similar                                              GET look
videos                                               GET look
videos/progress                                      GET look
upload                                               GET upload
videos/<uuid:video_id>                               GET look     POST edit
videos/<uuid:video_id>/status                        GET look
find                                                 GET look     POST look
find/<uuid:lookup_id>                                GET look
find/<uuid:lookup_id>/status                         GET look
find/<uuid:lookup_id>/add                            POST upload
find/<uuid:lookup_id>/pictures/<uuid:video_id>       GET look
duplicates                                           GET review
duplicates/identical                                 GET review
duplicates/identical.csv                             GET review
duplicates/scan                                      POST administer
duplicates/scan/status                               GET review
duplicates/clusters                                  GET administer  POST administer
duplicates/clusters/<uuid:run_id>                    GET administer
duplicates/pairs/<uuid:match_id>/picture             GET review   POST review
duplicates/<uuid:group_id>                           GET review   POST review
training/                                            GET train
training/datasets/new                                GET train    POST train
training/datasets/<uuid:dataset_id>                  GET train
training/datasets/<uuid:dataset_id>/status           GET train
training/datasets/<uuid:dataset_id>/guard            POST train
training/datasets/<uuid:dataset_id>/delete           POST train
training/runs/new                                    GET train    POST train
training/runs/estimate                               GET train
training/runs/<uuid:run_id>                          GET train
training/runs/<uuid:run_id>/status                   GET train
training/runs/<uuid:run_id>/<slug:action>            POST train
training/versions/<uuid:version_id>                  GET train
training/versions/<uuid:version_id>/compare          GET train
training/versions/<uuid:version_id>/promote          POST train
training/versions/<uuid:version_id>/roll-back        POST train
accounts/login                                       GET anybody  POST anybody
accounts/logout                                      POST anybody
accounts/password                                    GET person   POST person
accounts/tokens                                      GET person   POST person
accounts/tokens/<uuid:token_id>/revoke               POST person
"""
MEDIA = """
videos/<uuid:video_id>/stream                                GET look
videos/<uuid:video_id>/poster.jpg                            GET look
videos/<uuid:video_id>/thumbs/<int:milliseconds>.jpg         GET look
videos/<uuid:video_id>/storyboard.vtt                        GET look
videos/<uuid:video_id>/sprite.jpg                            GET look
videos/<uuid:video_id>/sprite-<int:number>.jpg               GET look
videos/<uuid:video_id>/subtitles-<int:track>.vtt             GET look
find/<uuid:lookup_id>/stream                                 GET look
find/<uuid:lookup_id>/pictures/<uuid:video_id>.png           GET look
duplicates/pairs/<uuid:match_id>/picture.png                 GET review
"""
API = """
api/schema                                               GET look
api/v1/search                                            GET look      POST look
api/v1/videos/<uuid:video_id>/similar                    GET look
api/v1/feedback                                          POST look
api/v1/lookups                                           POST look
api/v1/lookups/<uuid:lookup_id>                          GET look      DELETE look
api/v1/lookups/<uuid:lookup_id>/add                      POST upload
api/v1/duplicate-groups                                  GET review
api/v1/duplicate-groups/<uuid:group_id>                  GET review
api/v1/duplicate-groups/<uuid:group_id>/resolve          POST review
api/v1/identical-files                                   GET review
api/v1/pair-verdicts                                     GET review    POST review
api/v1/decisions/<int:decision_id>/undo                  POST review
api/v1/duplicate-scans                                   POST administer
api/v1/duplicate-scans/latest                            GET review
api/v1/videos                                            GET look
api/v1/videos/<uuid:video_id>                            GET look      PATCH edit      DELETE edit
api/v1/videos/<uuid:video_id>/retry                      POST edit
api/v1/videos/<uuid:video_id>/cancel                     POST edit
api/v1/videos/<uuid:video_id>/moments                    GET look
api/v1/videos/<uuid:video_id>/storyboard.vtt             GET look
api/v1/uploads                                           POST upload
api/v1/uploads/<uuid:upload_id>                          GET look      HEAD look  PATCH look  DELETE look
api/v1/jobs                                              GET upload
api/v1/jobs/<uuid:job_id>                                GET upload
api/v1/jobs/<uuid:job_id>/cancel                         POST edit
api/v1/jobs/<uuid:job_id>/retry                          POST edit
api/v1/tokens                                            GET person    POST person
api/v1/tokens/<uuid:token_id>                            DELETE person
api/v1/training-datasets                                 GET train     POST train
api/v1/training-datasets/<uuid:dataset_id>               GET train     DELETE train
api/v1/training-recipes                                  GET train
api/v1/training-runs                                     GET train     POST train
api/v1/training-runs/<uuid:run_id>                       GET train     DELETE train
api/v1/training-runs/<uuid:run_id>/<slug:action>         POST train
api/v1/model-versions                                    GET look
api/v1/model-versions/<uuid:version_id>                  GET train     DELETE administer
api/v1/model-versions/<uuid:version_id>/compare          GET train
api/v1/model-versions/<uuid:version_id>/promote          POST train
api/v1/model-versions/<uuid:version_id>/roll-back        POST train
api/^.*$                                                 GET anybody   POST anybody
"""
# Below admin/ each page is for staff with the permission of its model; these are for others.
ADMIN = {
    "admin/login/": "anybody",
    "admin/logout/": "anybody",
    "admin/password_change/": "anybody",
    "admin/r/<path:rest>": "anybody",
    "admin/r/<path:content_type_id>/<path:object_id>/": "anybody",
    "admin/": "staff",
    "admin/password_change/done/": "staff",
    "admin/jsi18n/": "staff",
    "admin/(?P<url>.*)$": "staff",
}
METHODS = ("GET", "HEAD", "POST", "PUT", "PATCH", "DELETE")


def routes(patterns: list[Any] | None = None, before: str = "") -> Iterator[str]:
    for pattern in get_resolver().url_patterns if patterns is None else patterns:
        route = before + str(pattern.pattern)
        if isinstance(pattern, URLResolver):
            yield from routes(pattern.url_patterns, route)
        else:
            assert isinstance(pattern, URLPattern)
            yield route


@cache
def table() -> dict[str, tuple[str, dict[str, str]]]:
    """Route -> (what it is, method -> right)."""
    rows = {}
    for kind, text in (("page", PAGES), ("media", MEDIA), ("api", API)):
        for line in text.strip().splitlines():
            route, *words = line.split()
            key = "" if route == "/" else route
            rows[key] = (kind, dict(zip(*[iter(words)] * 2, strict=True)))
    return rows


def test_every_address_has_a_decision() -> None:
    known = set(table())
    there = {route for route in routes() if not route.startswith("admin/")}
    assert there - known == set(), "decide in the tables of this file who may open these"
    assert known - there == set(), "these are gone"


def allowed(right: str, role: str) -> bool:
    rights = ROLES[role]
    return right == "anybody" or right in rights


def expected(kind: str, right: str, role: str) -> str:
    token = role.startswith("token")
    if kind == "page" and token:  # a token opens no page
        return "in" if right == "anybody" else "login"
    if allowed(right, role):
        return "in"
    if kind == "api" and right == "person" and (token or role.startswith("visitor")):
        return "no"  # tokens are made by people who are logged in, by nobody else
    if role.startswith("visitor"):
        return {"page": "login", "media": "no", "api": "login"}[kind]
    return "no"


def outcome(answer: Any) -> str:
    if answer.status_code == 401 or "/login" in answer.get("Location", ""):
        return "login"
    if answer.status_code == 403:
        return "no"
    return "in" if answer.status_code < 500 or answer.status_code == 503 else f"error {answer.status_code}"


class Asking:
    """One kind of visitor, before rows of somebody else's; whatever a request changes is taken back."""

    def __init__(self, role: str, folder: Path) -> None:
        self.headers: dict[str, str] = {}
        self.client = Client(raise_request_exception=False)
        video = imported(folder)
        person = None if role.startswith("visitor") else self.account(role)
        if role.startswith("token") and person is not None:
            _, token = token_create(user=person, name="t", scopes=[role.split()[1]])
            self.headers = {"Authorization": f"Bearer {token}"}
        elif person is not None:
            self.client.force_login(person)
        lookup = Lookup.objects.create(
            video=video,
            owner=person,
            session_key="" if person else "x",
            expires_at="2999-01-01T00:00:00Z",
            state="done",
        )
        job = Job.objects.filter(subject_id=video.id).earliest("created_at")
        self.ids = {"video_id": video.id, "lookup_id": lookup.id, "job_id": job.id}
        self.cookies = self.client.cookies.copy()

    @staticmethod
    def account(role: str) -> User:
        if role in {"staff", "superuser"}:
            return user(is_staff=True, is_superuser=role == "superuser")
        groups = {"person": (), "administrator": ("Administrators", "Reviewers")}
        return user(*(GROUPS if role.startswith("token") else groups.get(role, (f"{role.capitalize()}s",))))

    def address(self, route: str) -> str:
        parts = []
        for part in route.replace("^.*$", "nowhere").split("<"):
            converter, end, rest = part.partition(">")
            kind, _, name = converter.partition(":")
            value = self.ids.get(name) or {"int": 1, "slug": "start", "path": "1/1/"}.get(kind, uuid4())
            parts.append(f"{value}{rest}" if end else part)
        return "/" + "".join(parts)

    def __call__(self, method: str, route: str) -> str:
        headers, kind, body = dict(self.headers), "application/json", b"" if method in {"GET", "HEAD"} else b"{}"
        if route == "api/v1/uploads":
            headers |= {"Upload-Length": "9", "Upload-Metadata": "filename YS5tcDQ="}
        with transaction.atomic():
            self.client.cookies = self.cookies.copy()
            if method == "POST" and not route.startswith("api/"):
                file = {"file": SimpleUploadedFile("letter.pdf", b"x")} if route == "find" else {}
                answer = self.client.post(self.address(route), file, headers=headers)
            else:
                answer = self.client.generic(method, self.address(route), body, kind, headers=headers)
            found = outcome(answer)
            transaction.set_rollback(True)
        return found


@pytest.fixture
def unlimited(settings: Settings) -> None:
    settings.LIMITS = dict.fromkeys(settings.LIMITS)


@pytest.mark.usefixtures("unlimited")
@pytest.mark.parametrize("role", ROLES)
def test_every_address_lets_in_whom_it_should(role: str, settings: Settings, tmp_path: Path) -> None:
    settings.PUBLIC_SEARCH = role == "visitor where search is public"
    ask = Asking(role, tmp_path)
    wrong = []
    for route, (kind, rights) in table().items():
        for method, right in rights.items():
            wanted, found = expected(kind, right, role), ask(method, route)
            if found != wanted:
                wrong.append(f"{method} {route}: {found} instead of {wanted}")
    assert wrong == []


@pytest.mark.usefixtures("unlimited")
@pytest.mark.parametrize("role", ["visitor", "person", "administrator", "staff", "superuser", "token administer"])
def test_the_admin_is_for_staff(role: str, tmp_path: Path) -> None:
    ask = Asking(role, tmp_path)
    wrong = []
    for route in dict.fromkeys(route for route in routes() if route.startswith("admin/")):
        right = ADMIN.get(route, "model pages")
        staff = role in {"staff", "superuser"}
        wanted = "in" if right == "anybody" or right in ROLES[role] else "no" if staff else "login"
        address = (
            route.replace("<path:object_id>", str(uuid4())).replace("<id>", "0").replace("(?P<url>.*)$", "nowhere")
        )
        address = address.replace(
            "^(?P<app_label>core|accounts|auth|videos|embeddings|search|duplicates|training)/$", "core/"
        )
        found = ask("GET", address)
        # Pages that nobody may add or change rows on stay closed to superusers as well; an id of nobody is not found.
        if found != wanted and not (wanted in {"in", "no"} and staff and found in {"in", "no"}):
            wrong.append(f"{route}: {found} instead of {wanted}")
        if role == "staff" and right == "model pages" and route.count("/") == 3 and found != "no":
            wrong.append(f"{route}: open to staff without a permission")
    assert wrong == []


@pytest.mark.usefixtures("unlimited")
def test_methods_that_nobody_decided_on_do_nothing(tmp_path: Path) -> None:
    """405 for a superuser, or what the page answers to GET: never a fault."""
    ask = Asking("superuser", tmp_path)
    wrong = [
        f"{method} {route}"
        for route, (_kind, rights) in table().items()
        for method in METHODS
        if method not in rights and ask(method, route).startswith("error")
    ]
    assert wrong == []
