from django.contrib import admin
from django.urls import include, path

urlpatterns = [
    path("", include("apps.core.urls")),
    path("", include("apps.search.urls")),
    path("", include("apps.videos.urls")),
    path("", include("apps.duplicates.urls")),
    path("training/", include("apps.training.urls")),
    path("accounts/", include("apps.accounts.urls")),
    path("api/", include("apps.api.urls")),
    path("admin/", admin.site.urls),
]

handler500 = "apps.core.views.server_error"
