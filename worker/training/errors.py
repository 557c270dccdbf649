"""Why a training run cannot start or continue, for the person who started it."""

from __future__ import annotations


class TrainingError(Exception):
    """``code`` is for programs (no_gpu, out_of_memory, diverged, ...), ``message`` says what to do."""

    def __init__(self, code: str, message: str) -> None:
        super().__init__(message)
        self.code = code
        self.message = message

    def __reduce__(self) -> tuple[type[TrainingError], tuple[str, str]]:
        # Exceptions travel between processes as their args, which hold the message alone.
        return type(self), (self.code, self.message)


class Interrupted(Exception):
    """``stopped`` said so. Caches and checkpoint are written: the same call continues from there."""
