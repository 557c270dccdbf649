from django.urls import path

from apps.accounts import views

app_name = "accounts"
urlpatterns = [
    path("login", views.LoginView.as_view(), name="login"),
    path("logout", views.LogoutView.as_view(), name="logout"),
    path("password", views.PasswordChangeView.as_view(), name="password_change"),
    path("tokens", views.tokens_page, name="tokens"),
    path("tokens/<uuid:token_id>/revoke", views.token_revoke_page, name="token_revoke"),
]
