"""How unfinished uploads share the disk. What is kept free for one follows what it has received, not what it announced:
nobody can reserve a disk with words. Pure."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

MIB = 1024**2
FIRST_BYTES = 64 * MIB  # kept free for an upload that has just begun
PROMISE_SECONDS = 900.0  # since the last byte; then nothing is kept free for it
LOOKUPS_SHARE = 0.5  # of the space that is free or already theirs
VISITORS_SHARE = 0.25
ADDRESS_SHARE = 0.125  # visitors of one address


@dataclass(frozen=True, slots=True)
class Unfinished:
    """``owner_id``: None for a visitor, who is known by ``address``. Bytes and seconds."""

    owner_id: int | None
    address: str
    is_lookup: bool
    length: int
    received: int = 0
    idle_seconds: float = 0.0

    @property
    def rest(self) -> int:
        return max(0, self.length - self.received)

    @property
    def promise(self) -> int:
        """As much again as it has received."""
        if self.idle_seconds > PROMISE_SECONDS:
            return 0
        return min(self.rest, max(FIRST_BYTES, self.received))

    def belongs_with(self, other: Unfinished) -> bool:
        """Of the same person, or of visitors of the same address."""
        return (self.owner_id, self.address) == (other.owner_id, other.address)


@dataclass(frozen=True, slots=True)
class Room:
    """``promised``: bytes to keep free for others. ``allowed``: what the new one may have of the share of ``whose``;
    None without a share."""

    promised: int
    allowed: int | None = None
    whose: str = ""


def room_for(new: Unfinished, unfinished: Sequence[Unfinished], free: int) -> Room:
    """``free``: bytes that uploads may use. Own uploads that move count in full: one person cannot announce more than
    there is."""
    promised = sum(
        one.rest if one.belongs_with(new) and one.idle_seconds <= PROMISE_SECONDS else one.promise for one in unfinished
    )
    shares: list[tuple[str, float, list[Unfinished]]] = []
    if new.is_lookup:
        shares.append(("Clips to look up", LOOKUPS_SHARE, [one for one in unfinished if one.is_lookup]))
    if new.owner_id is None:
        visitors = [one for one in unfinished if one.owner_id is None]
        shares.append(("Visitors without a login", VISITORS_SHARE, visitors))
        shares.append(("Visitors of one address", ADDRESS_SHARE, [one for one in visitors if one.belongs_with(new)]))
    rooms = [Room(promised, _left(share, free, held), whose) for whose, share, held in shares]
    return min(rooms, key=lambda room: room.allowed or 0, default=Room(promised))


def _left(share: float, free: int, held: Sequence[Unfinished]) -> int:
    """Of the share: what is not announced yet. Bytes that arrived are no longer free, but belong to it."""
    whole = free + sum(one.received for one in held)
    return max(0, int(share * whole) - sum(one.length for one in held))
