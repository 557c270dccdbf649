from django.urls import path

from apps.duplicates.library import pages as library
from apps.duplicates.lookups import pages as lookups
from apps.duplicates.lookups import picture_pages
from apps.duplicates.pictures import pages as pictures
from apps.duplicates.review import identical_pages
from apps.duplicates.review import pages as review

app_name = "duplicates"
urlpatterns = [
    path("find", lookups.find_page, name="find"),
    path("find/<uuid:lookup_id>", lookups.lookup_page, name="lookup"),
    path("find/<uuid:lookup_id>/status", lookups.lookup_status, name="lookup_status"),
    path("find/<uuid:lookup_id>/stream", lookups.lookup_stream, name="lookup_stream"),
    path("find/<uuid:lookup_id>/add", lookups.lookup_add, name="lookup_add"),
    path("find/<uuid:lookup_id>/pictures/<uuid:video_id>", picture_pages.lookup_picture, name="lookup_picture"),
    path(
        "find/<uuid:lookup_id>/pictures/<uuid:video_id>.png",
        picture_pages.lookup_picture_png,
        name="lookup_picture_png",
    ),
    path("duplicates", review.review_page, name="review"),
    path("duplicates/identical", identical_pages.identical_page, name="identical"),
    path("duplicates/identical.csv", identical_pages.identical_csv, name="identical_csv"),
    path("duplicates/scan", library.scan, name="scan"),
    path("duplicates/scan/status", library.scan_status, name="scan_status"),
    path("duplicates/clusters", library.clusters_page, name="clusters"),
    path("duplicates/clusters/<uuid:run_id>", library.cluster_run_page, name="cluster_run"),
    path("duplicates/pairs/<uuid:match_id>/picture", pictures.pair_picture, name="pair_picture"),
    path("duplicates/pairs/<uuid:match_id>/picture.png", pictures.pair_picture_png, name="pair_picture_png"),
    path("duplicates/<uuid:group_id>", review.group_page, name="group"),
]
