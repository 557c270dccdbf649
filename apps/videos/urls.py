from django.urls import path

from apps.videos import streaming
from apps.videos.pages import library, video

app_name = "videos"
urlpatterns = [
    path("videos", library.video_list_page, name="list"),
    path("videos/progress", library.video_progress, name="progress"),
    path("upload", library.upload_page, name="upload"),
    path("videos/<uuid:video_id>", video.video_page, name="detail"),
    path("videos/<uuid:video_id>/status", video.video_status, name="status"),
    path("videos/<uuid:video_id>/stream", streaming.stream, name="stream"),
    path("videos/<uuid:video_id>/poster.jpg", streaming.poster, name="poster"),
    path("videos/<uuid:video_id>/thumbs/<int:milliseconds>.jpg", streaming.thumbnail, name="thumbnail"),
    path("videos/<uuid:video_id>/storyboard.vtt", streaming.storyboard, name="storyboard"),
    # The names that storyboard.vtt gives its sheets, beside it.
    path("videos/<uuid:video_id>/sprite.jpg", streaming.storyboard_sheet, name="storyboard_sheet"),
    path("videos/<uuid:video_id>/sprite-<int:number>.jpg", streaming.storyboard_sheet, name="storyboard_sheet"),
    path("videos/<uuid:video_id>/subtitles-<int:track>.vtt", streaming.subtitles, name="subtitles"),
]
