from __future__ import annotations

from typing import Any

from django import forms
from django.contrib.admin.forms import AdminAuthenticationForm
from django.contrib.auth.forms import AuthenticationForm
from django.core.exceptions import ValidationError

from apps.accounts import throttling


class ThrottledLogin(AuthenticationForm):
    """Refuses to look at a password after too many wrong ones; ``wait_seconds`` tells the view."""

    wait_seconds = 0

    def clean(self) -> dict[str, Any]:
        username = self.cleaned_data.get("username") or ""
        address = self.request.META.get("REMOTE_ADDR", "") if self.request else ""
        self.wait_seconds = throttling.seconds_to_wait(username=username, address=address)
        if self.wait_seconds:
            minutes = -(-self.wait_seconds // 60)
            unit = "minute" if minutes == 1 else "minutes"
            raise ValidationError(f"Too many failed logins. Try again in {minutes} {unit}.", code="throttled")
        try:
            cleaned: dict[str, Any] = super().clean()
        except ValidationError:
            throttling.failure_note(username=username, address=address)
            raise
        if self.get_user() is not None:
            throttling.failures_forget(username=username, address=address)
        return cleaned


class LoginForm(ThrottledLogin):
    pass


class AdminLoginForm(ThrottledLogin, AdminAuthenticationForm):
    """The admin site has a login page of its own."""


class NewTokenForm(forms.Form):
    name = forms.CharField(max_length=100, label="What is it for?")
