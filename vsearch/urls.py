from django.contrib import admin
from django.urls import include, path
from django.views.generic import RedirectView

from apps.accounts.views import admin_login
from apps.core.views import missing

urlpatterns = [
    path("", include("apps.core.urls")),
    path("", include("apps.search.urls")),
    path("", include("apps.videos.urls")),
    path("", include("apps.duplicates.urls")),
    path("training/", include("apps.training.urls")),
    path("accounts/", include("apps.accounts.urls")),
    path("api/", include("apps.api.urls")),
    # Before the admin's own: one page to change a password, and one way to count guesses at it.
    path("admin/login/", admin_login),
    path("admin/password_change/", RedirectView.as_view(pattern_name="accounts:password_change")),
    # The admin's "view on site": none of our rows has such a page, and it fails on ids that are no numbers.
    path("admin/r/<path:rest>", missing),
    path("admin/", admin.site.urls),
]

handler500 = "apps.core.views.server_error"
