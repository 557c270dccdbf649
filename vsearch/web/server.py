"""How the web server is started: one list of options for ``up`` and for containers."""

from __future__ import annotations

import sys

from vsearch.web.sockets import connections_allowed

BACKLOG = 4096
HEADER_SECONDS = 15  # for the head of a request, and for a connection that is kept without one
BUFFER_BYTES = 256 * 1024  # of a connection: the largest head, and what waits of an answer


def command(host: str, port: int, processes: int) -> list[str]:
    """granian with an event loop in each process. HTTP/1 only: browsers speak HTTP/2 to a proxy in front."""
    options = {
        "--interface": "asgi",
        "--http": "1",
        "--host": host,
        "--port": port,
        "--workers": processes,
        "--backlog": BACKLOG,
        "--backpressure": connections_allowed(),
        "--http1-header-read-timeout": HEADER_SECONDS * 1000,
        "--http1-buffer-size": BUFFER_BYTES,
        "--workers-kill-timeout": 5,
        "--log-level": "error",
    }
    words = [str(word) for pair in options.items() for word in pair]
    return [sys.executable, "-m", "granian", *words, "--respawn-failed-workers", "--no-ws", "vsearch.asgi:application"]
