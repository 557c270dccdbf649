"""Everything under /api/. No trailing slashes."""

from __future__ import annotations

from django.urls import URLPattern, path, re_path
from drf_spectacular.views import SpectacularAPIView

from apps.api.duplicates import (
    DecisionUndoView,
    GroupListView,
    GroupResolveView,
    GroupView,
    IdenticalFilesView,
    PairVerdictView,
    ScanLatestView,
    ScanListView,
)
from apps.api.feedback import FeedbackView
from apps.api.jobs import JobCancelView, JobListView, JobRetryView, JobView
from apps.api.lookups import LookupAddView, LookupListView, LookupView
from apps.api.model_versions import (
    ModelVersionCompareView,
    ModelVersionListView,
    ModelVersionPromoteView,
    ModelVersionRollBackView,
    ModelVersionView,
)
from apps.api.moments import VideoMomentsView
from apps.api.search import SearchView, SimilarView
from apps.api.tokens import TokenListView, TokenView
from apps.api.training_runs import (
    DatasetListView,
    DatasetView,
    RecipeListView,
    RunActionView,
    RunListView,
    RunView,
)
from apps.api.unknown import UnknownView
from apps.api.uploads import UploadListView, UploadView
from apps.api.videos import (
    VideoCancelView,
    VideoListView,
    VideoRetryView,
    VideoStoryboardView,
    VideoView,
)

app_name = "api"

schema: list[URLPattern] = [path("schema", SpectacularAPIView.as_view(), name="schema")]

# search and saved searches
search: list[URLPattern] = [
    path("v1/search", SearchView.as_view(), name="search"),
    path("v1/videos/<uuid:video_id>/similar", SimilarView.as_view(), name="similar"),
    path("v1/feedback", FeedbackView.as_view(), name="feedback"),
]

# lookups and duplicate groups
duplicates: list[URLPattern] = [
    path("v1/lookups", LookupListView.as_view(), name="lookups"),
    path("v1/lookups/<uuid:lookup_id>", LookupView.as_view(), name="lookup"),
    path("v1/lookups/<uuid:lookup_id>/add", LookupAddView.as_view(), name="lookup_add"),
    path("v1/duplicate-groups", GroupListView.as_view(), name="duplicate_groups"),
    path("v1/duplicate-groups/<uuid:group_id>", GroupView.as_view(), name="duplicate_group"),
    path("v1/duplicate-groups/<uuid:group_id>/resolve", GroupResolveView.as_view(), name="duplicate_group_resolve"),
    path("v1/identical-files", IdenticalFilesView.as_view(), name="identical_files"),
    path("v1/pair-verdicts", PairVerdictView.as_view(), name="pair_verdicts"),
    path("v1/decisions/<int:decision_id>/undo", DecisionUndoView.as_view(), name="decision_undo"),
    path("v1/duplicate-scans", ScanListView.as_view(), name="duplicate_scans"),
    path("v1/duplicate-scans/latest", ScanLatestView.as_view(), name="duplicate_scan_latest"),
]

# videos, uploads, jobs, tokens
catalogue: list[URLPattern] = [
    path("v1/videos", VideoListView.as_view(), name="videos"),
    path("v1/videos/<uuid:video_id>", VideoView.as_view(), name="video"),
    path("v1/videos/<uuid:video_id>/retry", VideoRetryView.as_view(), name="video_retry"),
    path(
        "v1/videos/<uuid:video_id>/cancel",
        VideoCancelView.as_view(),
        name="video_cancel",
    ),
    path("v1/videos/<uuid:video_id>/moments", VideoMomentsView.as_view(), name="video_moments"),
    path(
        "v1/videos/<uuid:video_id>/storyboard.vtt",
        VideoStoryboardView.as_view(),
        name="video_storyboard",
    ),
    path("v1/uploads", UploadListView.as_view(), name="uploads"),
    path("v1/uploads/<uuid:upload_id>", UploadView.as_view(), name="upload"),
    path("v1/jobs", JobListView.as_view(), name="jobs"),
    path("v1/jobs/<uuid:job_id>", JobView.as_view(), name="job"),
    path("v1/jobs/<uuid:job_id>/cancel", JobCancelView.as_view(), name="job_cancel"),
    path("v1/jobs/<uuid:job_id>/retry", JobRetryView.as_view(), name="job_retry"),
    path("v1/tokens", TokenListView.as_view(), name="tokens"),
    path("v1/tokens/<uuid:token_id>", TokenView.as_view(), name="token"),
]

# training and model versions
training: list[URLPattern] = [
    path("v1/training-datasets", DatasetListView.as_view(), name="training_datasets"),
    path("v1/training-datasets/<uuid:dataset_id>", DatasetView.as_view(), name="training_dataset"),
    path("v1/training-recipes", RecipeListView.as_view(), name="training_recipes"),
    path("v1/training-runs", RunListView.as_view(), name="training_runs"),
    path("v1/training-runs/<uuid:run_id>", RunView.as_view(), name="training_run"),
    path("v1/training-runs/<uuid:run_id>/<slug:action>", RunActionView.as_view(), name="training_run_act"),
    path("v1/model-versions", ModelVersionListView.as_view(), name="model_versions"),
    path("v1/model-versions/<uuid:version_id>", ModelVersionView.as_view(), name="model_version"),
    path("v1/model-versions/<uuid:version_id>/compare", ModelVersionCompareView.as_view(), name="version_compare"),
    path("v1/model-versions/<uuid:version_id>/promote", ModelVersionPromoteView.as_view(), name="version_promote"),
    path(
        "v1/model-versions/<uuid:version_id>/roll-back",
        ModelVersionRollBackView.as_view(),
        name="version_roll_back",
    ),
]

# Last, so that an unknown address answers with a problem and not with a page.
unknown = [re_path(r"^.*$", UnknownView.as_view())]

urlpatterns = [*schema, *search, *duplicates, *catalogue, *training, *unknown]
