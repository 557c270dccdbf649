from __future__ import annotations

from collections.abc import Collection, Iterable
from itertools import groupby
from operator import attrgetter
from pathlib import Path
from typing import Any

from django.conf import settings
from django.contrib.postgres.indexes import GinIndex
from django.contrib.postgres.search import SearchVectorField
from django.db import models

from apps.core.models import BaseModel
from apps.videos.identity import Identity
from apps.videos.paths import path_from
from apps.videos.words.rows import row_vectors


class Tag(models.Model):
    name = models.CharField(max_length=64, unique=True)

    class Meta:
        ordering = ["name"]

    def __str__(self) -> str:
        return self.name


class Video(BaseModel):
    """One file of the library, known by its content (sha256)."""

    class State(models.TextChoices):
        UPLOADED = "uploaded", "waiting"
        PROBED = "probed", "being indexed"
        READY = "ready", "ready"
        FAILED = "failed", "failed"

    class Source(models.TextChoices):
        UPLOAD = "upload", "uploaded"
        IMPORT = "import", "imported folder"

    sha256 = models.CharField(max_length=64, unique=True)
    title = models.CharField(max_length=300)
    description = models.TextField(blank=True)
    original_name = models.CharField(max_length=300)
    source = models.CharField(max_length=16, choices=Source)
    # An imported file stays where it is; an uploaded one is in MEDIA_DIR/<id>/ under a generated name. As text of
    # apps.videos.paths; ``file`` is the path to open. "": other content has its place, and no copy is known.
    path = models.TextField()
    owner = models.ForeignKey(settings.AUTH_USER_MODEL, null=True, blank=True, on_delete=models.SET_NULL)
    tags = models.ManyToManyField(Tag, blank=True, related_name="videos")
    state = models.CharField(max_length=16, choices=State, default=State.UPLOADED, db_index=True)
    failure_code = models.CharField(max_length=64, blank=True)
    failure = models.TextField(blank=True)

    # The identity of the file when it was last known to have this content (apps.videos.identity).
    size_bytes = models.BigIntegerField(default=0)
    modified_ns = models.BigIntegerField(null=True, blank=True)
    file_id = models.CharField(max_length=64, blank=True, default="", db_default="")
    missing_since = models.DateTimeField(null=True, blank=True, db_index=True)  # see apps.videos.presence
    # The video whose place it took under the same name (apps.videos.relocation.inherit).
    successor_of = models.ForeignKey(
        "self", null=True, blank=True, on_delete=models.SET_NULL, related_name="successors"
    )
    duration_seconds = models.FloatField(null=True, blank=True, db_index=True)
    container = models.CharField(max_length=64, blank=True)
    video_codec = models.CharField(max_length=32, blank=True)
    audio_codec = models.CharField(max_length=32, blank=True)
    pixel_format = models.CharField(max_length=32, blank=True)
    width = models.PositiveIntegerField(null=True, blank=True)
    height = models.PositiveIntegerField(null=True, blank=True)
    rotation = models.PositiveSmallIntegerField(default=0)
    frames_per_second = models.FloatField(null=True, blank=True)
    bit_rate = models.BigIntegerField(null=True, blank=True)
    needs_proxy = models.BooleanField(default=False)
    has_proxy = models.BooleanField(default=False)
    # Sentences about what of the file was left out: holes, further tracks (worker.indexing.notes).
    notes = models.JSONField(default=list, blank=True, db_default=[])
    ready_at = models.DateTimeField(null=True, blank=True)

    class Meta:
        ordering = ["-created_at"]
        permissions = [("upload_video", "Can upload and import videos")]

    def __str__(self) -> str:
        return self.title

    @property
    def folder(self) -> Path:
        """Where everything derived from the video lies (poster.jpg, storyboard*, thumbs/, proxy.mp4)."""
        return Path(settings.MEDIA_DIR) / str(self.id)

    @property
    def file(self) -> Path:
        return path_from(self.path)

    @property
    def identity(self) -> Identity | None:
        """None in rows that were written before it was stored."""
        return None if self.modified_ns is None else Identity(self.size_bytes, self.modified_ns, self.file_id)

    @property
    def playable_path(self) -> Path:
        return self.folder / "proxy.mp4" if self.has_proxy else self.file


class Shot(models.Model):
    video = models.ForeignKey(Video, on_delete=models.CASCADE, related_name="shots")
    ordinal = models.PositiveIntegerField()
    start = models.FloatField()
    end = models.FloatField()
    key_time = models.FloatField()

    class Meta:
        ordering = ["ordinal"]
        constraints = [models.UniqueConstraint(fields=["video", "ordinal"], name="shot_ordinal")]

    def __str__(self) -> str:
        return f"{self.start:.2f} to {self.end:.2f} s"


