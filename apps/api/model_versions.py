"""Model versions.

GET  /model-versions                     what is installed and which one is active
GET  /model-versions/{id}                with its card, what it has indexed and its newest report
DELETE /model-versions/{id}              only by hand, never the active one
GET  /model-versions/{id}/compare?q=...  the query answered by it and by the active version
POST /model-versions/{id}/promote        {"override": "a written reason"} against the gate
POST /model-versions/{id}/roll-back      to a version that was active before
"""

from __future__ import annotations

from typing import Any
from uuid import UUID

from django.urls import reverse
from drf_spectacular.types import OpenApiTypes
from drf_spectacular.utils import OpenApiParameter, extend_schema
from rest_framework import generics, serializers
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from apps.accounts.people import signed_in
from apps.accounts.permissions import may_administer
from apps.api.paging import Pages
from apps.api.permissions import MayAdminister, MayTrain
from apps.api.throttles import SearchLimit, TrainingLimit
from apps.core.exceptions import Conflict, InvalidInput
from apps.embeddings.model_versions import model_version_remove
from apps.embeddings.models import ModelVersion
from apps.embeddings.selectors import model_version_serving
from apps.training import selectors
from apps.training.models import EvaluationReport
from apps.training.promotion.comparing import Place, SideAnswer, compare_query
from apps.training.promotion.decisions import Promoted, candidate_promote, version_roll_back


class ModelVersionSerializer(serializers.ModelSerializer[ModelVersion]):
    name = serializers.CharField(source="shown_name", read_only=True)

    class Meta:
        model = ModelVersion
        fields = (
            "id", "role", "name", "revision", "dim", "image_side", "preprocessing_hash", "weights_sha256", "state",
            "failure", "created_at", "promoted_at",
        )  # fmt: skip
        read_only_fields = fields

    def to_representation(self, instance: ModelVersion) -> dict[str, Any]:
        """Why an installation failed names folders of the server."""
        shown: dict[str, Any] = super().to_representation(instance)
        request = self.context.get("request")
        if request is None or not may_administer(signed_in(request)):
            shown["failure"] = "The installation failed." if instance.failure else ""
        return shown


class ReportSerializer(serializers.ModelSerializer[EvaluationReport]):
    class Meta:
        model = EvaluationReport
        fields = (
            "id", "run", "candidate", "active", "active_name", "dataset_sha256", "held_out_sha256", "videos", "queries",
            "metrics", "gain", "guard", "library", "canaries", "examples", "verdict", "created_at",
        )  # fmt: skip
        read_only_fields = fields


class PromoteSerializer(serializers.Serializer[Any]):
    override = serializers.CharField(
        required=False,
        allow_blank=True,
        max_length=2000,
        default="",
        help_text="Why it should become active although it did not pass.",
    )


class RollBackSerializer(serializers.Serializer[Any]):
    note = serializers.CharField(required=False, allow_blank=True, max_length=2000, default="")


class ModelVersionListView(generics.ListAPIView[ModelVersion]):
    serializer_class = ModelVersionSerializer
    pagination_class = Pages
    queryset = ModelVersion.objects.order_by("-created_at", "-id")

    @extend_schema(operation_id="model_versions_list")
    def get(self, request: Request, *args: Any, **kwargs: Any) -> Response:
        return self.list(request, *args, **kwargs)


