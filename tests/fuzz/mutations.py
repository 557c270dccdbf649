"""Ways to damage a file. Each takes the bytes and the dice, and changes the bytes in place."""

from __future__ import annotations

import random
from collections.abc import Callable

HEAD = 4096  # where the headers of most containers are
SPECIAL = (0, 1, 0x7F, 0x80, 0xFF)
LENGTHS = (0, 1, 7, 8, 0x7FFFFFFF, 0x80000000, 0xFFFFFFFF)
Damage = Callable[[bytearray, random.Random], None]


def place(data: bytearray, dice: random.Random, length: int = 1) -> int:
    """A position, in every second case among the first bytes, where a change does more."""
    end = max(1, len(data) - length)
    return dice.randrange(min(HEAD, end)) if dice.random() < 0.5 else dice.randrange(end)


def flip_bits(data: bytearray, dice: random.Random) -> None:
    for _ in range(dice.choice((1, 2, 8, 64))):
        data[place(data, dice)] ^= 1 << dice.randrange(8)


def set_bytes(data: bytearray, dice: random.Random) -> None:
    for _ in range(dice.choice((1, 4, 16))):
        data[place(data, dice)] = dice.choice(SPECIAL)


def overwrite_run(data: bytearray, dice: random.Random) -> None:
    length = min(len(data) // 2, dice.choice((2, 16, 256, 4096)))
    at = place(data, dice, length)
    data[at : at + length] = dice.randbytes(length) if dice.random() < 0.6 else bytes(length)


def spread_noise(data: bytearray, dice: random.Random) -> None:
    for at in range(dice.randrange(50), len(data), dice.choice((50, 200, 1000))):
        data[at] = dice.randrange(256)


def cut_off(data: bytearray, dice: random.Random) -> None:
    del data[dice.randrange(1, len(data)) :]


def cut_head(data: bytearray, dice: random.Random) -> None:
    del data[: dice.choice((1, 16, 188, 1024, dice.randrange(1, len(data))))]


def cut_out(data: bytearray, dice: random.Random) -> None:
    length = dice.randrange(1, max(2, len(data) // 3))
    at = place(data, dice, length)
    del data[at : at + length]


def repeat_block(data: bytearray, dice: random.Random) -> None:
    length = dice.choice((4, 32, 512, 8192))
    at = place(data, dice, length)
    data[at:at] = data[at : at + length] * dice.choice((1, 2, 20))


def swap_blocks(data: bytearray, dice: random.Random) -> None:
    length = min(len(data) // 3 or 1, dice.choice((4, 64, 1024, 16384)))
    first, second = place(data, dice, length), place(data, dice, length)
    one, two = data[first : first + length], data[second : second + length]
    data[first : first + len(two)] = two
    data[second : second + len(one)] = one


def change_length(data: bytearray, dice: random.Random) -> None:
    """Four bytes that look like a length or a count, or lie before a four-letter name, become an extreme one."""
    names = [at for at in range(4, min(len(data) - 4, 4 * HEAD)) if bytes(data[at : at + 4]).isalpha()]
    at = dice.choice(names) - 4 if names and dice.random() < 0.7 else place(data, dice, 4)
    if dice.random() < 0.3:
        at += 8  # RIFF: the length follows the name
    order = dice.choice(("big", "little"))
    old = int.from_bytes(data[at : at + 4], "big" if order == "big" else "little")
    new = dice.choice((*LENGTHS, max(0, old - 1), old + 1, old * 2, old // 2, old * 1000)) & 0xFFFFFFFF
    data[at : at + 4] = new.to_bytes(4, "big" if order == "big" else "little")


MUTATIONS: tuple[Damage, ...] = (
    flip_bits, set_bytes, overwrite_run, spread_noise, cut_off, cut_head, cut_out, repeat_block, swap_blocks,
    change_length, change_length,
)  # fmt: skip


def mutated(seed: bytes, dice: random.Random) -> tuple[bytes, list[str]]:
    """A damaged copy and what was done to it: mostly one thing, at times up to three."""
    data, done = bytearray(seed), []
    for _ in range(dice.choice((1, 1, 1, 2, 3))):
        if len(data) < 16:
            break
        damage = dice.choice(MUTATIONS)
        damage(data, dice)
        done.append(damage.__name__)
    return bytes(data), done
