from django.urls import path

from apps.search import feedback_pages, views

app_name = "search"
urlpatterns = [
    path("", views.home, name="home"),
    path("feedback", feedback_pages.feedback, name="feedback"),
    path("similar", views.similar, name="similar"),
]
