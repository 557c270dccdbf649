from __future__ import annotations

from django.contrib import admin
from django.http import HttpRequest

from apps.accounts.forms import AdminLoginForm
from apps.accounts.models import ApiToken

admin.site.login_form = AdminLoginForm


@admin.register(ApiToken)
class ApiTokenAdmin(admin.ModelAdmin):  # type: ignore[type-arg]
    """Tokens are made by their owners; an administrator may see that they exist and delete them."""

    list_display = ("name", "prefix", "user", "created_at", "last_used_at")
    list_filter = ("created_at", "last_used_at")
    search_fields = ("name", "prefix", "user__username")
    fields = readonly_fields = ("name", "prefix", "user", "created_at", "last_used_at")

    def has_add_permission(self, request: HttpRequest) -> bool:
        return False

    def has_change_permission(self, request: HttpRequest, obj: ApiToken | None = None) -> bool:
        return False
