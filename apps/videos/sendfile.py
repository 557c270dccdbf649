"""Files that a proxy in front sends itself: nginx by X-Accel-Redirect, Apache and lighttpd by X-Sendfile."""

from __future__ import annotations

import os
from pathlib import Path
from urllib.parse import quote

from django.conf import settings

_HEADERS = {"x-accel-redirect": "X-Accel-Redirect", "x-sendfile": "X-Sendfile"}


def handed_over(path: Path) -> dict[str, str]:
    """The header that makes the proxy send ``path``; empty when none is configured or it does not have the file."""
    header = _HEADERS.get(settings.SENDFILE)
    if header is None:
        return {}
    plain = os.path.normpath(path)
    for folder, address in settings.SENDFILE_FOLDERS.items():
        inside = plain.removeprefix(f"{folder}/")
        if inside != plain:
            return {header: quote(os.fsencode(f"{address}/{inside}"))}
    return {}
