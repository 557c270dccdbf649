"""Review of duplicates in the Django admin: a list to work off, and a page with the evidence and the buttons."""

from __future__ import annotations

from typing import Any
from uuid import UUID

from django.contrib import admin, messages
from django.core.exceptions import PermissionDenied
from django.db.models import Case, IntegerField, QuerySet, Value, When
from django.http import HttpRequest, HttpResponse, HttpResponseNotAllowed, HttpResponseRedirect
from django.shortcuts import get_object_or_404
from django.template.response import TemplateResponse
from django.urls import URLPattern, path, reverse
from django.utils.html import format_html, format_html_join
from django.utils.safestring import SafeString

from apps.accounts.people import signed_in
from apps.core.admin import ReadOnlyAdmin
from apps.core.exceptions import VSearchError
from apps.duplicates.groups.selectors import SUREST_FIRST, group_list
from apps.duplicates.models import ClusterRun, DuplicateGroup, Lookup, MatchedSegment, ReviewDecision, VideoMatch
from apps.duplicates.pictures.spans import play_url
from apps.duplicates.review.decisions import NOTHING_DELETED, group_confirm, group_dismiss
from apps.duplicates.review.forms import review_apply
from apps.duplicates.review.pages import group_context
from apps.duplicates.wording import pair_words, span_words
from apps.videos.models import Video

State = DuplicateGroup.State
STATE_ORDER = Case(When(state=State.OPEN, then=Value(0)), default=Value(1), output_field=IntegerField())
POSTERS = 4  # shown in the list


def video_link(video: Video) -> SafeString:
    return format_html('<a href="{}">{}</a>', reverse("videos:detail", args=[video.id]), video.title)


@admin.register(DuplicateGroup)
class DuplicateGroupAdmin(admin.ModelAdmin):  # type: ignore[type-arg]
    list_display = ("videos", "kind", "state", "surest", "suggestion", "reviewer", "reviewed_at")
    list_filter = ("state", "kind", "reviewer")
    list_per_page = 25
    search_fields = ("members__title", "members__original_name", "members__path")
    actions = ("keep_suggested", "dismiss_selected")

    class Media:
        css = {"all": ["duplicates/admin.css"]}

    def has_add_permission(self, request: HttpRequest) -> bool:
        return False

    def has_delete_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return False  # groups follow from matches and decisions: a deleted one would come back

    def get_queryset(self, request: HttpRequest) -> QuerySet[DuplicateGroup]:
        groups = group_list(state="").annotate(state_order=STATE_ORDER)
        return groups.order_by("state_order", *SUREST_FIRST)

    @admin.display(description="Videos")
    def videos(self, group: DuplicateGroup) -> SafeString:
        members = sorted(group.members.all(), key=lambda v: (v.id != group.proposed_keeper_id, v.created_at))
        shown = format_html_join(
            "",
            '<span class="dup-thumb"><img src="{}" alt="" loading="lazy"><span>{}</span></span>',
            ((reverse("videos:poster", args=[video.id]), video.title) for video in members[:POSTERS]),
        )
        more = len(members) - POSTERS
        return format_html("{}{}", shown, f" and {more} more" if more > 0 else "")

    @admin.display(description="Weakest match", ordering="score")
    def surest(self, group: DuplicateGroup) -> str:
        return f"{group.score:.2f}" if group.weakest_match_id else "-"

    @admin.display(description="Copy to keep")
    def suggestion(self, group: DuplicateGroup) -> str:
        if group.keeper:
            return f"{group.keeper.title} (chosen)"
        return f"{group.proposed_keeper.title} (suggested)" if group.proposed_keeper else "-"

    def get_urls(self) -> list[URLPattern]:
        address = path(
            "<uuid:group_id>/review",
            self.admin_site.admin_view(self.review_view),
            name="duplicates_duplicategroup_review",
        )
        return [address, *super().get_urls()]

    def change_view(
        self, request: HttpRequest, object_id: str, form_url: str = "", extra_context: dict[str, Any] | None = None
    ) -> HttpResponse:
        """The evidence instead of a form: what is stored here is not edited but decided."""
        group: DuplicateGroup | None = self.get_object(request, object_id)
        if group is None:
            messages.warning(request, "This group no longer exists: its videos were deleted or regrouped.")
            return HttpResponseRedirect(reverse("admin:duplicates_duplicategroup_changelist"))
        if not self.has_view_permission(request, group):
            raise PermissionDenied
        context = {
            **self.admin_site.each_context(request),
            "title": "Review duplicates",
            "opts": self.opts,
            **group_context(group),
            "may_review": self.has_change_permission(request, group),
            "review_url": reverse("admin:duplicates_duplicategroup_review", args=[group.id]),
            "media": self.media,
            **(extra_context or {}),
        }
        return TemplateResponse(request, "admin/duplicates/duplicategroup/review.html", context)

    def review_view(self, request: HttpRequest, group_id: UUID) -> HttpResponse:
        if request.method != "POST":
            return HttpResponseNotAllowed(["POST"])
        group = get_object_or_404(DuplicateGroup, id=group_id)
        if not self.has_change_permission(request, group):
            raise PermissionDenied
        try:
            said = review_apply(group_id=group_id, form=request.POST, reviewer=signed_in(request))
        except VSearchError as error:
            messages.error(request, error.message)
        else:
            messages.success(request, said)
            self.log_change(request, group, said)
        if DuplicateGroup.objects.filter(id=group_id).exists():
            return HttpResponseRedirect(reverse("admin:duplicates_duplicategroup_change", args=[group_id]))
        return HttpResponseRedirect(reverse("admin:duplicates_duplicategroup_changelist"))

    @admin.action(description="Confirm the selected groups and keep the suggested copies", permissions=["change"])
    def keep_suggested(self, request: HttpRequest, queryset: QuerySet[DuplicateGroup]) -> None:
        self._each(request, queryset, keep=True)

    @admin.action(description="Dismiss the selected groups: not duplicates", permissions=["change"])
    def dismiss_selected(self, request: HttpRequest, queryset: QuerySet[DuplicateGroup]) -> None:
        self._each(request, queryset, keep=False)

    def _each(self, request: HttpRequest, queryset: QuerySet[DuplicateGroup], *, keep: bool) -> None:
        """One by one: a group that changed meanwhile stops nobody else's."""
        done = 0
        for group in queryset:
            try:
                if not keep:
                    group_dismiss(group_id=group.id, reviewer=signed_in(request))
                elif group.proposed_keeper_id:
                    group_confirm(group_id=group.id, keeper_id=group.proposed_keeper_id, reviewer=signed_in(request))
            except VSearchError as error:
                messages.warning(request, error.message)
                continue
            done += 1
        what = f"confirmed. {NOTHING_DELETED}" if keep else "dismissed; they will not be suggested again."
        messages.success(request, f"{done} group{'' if done == 1 else 's'} {what}")


