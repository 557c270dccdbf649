"""Why videos are in one group, ready to be shown: members side by side, pairs with their spans, what was decided."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import combinations
from uuid import UUID

from django.conf import settings
from django.urls import reverse

from apps.core.timespan import timecode
from apps.duplicates.groups.asset_queries import asset_pairs
from apps.duplicates.groups.keeper import propose_keeper
from apps.duplicates.groups.matches import swap_relation
from apps.duplicates.groups.rows import member_facts
from apps.duplicates.groups.verdicts import content_pair, verdicts_latest
from apps.duplicates.models import DuplicateGroup, MatchedSegment, Relation, ReviewDecision, VideoMatch
from apps.duplicates.pictures.spans import Span, alignment_json, play_url
from apps.duplicates.pictures.timeline import Timeline, timeline
from apps.duplicates.wording import look_words, pair_words, span_words
from apps.embeddings.models import ModelVersion
from apps.videos.identical import Identical, identical_files
from apps.videos.models import Video
from apps.videos.paths import protected_folder
from apps.videos.presence import LOST, Place, videos_check
from apps.videos.storage import readable

MAX_PAIRS = 60  # shown of a very large group, weakest first


@dataclass(frozen=True, slots=True)
class Fact:
    """One line of the comparison. ``better``: the best value of the group, where it matters and differs."""

    name: str
    value: str
    better: bool = False


@dataclass(frozen=True, slots=True)
class Member:
    letter: str  # A, B, ... as the pairs below name it
    video: Video
    page_url: str
    poster_url: str
    facts: tuple[Fact, ...]
    is_proposed: bool
    is_keeper: bool
    is_spare: bool
    is_protected: bool = False  # lies in a protected folder: always kept
    place: Place = Place.HERE  # of its file
    identical: Identical | None = None  # where else its content is

    @property
    def is_lost(self) -> bool:
        return self.place in LOST


@dataclass(frozen=True, slots=True)
class SegmentLine:
    a_words: str  # "0:12-0:20"
    a_url: str  # opens the player at that second
    b_words: str
    b_url: str
    score: float
    reversed: bool
    look: str = ""  # "mirrored", "as a part of the picture", ...; "" for the whole picture as it is


@dataclass(frozen=True, slots=True)
class Pair:
    a: Member
    b: Member
    match: VideoMatch | None  # None: together through others, or confirmed by a person only
    relation: str  # a sentence
    segments: tuple[SegmentLine, ...]
    timeline: Timeline | None
    verdict: ReviewDecision | None  # that holds now
    is_weakest: bool
    alignment: str = "[]"  # for the two players, see alignment_json


@dataclass(frozen=True, slots=True)
class Evidence:
    group: DuplicateGroup
    members: tuple[Member, ...]
    pairs: tuple[Pair, ...]
    pairs_left_out: int
    reasons: tuple[str, ...]  # for the proposed keeper
    history: tuple[ReviewDecision, ...]  # newest first, one a batch
    undo_id: int | None  # the newest decision, if it can be taken back


def group_evidence(group: DuplicateGroup) -> Evidence:
    """Costs six queries whatever the size of the group; of a shared asset four more, which read all matches. Looks for
    the file of each member and for its identical files: the proposal in ``group`` is one whose file is there now, if
    any is."""
    videos = list(group.members.all())
    places = videos_check(videos)
    _propose_what_is_there(group, videos, places)
    videos.sort(key=lambda v: (v.id != group.proposed_keeper_id, v.created_at, str(v.id)))
    members = _members(group, videos, places)
    contents = [video.sha256 for video in videos]
    matches = _matches([video.id for video in videos])
    verdicts = verdicts_latest(sha256s=contents)
    is_asset = group.kind == DuplicateGroup.Kind.SHARED_ASSET
    shown = asset_pairs() if is_asset else set()
    pairs = []
    for a, b in combinations(members, 2):
        match = matches.get(frozenset((a.video.id, b.video.id)))
        verdict = verdicts.get(content_pair(a.video.sha256, b.video.sha256))
        if is_asset and frozenset((a.video.id, b.video.id)) not in shown:
            continue  # the asset joins them through others, or they share more than it
        pairs.append(_pair(group, a, b, match, verdict))
    pairs.sort(key=lambda p: (p.match is None, p.match.score if p.match else 0.0))
    history = _history(contents)
    return Evidence(
        group=group,
        members=members,
        pairs=tuple(pairs[:MAX_PAIRS]),
        pairs_left_out=max(len(pairs) - MAX_PAIRS, 0),
        reasons=tuple(group.keeper_reasons),
        history=history,
        undo_id=history[0].pk if history and group.state != DuplicateGroup.State.OPEN else None,
    )


def _propose_what_is_there(group: DuplicateGroup, videos: Sequence[Video], places: Mapping[UUID, Place]) -> None:
    """In memory only: the rows change when a file is known to be missing, not while its folder is away."""
    here = Place.HERE in places.values()
    lost = {video_id for video_id, place in places.items() if place in LOST or (here and place == Place.AWAY)}
    settled = group.proposed_keeper_id is not None and group.proposed_keeper_id not in lost
    if settled or group.kind == DuplicateGroup.Kind.SHARED_ASSET:
        return
    facts = [replace(known, missing=known.id in lost) for known in member_facts(videos).values()]
    proposed = propose_keeper(facts)
    chosen, group.keeper_reasons = proposed
    group.proposed_keeper = next((video for video in videos if video.id == chosen), None)


def _members(group: DuplicateGroup, videos: Sequence[Video], places: Mapping[UUID, Place]) -> tuple[Member, ...]:
    # While the copy to keep is not there, none of the others is spare.
    spare = group.keeper_id is not None and places.get(group.keeper_id) == Place.HERE
    identical = identical_files(videos)
    return tuple(
        Member(
            letter=letter_of(number),
            video=video,
            page_url=reverse("videos:detail", args=[video.id]),
            poster_url=reverse("videos:poster", args=[video.id]),
            facts=_facts(video, videos),
            is_proposed=video.id == group.proposed_keeper_id,
            is_keeper=video.id == group.keeper_id,
            is_spare=spare and video.id != group.keeper_id and not protected(video),
            is_protected=protected(video),
            place=places[video.id],
            identical=identical[video.id],
        )
        for number, video in enumerate(videos)
    )


def protected(video: Video) -> bool:
    return bool(protected_folder(video.path, settings.PROTECTED_FOLDERS))


def letter_of(number: int) -> str:
    """0 -> A, 25 -> Z, 26 -> AA."""
    rest, last = divmod(number, 26)
    return (letter_of(rest - 1) if rest else "") + chr(ord("A") + last)


def _facts(video: Video, videos: Sequence[Video]) -> tuple[Fact, ...]:
    def best(value: float, values: Sequence[float]) -> bool:
        return value > 0 and value == max(values) and min(values) < value

    pixels = [(v.width or 0) * (v.height or 0) for v in videos]
    rates = [float(v.bit_rate or 0) for v in videos]
    lengths = [v.duration_seconds or 0.0 for v in videos]
    sounds = [float(bool(v.audio_codec)) for v in videos]
    rate = video.bit_rate or 0
    return (
        Fact("Resolution", f"{video.width or '?'} x {video.height or '?'}",
             best((video.width or 0) * (video.height or 0), pixels)),
        Fact("Length", timecode(video.duration_seconds or 0.0), best(video.duration_seconds or 0.0, lengths)),
        Fact("Codec", video.video_codec or "unknown"),
        Fact("Bit rate", f"{rate / 1000:,.0f} kbit/s" if rate else "unknown", best(float(rate), rates)),
        Fact("Sound", video.audio_codec or "none", best(float(bool(video.audio_codec)), sounds)),
        Fact("Size", readable(video.size_bytes)),
        Fact("Added", video.created_at.strftime("%Y-%m-%d %H:%M")),
        Fact("File", video.path),
    )  # fmt: skip


def _matches(video_ids: Sequence[UUID]) -> dict[frozenset[UUID], VideoMatch]:
    """The match of each pair; of the active model where there is one."""
    rows = (
        VideoMatch.objects.filter(a_id__in=video_ids, b_id__in=video_ids)
        .select_related("model_version")
        .prefetch_related("segments")
        .order_by("created_at")
    )
    best: dict[frozenset[UUID], VideoMatch] = {}
    for row in sorted(rows, key=lambda r: r.model_version.state == ModelVersion.State.SERVING):
        best[frozenset((row.a_id, row.b_id))] = row
    return best


def _pair(
    group: DuplicateGroup, a: Member, b: Member, match: VideoMatch | None, verdict: ReviewDecision | None
) -> Pair:
    if match is None:
        words = f"{a.letter} and {b.letter} did not match each other"
        return Pair(a, b, None, words, (), None, verdict, False)
    turned = match.a_id != a.video.id  # stored by id, shown by letter
    segments = sorted(match.segments.all(), key=lambda s: (s.b_start, s.a_start) if turned else (s.a_start, s.b_start))
    spans = [_span(s, turned=turned) for s in segments]
    relation = swap_relation(match.relation) if turned else match.relation
    if group.kind == DuplicateGroup.Kind.SHARED_ASSET:
        relation = Relation.SHARED_ASSET
    return Pair(
        a=a,
        b=b,
        match=match,
        relation=pair_words(relation, a.letter, b.letter, mirrored=match.mirrored, videos=group.asset_videos),
        segments=tuple(_line(span, s, a, b) for span, s in zip(spans, segments, strict=True)),
        timeline=timeline(spans, a.video.duration_seconds or 0.0, b.video.duration_seconds or 0.0),
        verdict=verdict,
        is_weakest=match.id == group.weakest_match_id,
        alignment=alignment_json(spans),
    )


def _span(segment: MatchedSegment, *, turned: bool) -> Span:
    first, second = (segment.a_start, segment.a_end), (segment.b_start, segment.b_end)
    return Span(*second, *first, segment.reversed) if turned else Span(*first, *second, segment.reversed)


def _line(span: Span, stored: MatchedSegment, a: Member, b: Member) -> SegmentLine:
    return SegmentLine(
        a_words=span_words(span.a_start, span.a_end),
        a_url=play_url(a.page_url, span.a_start),
        b_words=span_words(span.b_start, span.b_end),
        b_url=play_url(b.page_url, span.b_start),
        score=stored.score,
        reversed=span.reversed,
        look=look_words(stored.look, mirrored=stored.mirrored),
    )


def _history(contents: Sequence[str]) -> tuple[ReviewDecision, ...]:
    rows = ReviewDecision.objects.filter(first_sha256__in=contents, second_sha256__in=contents)
    seen: dict[UUID, ReviewDecision] = {}
    for row in rows.select_related("reviewer").order_by("-id")[:500]:
        seen.setdefault(row.batch, row)
    return tuple(seen.values())
