"""Training.

GET|POST /training-datasets              POST: multipart "file", or {"source": "library"|"feedback", "texts": [...]}
GET|DELETE /training-datasets/{id}
GET  /training-recipes                   the presets
GET|POST /training-runs                  POST {"dataset": id, "recipe": name or object, "base": id, "start": true}
GET|DELETE /training-runs/{id}           with the curve
POST /training-runs/{id}/start|stop|resume|evaluate
"""

from __future__ import annotations

from typing import Any
from uuid import UUID

from drf_spectacular.types import OpenApiTypes
from drf_spectacular.utils import OpenApiParameter, extend_schema
from rest_framework import generics, serializers
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from apps.accounts.people import signed_in
from apps.api.paging import Pages
from apps.api.permissions import MayTrain
from apps.api.throttles import TrainingLimit
from apps.core.exceptions import InvalidInput, NotFound
from apps.training import selectors
from apps.training.datasets.captions import LIBRARY_TEXTS
from apps.training.datasets.lifecycle import (
    dataset_delete,
    dataset_from_feedback,
    dataset_from_file,
    dataset_from_library,
)
from apps.training.models import Dataset, TrainingRun
from apps.training.runs.lifecycle import run_create, run_delete, run_evaluate, run_resume, run_start, run_stop
from apps.training.runs.recipes import recipe_presets

PROBLEMS_SHOWN = 500


class DatasetSerializer(serializers.ModelSerializer[Dataset]):
    owner = serializers.CharField(source="owner.username", default=None)

    class Meta:
        model = Dataset
        fields = (
            "id", "name", "source", "state", "failure_code", "failure", "sha256", "held_out_sha256", "counts",
            "problems", "guards", "owner", "created_at",
        )  # fmt: skip
        read_only_fields = fields


class NewDatasetSerializer(serializers.Serializer[Any]):
    name = serializers.CharField(required=False, allow_blank=True, max_length=120, default="")
    source = serializers.ChoiceField(choices=["file", "library", "feedback"], default="file")
    file = serializers.FileField(required=False, help_text="A manifest in JSON lines, or a CSV.")
    texts = serializers.ListField(
        child=serializers.ChoiceField(choices=[text.value for text in LIBRARY_TEXTS]),
        required=False,
        help_text="Texts of the library; titles and descriptions by default.",
    )
    guards = serializers.BooleanField(required=False, default=False)


class RunSerializer(serializers.ModelSerializer[TrainingRun]):
    started_by = serializers.CharField(source="started_by.username", default=None)
    job = serializers.SerializerMethodField()

    class Meta:
        model = TrainingRun
        fields: tuple[str, ...] = (
            "id", "dataset", "recipe", "base", "base_name", "state", "reason_code", "reason", "note", "estimate",
            "figures", "candidate", "job", "started_by", "created_at", "started_at", "finished_at",
        )  # fmt: skip
        read_only_fields = fields

    def get_job(self, run: TrainingRun) -> dict[str, Any] | None:
        """What is being done: the training, or after it the indexing and evaluation of the candidate."""
        job = run.candidate_job if run.candidate_job is not None and run.candidate_job.active else run.job
        if job is None:
            return None
        shown = ("kind", "state", "stage", "percent", "seconds_left", "error_code", "error")
        return {"id": str(job.id), **{name: getattr(job, name) for name in shown}}


class RunDetailSerializer(RunSerializer):
    curve = serializers.SerializerMethodField()
    problems = serializers.SerializerMethodField()

    class Meta(RunSerializer.Meta):
        fields = (*RunSerializer.Meta.fields, "problems", "curve")
        read_only_fields = fields

    def get_curve(self, run: TrainingRun) -> list[dict[str, float]]:
        return selectors.run_curve(run)

    def get_problems(self, run: TrainingRun) -> list[dict[str, Any]]:
        return run.problems[:PROBLEMS_SHOWN]


class NewRunSerializer(serializers.Serializer[Any]):
    dataset = serializers.UUIDField()
    recipe = serializers.JSONField(help_text="The name of a preset, or a recipe as recipes/schema.json describes it.")
    base = serializers.UUIDField(required=False, allow_null=True, help_text="The active version by default.")
    start = serializers.BooleanField(required=False, default=True)


class TrainingView(APIView):
    permission_classes = (MayTrain,)
    throttle_classes = (TrainingLimit,)