class TextSegmentManager(models.Manager["TextSegment"]):
    def bulk_create(
        self,
        objs: Iterable[TextSegment],
        batch_size: int | None = None,
        ignore_conflicts: bool = False,
        update_conflicts: bool = False,
        update_fields: Collection[str] | None = None,
        unique_fields: Collection[str] | None = None,
    ) -> list[TextSegment]:
        """Index the rows as they are written. The cues of a track are written together: each knows what follows it."""
        rows = list(objs)
        by_video = attrgetter("video_id")
        for _, group in groupby(sorted(rows, key=by_video), by_video):
            of_video = list(group)
            for row, words in zip(of_video, row_vectors(of_video), strict=True):
                row.words = words
        return super().bulk_create(rows, batch_size, ignore_conflicts, update_conflicts, update_fields, unique_fields)


class TextSegment(models.Model):
    """Words that belong to a span of a video (the whole of it for a title).

    A text is never changed: its row is deleted and written again, so that text and index cannot differ.
    """

    class Source(models.TextChoices):
        TITLE = "title", "title"
        NAME = "name", "file name"
        DESCRIPTION = "description", "description"
        SUBTITLE = "subtitle", "subtitle"

    video = models.ForeignKey(Video, on_delete=models.CASCADE, related_name="text_segments")
    source = models.CharField(max_length=16, choices=Source)
    start = models.FloatField()
    end = models.FloatField()
    text = models.TextField()
    # "de", "pt-BR", "yue": ISO 639-1 where it has the language, with a script or a region where that was said; "":
    # unknown.
    language = models.CharField(max_length=16, blank=True)
    # Subtitles: which track of the video the cue is from, so that a phrase is followed in one track only. From 1 those
    # in the file, from SubtitleFile.FIRST_TRACK those beside it. 0: no subtitle.
    track = models.PositiveSmallIntegerField(default=0, db_default=0)
    words = SearchVectorField(null=True, editable=False)  # see apps.videos.words.lexemes; filled when a row is written

    objects = TextSegmentManager()

    class Meta:
        indexes = [
            GinIndex(fields=["words"], name="textsegment_words"),
            # What is looked for in titles only (the beginning of a word, stop words) is common in subtitles.
            GinIndex(
                fields=["words"], name="textsegment_title_words", condition=models.Q(source__in=["title", "name"])
            ),
            models.Index(fields=["language"], name="textsegment_language"),  # which languages there are
        ]

    def __str__(self) -> str:
        return f"{self.source}: {self.text[:60]}"

    def save(self, *args: Any, **kwargs: Any) -> None:
        (self.words,) = row_vectors([self])
        super().save(*args, **kwargs)


class SubtitleFile(models.Model):
    """A file with subtitles beside an imported video, as it was when it was read last; its cues have its ``track``."""

    FIRST_TRACK = 1000  # tracks in the file of a video come before it

    video = models.ForeignKey(Video, on_delete=models.CASCADE, related_name="subtitle_files")
    path = models.TextField()  # text of apps.videos.paths
    size_bytes = models.BigIntegerField()
    modified_ns = models.BigIntegerField()
    track = models.PositiveSmallIntegerField()
    problem = models.CharField(max_length=200, blank=True)  # why nothing of it could be read

    class Meta:
        ordering = ["track"]
        constraints = [models.UniqueConstraint(fields=["video", "track"], name="subtitle_file_track")]

    def __str__(self) -> str:
        return self.path


class Upload(BaseModel):
    """A resumable upload (tus): bytes collect in UPLOAD_DIR/<id> until ``offset`` reaches ``length``."""

    class Purpose(models.TextChoices):
        LIBRARY = "library", "library"
        LOOKUP = "lookup", "lookup"

    owner = models.ForeignKey(settings.AUTH_USER_MODEL, null=True, blank=True, on_delete=models.CASCADE)
    session_key = models.CharField(max_length=64, blank=True)  # of an anonymous lookup
    # Of a visitor, while the upload is unfinished: what one address may reserve is limited.
    address = models.CharField(max_length=64, blank=True, default="", db_default="")
    purpose = models.CharField(max_length=16, choices=Purpose)
    file_name = models.CharField(max_length=300)
    length = models.BigIntegerField()
    offset = models.BigIntegerField(default=0)
    completed_at = models.DateTimeField(null=True, blank=True)
    result_id = models.UUIDField(null=True, blank=True)  # the Video or Lookup that it became

    @property
    def path(self) -> Path:
        return Path(settings.UPLOAD_DIR) / str(self.id)


class ImportedFile(models.Model):
    """What an import saw at a path, so that the next one need not read the file again.

    Rows of one ``sha256`` are the places of one content (apps.videos.identical)."""

    path = models.TextField(unique=True)
    size_bytes = models.BigIntegerField()
    modified_ns = models.BigIntegerField()
    file_id = models.CharField(max_length=64, blank=True, default="", db_default="")
    sha256 = models.CharField(max_length=64, db_index=True)
    seen_at = models.DateTimeField(auto_now=True)
    missing_since = models.DateTimeField(null=True, blank=True)  # the path leads to nothing, or to other content

    def __str__(self) -> str:
        return self.path

    @property
    def identity(self) -> Identity:
        return Identity(self.size_bytes, self.modified_ns, self.file_id)
