from __future__ import annotations

from typing import Any

from django.contrib import admin, messages
from django.db.models import QuerySet
from django.http import HttpRequest

from apps.core.exceptions import VSearchError
from apps.core.jobs import enqueue
from apps.embeddings.job_kinds import MODEL_INSTALL
from apps.embeddings.model_versions import (
    kind_of,
    model_version_lacks_videos,
    model_version_promotable,
    model_version_promote,
    model_version_remove,
)
from apps.embeddings.models import ModelVersion
from apps.embeddings.vector_index import PgVectorIndex


@admin.register(ModelVersion)
class ModelVersionAdmin(admin.ModelAdmin):  # type: ignore[type-arg]
    """Versions are made by installing and preparing; here they are shown and made active."""

    list_display = ("name", "role", "state", "dim", "short_sha256", "promoted_at", "created_at")
    list_filter = ("role", "state")
    search_fields = ("name", "revision", "weights_sha256")
    actions = ("make_serve", "remove")
    fields = (
        "name", "role", "state", "failure", "revision", "dim", "image_side", "stored_vectors", "weights_sha256",
        "preprocessing_hash", "folder", "details", "promoted_at", "created_at",
    )  # fmt: skip

    def get_readonly_fields(self, request: HttpRequest, obj: ModelVersion | None = None) -> tuple[str, ...]:
        return self.fields

    def has_add_permission(self, request: HttpRequest) -> bool:
        return False

    def has_delete_permission(self, request: HttpRequest, obj: ModelVersion | None = None) -> bool:
        """The active version stays: without it nothing can be found."""
        serves = obj is not None and obj.state == ModelVersion.State.SERVING
        return not serves and super().has_delete_permission(request, obj)

    @admin.display(description="weights")
    def short_sha256(self, version: ModelVersion) -> str:
        return version.weights_sha256[:12]

    @admin.display(description="stored vectors")
    def stored_vectors(self, version: ModelVersion) -> int:
        return PgVectorIndex().count(kind_of(version.role), version.id)

    @admin.action(description="Make the chosen version active", permissions=["change"])
    def make_serve(self, request: HttpRequest, chosen: object) -> None:
        versions = list(chosen)  # type: ignore[call-overload]
        if len(versions) != 1:
            self.message_user(request, "Choose exactly one version.", level="error")
            return
        version = versions[0]
        try:
            model_version_promotable(version=version)
            if model_version_lacks_videos(version=version):
                enqueue(kind=MODEL_INSTALL, subject_id=version.id, title=version.name)
                said = f"{version} first indexes the videos added since, then becomes active. See the jobs."
            else:
                said = f"{model_version_promote(version_id=version.id)} is active from now on."
        except VSearchError as error:
            self.message_user(request, error.message, level="error")
            return
        self.message_user(request, said)

    def get_actions(self, request: HttpRequest) -> dict[str, Any]:
        """Without Django's own deletion of many, which does not check whether one of them is active."""
        actions: dict[str, Any] = super().get_actions(request)
        actions.pop("delete_selected", None)
        return actions

    @admin.action(description="Delete with vectors and files", permissions=["delete"])
    def remove(self, request: HttpRequest, chosen: QuerySet[ModelVersion]) -> None:
        count = 0
        for version in chosen:
            try:
                model_version_remove(version_id=version.id)
                count += 1
            except VSearchError as error:
                self.message_user(request, error.message, messages.WARNING)
        self.message_user(request, f"{count} removed.")

    def delete_model(self, request: HttpRequest, obj: ModelVersion) -> None:
        model_version_remove(version_id=obj.id)
