from __future__ import annotations

from datetime import timedelta
from io import StringIO
from pathlib import Path

import pytest
from django.conf import settings
from django.contrib.auth import get_user_model
from django.core.management import CommandError, call_command
from django.db.models import F
from django.test import Client

from apps.accounts.throttling import password_guess
from apps.core.exceptions import TooMany
from apps.core.models import Allowance
from tests.apps.people import user

pytestmark = pytest.mark.django_db
TRIES, WINDOW = settings.LIMITS["login"]


def log_in(client: Client, name: str, password: str, address: str = "10.0.0.1", page: str = "/accounts/login") -> int:
    return client.post(page, {"username": name, "password": password}, REMOTE_ADDR=address).status_code


def test_login_and_logout(client: Client) -> None:
    person = user()
    assert log_in(client, person.username, "right horse") == 302
    assert client.get("/accounts/tokens").status_code == 200
    assert client.get("/accounts/logout").status_code == 405
    assert client.post("/accounts/logout").status_code == 302
    assert client.get("/accounts/tokens").status_code == 302


@pytest.mark.parametrize("page", ["/accounts/login", "/admin/login/"])
def test_after_too_many_wrong_passwords_the_right_one_must_wait(client: Client, page: str) -> None:
    person = user(is_staff=True)
    for _ in range(TRIES):
        assert log_in(client, person.username, "wrong", page=page) == 200
    refused = client.post(
        "/accounts/login", {"username": person.username.upper(), "password": "right horse"}, REMOTE_ADDR="10.0.0.1"
    )
    assert refused.status_code == 429
    assert 0 < int(refused["Retry-After"]) <= WINDOW
    assert "Too many failed logins" in refused.content.decode()
    assert client.get("/accounts/tokens").status_code == 302


def test_the_owner_of_the_account_still_gets_in_from_another_address(client: Client) -> None:
    person = user()
    for _ in range(TRIES):
        log_in(client, person.username, "wrong", "10.0.0.66")
    assert log_in(client, person.username, "right horse", "10.0.0.1") == 302


def test_many_names_from_one_address_are_stopped() -> None:
    for number in range(settings.LIMITS["login_address"][0]):
        password_guess(username=f"name{number}", address="10.0.0.66")
    with pytest.raises(TooMany):
        password_guess(username="another", address="10.0.0.66")
    password_guess(username="another", address="10.0.0.1")


def test_failures_are_forgotten_after_the_window_and_after_a_right_password(client: Client) -> None:
    person = user()
    for _ in range(TRIES):
        log_in(client, person.username, "wrong")
    Allowance.objects.update(full_at=F("full_at") - timedelta(seconds=WINDOW))
    for _ in range(TRIES):
        assert log_in(client, person.username, "wrong") == 200
    Allowance.objects.update(full_at=F("full_at") - timedelta(seconds=WINDOW))
    assert log_in(client, person.username, "right horse") == 302
    assert not Allowance.objects.filter(key__startswith="login ").exists()


def test_logins_that_succeed_cost_nothing(client: Client) -> None:
    person = user()
    assert {log_in(Client(), person.username, "right horse") for _ in range(TRIES + 40)} == {302}


def test_no_name_is_stored_in_clear(client: Client) -> None:
    log_in(client, "my-password-in-the-wrong-field", "x")
    assert Allowance.objects.count() == 3
    assert not Allowance.objects.filter(key__contains="my-password").exists()


def test_the_password_can_be_changed(client: Client) -> None:
    person = user()
    client.force_login(person)
    new = {"old_password": "right horse", "new_password1": "battery-staple-9", "new_password2": "battery-staple-9"}
    assert client.post("/accounts/password", new).status_code == 302
    assert log_in(Client(), person.username, "battery-staple-9") == 302


def test_login_needs_the_csrf_token() -> None:
    assert log_in(Client(enforce_csrf_checks=True), "a", "b") == 403


def create_admin(*flags: str) -> str:
    out = StringIO()
    call_command("create_admin", *flags, stdout=out)
    return out.getvalue()


def test_the_first_admin_gets_a_password_that_works_and_is_shown_once(client: Client) -> None:
    said = create_admin()
    password = said.split("password: ")[1].split()[0]
    assert len(password) >= 20
    assert log_in(client, "admin", password) == 302
    assert client.get("/admin/").status_code == 200
    again = create_admin()
    assert "already: admin" in again
    assert password not in again
    assert get_user_model().objects.count() == 1


def test_the_password_may_come_from_a_file(client: Client, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    (tmp_path / "secret").write_text("correct-battery\n")
    monkeypatch.setenv("VSEARCH_ADMIN_PASSWORD_FILE", str(tmp_path / "secret"))
    assert "correct-battery" not in create_admin("--username", "boss")
    assert log_in(client, "boss", "correct-battery") == 302


def test_an_ordinary_account_is_not_made_an_admin() -> None:
    person = user()
    with pytest.raises(CommandError, match="is not an administrator"):
        create_admin("--username", person.username)
