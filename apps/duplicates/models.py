from __future__ import annotations

import uuid
from typing import Any

from django.conf import settings
from django.db import models
from django.db.models import F, Q

from apps.core.models import BaseModel
from apps.embeddings.models import ModelVersion
from apps.videos.models import Video


class Relation(models.TextChoices):
    """From the point of view of the first video (or the query)."""

    EXACT = "exact", "the same file"
    NEAR_DUPLICATE = "near_duplicate", "the same video, re-encoded or edited"
    CONTAINS = "contains", "contains the other"
    CONTAINED_IN = "contained_in", "is contained in the other"
    SHARES_SEGMENTS = "shares_segments", "shares segments"
    SHARED_ASSET = "shared_asset", "shares only an intro, an advert or the like"  # shown, never stored of a match


class VideoMatch(BaseModel):
    """Two library videos that share footage. ``a`` has the smaller id, so a pair has one row."""

    a = models.ForeignKey(Video, on_delete=models.CASCADE, related_name="matches_as_a")
    b = models.ForeignKey(Video, on_delete=models.CASCADE, related_name="matches_as_b")
    model_version = models.ForeignKey(ModelVersion, on_delete=models.CASCADE)
    relation = models.CharField(max_length=24, choices=Relation)
    score = models.FloatField()
    a_coverage = models.FloatField()
    b_coverage = models.FloatField()
    mirrored = models.BooleanField(default=False)

    class Meta:
        constraints = [
            models.UniqueConstraint(fields=["a", "b", "model_version"], name="one_match_a_pair"),
            models.CheckConstraint(condition=Q(a__lt=F("b")), name="pair_is_ordered"),
        ]
        ordering = ["-score"]
        verbose_name_plural = "video matches"

    def __str__(self) -> str:
        return f"{self.a} / {self.b}: {self.get_relation_display()}"


class MatchedSegment(models.Model):
    match = models.ForeignKey(VideoMatch, on_delete=models.CASCADE, related_name="segments")
    a_start = models.FloatField()
    a_end = models.FloatField()
    b_start = models.FloatField()
    b_end = models.FloatField()
    score = models.FloatField()
    reversed = models.BooleanField(default=False)
    # db_default: workers of the version before, which know nothing of these columns, still write rows.
    mirrored = models.BooleanField(default=False, db_default=False)
    look = models.CharField(max_length=16, default="whole", db_default="whole")  # whole, mirrored, turned, part, region

    def __str__(self) -> str:
        return f"{self.a_start:.1f}-{self.a_end:.1f} = {self.b_start:.1f}-{self.b_end:.1f}"


class DuplicateGroup(BaseModel):
    """What a reviewer decides at once: videos that are copies of each other, or a pair with another relation.

    Only ``copies`` and ``shared_asset`` may have more than two members: containment and shared footage do not carry
    over from one pair to the next. Rows are rebuilt from matches and decisions (apps.duplicates.groups.rebuild); the
    decisions are the truth.
    """

    class Kind(models.TextChoices):
        COPIES = "copies", "copies of each other"
        CONTAINS = "contains", "one contains the other"
        SHARES = "shares", "they share footage"
        SHARED_ASSET = "shared_asset", "they share an intro or advert"

    class State(models.TextChoices):
        OPEN = "open", "to review"
        CONFIRMED = "confirmed", "confirmed"
        DISMISSED = "dismissed", "not duplicates"

    kind = models.CharField(max_length=16, choices=Kind, default=Kind.COPIES, db_index=True)
    state = models.CharField(max_length=16, choices=State, default=State.OPEN, db_index=True)
    score = models.FloatField(default=0.0)  # of the weakest match
    members = models.ManyToManyField(Video, through="GroupMember", related_name="duplicate_groups")
    weakest_match = models.ForeignKey(VideoMatch, null=True, on_delete=models.SET_NULL, related_name="+")
    proposed_keeper = models.ForeignKey(Video, null=True, on_delete=models.SET_NULL, related_name="+")
    asset_videos = models.PositiveIntegerField(
        default=0, db_default=0
    )  # of a shared asset: how many videos it occurs in
    keeper_reasons: models.JSONField[list[str], list[str]] = models.JSONField(default=list)
    # The copy that a reviewer chose; the other members are spare from then on. No file is deleted for it.
    keeper = models.ForeignKey(Video, null=True, blank=True, on_delete=models.SET_NULL, related_name="+")
    reviewer = models.ForeignKey(settings.AUTH_USER_MODEL, null=True, blank=True, on_delete=models.SET_NULL)
    reviewed_at = models.DateTimeField(null=True, blank=True)

    class Meta:
        ordering = ["-score", "-created_at"]

    def __str__(self) -> str:
        return f"{self.get_kind_display()} ({self.get_state_display()})"


class GroupMember(models.Model):
    group = models.ForeignKey(DuplicateGroup, on_delete=models.CASCADE)
    video = models.ForeignKey(Video, on_delete=models.CASCADE)

    class Meta:
        constraints = [models.UniqueConstraint(fields=["group", "video"], name="member_once")]

    def __str__(self) -> str:
        return f"{self.video} in {self.group}"


