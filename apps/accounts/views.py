from __future__ import annotations

from typing import Any
from uuid import UUID

from django.contrib import admin, messages
from django.contrib.auth import views as auth_views
from django.contrib.auth.decorators import login_required
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.template.response import TemplateResponse
from django.urls import reverse_lazy
from django.utils import timezone
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_http_methods, require_POST

from apps.accounts.forms import LoginForm, NewTokenForm, ThrottledLogin, ThrottledPasswordChange
from apps.accounts.models import ApiToken
from apps.accounts.people import account, session_key_remember
from apps.accounts.throttling import limited
from apps.accounts.tokens import token_create, token_revoke
from apps.core.exceptions import VSearchError


class LoginView(auth_views.LoginView):
    template_name = "accounts/login.html"
    authentication_form = LoginForm
    redirect_authenticated_user = True

    def form_valid(self, form: Any) -> HttpResponse:
        """What the visitor looked up before stays theirs: the session gets a new key at a login."""
        before = self.request.session.session_key
        response = super().form_valid(form)
        session_key_remember(self.request, before)
        return response

    def form_invalid(self, form: Any) -> HttpResponse:
        return _waiting(super().form_invalid(form), form.wait_seconds)


@never_cache
def admin_login(request: HttpRequest) -> HttpResponse:
    """The login page of the admin site, which answers 429 as the other one does."""
    response = admin.site.login(request)
    if not isinstance(response, TemplateResponse):
        return response
    form = (response.context_data or {}).get("form")
    return _waiting(response, form.wait_seconds) if isinstance(form, ThrottledLogin) else response


def _waiting(response: HttpResponse, seconds: int) -> HttpResponse:
    if seconds:
        response.status_code = 429
        response["Retry-After"] = str(seconds)
    return response


class LogoutView(auth_views.LogoutView):
    """POST only, so that no picture on another site logs anybody out."""


class PasswordChangeView(auth_views.PasswordChangeView):
    template_name = "accounts/password_change.html"
    form_class = ThrottledPasswordChange
    success_url = reverse_lazy("accounts:tokens")

    def form_invalid(self, form: Any) -> HttpResponse:
        return _waiting(super().form_invalid(form), form.wait_seconds)

    def form_valid(self, form: Any) -> HttpResponse:
        revoked = ApiToken.objects.filter(user=account(self.request)).count()
        response = super().form_valid(form)
        messages.success(
            self.request,
            "Your password was changed." + (f" Your API tokens ({revoked}) were revoked." if revoked else ""),
        )
        return response


@login_required
@never_cache
@require_http_methods(["GET", "HEAD", "POST"])
@limited("token", "POST")
def tokens_page(request: HttpRequest) -> HttpResponse:
    """The list; a POST makes a token and shows it on this one answer only."""
    user = account(request)
    form = NewTokenForm(request.POST if request.method == "POST" else None, user=user)
    new_token = ""
    if form.is_bound and form.is_valid():
        wanted = form.cleaned_data
        try:
            _, new_token = token_create(
                user=user, name=wanted["name"], scopes=wanted.get("scopes", ()), days=wanted["days"]
            )
            form = NewTokenForm(user=user)
        except VSearchError as error:
            form.add_error("name", error.message)
    context = {
        "form": form,
        "tokens": ApiToken.objects.filter(user=user),
        "new_token": new_token,
        "now": timezone.now(),
    }
    return render(request, "accounts/tokens.html", context, status=400 if form.errors else 200)


@login_required
@require_POST
def token_revoke_page(request: HttpRequest, token_id: UUID) -> HttpResponse:
    try:
        token_revoke(user=account(request), token_id=token_id)
        messages.success(request, "The token was revoked.")
    except VSearchError as error:
        messages.error(request, error.message)
    return redirect("accounts:tokens")
