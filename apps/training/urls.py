from django.urls import path

from apps.training.pages import datasets, overview, runs, versions

app_name = "training"
urlpatterns = [
    path("", overview.index, name="index"),
    path("datasets/new", datasets.dataset_new, name="dataset_new"),
    path("datasets/<uuid:dataset_id>", datasets.dataset_page, name="dataset"),
    path("datasets/<uuid:dataset_id>/status", datasets.dataset_status, name="dataset_status"),
    path("datasets/<uuid:dataset_id>/guard", datasets.dataset_guard, name="dataset_guard"),
    path("datasets/<uuid:dataset_id>/delete", datasets.dataset_remove, name="dataset_delete"),
    path("runs/new", runs.run_new, name="run_new"),
    path("runs/estimate", runs.run_estimate, name="run_estimate"),
    path("runs/<uuid:run_id>", runs.run_page, name="run"),
    path("runs/<uuid:run_id>/status", runs.run_status, name="run_status"),
    path("runs/<uuid:run_id>/<slug:action>", runs.run_act, name="run_act"),
    path("versions/<uuid:version_id>", versions.version_page, name="version"),
    path("versions/<uuid:version_id>/compare", versions.compare_page, name="compare"),
    path("versions/<uuid:version_id>/promote", versions.promote, name="promote"),
    path("versions/<uuid:version_id>/roll-back", versions.roll_back, name="roll_back"),
]
