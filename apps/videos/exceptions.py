"""Refusals of a file before anything is stored."""

from __future__ import annotations

from apps.core.exceptions import Conflict, InvalidInput, Unavailable


class TooLarge(InvalidInput):
    status = 413
    title = "Too large"


class WrongType(InvalidInput):
    status = 415
    title = "vsearch cannot read this kind of file"


class NoSpace(Unavailable):
    status = 507
    title = "No space left"


class Locked(Conflict):
    status = 423
    title = "In use"
