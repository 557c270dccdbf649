"""/videos/{id}/moments?q=...: where in one video something is seen or said, for the timeline of the player."""

from __future__ import annotations

from uuid import UUID

from django.urls import reverse
from drf_spectacular.utils import OpenApiParameter, extend_schema
from rest_framework import serializers
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from apps.api.throttles import SearchLimit
from apps.core.exceptions import Conflict
from apps.search.moments import Moment
from apps.search.query import parse_query
from apps.search.retrieval import moments_in
from apps.videos.models import Video
from apps.videos.selectors import video_get


class MomentSerializer(serializers.Serializer[Moment]):
    rank = serializers.IntegerField()
    start = serializers.FloatField()
    end = serializers.FloatField()
    score = serializers.FloatField(help_text="Compares only within this answer.")
    matched = serializers.ListField(child=serializers.CharField())
    thumbnail_url = serializers.CharField()
    play_url = serializers.CharField()


class VideoMomentsView(APIView):
    """The best five moments of the video for the words, none overlapping another; empty for an empty query."""

    throttle_classes = (SearchLimit,)

    @extend_schema(
        operation_id="videos_moments",
        parameters=[OpenApiParameter("q", str, description="What to see or hear.")],
        responses=MomentSerializer(many=True),
    )
    def get(self, request: Request, video_id: UUID) -> Response:
        video = video_get(video_id=video_id)
        if video.state != Video.State.READY:
            raise Conflict(f"This video cannot be searched yet: it is {video.get_state_display()}.")
        query = parse_query(request.query_params.get("q", ""))
        address = reverse("videos:detail", args=[video.id])
        shown = [
            {
                "rank": moment.rank,
                "start": round(moment.start, 3),
                "end": round(moment.end, 3),
                "score": round(moment.score, 4),
                "matched": moment.matched,
                "thumbnail_url": moment.thumbnail_url,
                "play_url": f"{address}?t={moment.start:.2f}",
            }
            for moment in moments_in(video, query)
        ]
        return Response({"moments": shown, "warnings": list(query.warnings)})
