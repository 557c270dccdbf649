"""What writes: datasets, runs, reports, promotion."""

from __future__ import annotations

from apps.training.datasets import (
    dataset_delete,
    dataset_from_feedback,
    dataset_from_file,
    dataset_from_library,
    dataset_guard_set,
    dataset_mark_failed,
    dataset_mark_frozen,
)
from apps.training.promotion import Promoted, Refused, candidate_promote, version_roll_back
from apps.training.reports import Measured, report_write
from apps.training.runs import (
    candidate_mark_building,
    candidate_mark_idle,
    run_create,
    run_delete,
    run_evaluate,
    run_mark_checked,
    run_mark_done,
    run_mark_failed,
    run_mark_note,
    run_mark_running,
    run_mark_stopped,
    run_resume,
    run_start,
    run_stop,
)

__all__ = [
    "Measured", "Promoted", "Refused", "candidate_mark_building", "candidate_mark_idle",
    "candidate_promote", "dataset_delete", "dataset_from_feedback",
    "dataset_from_file", "dataset_from_library", "dataset_guard_set", "dataset_mark_failed", "dataset_mark_frozen",
    "report_write", "run_create", "run_delete", "run_evaluate", "run_mark_checked", "run_mark_done",
    "run_mark_failed", "run_mark_note", "run_mark_running", "run_mark_stopped", "run_resume", "run_start", "run_stop",
    "version_roll_back",
]  # fmt: skip
