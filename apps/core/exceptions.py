"""The exception tree that services raise; views and the API turn it into answers.

VSearchError
 +-- InvalidInput     the request is at fault; names the field         400
 +-- NotAllowed       the person may not do this                       403
 +-- NotFound         no such thing                                    404
 +-- Conflict         the thing is in another state                    409
 +-- Expired          it was there, and is gone by design              410
 +-- Unavailable      a part of ours is down; the request was fine     503
"""

from __future__ import annotations


class VSearchError(Exception):
    """``message`` is shown to people and says what to do."""

    status = 500
    title = "Something went wrong"

    def __init__(self, message: str, *, field: str = "") -> None:
        super().__init__(message)
        self.message = message
        self.field = field


class InvalidInput(VSearchError):
    status = 400
    title = "The request cannot be used"


class NotAllowed(VSearchError):
    status = 403
    title = "Not allowed"


class NotFound(VSearchError):
    status = 404
    title = "Not found"


class Conflict(VSearchError):
    status = 409
    title = "Not possible right now"


class Expired(VSearchError):
    status = 410
    title = "Expired"


class Unavailable(VSearchError):
    status = 503
    title = "Temporarily unavailable"
