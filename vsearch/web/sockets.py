"""What the kernel does with connections that stand still, and how many there may be."""

from __future__ import annotations

import asyncio
import contextlib
import os
import resource
import socket

from vsearch.web.limits import KIB, WRITE_SECONDS

UNSENT_BYTES = 256 * KIB  # of one connection in the kernel; without it a paused player costs megabytes
LOOK_SECONDS = 0.05
LOOKS = 400
FILES_KEPT = 512  # for the database, models and logs
MOST_CONNECTIONS = 8192


def connections_allowed() -> int:
    """Connections of one web process: each may need a file as well. Raises this process's limit of open files."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    wanted = 2 * MOST_CONNECTIONS + FILES_KEPT
    files = wanted if hard == resource.RLIM_INFINITY else min(hard, wanted)
    if soft != resource.RLIM_INFINITY and soft < files:
        resource.setrlimit(resource.RLIMIT_NOFILE, (files, hard))
    return max(128, min(MOST_CONNECTIONS, (files - FILES_KEPT) // 2))


async def guard_listeners() -> None:
    """Set the options on the server's listening socket as soon as it is there; connections inherit them.

    The server has no option for a client that takes nothing: its connection would stay for ever. The kernel ends it
    (Linux; elsewhere nothing is done).
    """
    for _ in range(LOOKS):
        if _guard():
            return
        await asyncio.sleep(LOOK_SECONDS)


def _guard() -> bool:
    """True when a listening socket of this process was found."""
    found = False
    if not os.path.isdir("/proc/self/fd"):
        return True
    for name in os.listdir("/proc/self/fd"):
        with contextlib.suppress(OSError), socket.socket(fileno=os.dup(int(name))) as one:
            if one.family in {socket.AF_INET, socket.AF_INET6} and one.getsockopt(
                socket.SOL_SOCKET, socket.SO_ACCEPTCONN
            ):
                one.setsockopt(socket.IPPROTO_TCP, socket.TCP_USER_TIMEOUT, int(WRITE_SECONDS * 1000))
                one.setsockopt(socket.IPPROTO_TCP, socket.TCP_NOTSENT_LOWAT, UNSENT_BYTES)
                found = True
    return found
