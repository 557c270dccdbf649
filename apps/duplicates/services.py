"""Everything that changes matches, groups, decisions and lookups."""

from __future__ import annotations

from apps.duplicates.groups import groups_rebuild
from apps.duplicates.lookups import (
    lookup_add_to_library,
    lookup_cancelled,
    lookup_create,
    lookup_delete,
    lookup_mark_done,
    lookup_mark_failed,
    lookup_mark_progress,
    lookup_retried,
    lookups_expire,
    lookups_folder,
)
from apps.duplicates.matches import FoundMatch, matches_prune, matches_replace
from apps.duplicates.reviews import (
    Reviewed,
    decision_undo,
    group_confirm,
    group_dismiss,
    group_keep,
    pair_decide,
    pair_dismiss,
)

__all__ = [
    "FoundMatch", "Reviewed", "decision_undo", "group_confirm", "group_dismiss", "group_keep", "groups_rebuild",
    "lookup_add_to_library", "lookup_cancelled", "lookup_create", "lookup_delete", "lookup_mark_done",
    "lookup_mark_failed", "lookup_mark_progress", "lookup_retried", "lookups_expire", "lookups_folder",
    "matches_prune", "matches_replace", "pair_decide", "pair_dismiss",
]  # fmt: skip