class ReviewDecision(models.Model):
    """Append-only. Pairs are kept by content (sha256), so a verdict outlives re-scan, re-import and re-index.

    The latest row of a pair (highest id) holds. Rows that one click wrote share a ``batch`` and are undone together.
    """

    class Verdict(models.TextChoices):
        DUPLICATES = "duplicates", "duplicates"
        NOT_DUPLICATES = "not_duplicates", "not duplicates"
        UNDONE = "undone", "taken back"

    first_sha256 = models.CharField(max_length=64)  # the smaller of the two
    second_sha256 = models.CharField(max_length=64)
    verdict = models.CharField(max_length=16, choices=Verdict)
    kind = models.CharField(max_length=16, choices=DuplicateGroup.Kind, default=DuplicateGroup.Kind.COPIES)
    batch = models.UUIDField(default=uuid.uuid4, db_index=True)
    keeper_sha256 = models.CharField(max_length=64, blank=True)
    reviewer = models.ForeignKey(settings.AUTH_USER_MODEL, null=True, on_delete=models.SET_NULL)
    note = models.TextField(blank=True)
    decided_at = models.DateTimeField(auto_now_add=True)

    class Meta:
        indexes = [models.Index(fields=["first_sha256", "second_sha256", "-id"])]
        ordering = ["-id"]

    def __str__(self) -> str:
        return f"{self.get_verdict_display()}: {self.first_sha256[:8]} and {self.second_sha256[:8]}"


class Lookup(BaseModel):
    """A question "where does this video exist already?": an uploaded file, or a video of the library."""

    class State(models.TextChoices):
        WAITING = "waiting", "waiting"
        RUNNING = "running", "working"
        DONE = "done", "done"
        FAILED = "failed", "failed"

    owner = models.ForeignKey(settings.AUTH_USER_MODEL, null=True, blank=True, on_delete=models.CASCADE)
    session_key = models.CharField(max_length=64, blank=True)
    video = models.ForeignKey(Video, null=True, blank=True, on_delete=models.CASCADE)  # "find copies"
    start_seconds = models.FloatField(null=True, blank=True)  # both or neither: only this span of the video asks
    end_seconds = models.FloatField(null=True, blank=True)
    file_name = models.CharField(max_length=300, blank=True)
    path = models.TextField(blank=True)  # of an uploaded query, in UPLOAD_DIR
    sha256 = models.CharField(max_length=64, blank=True)
    duration_seconds = models.FloatField(null=True, blank=True)
    state = models.CharField(max_length=16, choices=State, default=State.WAITING)
    stage = models.CharField(max_length=32, blank=True)
    percent = models.FloatField(default=0.0)
    failure_code = models.CharField(max_length=64, blank=True)
    failure = models.TextField(blank=True)
    # What GET /api/v1/lookups/{id} answers under "matches"; written once, when state becomes done.
    matches: models.JSONField[list[Any], list[Any]] = models.JSONField(default=list)
    note = models.CharField(
        max_length=32, blank=True, db_default=""
    )  # a code of apps.duplicates.lookups.notes: what makes the answer weak
    expires_at = models.DateTimeField(db_index=True)

    def __str__(self) -> str:
        return f"{self.file_name or 'a video of the library'} ({self.get_state_display()})"

    @property
    def finished(self) -> bool:
        return self.state in {self.State.DONE, self.State.FAILED}


class MatrixPicture(BaseModel):
    """How much every moment of one video resembles every moment of another, as a small picture.

    Of a match of a lookup (made with the answer and gone with it) or of two library videos (made when somebody asks
    and gone when the pair is matched again). Across: the query or ``a``; down: the library video or ``b``.
    """

    lookup = models.ForeignKey(Lookup, null=True, on_delete=models.CASCADE, related_name="pictures")
    video = models.ForeignKey(Video, null=True, on_delete=models.CASCADE)  # of the match of a lookup
    match = models.OneToOneField(VideoMatch, null=True, on_delete=models.CASCADE, related_name="picture")
    png = models.BinaryField(default=bytes)  # empty while a worker has not drawn it
    across_start = models.FloatField(default=0.0)  # seconds at the edges of the picture
    across_end = models.FloatField(default=0.0)
    down_end = models.FloatField(default=0.0)

    class Meta:
        constraints = [
            models.UniqueConstraint(fields=["lookup", "video"], name="one_picture_a_lookup_match"),
            models.CheckConstraint(
                condition=Q(lookup__isnull=True, video__isnull=True, match__isnull=False)
                | Q(lookup__isnull=False, video__isnull=False, match__isnull=True),
                name="picture_of_a_lookup_or_a_pair",
            ),
        ]

    def __str__(self) -> str:
        return f"similarity picture of {self.match or self.lookup}"


class ClusterRun(BaseModel):
    """An exploratory look at the library by DBSCAN or HDBSCAN. Nothing follows from it: groups come from matches."""

    owner = models.ForeignKey(settings.AUTH_USER_MODEL, null=True, on_delete=models.SET_NULL)
    parameters: models.JSONField[dict[str, Any], dict[str, Any]] = models.JSONField(default=dict)
    # {"videos": n, "left_out": n, "noise": n, "clusters": [[video ids], ...]}, written once by its job.
    result: models.JSONField[dict[str, Any] | None, dict[str, Any] | None] = models.JSONField(null=True, default=None)

    def __str__(self) -> str:
        return f"clusters by {self.parameters.get('method', '?')}"
