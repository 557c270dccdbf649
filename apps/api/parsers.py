"""The one place that reads JSON of requests: what comes out can be stored and answered."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Mapping
from typing import IO, NoReturn

from rest_framework.exceptions import ParseError
from rest_framework.parsers import JSONParser

from apps.core.exceptions import InvalidInput
from apps.core.plain import storable

DEEPEST = 32  # levels of lists and objects; recipes, the deepest of what is asked for, need 4
LARGEST = 2**63 - 1  # what Postgres holds

Json = dict[str, "Json"] | list["Json"] | str | int | float | bool | None


class ObjectParser(JSONParser):
    """A JSON object in UTF-8 (RFC 8259). ParseError or InvalidInput (both 400) say what else it is.

    Refused besides what is no JSON: another value than an object, the same name twice, NaN and infinities, whole
    numbers beyond 64 bits, more than DEEPEST levels, NUL characters and lone surrogates.
    """

    def parse(
        self, stream: IO[bytes], media_type: str | None = None, parser_context: Mapping[str, object] | None = None
    ) -> dict[str, Json]:
        value = read_json(stream.read())
        if not isinstance(value, dict):
            raise ParseError("Send a JSON object: names and values in curly brackets.")
        return value


def read_json(raw: bytes) -> Json:
    try:
        text = raw.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise ParseError("The body is not UTF-8.") from error
    try:
        value: Json = json.loads(
            text, object_pairs_hook=_object, parse_constant=_no_number, parse_float=_finite, parse_int=_whole
        )
    except RecursionError as error:
        raise ParseError(f"Lists and objects can be nested {DEEPEST} levels deep.") from error
    except json.JSONDecodeError as error:
        raise ParseError(f"The body is not JSON: {error}.") from error
    _check(value)
    return value


def _object(pairs: list[tuple[str, Json]]) -> dict[str, Json]:
    found = dict(pairs)
    if len(found) < len(pairs):
        twice = next(name for name, times in Counter(name for name, _ in pairs).items() if times > 1)
        raise ParseError(f"The name {json.dumps(twice[:100])} comes twice in one object.")
    return found


def _no_number(name: str) -> NoReturn:
    raise ParseError(f"{name} is not a number of JSON.")


def _finite(digits: str) -> float:
    number = float(digits)
    if number in (float("inf"), float("-inf")):
        raise ParseError(f"The number {digits[:30]} is too large.")
    return number


def _whole(digits: str) -> int:
    if len(digits) > 20 or abs(int(digits)) > LARGEST:
        raise ParseError(f"The number {digits[:30]} is too large.")
    return int(digits)


def _check(value: Json) -> None:
    """Without recursion: depth, and texts that cannot be stored, with the field that they are in."""
    waiting: list[tuple[Json, int, str]] = [(value, 1, "")]
    while waiting:
        item, level, field = waiting.pop()
        if isinstance(item, str) and not storable(item):
            raise InvalidInput("A text contains a NUL character or half of a surrogate pair.", field=field)
        if isinstance(item, dict | list) and level > DEEPEST:
            raise ParseError(f"Lists and objects can be nested {DEEPEST} levels deep.")
        if isinstance(item, dict):
            if not all(storable(name) for name in item):
                raise InvalidInput("A name contains a NUL character or half of a surrogate pair.", field=field)
            waiting += [(inner, level + 1, field or name) for name, inner in item.items()]
        elif isinstance(item, list):
            waiting += [(inner, level + 1, field) for inner in item]