class SegmentInline(admin.TabularInline):  # type: ignore[type-arg]
    model = MatchedSegment
    fields = ("in_a", "in_b", "score", "reversed")
    readonly_fields = fields
    extra = 0
    can_delete = False

    def has_add_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return False

    @admin.display(description="In the first video")
    def in_a(self, segment: MatchedSegment) -> SafeString:
        return span_link(segment.match.a, segment.a_start, segment.a_end)

    @admin.display(description="In the second video")
    def in_b(self, segment: MatchedSegment) -> SafeString:
        return span_link(segment.match.b, segment.b_start, segment.b_end)


def span_link(video: Video, start: float, end: float) -> SafeString:
    address = play_url(reverse("videos:detail", args=[video.id]), start)
    return format_html('<a href="{}">{}</a>', address, span_words(start, end))


@admin.register(VideoMatch)
class VideoMatchAdmin(ReadOnlyAdmin):
    list_display = ("pair", "relation", "score", "mirrored", "model_version", "created_at")
    list_filter = ("relation", "mirrored", "model_version")
    list_select_related = ("a", "b", "model_version")
    search_fields = ("a__title", "b__title", "a__path", "b__path")
    inlines = (SegmentInline,)
    fields = (
        "first", "second", "words", "score", "a_coverage", "b_coverage", "mirrored", "model_version", "created_at",
    )  # fmt: skip
    readonly_fields = fields

    @admin.display(description="Videos")
    def pair(self, match: VideoMatch) -> str:
        return f"{match.a.title} / {match.b.title}"

    @admin.display(description="First video")
    def first(self, match: VideoMatch) -> SafeString:
        return video_link(match.a)

    @admin.display(description="Second video")
    def second(self, match: VideoMatch) -> SafeString:
        return video_link(match.b)

    @admin.display(description="Relation")
    def words(self, match: VideoMatch) -> str:
        return pair_words(match.relation, "The first video", "the second", mirrored=match.mirrored)


@admin.register(ReviewDecision)
class ReviewDecisionAdmin(ReadOnlyAdmin):
    """Append-only: a decision is taken back on the page of its group, which adds another one."""

    list_display = ("decided_at", "verdict", "kind", "first_sha256", "second_sha256", "reviewer", "note")
    list_filter = ("verdict", "kind", "reviewer")
    list_select_related = ("reviewer",)
    search_fields = ("first_sha256", "second_sha256", "note")
    date_hierarchy = "decided_at"


@admin.register(Lookup)
class LookupAdmin(ReadOnlyAdmin):
    list_display = ("file_name", "state", "stage", "owner", "created_at", "expires_at")
    list_filter = ("state",)
    list_select_related = ("owner",)
    search_fields = ("file_name", "sha256")
    exclude = ("session_key",)


@admin.register(ClusterRun)
class ClusterRunAdmin(ReadOnlyAdmin):
    list_display = ("__str__", "owner", "created_at")
    list_select_related = ("owner",)
