from django.urls import path

from apps.search import views

app_name = "search"
urlpatterns = [
    path("", views.home, name="home"),
    path("similar", views.similar, name="similar"),
]
