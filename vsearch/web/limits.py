"""How much is held at once, in all and by one client. Numbers of one web process. Pure."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass

from vsearch.web.exceptions import Refused

KIB, MIB = 1024, 1024**2
RETRY_SECONDS = 5


@dataclass(frozen=True)
class Pace:
    """How slowly a body may come: no gap longer than ``idle_seconds``, and after ``grace_seconds`` at least
    ``bytes_per_second`` on average."""

    idle_seconds: float
    grace_seconds: float
    bytes_per_second: float

    def seconds_left(self, elapsed: float, received: int) -> float:
        """How long the next bytes may take."""
        until = self.grace_seconds + received / self.bytes_per_second
        return min(self.idle_seconds, until - elapsed)


FORM_PACE = Pace(idle_seconds=20, grace_seconds=30, bytes_per_second=4 * KIB)
UPLOAD_PACE = Pace(idle_seconds=60, grace_seconds=60, bytes_per_second=KIB)
WRITE_SECONDS = 600.0  # a client that takes nothing for so long is let go; a player asks again with a range


ALL = "everybody"


class Slots:
    """Places that requests hold. Every client has at most ``each``; all together ``total``."""

    def __init__(self, what: str, *, total: int, each: int) -> None:
        self.what, self.total, self.each = what, total, each
        self.held = 0
        self.by_client: Counter[str] = Counter()

    def full_for(self, clients: Sequence[str]) -> str | None:
        """The client that has its share, ALL when every place is taken, None when there is one."""
        if self.held >= self.total:
            return ALL
        return next((client for client in clients if self.by_client[client] >= self.each), None)

    @contextmanager
    def hold(self, clients: Sequence[str]) -> Iterator[None]:
        """Raises Refused: 429 when one of ``clients`` (an address, a login) has its share, 503 when all are taken."""
        full = self.full_for(clients)
        if full == ALL:
            raise Refused(503, f"The server has too many {self.what} open. Try again.", retry_seconds=RETRY_SECONDS)
        if full is not None:
            detail = f"You have {self.each} {self.what} open at once. Wait until one of them ends."
            raise Refused(429, detail, retry_seconds=RETRY_SECONDS)
        self.held += 1
        self.by_client.update(clients)
        try:
            yield
        finally:
            self.held -= 1
            self.by_client.subtract(clients)
            for client in clients:
                if self.by_client[client] <= 0:
                    del self.by_client[client]
