from __future__ import annotations

from typing import Any

from django.contrib import admin, messages
from django.db.models import QuerySet
from django.http import HttpRequest

from apps.core.exceptions import VSearchError
from apps.core.jobs import job_cancel, job_retry
from apps.core.models import Job

admin.site.site_header = admin.site.site_title = "vsearch administration"


@admin.register(Job)
class JobAdmin(admin.ModelAdmin):  # type: ignore[type-arg]
    """Jobs are made and changed by services only; here they are read, cancelled and tried again."""

    list_display = (
        "kind",
        "title",
        "state",
        "stage",
        "percent",
        "attempts",
        "created_at",
        "finished_at",
        "error",
    )
    list_filter = ("state", "kind", "error_code", "created_at")
    search_fields = ("title", "subject_id", "error")
    date_hierarchy = "created_at"
    actions = ("cancel", "retry")

    def has_add_permission(self, request: HttpRequest) -> bool:
        return False

    def has_change_permission(self, request: HttpRequest, obj: Job | None = None) -> bool:
        return False

    def has_delete_permission(self, request: HttpRequest, obj: Job | None = None) -> bool:
        return False

    def has_administer_permission(self, request: HttpRequest) -> bool:
        return request.user.has_perm("core.administer")

    @admin.action(description="Cancel", permissions=["administer"])
    def cancel(self, request: HttpRequest, queryset: QuerySet[Job]) -> None:
        self._each(request, queryset, job_cancel, "cancelled")

    @admin.action(description="Try again", permissions=["administer"])
    def retry(self, request: HttpRequest, queryset: QuerySet[Job]) -> None:
        self._each(request, queryset, job_retry, "queued again")

    def _each(self, request: HttpRequest, queryset: QuerySet[Job], act: Any, done: str) -> None:
        count = 0
        for job_id in queryset.values_list("id", flat=True):
            try:
                act(job_id=job_id)
                count += 1
            except VSearchError as error:
                self.message_user(request, error.message, messages.WARNING)
        self.message_user(request, f"{count} {done}.")
