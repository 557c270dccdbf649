"""Nobody gets past a limit: not by a header, not by many requests at once, not by another way to the same thing."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from ipaddress import ip_network
from uuid import uuid4

import pytest
from django.contrib.auth import get_user_model
from django.core.files.uploadedfile import SimpleUploadedFile
from django.db import connection
from django.test import Client, RequestFactory
from pytest_django import Settings

from apps.core.addresses import address_group, client_address
from apps.core.exceptions import TooMany
from apps.core.limits import Bucket, limit_forget, limit_give_back, limit_take, limits_purge
from apps.core.models import Allowance
from tests.apps.people import imported, user
from vsearch import env

PROXY = "10.1.0.9"


@pytest.fixture
def behind_proxies(settings: Settings) -> None:
    settings.TRUSTED_PROXIES = [ip_network("10.1.0.0/24"), ip_network("fd00::/8")]


def address(peer: str, forwarded: str | None = None, **more: str) -> str:
    headers = {} if forwarded is None else {"HTTP_X_FORWARDED_FOR": forwarded}
    return client_address(RequestFactory().get("/", REMOTE_ADDR=peer, **headers, **more))


@pytest.mark.parametrize("forwarded", ["6.6.6.6", "6.6.6.6, 10.1.0.9", "::1", "", "nonsense"])
def test_nobody_chooses_an_address_by_a_header(settings: Settings, forwarded: str) -> None:
    assert settings.TRUSTED_PROXIES == []
    assert address("192.0.2.1", forwarded) == "192.0.2.1"
    settings.TRUSTED_PROXIES = [ip_network("10.1.0.0/24")]
    assert address("192.0.2.1", forwarded) == "192.0.2.1"


@pytest.mark.usefixtures("behind_proxies")
@pytest.mark.parametrize(
    ("forwarded", "client"),
    [
        ("192.0.2.1", "192.0.2.1"),
        ("6.6.6.6, 192.0.2.1", "192.0.2.1"),  # what the client wrote stands left of what the proxy saw
        ("10.1.0.5, 192.0.2.1", "192.0.2.1"),
        ("192.0.2.1, 10.1.0.5, fd00::1", "192.0.2.1"),  # a chain of our proxies
        ("6.6.6.6, 192.0.2.1, 10.1.0.5", "192.0.2.1"),
        ("nonsense", PROXY),
        ("6.6.6.6, nonsense", PROXY),
        ("", PROXY),
        ("192.0.2.1:4711", "192.0.2.1"),
        ("[2001:db8::1]:4711", "2001:db8::1"),
        ("2001:db8::1", "2001:db8::1"),
        ("::ffff:192.0.2.1", "192.0.2.1"),
        ("10.1.0.1, 10.1.0.2", "10.1.0.1"),
    ],
)
def test_behind_a_proxy_the_hop_that_it_saw_counts(forwarded: str, client: str) -> None:
    assert address(PROXY, forwarded) == client
    assert address(f"::ffff:{PROXY}", forwarded) == client


@pytest.mark.usefixtures("behind_proxies")
def test_other_headers_say_nothing() -> None:
    told = {"HTTP_X_REAL_IP": "6.6.6.6", "HTTP_FORWARDED": "for=6.6.6.6", "HTTP_CLIENT_IP": "6.6.6.6"}
    assert address(PROXY, None, **told) == PROXY
    assert address("", None) == "unknown"


def test_a_network_of_ipv6_addresses_counts_as_one() -> None:
    assert address_group("2001:db8:1:2::1") == address_group("2001:db8:1:2:ffff::9") == "2001:db8:1:2::/64"
    assert address_group("2001:db8:1:3::1") != address_group("2001:db8:1:2::1")
    assert (address_group("192.0.2.1"), address_group("nonsense")) == ("192.0.2.1", "unknown")


@pytest.mark.parametrize("value", ["10.0.0.1/8", "example.org", "10.0.0.1,x"])
def test_a_proxy_that_is_none_ends_the_start(monkeypatch: pytest.MonkeyPatch, value: str) -> None:
    monkeypatch.setenv("VSEARCH_TRUSTED_PROXIES", value)
    with pytest.raises(env.EnvironmentProblem, match="VSEARCH_TRUSTED_PROXIES"):
        env.networks("VSEARCH_TRUSTED_PROXIES")


def test_limits_are_read_and_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    assert [env.rate("NONE", value) for value in ("600/min", "8/15min", "3 / h", "none")] == [
        (600, 60.0), (8, 900.0), (3, 3600.0), None,
    ]  # fmt: skip
    for value in ("0/min", "5", "5/0s", "-1/min", "5/week", "1e9/s"):
        with pytest.raises(env.EnvironmentProblem):
            env.rate("NONE", value)


@pytest.fixture
def three(settings: Settings, db: None) -> Bucket:
    settings.LIMITS = {**settings.LIMITS, "work": (3, 3600.0)}
    return Bucket("work", "somebody")


def taken(bucket: Bucket, times: int) -> int:
    passed = 0
    for _ in range(times):
        try:
            limit_take(bucket)
        except TooMany:
            continue
        passed += 1
    return passed


def test_a_bucket_empties_and_refills(three: Bucket) -> None:
    assert taken(three, 10) == 3
    with pytest.raises(TooMany) as refused:
        limit_take(three)
    assert 1100 < refused.value.wait <= 1200
    with connection.cursor() as cursor:
        cursor.execute("UPDATE core_allowance SET full_at = full_at - interval '20 minutes'")
    assert taken(three, 10) == 1
    limit_give_back(three)
    assert taken(three, 10) == 1
    limit_forget(three)
    assert taken(three, 10) == 3


def test_of_two_buckets_a_refusal_takes_none(three: Bucket) -> None:
    other = Bucket("work", "somebody else")
    assert taken(three, 3) == 3
    for _ in range(5):
        with pytest.raises(TooMany):
            limit_take(other, three)
    assert taken(other, 10) == 3


def test_a_clock_that_is_set_back_locks_nobody_out_for_longer_than_a_window(three: Bucket) -> None:
    Allowance.objects.create(key="work somebody", full_at="2999-01-01T00:00:00Z")
    with pytest.raises(TooMany) as refused:
        limit_take(three)
    assert refused.value.wait <= 3600


def test_full_buckets_are_removed(three: Bucket) -> None:
    taken(three, 1)
    assert limits_purge() == 0
    Allowance.objects.update(full_at="2020-01-01T00:00:00Z")
    assert (limits_purge(), Allowance.objects.count()) == (1, 0)


def at_once(act: Callable[[int], int], times: int) -> list[int]:
    def one(number: int) -> int:
        try:
            return act(number)
        finally:
            connection.close()

    with ThreadPoolExecutor(16) as pool:
        return list(pool.map(one, range(times)))


@pytest.fixture
def examined(monkeypatch: pytest.MonkeyPatch) -> Iterator[list[str]]:
    """Every password that was compared."""
    seen: list[str] = []
    check = get_user_model().check_password

    def counted(self: object, password: str) -> bool:
        seen.append(password)
        return check(self, password)  # type: ignore[arg-type]

    monkeypatch.setattr(get_user_model(), "check_password", counted)
    return seen


@pytest.mark.django_db(transaction=True)
@pytest.mark.parametrize("page", ["/accounts/login", "/admin/login/"])
def test_of_guesses_at_once_no_more_than_the_limit_are_examined(examined: list[str], page: str) -> None:
    name = user(is_staff=True).username

    def guess(number: int) -> int:
        forged = {"HTTP_X_FORWARDED_FOR": f"6.6.6.{number}"}
        body = {"username": name, "password": f"guess {number}"}
        return Client(REMOTE_ADDR="192.0.2.7", **forged).post(page, body).status_code

    codes = at_once(guess, 32)
    assert (codes.count(200), codes.count(429), len(examined)) == (8, 24, 8)


@pytest.mark.django_db(transaction=True)
def test_the_old_password_is_not_guessed_at_the_change_of_it(examined: list[str]) -> None:
    person = user()

    def guess(number: int) -> int:
        client = Client()
        client.force_login(person)
        new = {"new_password1": "battery-staple-9", "new_password2": "battery-staple-9"}
        page = "/accounts/password" if number % 2 else "/admin/password_change/"
        answer = client.post(page, {"old_password": f"guess {number}", **new})
        return (
            client.post(answer["Location"], {"old_password": "x", **new}).status_code
            if number % 2 == 0
            else answer.status_code
        )

    codes = at_once(guess, 24)
    assert (codes.count(200), codes.count(429), len(examined)) == (8, 16, 8)
    other_way = Client()
    other_way.force_login(person)
    assert other_way.post("/admin/password_change/", {"old_password": "x"})["Location"] == "/accounts/password"


@pytest.mark.django_db
def test_a_password_change_that_must_wait_says_how_long(client: Client, settings: Settings) -> None:
    settings.LIMITS = {**settings.LIMITS, "password": (1, 900.0)}
    client.force_login(user())
    new = {"new_password1": "battery-staple-9", "new_password2": "battery-staple-9"}
    client.post("/accounts/password", {"old_password": "wrong", **new})
    refused = client.post("/accounts/password", {"old_password": "right horse", **new})
    assert refused.status_code == 429
    assert 800 < int(refused["Retry-After"]) <= 900
    assert "Too many wrong passwords. Try again in 15 minutes." in refused.content.decode()


@pytest.mark.django_db
@pytest.mark.usefixtures("behind_proxies")
def test_people_behind_the_proxy_do_not_share_an_address(client: Client) -> None:
    person = user()

    def log_in(password: str, of: str) -> int:
        body = {"username": person.username, "password": password}
        return client.post("/accounts/login", body, REMOTE_ADDR=PROXY, HTTP_X_FORWARDED_FOR=of).status_code

    assert [log_in("wrong", "192.0.2.66") for _ in range(9)] == [200] * 8 + [429]
    assert log_in("right horse", "192.0.2.1") == 302


def ask_on_page(client: Client) -> int:
    return client.post("/find", {"file": SimpleUploadedFile("letter.pdf", b"x")}).status_code


def ask_on_api(client: Client) -> int:
    return client.post(
        "/api/v1/lookups", json.dumps({"video_id": str(uuid4())}), content_type="application/json"
    ).status_code


@pytest.mark.django_db
@pytest.mark.parametrize("signed_in", [False, True])
def test_the_form_and_the_api_of_find_by_video_share_a_limit(settings: Settings, signed_in: bool) -> None:
    settings.PUBLIC_SEARCH = True
    settings.LIMITS = {**settings.LIMITS, "lookup": (2, 60.0)}
    person = user()

    def fresh() -> Client:
        client = Client(HTTP_X_FORWARDED_FOR=str(uuid4()))  # no cookie, another header: the same visitor
        if signed_in:
            client.force_login(person)
        return client

    assert [ask_on_page(fresh()), ask_on_api(fresh()), ask_on_page(fresh()), ask_on_api(fresh())] == [
        415,
        404,
        429,
        429,
    ]
    assert fresh().get("/find").status_code == 200


@pytest.mark.django_db
def test_a_list_that_loads_more_says_why_it_does_not(client: Client, settings: Settings) -> None:
    settings.PUBLIC_SEARCH, settings.LIMITS = True, {**settings.LIMITS, "search": (1, 60.0)}
    client.get("/?q=dog")
    refused = client.get("/?q=dog&cursor=x", headers={"HX-Request": "true", "HX-Target": "more"})
    assert refused.status_code == 429
    assert "Try again in" in refused.content.decode() and b"<html" not in refused.content


COSTS = [
    ("search", "GET", "/?q=dog"),
    ("search", "GET", "/similar?video={video}"),
    ("search", "GET", "/videos?text=dog"),
    ("search", "GET", "/videos/{video}?q=dog"),
    ("search", "GET", "/find?text=dog"),
    ("search", "GET", "/training/versions/{video}/compare?q=dog"),
    ("search", "GET", "/api/v1/search?q=dog"),
    ("search", "POST", "/api/v1/search"),
    ("search", "GET", "/api/v1/videos?text=dog"),
    ("search", "GET", "/api/v1/videos/{video}/similar"),
    ("search", "GET", "/api/v1/videos/{video}/moments?q=dog"),
    ("search", "GET", "/api/v1/model-versions/{video}/compare?q=dog"),
    ("lookup", "POST", "/find"),
    ("lookup", "POST", "/api/v1/lookups"),
    ("upload", "POST", "/api/v1/uploads"),
    ("feedback", "POST", "/feedback"),
    ("feedback", "POST", "/api/v1/feedback"),
    ("token", "POST", "/accounts/tokens"),
    ("token", "POST", "/api/v1/tokens"),
    ("password", "POST", "/accounts/password"),
    ("login", "POST", "/accounts/login"),
    ("login", "POST", "/admin/login/"),
    ("training", "POST", "/training/datasets/new"),
    ("training", "POST", "/training/runs/new"),
    ("training", "POST", "/training/runs/{video}/start"),
    ("training", "POST", "/training/versions/{video}/promote"),
    ("training", "POST", "/api/v1/training-datasets"),
    ("training", "POST", "/api/v1/training-runs"),
    ("training", "POST", "/api/v1/training-runs/{video}/start"),
    ("work", "POST", "/videos/{video}"),
    ("work", "POST", "/duplicates/scan"),
    ("work", "POST", "/duplicates/clusters"),
    ("work", "POST", "/duplicates/pairs/{video}/picture"),
    ("work", "POST", "/api/v1/duplicate-scans"),
    ("work", "POST", "/api/v1/videos/{video}/retry"),
    ("work", "PATCH", "/api/v1/videos/{video}"),
]


@pytest.mark.django_db
@pytest.mark.parametrize(("limit", "method", "page"), COSTS, ids=lambda value: str(value))
def test_everything_that_costs_has_a_limit(settings: Settings, tmp_path, limit: str, method: str, page: str) -> None:  # type: ignore[no-untyped-def]
    settings.LIMITS = {**settings.LIMITS, limit: (1, 900.0)}
    client = Client(raise_request_exception=False)
    person = user(is_superuser=True, is_staff=True)
    if limit != "login":
        client.force_login(person)
    video = imported(tmp_path)
    form = {"username": person.username, "password": "x", "old_password": "x"} if limit in {"login", "password"} else {}
    answers = []
    for _ in range(2):
        kind = {"content_type": "application/json"} if page.startswith("/api/") else {}
        send = client.get if method == "GET" else client.post if method == "POST" else client.patch
        answers.append(send(page.format(video=video.id), form or None, **kind))  # type: ignore[arg-type]
    first, second = answers
    assert first.status_code != 429
    assert (second.status_code, 0 < int(second["Retry-After"]) <= 900) == (429, True)
    expected = "application/problem+json" if page.startswith("/api/") else "text/html; charset=utf-8"
    assert second["Content-Type"] == expected
    assert "Try again in" in second.content.decode()
