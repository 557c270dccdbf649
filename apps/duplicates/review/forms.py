"""The buttons of a review page, in the Django admin and in the application, turned into services."""

from __future__ import annotations

from uuid import UUID

from django.contrib.auth.models import User
from django.http import QueryDict

from apps.core.exceptions import InvalidInput
from apps.duplicates.review.decisions import (
    NOTHING_DELETED,
    Verdict,
    decision_undo,
    group_confirm,
    group_dismiss,
    pair_decide,
)


def review_apply(*, group_id: UUID, form: QueryDict, reviewer: User | None) -> str:
    """Do what the pressed button says and return a sentence about it.

    Fields: ``action`` (confirm, keep, dismiss, dismiss_pair, undo), ``member`` (every id that the page showed), and
    ``keeper``, ``first`` and ``second``, or ``decision`` for the action that needs them. Raises VSearchError.
    """
    action = form.get("action", "")
    seen = [_uuid(value, "member") for value in form.getlist("member")] or None
    note = form.get("note", "").replace("\x00", "").strip()
    if action == "confirm":
        group_confirm(group_id=group_id, reviewer=reviewer, seen=seen, note=note)
        return "Confirmed: these belong together, and all of them are kept."
    if action == "keep":
        keeper = _uuid(form.get("keeper", ""), "keeper")
        group_confirm(group_id=group_id, keeper_id=keeper, reviewer=reviewer, seen=seen, note=note)
        return f"The copy to keep is chosen. {NOTHING_DELETED}"
    if action == "dismiss":
        group_dismiss(group_id=group_id, reviewer=reviewer, seen=seen, note=note)
        return "Dismissed: these are not duplicates, and they will not be suggested again."
    if action == "dismiss_pair":
        first, second = _uuid(form.get("first", ""), "first"), _uuid(form.get("second", ""), "second")
        pair_decide(first_id=first, second_id=second, verdict=Verdict.NOT_DUPLICATES, reviewer=reviewer, note=note)
        return "Dismissed: this pair will not be suggested again."
    if action == "undo":
        decision = form.get("decision", "")
        if not decision.isascii() or not decision.isdigit() or len(decision) > 18:
            raise InvalidInput("This is not a decision.", field="decision")
        decision_undo(decision_id=int(decision), reviewer=reviewer)
        return "Taken back."
    raise InvalidInput("Choose one of the buttons.", field="action")


def _uuid(value: str, field: str) -> UUID:
    try:
        return UUID(value)
    except ValueError as error:
        raise InvalidInput("This is not a video of the group.", field=field) from error
