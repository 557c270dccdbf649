from __future__ import annotations

from collections.abc import Callable
from typing import Any

from django.contrib import admin, messages
from django.db.models import QuerySet
from django.http import HttpRequest

from apps.core.exceptions import VSearchError
from apps.core.jobs import job_cancel, job_retry
from apps.core.models import Job

admin.site.site_header = admin.site.site_title = "vsearch administration"


class ReadOnlyAdmin(admin.ModelAdmin):  # type: ignore[type-arg]
    """Rows that only services write; an action calls one of them."""

    def has_add_permission(self, request: HttpRequest, obj: object = None) -> bool:
        return False

    def has_change_permission(self, request: HttpRequest, obj: object = None) -> bool:
        return False

    def has_delete_permission(self, request: HttpRequest, obj: object = None) -> bool:
        return False

    def for_each(
        self, request: HttpRequest, rows: QuerySet[Any], act: Callable[..., object], id_name: str, done: str
    ) -> None:
        """``act(<id_name>=id)`` for each row, and one message; another for each that is refused."""
        count = 0
        for row_id in rows.values_list("id", flat=True):
            try:
                act(**{id_name: row_id})
                count += 1
            except VSearchError as error:
                self.message_user(request, error.message, messages.WARNING)
        self.message_user(request, f"{count} {done}.")


@admin.register(Job)
class JobAdmin(ReadOnlyAdmin):
    list_display = ("kind", "title", "state", "stage", "percent", "attempts", "created_at", "finished_at", "error")
    list_filter = ("state", "kind", "error_code", "created_at")
    search_fields = ("title", "subject_id", "error")
    date_hierarchy = "created_at"
    actions = ("cancel", "retry")

    def has_administer_permission(self, request: HttpRequest) -> bool:
        return request.user.has_perm("core.administer")

    @admin.action(description="Cancel", permissions=["administer"])
    def cancel(self, request: HttpRequest, queryset: QuerySet[Job]) -> None:
        self.for_each(request, queryset, job_cancel, "job_id", "cancelled")

    @admin.action(description="Try again", permissions=["administer"])
    def retry(self, request: HttpRequest, queryset: QuerySet[Job]) -> None:
        self.for_each(request, queryset, job_retry, "job_id", "queued again")
