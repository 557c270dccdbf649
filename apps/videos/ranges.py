"""The Range header of RFC 9110, one range only. Pure."""

from __future__ import annotations

import re

_SINGLE = re.compile(r"\s*bytes\s*=\s*(\d*)\s*-\s*(\d*)\s*", re.IGNORECASE)
_LONGEST = 18  # digits: more cannot be a position in any file


class NotSatisfiable(Exception):
    """The range lies outside the file: answer 416."""


def requested_span(header: str, size: int) -> tuple[int, int] | None:
    """[start, end) that ``header`` asks for of ``size`` bytes.

    None when there is no range or it is to be ignored (other units, several ranges, nonsense): send the whole.
    Raises NotSatisfiable when it is well formed and selects nothing.
    """
    match = _SINGLE.fullmatch(header)
    if match is None:
        return None
    first, last = match.groups()
    if (not first and not last) or len(first) > _LONGEST or len(last) > _LONGEST:
        return None
    if not first:  # the last N bytes
        if int(last) == 0 or size == 0:
            raise NotSatisfiable
        return max(0, size - int(last)), size
    start = int(first)
    if last and int(last) < start:
        return None  # invalid by the grammar's rules, so ignored
    if start >= size:
        raise NotSatisfiable
    return start, min(int(last) + 1, size) if last else size
