from django.urls import path

from apps.duplicates import views
from apps.duplicates.library import pages as library_views
from apps.duplicates.pictures import pages as picture_views

app_name = "duplicates"
urlpatterns = [
    path("find", views.find_page, name="find"),
    path("find/<uuid:lookup_id>", views.lookup_page, name="lookup"),
    path("find/<uuid:lookup_id>/status", views.lookup_status, name="lookup_status"),
    path("find/<uuid:lookup_id>/stream", views.lookup_stream, name="lookup_stream"),
    path("find/<uuid:lookup_id>/add", views.lookup_add, name="lookup_add"),
    path("find/<uuid:lookup_id>/pictures/<uuid:video_id>", picture_views.lookup_picture, name="lookup_picture"),
    path(
        "find/<uuid:lookup_id>/pictures/<uuid:video_id>.png",
        picture_views.lookup_picture_png,
        name="lookup_picture_png",
    ),
    path("duplicates", views.review_page, name="review"),
    path("duplicates/scan", library_views.scan, name="scan"),
    path("duplicates/scan/status", library_views.scan_status, name="scan_status"),
    path("duplicates/clusters", library_views.clusters_page, name="clusters"),
    path("duplicates/clusters/<uuid:run_id>", library_views.cluster_run_page, name="cluster_run"),
    path("duplicates/pairs/<uuid:match_id>/picture", picture_views.pair_picture, name="pair_picture"),
    path("duplicates/pairs/<uuid:match_id>/picture.png", picture_views.pair_picture_png, name="pair_picture_png"),
    path("duplicates/<uuid:group_id>", views.group_page, name="group"),
]
