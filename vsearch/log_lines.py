"""Lines of logs that cannot be forged: what people and files put into a message starts no line and moves no cursor."""

from __future__ import annotations

import logging

from apps.core.plain import escaped


class OneLine(logging.Formatter):
    """A message is one line; the lines of a traceback are indented, so none of them looks like another message."""

    def formatMessage(self, record: logging.LogRecord) -> str:  # noqa: N802  the name is that of the base class
        return escaped(super().formatMessage(record))

    def formatException(self, ei: object) -> str:  # noqa: N802
        return _indented(super().formatException(ei))  # type: ignore[arg-type]

    def formatStack(self, stack_info: str) -> str:  # noqa: N802
        return _indented(super().formatStack(stack_info))


def _indented(text: str) -> str:
    return "\n".join(f"    {escaped(line)}" for line in text.split("\n"))
