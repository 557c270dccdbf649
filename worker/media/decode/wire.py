"""The messages that the decoding child sends to its parent over a pipe.

One message: 8 bytes (length of the JSON part, length of the picture part), the JSON, the raw RGB bytes.
The child reads hostile files, so the parent checks every length before it reads or allocates anything.
"""

from __future__ import annotations

import json
import struct
from typing import IO, Any

HEADER = struct.Struct("<II")
MAX_JSON = 64 * 1024
MAX_PAYLOAD = 16 * 1024 * 1024

Message = tuple[dict[str, Any], bytes]


class WireError(Exception):
    """The child wrote something that is not a message: it crashed or was taken over."""


def write_message(pipe: IO[bytes], fields: dict[str, Any], payload: bytes | memoryview = b"") -> None:
    text = json.dumps(fields).encode()
    pipe.write(HEADER.pack(len(text), len(payload)))
    pipe.write(text)
    if payload:
        pipe.write(payload)
    pipe.flush()


def _read_exactly(pipe: IO[bytes], size: int) -> bytes:
    parts: list[bytes] = []
    while size:
        part = pipe.read(size)
        if not part:
            raise WireError("the message ends in the middle")
        parts.append(part)
        size -= len(part)
    return parts[0] if len(parts) == 1 else b"".join(parts)


def read_message(pipe: IO[bytes]) -> Message | None:
    """The next message, or None at the end of the stream. Raises WireError."""
    first = pipe.read(1)
    if not first:
        return None
    json_size, payload_size = HEADER.unpack(first + _read_exactly(pipe, HEADER.size - 1))
    if json_size > MAX_JSON or payload_size > MAX_PAYLOAD:
        raise WireError(f"a message of {json_size} + {payload_size} bytes")
    try:
        fields = json.loads(_read_exactly(pipe, json_size))
    except ValueError as error:
        raise WireError("not JSON") from error
    if not isinstance(fields, dict) or not isinstance(fields.get("type"), str):
        raise WireError("a message without a type")
    return fields, _read_exactly(pipe, payload_size)
