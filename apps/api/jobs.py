"""/jobs, /jobs/{id}, cancel and retry."""

from __future__ import annotations

from typing import Any
from uuid import UUID

from django.contrib.auth.models import User
from django.db.models import QuerySet
from drf_spectacular.utils import OpenApiParameter, extend_schema
from rest_framework import generics, serializers
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from apps.accounts.people import signed_in
from apps.accounts.permissions import may_administer
from apps.api.paging import Pages
from apps.api.permissions import LoggedIn, MayUpload
from apps.api.throttles import WorkLimit
from apps.core.exceptions import InvalidInput, NotAllowed
from apps.core.jobs import job_cancel, job_kinds, job_retry, library_kinds
from apps.core.models import Job
from apps.core.selectors import job_get, job_list
from apps.videos.models import Video
from apps.videos.selectors import may_edit


class JobSerializer(serializers.ModelSerializer[Job]):
    class Meta:
        model = Job
        fields = (
            "id", "kind", "subject_id", "title", "state", "stage", "percent", "seconds_left", "attempts",
            "cancel_requested", "error_code", "error", "created_at", "started_at", "finished_at",
        )  # fmt: skip
        read_only_fields = fields


def jobs_visible(user: User | None, jobs: QuerySet[Job]) -> QuerySet[Job]:
    return jobs if may_administer(user) else jobs.filter(kind__in=library_kinds())


def job_may_change(user: User | None, job: Job) -> bool:
    """Administrators all; people who upload the jobs of their own videos."""
    if may_administer(user):
        return True
    if job.subject_id is None or job.kind not in library_kinds():
        return False
    video = Video.objects.filter(id=job.subject_id).first()
    return video is not None and may_edit(user, video)


class JobListView(generics.ListAPIView[Job]):
    """Needs-attention first."""

    serializer_class = JobSerializer
    pagination_class = Pages
    permission_classes = (MayUpload,)

    def get_queryset(self) -> QuerySet[Job]:
        if getattr(self, "swagger_fake_view", False):
            return Job.objects.none()
        query = self.request.query_params
        state = query.get("state", "")
        if state and state not in Job.State.values:
            raise InvalidInput(f"state must be one of {', '.join(Job.State.values)}.", field="state")
        subject = query.get("subject_id", "")
        try:
            subject_id = UUID(subject) if subject else None
        except ValueError as error:
            raise InvalidInput("subject_id must be the id of a video or a lookup.", field="subject_id") from error
        jobs = job_list(
            state=state,
            kind=query.get("kind", "").replace("\x00", ""),
            subject_id=subject_id,
        )
        return jobs_visible(signed_in(self.request), jobs)

    @extend_schema(
        operation_id="jobs_list",
        parameters=[
            OpenApiParameter("state", str, enum=Job.State.values),
            OpenApiParameter("kind", str, enum=[kind.name for kind in job_kinds()]),
            OpenApiParameter("subject_id", str),
        ],
    )
    def get(self, request: Request, *args: Any, **kwargs: Any) -> Response:
        return self.list(request, *args, **kwargs)


class JobView(APIView):
    permission_classes = (MayUpload,)

    @extend_schema(operation_id="jobs_read", responses=JobSerializer)
    def get(self, request: Request, job_id: UUID) -> Response:
        job = job_get(job_id=job_id)
        if not jobs_visible(signed_in(request), Job.objects.filter(id=job.id)).exists():
            raise NotAllowed("Only administrators see this job.")
        return Response(JobSerializer(job).data)


class JobActionView(APIView):
    """Base of cancel and retry."""

    permission_classes = (LoggedIn,)
    throttle_classes = (WorkLimit,)

    def act(self, job_id: UUID) -> Job:
        raise NotImplementedError

    @extend_schema(request=None, responses={202: JobSerializer})
    def post(self, request: Request, job_id: UUID) -> Response:
        if not job_may_change(signed_in(request), job_get(job_id=job_id)):
            raise NotAllowed("You can cancel and retry only the jobs of your own videos.")
        return Response(JobSerializer(self.act(job_id)).data, status=202)


class JobCancelView(JobActionView):
    def act(self, job_id: UUID) -> Job:
        return job_cancel(job_id=job_id)


class JobRetryView(JobActionView):
    def act(self, job_id: UUID) -> Job:
        return job_retry(job_id=job_id)
