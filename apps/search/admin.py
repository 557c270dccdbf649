from __future__ import annotations

from django.contrib import admin
from django.http import HttpRequest

from apps.search.models import Feedback


@admin.register(Feedback)
class FeedbackAdmin(admin.ModelAdmin):  # type: ignore[type-arg]
    """Written by searchers; a person may remove what is abuse."""

    list_display = ("created_at", "kind", "query", "video", "start", "end", "user", "model_version")
    list_filter = ("kind", "model_version", "created_at")
    list_select_related = ("video", "user", "model_version")
    search_fields = ("query", "video__title")
    date_hierarchy = "created_at"

    def has_add_permission(self, request: HttpRequest) -> bool:
        return False

    def has_change_permission(self, request: HttpRequest, obj: Feedback | None = None) -> bool:
        return False
