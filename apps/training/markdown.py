"""A model card in Markdown as safe HTML: headings, paragraphs, lists, tables, code, emphasis. Nothing of it is trusted.

Everything is escaped first; only marks that are known here become elements. Links stay text: a card that came with a
downloaded model may say anything.
"""

from __future__ import annotations

import re
from collections.abc import Iterator

from django.utils.html import escape
from django.utils.safestring import SafeString, mark_safe

MAX_CHARACTERS = 60_000
_FRONT_MATTER = re.compile(r"\A---\n.*?\n---\n", re.DOTALL)
_HEADING = re.compile(r"(#{1,6})\s+(.*)")
_ITEM = re.compile(r"\s*(?:[-*+]|\d+[.)])\s+(.*)")
_RULE = re.compile(r"\|?[\s:|-]+\|?")
_LINK = re.compile(r"!?\[([^\]]*)\]\([^)]*\)")
_MARKS = ((re.compile(r"`([^`]+)`"), "code"), (re.compile(r"\*\*([^*]+)\*\*"), "b"), (re.compile(r"\*([^*]+)\*"), "em"))


def card_html(text: str) -> SafeString:
    """The card without its front matter; headings begin below those of the page."""
    lines = _FRONT_MATTER.sub("", text.replace("\r\n", "\n")[:MAX_CHARACTERS]).split("\n")
    return mark_safe("\n".join(_blocks(lines)))  # noqa: S308  every piece went through escape()


def _blocks(lines: list[str]) -> Iterator[str]:
    at = 0
    while at < len(lines):
        line = lines[at]
        if not line.strip():
            at += 1
        elif line.startswith("```"):
            end = next((i for i in range(at + 1, len(lines)) if lines[i].startswith("```")), len(lines))
            yield f"<pre><code>{escape(chr(10).join(lines[at + 1 : end]))}</code></pre>"
            at = end + 1
        elif found := _HEADING.fullmatch(line):
            level = min(len(found[1]) + 2, 6)
            yield f"<h{level}>{_inline(found[2])}</h{level}>"
            at += 1
        elif line.lstrip().startswith("|"):
            end = _end(lines, at, lambda text: text.lstrip().startswith("|"))
            yield _table(lines[at:end])
            at = end
        elif _ITEM.fullmatch(line):
            end = _end(lines, at, lambda text: bool(_ITEM.fullmatch(text)))
            items = (match[1] for text in lines[at:end] if (match := _ITEM.fullmatch(text)))
            yield "<ul>" + "".join(f"<li>{_inline(item)}</li>" for item in items) + "</ul>"
            at = end
        else:
            end = _end(lines, at, lambda text: bool(text.strip()) and not _begins_another(text))
            yield f"<p>{_inline(' '.join(lines[at:end]))}</p>"
            at = max(end, at + 1)


def _begins_another(line: str) -> bool:
    return line.startswith(("#", "|", "```")) or _ITEM.fullmatch(line) is not None


def _end(lines: list[str], at: int, belongs) -> int:  # type: ignore[no-untyped-def]
    return next((i for i in range(at, len(lines)) if not belongs(lines[i])), len(lines))


def _table(lines: list[str]) -> str:
    rows = [
        [cell.strip() for cell in line.strip().strip("|").split("|")] for line in lines if not _RULE.fullmatch(line)
    ]
    if not rows:
        return ""
    head = "".join(f'<th scope="col">{_inline(cell)}</th>' for cell in rows[0])
    body = "".join("<tr>" + "".join(f"<td>{_inline(cell)}</td>" for cell in row) + "</tr>" for row in rows[1:])
    return f'<div class="table-wrap"><table><thead><tr>{head}</tr></thead><tbody>{body}</tbody></table></div>'


def _inline(text: str) -> str:
    safe = str(escape(_LINK.sub(r"\1", text)))
    for pattern, name in _MARKS:
        safe = pattern.sub(rf"<{name}>\1</{name}>", safe)
    return safe
