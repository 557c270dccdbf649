from django.urls import path

from apps.training import version_pages, views

app_name = "training"
urlpatterns = [
    path("", views.index, name="index"),
    path("datasets/new", views.dataset_new, name="dataset_new"),
    path("datasets/<uuid:dataset_id>", views.dataset_page, name="dataset"),
    path("datasets/<uuid:dataset_id>/status", views.dataset_status, name="dataset_status"),
    path("datasets/<uuid:dataset_id>/guard", views.dataset_guard, name="dataset_guard"),
    path("datasets/<uuid:dataset_id>/delete", views.dataset_remove, name="dataset_delete"),
    path("runs/new", views.run_new, name="run_new"),
    path("runs/estimate", views.run_estimate, name="run_estimate"),
    path("runs/<uuid:run_id>", views.run_page, name="run"),
    path("runs/<uuid:run_id>/status", views.run_status, name="run_status"),
    path("runs/<uuid:run_id>/<slug:action>", views.run_act, name="run_act"),
    path("versions/<uuid:version_id>", version_pages.version_page, name="version"),
    path("versions/<uuid:version_id>/compare", version_pages.compare_page, name="compare"),
    path("versions/<uuid:version_id>/promote", version_pages.promote, name="promote"),
    path("versions/<uuid:version_id>/roll-back", version_pages.roll_back, name="roll_back"),
]