class DatasetListView(generics.ListAPIView[Dataset]):
    serializer_class = DatasetSerializer
    pagination_class = Pages
    permission_classes = (MayTrain,)
    throttle_classes = (TrainingLimit,)

    def get_queryset(self) -> Any:
        return selectors.dataset_list()

    @extend_schema(operation_id="training_datasets_list")
    def get(self, request: Request, *args: Any, **kwargs: Any) -> Response:
        return self.list(request, *args, **kwargs)

    @extend_schema(
        operation_id="training_datasets_create", request=NewDatasetSerializer, responses={201: DatasetSerializer}
    )
    def post(self, request: Request) -> Response:
        asked = NewDatasetSerializer(data=request.data)
        asked.is_valid(raise_exception=True)
        values = asked.validated_data
        common = {"name": values["name"], "owner": signed_in(request), "guards": values["guards"]}
        if values["source"] == "library":
            dataset = dataset_from_library(texts=values.get("texts") or ["title", "description"], **common)
        elif values["source"] == "feedback":
            dataset = dataset_from_feedback(**common)
        elif values.get("file") is None:
            raise InvalidInput("Send a manifest or a table as the field file.", field="file")
        else:
            file = values["file"]
            dataset = dataset_from_file(file=file.file, file_name=file.name or "manifest.jsonl", **common)
        return Response(DatasetSerializer(dataset).data, status=201)


class DatasetView(TrainingView):
    @extend_schema(operation_id="training_datasets_read", responses=DatasetSerializer)
    def get(self, request: Request, dataset_id: UUID) -> Response:
        return Response(DatasetSerializer(selectors.dataset_get(dataset_id=dataset_id)).data)

    @extend_schema(operation_id="training_datasets_delete", responses={204: None})
    def delete(self, request: Request, dataset_id: UUID) -> Response:
        dataset_delete(dataset_id=dataset_id)
        return Response(status=204)


class RecipeListView(APIView):
    permission_classes = (MayTrain,)

    @extend_schema(operation_id="training_recipes_list", responses=OpenApiTypes.OBJECT)
    def get(self, request: Request) -> Response:
        return Response({"results": recipe_presets()})


class RunListView(generics.ListAPIView[TrainingRun]):
    serializer_class = RunSerializer
    pagination_class = Pages
    permission_classes = (MayTrain,)
    throttle_classes = (TrainingLimit,)

    def get_queryset(self) -> Any:
        if getattr(self, "swagger_fake_view", False):
            return TrainingRun.objects.none()
        return selectors.run_list(state=self.request.query_params.get("state", ""))

    @extend_schema(
        operation_id="training_runs_list",
        parameters=[OpenApiParameter("state", str, enum=TrainingRun.State.values)],
    )
    def get(self, request: Request, *args: Any, **kwargs: Any) -> Response:
        return self.list(request, *args, **kwargs)

    @extend_schema(operation_id="training_runs_create", request=NewRunSerializer, responses={201: RunDetailSerializer})
    def post(self, request: Request) -> Response:
        asked = NewRunSerializer(data=request.data)
        asked.is_valid(raise_exception=True)
        values = asked.validated_data
        if not isinstance(values["recipe"], str | dict):
            raise InvalidInput("recipe must be the name of a preset or an object.", field="recipe")
        run = run_create(
            dataset_id=values["dataset"], recipe=values["recipe"], base_id=values.get("base"), person=signed_in(request)
        )
        if values["start"]:
            run = run_start(run_id=run.id, person=signed_in(request))
        return Response(RunDetailSerializer(run).data, status=201)


class RunView(TrainingView):
    @extend_schema(operation_id="training_runs_read", responses=RunDetailSerializer)
    def get(self, request: Request, run_id: UUID) -> Response:
        return Response(RunDetailSerializer(selectors.run_get(run_id=run_id)).data)

    @extend_schema(operation_id="training_runs_delete", responses={204: None})
    def delete(self, request: Request, run_id: UUID) -> Response:
        run_delete(run_id=run_id)
        return Response(status=204)


ACTIONS = {
    "start": run_start,
    "stop": run_stop,
    "resume": run_resume,
    "evaluate": run_evaluate,
}


class RunActionView(TrainingView):
    @extend_schema(
        operation_id="training_runs_act",
        parameters=[OpenApiParameter("action", str, OpenApiParameter.PATH, enum=list(ACTIONS))],
        request=None,
        responses={202: RunSerializer},
    )
    def post(self, request: Request, run_id: UUID, action: str) -> Response:
        if action not in ACTIONS:
            raise NotFound("There is no such action.")
        ACTIONS[action](run_id=run_id)  # type: ignore[operator]
        return Response(RunSerializer(selectors.run_get(run_id=run_id)).data, status=202)
