"""/videos, /videos/{id}, /videos/{id}/moments, /videos/{id}/storyboard.vtt, retry and cancel."""

from __future__ import annotations

from typing import Any
from uuid import UUID

from django.http import HttpResponseRedirect
from django.urls import reverse
from drf_spectacular.types import OpenApiTypes
from drf_spectacular.utils import OpenApiParameter, extend_schema
from rest_framework import generics, serializers, status
from rest_framework.exceptions import NotAuthenticated
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from apps.accounts.people import signed_in
from apps.accounts.permissions import may_see_paths
from apps.api.paging import Pages
from apps.api.throttles import SearchLimit, WorkLimit
from apps.core.exceptions import NotAllowed
from apps.core.selectors import job_latest
from apps.videos.editing import video_delete, video_update
from apps.videos.identical import identical_files
from apps.videos.ingest import video_cancel, video_retry
from apps.videos.job_kinds import INGEST
from apps.videos.models import Video
from apps.videos.selectors import (
    SORTS,
    STATES,
    filters_from,
    may_edit,
    video_get,
    video_list,
)

LIST_PARAMETERS = [
    OpenApiParameter("text", str, description="Words of the title, description, file name or tags."),
    OpenApiParameter("state", str, enum=list(STATES)),
    OpenApiParameter("tag", str, many=True, description="Videos that have all of them."),
    OpenApiParameter("min_duration", float, description="Seconds."),
    OpenApiParameter("max_duration", float, description="Seconds."),
    OpenApiParameter("since", OpenApiTypes.DATE, description="Added on this day or later."),
    OpenApiParameter("until", OpenApiTypes.DATE, description="Added on this day or earlier."),
    OpenApiParameter("sort", str, enum=list(SORTS)),
]


class VideoSerializer(serializers.ModelSerializer[Video]):
    """Paths of the server are shown to those who may see them, not to every visitor."""

    tags = serializers.SlugRelatedField(many=True, read_only=True, slug_field="name")
    notes = serializers.ListField(child=serializers.CharField(), read_only=True)
    duration = serializers.FloatField(source="duration_seconds", read_only=True, allow_null=True)
    page_url = serializers.SerializerMethodField()
    poster_url = serializers.SerializerMethodField()
    stream_url = serializers.SerializerMethodField()

    class Meta:
        model = Video
        fields: tuple[str, ...] = (
            "id", "title", "description", "tags", "state", "failure_code", "failure", "original_name", "source", "path",
            "sha256", "size_bytes", "duration", "container", "video_codec", "audio_codec", "width", "height",
            "frames_per_second", "bit_rate", "created_at", "ready_at", "missing_since", "notes", "page_url",
            "poster_url", "stream_url",
        )  # fmt: skip
        read_only_fields = fields

    def to_representation(self, instance: Video) -> dict[str, Any]:
        shown: dict[str, Any] = super().to_representation(instance)
        request = self.context.get("request")
        if request is None or not may_see_paths(signed_in(request)):
            del shown["path"]
        return shown

    def get_page_url(self, video: Video) -> str:
        return reverse("videos:detail", args=[video.id])

    def get_poster_url(self, video: Video) -> str:
        return reverse("videos:poster", args=[video.id])

    def get_stream_url(self, video: Video) -> str:
        return reverse("videos:stream", args=[video.id])


class VideoProgressSerializer(VideoSerializer):
    """One video with the job that indexes it, while there is one, and (with its path) the places of its content."""

    job = serializers.SerializerMethodField()
    identical_files = serializers.SerializerMethodField()

    class Meta(VideoSerializer.Meta):
        fields = (*VideoSerializer.Meta.fields, "job", "identical_files")
        read_only_fields = fields

    def to_representation(self, instance: Video) -> dict[str, Any]:
        shown = super().to_representation(instance)
        if "path" not in shown:
            del shown["identical_files"]
        return shown

    def get_identical_files(self, video: Video) -> list[dict[str, Any]]:
        return identical_files([video])[video.id].as_json()

    def get_job(self, video: Video) -> dict[str, Any] | None:
        job = job_latest(kind=INGEST, subject_id=video.id)
        if job is None:
            return None
        return {
            "id": str(job.id),
            "state": job.state,
            "stage": job.stage,
            "percent": job.percent,
            "seconds_left": job.seconds_left,
        }


