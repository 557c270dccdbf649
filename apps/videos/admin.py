from __future__ import annotations

from typing import Any

from django.contrib import admin, messages
from django.db.models import Count, QuerySet
from django.http import HttpRequest
from django.urls import reverse
from django.utils.html import format_html

from apps.core.admin import ReadOnlyAdmin
from apps.core.exceptions import VSearchError
from apps.core.timespan import timecode
from apps.videos.editing import video_delete, video_update
from apps.videos.ingest import video_cancel, video_retry
from apps.videos.models import ImportedFile, Shot, Tag, TextSegment, Upload, Video
from apps.videos.storage import readable

EDITABLE = ("title", "description", "tags")


@admin.register(Video)
class VideoAdmin(admin.ModelAdmin):  # type: ignore[type-arg]
    """Everything goes through services: a title is searched, and a deleted video leaves files behind otherwise."""

    list_display = ("title", "state", "length", "size", "source", "owner", "shot_count", "created_at", "page")
    list_filter = ("state", "source", "failure_code", "video_codec", "tags", "created_at")
    search_fields = ("title", "description", "original_name", "path", "sha256")
    date_hierarchy = "created_at"
    list_select_related = ("owner",)
    filter_horizontal = ("tags",)
    actions = ("retry", "cancel")

    def get_queryset(self, request: HttpRequest) -> QuerySet[Video]:
        videos: QuerySet[Video] = super().get_queryset(request).annotate(shots_found=Count("shots"))
        return videos

    def get_readonly_fields(self, request: HttpRequest, obj: Video | None = None) -> list[str]:
        fields = [field.name for field in Video._meta.get_fields() if getattr(field, "editable", False)]
        return [name for name in fields if name not in EDITABLE]

    @admin.display(description="length", ordering="duration_seconds")
    def length(self, video: Video) -> str:
        return timecode(video.duration_seconds) if video.duration_seconds is not None else ""

    @admin.display(description="size", ordering="size_bytes")
    def size(self, video: Video) -> str:
        return readable(video.size_bytes)

    @admin.display(description="shots", ordering="shots_found")
    def shot_count(self, video: Video) -> int:
        return int(getattr(video, "shots_found", 0))

    @admin.display(description="page")
    def page(self, video: Video) -> str:
        return format_html('<a href="{}">open</a>', reverse("videos:detail", args=[video.id]))

    def has_add_permission(self, request: HttpRequest) -> bool:
        return False

    def save_model(self, request: HttpRequest, obj: Video, form: Any, change: bool) -> None:
        changed = {name: getattr(obj, name) for name in ("title", "description") if name in form.changed_data}
        video_update(video_id=obj.id, **changed)

    def delete_model(self, request: HttpRequest, obj: Video) -> None:
        video_delete(video_id=obj.id)

    def delete_queryset(self, request: HttpRequest, queryset: QuerySet[Video]) -> None:
        for video_id in list(queryset.values_list("id", flat=True)):
            video_delete(video_id=video_id)

    @admin.action(description="Retry failed videos", permissions=["change"])
    def retry(self, request: HttpRequest, queryset: QuerySet[Video]) -> None:
        self._each(request, queryset, video_retry, "queued again")

    @admin.action(description="Cancel indexing", permissions=["change"])
    def cancel(self, request: HttpRequest, queryset: QuerySet[Video]) -> None:
        self._each(request, queryset, video_cancel, "cancelled")

    def _each(self, request: HttpRequest, queryset: QuerySet[Video], act: Any, done: str) -> None:
        count = 0
        for video in queryset:
            try:
                act(video_id=video.id)
                count += 1
            except VSearchError as error:
                self.message_user(request, f"{video}: {error.message}", messages.WARNING)
        self.message_user(request, f"{count} {done}.")


@admin.register(Tag)
class TagAdmin(admin.ModelAdmin):  # type: ignore[type-arg]
    list_display = ("name", "video_count")
    search_fields = ("name",)

    def get_queryset(self, request: HttpRequest) -> QuerySet[Tag]:
        tags: QuerySet[Tag] = super().get_queryset(request).annotate(videos_tagged=Count("videos"))
        return tags

    @admin.display(description="videos", ordering="videos_tagged")
    def video_count(self, tag: Tag) -> int:
        return int(getattr(tag, "videos_tagged", 0))


class DerivedAdmin(ReadOnlyAdmin):
    def has_delete_permission(self, request: HttpRequest, obj: object = None) -> bool:
        """For what goes along with a video, or its deletion would be refused for lack of this permission."""
        return obj is not None and admin.ModelAdmin.has_delete_permission(self, request, obj)


@admin.register(Shot)
class ShotAdmin(DerivedAdmin):
    list_display = ("video", "ordinal", "start", "end", "key_time")
    search_fields = ("video__title",)
    list_select_related = ("video",)


@admin.register(TextSegment)
class TextSegmentAdmin(DerivedAdmin):
    list_display = ("video", "source", "start", "end", "text", "language")
    list_filter = ("source", "language")
    search_fields = ("text", "video__title")
    list_select_related = ("video",)


@admin.register(Upload)
class UploadAdmin(DerivedAdmin):
    list_display = ("file_name", "purpose", "owner", "offset", "length", "created_at", "completed_at")
    list_filter = ("purpose", "completed_at")
    search_fields = ("file_name", "owner__username")


@admin.register(ImportedFile)
class ImportedFileAdmin(DerivedAdmin):
    list_display = ("path", "size_bytes", "seen_at")
    search_fields = ("path", "sha256")
