from __future__ import annotations

import logging
from typing import Any

from django import forms
from django.contrib.admin.forms import AdminAuthenticationForm
from django.contrib.auth.forms import AuthenticationForm, PasswordChangeForm
from django.contrib.auth.models import User
from django.core.exceptions import ValidationError

from apps.accounts.models import Scope
from apps.accounts.throttling import own_password_guess, password_guess
from apps.accounts.tokens import DEFAULT_DAYS, scopes_open_to
from apps.core.addresses import UNKNOWN, client_address
from apps.core.exceptions import TooMany

log = logging.getLogger(__name__)


class ThrottledLogin(AuthenticationForm):
    """Refuses to look at a password after too many wrong ones; ``wait_seconds`` tells the view."""

    wait_seconds = 0

    def clean(self) -> dict[str, Any]:
        username = self.cleaned_data.get("username") or ""
        address = client_address(self.request) if self.request else UNKNOWN
        try:
            right = password_guess(username=username, address=address)
        except TooMany as error:
            log.info("a login from %s was refused: too many wrong passwords", address)
            self.wait_seconds = error.wait
            raise ValidationError(error.message, code="throttled") from error
        cleaned: dict[str, Any] = super().clean()
        if self.get_user() is not None:
            right()
        return cleaned


class LoginForm(ThrottledLogin):
    pass


class AdminLoginForm(ThrottledLogin, AdminAuthenticationForm):
    """The admin site has a login page of its own."""


class ThrottledPasswordChange(PasswordChangeForm):  # type: ignore[type-arg]
    """The old password cannot be guessed more freely than at the login; ``wait_seconds`` tells the view."""

    wait_seconds = 0

    def clean_old_password(self) -> str:
        try:
            right = own_password_guess(self.user)
        except TooMany as error:
            self.wait_seconds = error.wait
            raise ValidationError(error.message, code="throttled") from error
        password: str = super().clean_old_password()
        right()
        return password


class NewTokenForm(forms.Form):
    name = forms.CharField(max_length=100, label="What is it for?")
    days = forms.TypedChoiceField(
        label="Valid for", choices=[(7, "7 days"), (30, "30 days"), (90, "90 days"), (365, "one year")],
        coerce=int, initial=DEFAULT_DAYS,
    )  # fmt: skip
    scopes = forms.MultipleChoiceField(
        label="What else may it do, besides search, watch and look up?",
        widget=forms.CheckboxSelectMultiple,
        required=False,
    )

    def __init__(self, *args: Any, user: User, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        offered = [(scope.value, scope.label) for scope in scopes_open_to(user) if scope != Scope.READ]
        if offered:
            self.fields["scopes"].choices = offered  # type: ignore[attr-defined]
        else:
            del self.fields["scopes"]
