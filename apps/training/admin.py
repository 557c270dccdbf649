"""Training in the admin: everything can be read; what people decide happens on the pages under /training/."""

from __future__ import annotations

from typing import Any

from django.contrib import admin, messages
from django.db.models import QuerySet
from django.http import HttpRequest
from django.urls import reverse
from django.utils.html import format_html
from django.utils.safestring import SafeString

from apps.core.exceptions import VSearchError
from apps.training.datasets.lifecycle import dataset_delete
from apps.training.models import Dataset, EvaluationReport, PromotionDecision, TrainingRun
from apps.training.runs.lifecycle import run_delete, run_resume, run_stop


class ReadOnlyAdmin(admin.ModelAdmin):  # type: ignore[type-arg]
    def has_add_permission(self, request: HttpRequest) -> bool:
        return False

    def has_change_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return False

    def has_delete_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return False

    def has_train_permission(self, request: HttpRequest) -> bool:
        return request.user.has_perm("training.train")

    def _each(self, request: HttpRequest, act: Any, name: str, rows: QuerySet[Any], done: str) -> None:
        count = 0
        for row_id in rows.values_list("id", flat=True):
            try:
                act(**{name: row_id})
                count += 1
            except VSearchError as error:
                self.message_user(request, error.message, messages.WARNING)
        self.message_user(request, f"{count} {done}.")


@admin.register(Dataset)
class DatasetAdmin(ReadOnlyAdmin):
    list_display = ("name", "source", "state", "guards", "items", "short_sha256", "owner", "created_at", "page")
    list_filter = ("source", "state", "guards", "created_at")
    list_select_related = ("owner",)
    search_fields = ("name", "sha256", "failure")
    date_hierarchy = "created_at"
    actions = ("remove",)

    @admin.display(description="items")
    def items(self, dataset: Dataset) -> Any:
        return dataset.counts.get("items", "-")

    @admin.display(description="sha256")
    def short_sha256(self, dataset: Dataset) -> str:
        return dataset.sha256[:12]

    @admin.display(description="page")
    def page(self, dataset: Dataset) -> SafeString:
        return format_html('<a href="{}">open</a>', reverse("training:dataset", args=[dataset.id]))

    @admin.action(description="Delete with its files", permissions=["train"])
    def remove(self, request: HttpRequest, queryset: QuerySet[Dataset]) -> None:
        self._each(request, dataset_delete, "dataset_id", queryset, "deleted")


@admin.register(TrainingRun)
class TrainingRunAdmin(ReadOnlyAdmin):
    list_display = ("__str__", "state", "base_name", "candidate", "started_by", "created_at", "finished_at", "page")
    list_filter = ("state", "reason_code", "created_at")
    list_select_related = ("dataset", "candidate", "started_by")
    search_fields = ("dataset__name", "base_name", "reason")
    date_hierarchy = "created_at"
    actions = ("stop", "resume", "remove")

    @admin.display(description="page")
    def page(self, run: TrainingRun) -> SafeString:
        return format_html('<a href="{}">open</a>', reverse("training:run", args=[run.id]))

    @admin.action(description="Stop", permissions=["train"])
    def stop(self, request: HttpRequest, queryset: QuerySet[TrainingRun]) -> None:
        self._each(request, run_stop, "run_id", queryset, "stopped")

    @admin.action(description="Resume", permissions=["train"])
    def resume(self, request: HttpRequest, queryset: QuerySet[TrainingRun]) -> None:
        self._each(request, run_resume, "run_id", queryset, "resumed")

    @admin.action(description="Delete with its checkpoints", permissions=["train"])
    def remove(self, request: HttpRequest, queryset: QuerySet[TrainingRun]) -> None:
        self._each(request, run_delete, "run_id", queryset, "deleted")


@admin.register(EvaluationReport)
class EvaluationReportAdmin(ReadOnlyAdmin):
    list_display = ("run", "candidate", "active_name", "passed", "queries", "created_at")
    list_filter = ("created_at",)
    list_select_related = ("run__dataset", "candidate")
    search_fields = ("candidate_weights", "active_weights", "active_name")

    @admin.display(description="passed", boolean=True)
    def passed(self, report: EvaluationReport) -> bool:
        return bool(report.verdict.get("passed"))


@admin.register(PromotionDecision)
class PromotionDecisionAdmin(ReadOnlyAdmin):
    """Append-only."""

    list_display = ("decided_at", "action", "version_name", "previous_name", "overridden", "person", "note")
    list_filter = ("action", "overridden", "person")
    list_select_related = ("person",)
    search_fields = ("version_name", "version_weights", "note")
    date_hierarchy = "decided_at"
