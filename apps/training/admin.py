"""Training in the admin: everything can be read; what people decide happens on the pages under /training/."""

from __future__ import annotations

from django.contrib import admin
from django.db.models import QuerySet
from django.http import HttpRequest
from django.urls import reverse
from django.utils.html import format_html
from django.utils.safestring import SafeString

from apps.core.admin import ReadOnlyAdmin
from apps.training.datasets.lifecycle import dataset_delete
from apps.training.models import Dataset, EvaluationReport, PromotionDecision, TrainingRun
from apps.training.runs.lifecycle import run_delete, run_resume, run_stop


class TrainingAdmin(ReadOnlyAdmin):
    def has_train_permission(self, request: HttpRequest) -> bool:
        return request.user.has_perm("training.train")


@admin.register(Dataset)
class DatasetAdmin(TrainingAdmin):
    list_display = ("name", "source", "state", "guards", "items", "short_sha256", "owner", "created_at", "page")
    list_filter = ("source", "state", "guards", "created_at")
    list_select_related = ("owner",)
    search_fields = ("name", "sha256", "failure")
    date_hierarchy = "created_at"
    actions = ("remove",)

    @admin.display(description="items")
    def items(self, dataset: Dataset) -> object:
        return dataset.counts.get("items", "-")

    @admin.display(description="sha256")
    def short_sha256(self, dataset: Dataset) -> str:
        return dataset.sha256[:12]

    @admin.display(description="page")
    def page(self, dataset: Dataset) -> SafeString:
        return format_html('<a href="{}">open</a>', reverse("training:dataset", args=[dataset.id]))

    @admin.action(description="Delete with its files", permissions=["train"])
    def remove(self, request: HttpRequest, queryset: QuerySet[Dataset]) -> None:
        self.for_each(request, queryset, dataset_delete, "dataset_id", "deleted")


@admin.register(TrainingRun)
class TrainingRunAdmin(TrainingAdmin):
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
        self.for_each(request, queryset, run_stop, "run_id", "stopped")

    @admin.action(description="Resume", permissions=["train"])
    def resume(self, request: HttpRequest, queryset: QuerySet[TrainingRun]) -> None:
        self.for_each(request, queryset, run_resume, "run_id", "resumed")

    @admin.action(description="Delete with its checkpoints", permissions=["train"])
    def remove(self, request: HttpRequest, queryset: QuerySet[TrainingRun]) -> None:
        self.for_each(request, queryset, run_delete, "run_id", "deleted")


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
