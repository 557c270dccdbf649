from django.templatetags.static import static
from django.urls import path
from django.views.generic import RedirectView

from apps.core import views

app_name = "core"
urlpatterns = [
    # Browsers ask for it on pages that name no icon: the admin, JSON.
    path("favicon.ico", RedirectView.as_view(url=static("img/logo.svg"))),
    path("healthz", views.healthz, name="healthz"),
    path("readyz", views.readyz, name="readyz"),
    path("metrics", views.metrics, name="metrics"),
    path("jobs", views.jobs, name="jobs"),
    path("jobs/list", views.jobs_fragment, name="jobs_list"),
]
