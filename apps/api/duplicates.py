"""Review of duplicates.

GET  /duplicate-groups                 ?state=open|confirmed|dismissed|all&kind=copies|contains|shares|shared_asset
GET  /duplicate-groups/{id}            with evidence
POST /duplicate-groups/{id}/resolve    {"action": "confirm"|"keep"|"dismiss", "keeper": id, "members": [ids], "note"}
GET  /identical-files                  files with the same content, those that take most space first
GET  /pair-verdicts                    every decision, newest first
POST /pair-verdicts                    {"first": id, "second": id, "verdict": "duplicates"|"not_duplicates"}
POST /decisions/{id}/undo
GET  /duplicate-scans/latest           how far the latest scan of the whole library is
POST /duplicate-scans                  scan it again; 200 with the running one when there is one
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
from apps.api.permissions import MayAdminister, MayReview
from apps.api.throttles import WorkLimit
from apps.core.exceptions import NotFound
from apps.duplicates.groups.selectors import decision_list, group_get, group_list
from apps.duplicates.library.scans import Scan, scan_latest, scan_of, scan_start
from apps.duplicates.models import DuplicateGroup, ReviewDecision
from apps.duplicates.review.decisions import (
    NOTHING_DELETED,
    Reviewed,
    decision_undo,
    group_confirm,
    group_dismiss,
    pair_decide,
)
from apps.duplicates.review.evidence import Evidence, Pair, group_evidence
from apps.videos.identical import Identical, identical_files, identical_list
from apps.videos.models import Video


class ResolveSerializer(serializers.Serializer[Any]):
    action = serializers.ChoiceField(choices=["confirm", "keep", "dismiss"])
    keeper = serializers.UUIDField(required=False)
    members = serializers.ListField(
        child=serializers.UUIDField(),
        required=False,
        help_text="The members that you saw; 409 when the group has changed since.",
    )
    note = serializers.CharField(required=False, allow_blank=True, max_length=2000, default="")

    def validate(self, attrs: dict[str, Any]) -> dict[str, Any]:
        if attrs["action"] == "keep" and "keeper" not in attrs:
            raise serializers.ValidationError({"keeper": "Name the video to keep."})
        return attrs


class PairVerdictSerializer(serializers.Serializer[Any]):
    first = serializers.UUIDField()
    second = serializers.UUIDField()
    verdict = serializers.ChoiceField(choices=["duplicates", "not_duplicates"])
    note = serializers.CharField(required=False, allow_blank=True, max_length=2000, default="")


class DecisionSerializer(serializers.ModelSerializer[ReviewDecision]):
    reviewer = serializers.CharField(source="reviewer.username", default=None)

    class Meta:
        model = ReviewDecision
        fields = (
            "id", "first_sha256", "second_sha256", "verdict", "kind", "keeper_sha256", "reviewer", "note", "batch",
            "decided_at",
        )  # fmt: skip
        read_only_fields = fields


class GroupSerializer(serializers.ModelSerializer[DuplicateGroup]):
    members = serializers.SerializerMethodField()
    reviewer = serializers.CharField(source="reviewer.username", default=None)

    class Meta:
        model = DuplicateGroup
        fields = (
            "id", "kind", "state", "score", "members", "asset_videos", "proposed_keeper", "keeper_reasons", "keeper",
            "reviewer", "reviewed_at", "created_at", "updated_at",
        )  # fmt: skip
        read_only_fields = fields

    def get_members(self, group: DuplicateGroup) -> list[dict[str, Any]]:
        return [
            {
                "id": str(video.id),
                "title": video.title,
                "path": video.path,
                "duration": video.duration_seconds,
                "missing_since": video.missing_since,
            }
            for video in sorted(group.members.all(), key=lambda v: str(v.id))
        ]


class GroupListView(generics.ListAPIView[DuplicateGroup]):
    """Copies first, surest first; groups to review unless ``state`` says otherwise."""

    serializer_class = GroupSerializer
    pagination_class = Pages
    permission_classes = (MayReview,)

    def get_queryset(self) -> Any:
        if getattr(self, "swagger_fake_view", False):
            return DuplicateGroup.objects.none()
        query = self.request.query_params
        state = query.get("state") or DuplicateGroup.State.OPEN
        return group_list(state="" if state == "all" else state, kind=query.get("kind", ""))

    @extend_schema(
        operation_id="duplicate_groups_list",
        parameters=[
            OpenApiParameter("state", str, enum=[*DuplicateGroup.State.values, "all"]),
            OpenApiParameter("kind", str, enum=DuplicateGroup.Kind.values),
        ],
    )
    def get(self, request: Request, *args: Any, **kwargs: Any) -> Response:
        return self.list(request, *args, **kwargs)


class IdenticalFilesView(generics.ListAPIView[Video]):
    """Videos with several files of the same content. ``spare_bytes``: what could be freed. Nothing is deleted."""

    pagination_class = Pages
    permission_classes = (MayReview,)

    def get_queryset(self) -> Any:
        if getattr(self, "swagger_fake_view", False):
            return Video.objects.none()
        return identical_list()

    @extend_schema(operation_id="identical_files_list", responses=OpenApiTypes.OBJECT)
    def get(self, request: Request, *args: Any, **kwargs: Any) -> Response:
        videos = self.paginate_queryset(self.get_queryset()) or []
        return self.get_paginated_response([_identical(found) for found in identical_files(videos).values()])


class GroupView(APIView):
    permission_classes = (MayReview,)

    @extend_schema(operation_id="duplicate_groups_read", responses=GroupSerializer)
    def get(self, request: Request, group_id: UUID) -> Response:
        group = group_get(group_id=group_id)
        evidence = _evidence(group_evidence(group))  # first: it looks for the files
        return Response({**GroupSerializer(group).data, **evidence})


class GroupResolveView(APIView):
    permission_classes = (MayReview,)
    throttle_classes = (WorkLimit,)

    @extend_schema(operation_id="duplicate_groups_resolve", request=ResolveSerializer, responses=dict)
    def post(self, request: Request, group_id: UUID) -> Response:
        asked = ResolveSerializer(data=request.data)
        asked.is_valid(raise_exception=True)
        values = asked.validated_data
        common = {
            "group_id": group_id, "reviewer": signed_in(request), "seen": values.get("members"), "note": values["note"],
        }  # fmt: skip
        if values["action"] == "dismiss":
            done = group_dismiss(**common)
        else:
            done = group_confirm(keeper_id=values.get("keeper"), **common)
        return Response({"group": GroupSerializer(group_get(group_id=group_id)).data, **_reviewed(done)})


class PairVerdictView(generics.ListAPIView[ReviewDecision]):
    serializer_class = DecisionSerializer
    pagination_class = Pages
    permission_classes = (MayReview,)
    throttle_classes = (WorkLimit,)

    def get_queryset(self) -> Any:
        return decision_list()

    @extend_schema(operation_id="pair_verdicts_list")
    def get(self, request: Request, *args: Any, **kwargs: Any) -> Response:
        return self.list(request, *args, **kwargs)

    @extend_schema(operation_id="pair_verdicts_create", request=PairVerdictSerializer, responses={201: dict})
    def post(self, request: Request) -> Response:
        asked = PairVerdictSerializer(data=request.data)
        asked.is_valid(raise_exception=True)
        values = asked.validated_data
        done = pair_decide(
            first_id=values["first"],
            second_id=values["second"],
            verdict=values["verdict"],
            reviewer=signed_in(request),
            note=values["note"],
        )
        return Response(_reviewed(done), status=201)


class DecisionUndoView(APIView):
    permission_classes = (MayReview,)
    throttle_classes = (WorkLimit,)

    @extend_schema(operation_id="decisions_undo", request=None, responses=dict)
    def post(self, request: Request, decision_id: int) -> Response:
        done = decision_undo(decision_id=decision_id, reviewer=signed_in(request))
        return Response(_reviewed(done))


class ScanListView(APIView):
    permission_classes = (MayAdminister,)
    throttle_classes = (WorkLimit,)

    @extend_schema(operation_id="duplicate_scans_create", request=None, responses={200: dict, 201: dict})
    def post(self, request: Request) -> Response:
        job, new = scan_start(title=f"requested by {request.user}")
        return Response(_scan(scan_of(job)), status=201 if new else 200)


class ScanLatestView(APIView):
    permission_classes = (MayReview,)

    @extend_schema(operation_id="duplicate_scans_latest", responses=dict)
    def get(self, request: Request) -> Response:
        latest = scan_latest()
        if latest is None:
            raise NotFound("The library has not been scanned yet, or the last scan is too old to be listed.")
        return Response(_scan(latest), headers={"Cache-Control": "no-store"})


def _scan(scan: Scan) -> dict[str, Any]:
    job = scan.job
    return {
        "job": str(job.id),
        "state": job.state,
        "stage": job.stage,
        "percent": scan.percent,
        "seconds_left": scan.seconds_left,
        "error": job.error or None,
        "created_at": job.created_at.isoformat(),
        "finished_at": job.finished_at.isoformat() if job.finished_at else None,
    }


def _reviewed(done: Reviewed) -> dict[str, Any]:
    return {"decisions": done.decision_ids, "undo": done.undo_id, "notice": NOTHING_DELETED}


def _evidence(evidence: Evidence) -> dict[str, Any]:
    return {
        "identical_files": {
            str(member.video.id): member.identical.as_json()
            for member in evidence.members
            if member.identical is not None and member.identical.several
        },
        "pairs": [_pair(pair) for pair in evidence.pairs],
        "decisions": DecisionSerializer(evidence.history, many=True).data,
        "undo": evidence.undo_id,
        "notice": NOTHING_DELETED,
    }


def _identical(identical: Identical) -> dict[str, Any]:
    video = identical.video
    return {
        "video": {"id": str(video.id), "title": video.title},
        "sha256": video.sha256,
        "size_bytes": video.size_bytes,
        "spare_files": identical.spare_files,
        "spare_bytes": identical.spare_bytes,
        "files": identical.as_json(),
    }


def _pair(pair: Pair) -> dict[str, Any]:
    match = pair.match
    if match is None:
        return {"a": str(pair.a.video.id), "b": str(pair.b.video.id), "relation": None}
    return {
        "a": str(match.a_id),
        "b": str(match.b_id),
        "relation": match.relation,
        "score": match.score,
        "a_coverage": match.a_coverage,
        "b_coverage": match.b_coverage,
        "mirrored": match.mirrored,
        "weakest": pair.is_weakest,
        "segments": [
            {"a": [s.a_start, s.a_end], "b": [s.b_start, s.b_end], "score": s.score, "reversed": s.reversed}
            for s in sorted(match.segments.all(), key=lambda s: (s.a_start, s.b_start))
        ],
    }