class ModelVersionView(APIView):
    def get_permissions(self) -> list[Any]:
        return [MayAdminister()] if self.request.method == "DELETE" else [MayTrain()]

    @extend_schema(operation_id="model_versions_read", responses=OpenApiTypes.OBJECT)
    def get(self, request: Request, version_id: UUID) -> Response:
        version = selectors.version_get(version_id=version_id)
        card = selectors.version_card(version)
        return Response(
            {
                **ModelVersionSerializer(version, context={"request": request}).data,
                "card_html": str(card.text),
                "run": str(card.run.id) if card.run is not None else None,
                "indexed": {"videos": card.indexed, "clips": card.clips, "ready_videos": card.ready},
                "lineage": [name for _, name in selectors.lineage(version)],
                "report": ReportSerializer(card.report).data if card.report is not None else None,
                "refusals": card.refusals,
                "may_roll_back": card.may_roll_back,
                "decisions": [
                    {
                        "action": decision.action,
                        "previous": decision.previous_name,
                        "overridden": decision.overridden,
                        "note": decision.note,
                        "person": decision.person.get_username() if decision.person is not None else None,
                        "decided_at": decision.decided_at,
                    }
                    for decision in card.decisions
                ],
            }
        )

    @extend_schema(operation_id="model_versions_remove", responses={204: None})
    def delete(self, request: Request, version_id: UUID) -> Response:
        model_version_remove(version_id=version_id)
        return Response(status=204)


class ModelVersionCompareView(APIView):
    permission_classes = (MayTrain,)
    throttle_classes = (SearchLimit,)

    @extend_schema(
        operation_id="model_versions_compare",
        parameters=[OpenApiParameter("q", str, required=True)],
        responses=OpenApiTypes.OBJECT,
    )
    def get(self, request: Request, version_id: UUID) -> Response:
        text = request.query_params.get("q", "").strip()
        if not text:
            raise InvalidInput("Say what to look for: q.", field="q")
        version = selectors.version_get(version_id=version_id)
        if version.role != ModelVersion.Role.SEMANTIC:
            raise Conflict("Only versions for text search can answer queries.")
        serving = model_version_serving(ModelVersion.Role.SEMANTIC)
        other = serving if serving != version else selectors.version_before(serving)
        mine, theirs = compare_query(text, version, other)
        return Response({"version": _side(mine), "other": _side(theirs) if theirs is not None else None})


class ModelVersionPromoteView(APIView):
    permission_classes = (MayTrain,)
    throttle_classes = (TrainingLimit,)

    @extend_schema(operation_id="model_versions_promote", request=PromoteSerializer, responses=OpenApiTypes.OBJECT)
    def post(self, request: Request, version_id: UUID) -> Response:
        asked = PromoteSerializer(data=request.data)
        asked.is_valid(raise_exception=True)
        done = candidate_promote(
            version_id=version_id, person=signed_in(request), override=asked.validated_data["override"]
        )
        return _promoted(done)


class ModelVersionRollBackView(APIView):
    permission_classes = (MayTrain,)
    throttle_classes = (TrainingLimit,)

    @extend_schema(operation_id="model_versions_roll_back", request=RollBackSerializer, responses=OpenApiTypes.OBJECT)
    def post(self, request: Request, version_id: UUID) -> Response:
        asked = RollBackSerializer(data=request.data)
        asked.is_valid(raise_exception=True)
        done = version_roll_back(version_id=version_id, person=signed_in(request), note=asked.validated_data["note"])
        return _promoted(done)


def _promoted(done: Promoted) -> Response:
    """202 with a job when the version first indexes what it lacks."""
    body = {
        "version": ModelVersionSerializer(done.version).data,
        "overridden": done.decision.overridden,
        "job": str(done.job.id) if done.job is not None else None,
        "detail": done.words,
    }
    return Response(body, status=202 if done.job is not None else 200)


def _side(answer: SideAnswer) -> dict[str, Any]:
    return {
        "id": str(answer.version.id),
        "name": answer.version.shown_name,
        "problem": answer.problem or None,
        "results": [_place(place) for place in answer.places],
    }


def _place(place: Place) -> dict[str, Any]:
    return {
        "rank": place.rank,
        "moved": place.moved,
        "video": {"id": str(place.video.id), "title": place.video.title},
        "start": place.moment.start,
        "end": place.moment.end,
        "thumbnail_url": place.moment.thumbnail_url,
        "play_url": f"{reverse('videos:detail', args=[place.video.id])}?t={place.moment.start:.2f}",
    }
