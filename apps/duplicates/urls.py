from django.urls import path

from apps.duplicates import views

app_name = "duplicates"
urlpatterns = [
    path("find", views.find_page, name="find"),
    path("find/<uuid:lookup_id>", views.lookup_page, name="lookup"),
    path("find/<uuid:lookup_id>/status", views.lookup_status, name="lookup_status"),
    path("find/<uuid:lookup_id>/stream", views.lookup_stream, name="lookup_stream"),
    path("find/<uuid:lookup_id>/add", views.lookup_add, name="lookup_add"),
    path("duplicates", views.review_page, name="review"),
    path("duplicates/<uuid:group_id>", views.group_page, name="group"),
]
