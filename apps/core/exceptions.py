"""The exception tree that services raise; views and the API turn it into answers.

VSearchError
 +-- InvalidInput     the request is wrong; names the field    400
 +-- NotAllowed       the person is not allowed to do this     403
 +-- NotFound         it does not exist                        404
 +-- Conflict         its state does not allow this            409
 +-- Expired          it existed and was deleted by design     410
 +-- TooMany          a limit is reached; says how long        429
 +-- Unavailable      a part of vsearch is down                503
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


class TooMany(VSearchError):
    """``wait``: seconds after which it is worth trying again."""

    status = 429
    title = "Too many requests"

    def __init__(self, message: str, *, field: str = "", wait: int) -> None:
        super().__init__(message, field=field)
        self.wait = wait


class Unavailable(VSearchError):
    status = 503
    title = "Temporarily unavailable"