class VideoChangeSerializer(serializers.Serializer[Any]):
    title = serializers.CharField(required=False)
    description = serializers.CharField(required=False, allow_blank=True)
    tags = serializers.ListField(child=serializers.CharField(), required=False)


def editable_video(request: Request, video_id: UUID) -> Video:
    """The video when this person may change it; 404, 401 or NotAllowed otherwise."""
    video = video_get(video_id=video_id)
    user = signed_in(request)
    if user is None:
        raise NotAuthenticated("Log in, or send an API token, to change videos.")
    if not may_edit(user, video):
        raise NotAllowed("You can change only videos that you uploaded. Administrators can change all.")
    return video


class VideoListView(generics.ListAPIView[Video]):
    serializer_class = VideoSerializer
    pagination_class = Pages
    throttle_classes = (SearchLimit,)

    def get_queryset(self) -> Any:
        if getattr(self, "swagger_fake_view", False):
            return Video.objects.none()
        return video_list(filters_from(self.request.query_params))

    @extend_schema(operation_id="videos_list", parameters=LIST_PARAMETERS)
    def get(self, request: Request, *args: Any, **kwargs: Any) -> Response:
        return self.list(request, *args, **kwargs)


class VideoView(APIView):
    throttle_classes = (WorkLimit,)

    @extend_schema(operation_id="videos_read", responses=VideoProgressSerializer)
    def get(self, request: Request, video_id: UUID) -> Response:
        return self._answer(request, video_get(video_id=video_id))

    @extend_schema(
        operation_id="videos_change",
        request=VideoChangeSerializer,
        responses=VideoProgressSerializer,
    )
    def patch(self, request: Request, video_id: UUID) -> Response:
        editable_video(request, video_id)
        changes = VideoChangeSerializer(data=request.data)
        changes.is_valid(raise_exception=True)
        return self._answer(request, video_update(video_id=video_id, **changes.validated_data))

    @extend_schema(operation_id="videos_delete", responses={204: None})
    def delete(self, request: Request, video_id: UUID) -> Response:
        editable_video(request, video_id)
        video_delete(video_id=video_id)
        return Response(status=status.HTTP_204_NO_CONTENT)

    def _answer(self, request: Request, video: Video) -> Response:
        return Response(VideoProgressSerializer(video, context={"request": request}).data)


class VideoRetryView(APIView):
    throttle_classes = (WorkLimit,)

    @extend_schema(operation_id="videos_retry", request=None, responses=VideoProgressSerializer)
    def post(self, request: Request, video_id: UUID) -> Response:
        editable_video(request, video_id)
        video = video_retry(video_id=video_id)
        return Response(
            VideoProgressSerializer(video, context={"request": request}).data,
            status=202,
        )


class VideoCancelView(APIView):
    throttle_classes = (WorkLimit,)

    @extend_schema(operation_id="videos_cancel", request=None, responses=VideoProgressSerializer)
    def post(self, request: Request, video_id: UUID) -> Response:
        editable_video(request, video_id)
        video = video_cancel(video_id=video_id)
        return Response(
            VideoProgressSerializer(video, context={"request": request}).data,
            status=202,
        )


class VideoStoryboardView(APIView):
    @extend_schema(operation_id="videos_storyboard", responses={302: None})
    def get(self, request: Request, video_id: UUID) -> HttpResponseRedirect:
        video_get(video_id=video_id)
        return HttpResponseRedirect(reverse("videos:storyboard", args=[video_id]))
