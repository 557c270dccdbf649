"""POST /feedback: a searcher played a moment, or marked it as right or wrong."""

from __future__ import annotations

from typing import Any

from drf_spectacular.utils import extend_schema
from rest_framework import serializers
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from apps.accounts.people import signed_in
from apps.api.permissions import MayLook
from apps.api.throttles import FeedbackLimit
from apps.search.feedback import QUERY_LENGTH, feedback_record
from apps.search.models import Feedback


class FeedbackSerializer(serializers.Serializer[Any]):
    query = serializers.CharField(max_length=QUERY_LENGTH)
    video = serializers.UUIDField()
    start = serializers.FloatField(min_value=0)
    end = serializers.FloatField(min_value=0)
    kind = serializers.ChoiceField(choices=Feedback.Kind.choices)


class FeedbackView(APIView):
    permission_classes = (MayLook,)
    throttle_classes = (FeedbackLimit,)

    @extend_schema(operation_id="feedback_create", request=FeedbackSerializer, responses={201: FeedbackSerializer})
    def post(self, request: Request) -> Response:
        asked = FeedbackSerializer(data=request.data)
        asked.is_valid(raise_exception=True)
        values = asked.validated_data
        feedback_record(
            query=values["query"], video_id=values["video"], start=values["start"], end=values["end"],
            kind=values["kind"], user=signed_in(request),
        )  # fmt: skip
        return Response(FeedbackSerializer(values).data, status=201)
