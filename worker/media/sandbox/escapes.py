"""Tries to leave the sandbox, as a decoder would that an attacker has taken over. Standard library only.

``python -I -S escapes.py TARGETS_JSON`` prints a JSON object: the name of each attempt and whether it succeeded. The
doctor and the tests of attacks run it. An attempt that succeeds does no harm beyond what it was pointed at.
"""

from __future__ import annotations

import contextlib
import ctypes
import fcntl
import json
import os
import resource
import signal
import socket
import sys
from collections.abc import Callable
from dataclasses import asdict, dataclass
from typing import Any

_LIBC = ctypes.CDLL(None, use_errno=True)
_X86 = os.uname().machine == "x86_64"
_F_SETOWN = 8


@dataclass(frozen=True)
class Targets:
    """What an attacker would like to have."""

    secret: str  # a file that only the server may read
    folder: str  # where it lies; it may be changed
    unix_socket: str
    abstract_socket: str
    tcp_port: int
    server: int  # a process of the one who started the sandbox
    address: int  # of 8 bytes in its memory

    def to_json(self) -> str:
        return json.dumps(asdict(self))


def _call(x86_64: int, aarch64: int, *arguments: Any) -> int:
    """A raw system call. Raises OSError."""
    result = int(_LIBC.syscall(ctypes.c_long(x86_64 if _X86 else aarch64), *arguments))
    if result < 0:
        raise OSError(ctypes.get_errno(), os.strerror(ctypes.get_errno()))
    return result


class _Vector(ctypes.Structure):
    _fields_ = [("base", ctypes.c_void_p), ("length", ctypes.c_size_t)]


def _read(path: str) -> None:
    with open(path, "rb") as file:
        file.read(1)


def _write_new(t: Targets) -> None:
    with open(os.path.join(t.folder, "planted"), "wb") as file:
        file.write(b"x")


def _overwrite(t: Targets) -> None:
    with open(t.secret, "r+b") as file:
        file.write(b"x")


def _link(t: Targets) -> None:
    os.symlink("/etc/passwd", os.path.join(t.folder, "link"))


def _delete(t: Targets) -> None:
    os.unlink(os.path.join(t.folder, "victim"))


def _connect(family: int, address: Any) -> None:
    with socket.socket(family, socket.SOCK_STREAM) as connection:
        connection.settimeout(5)
        connection.connect(address)


def _listen(t: Targets) -> None:
    with socket.socket(socket.AF_INET, socket.SOCK_STREAM) as server:
        server.bind(("0.0.0.0", 0))  # noqa: S104


def _trace(t: Targets) -> None:
    _call(101, 117, 0x4206, t.server, None, None)  # PTRACE_SEIZE, which does not stop it


def _read_memory(t: Targets) -> None:
    buffer = ctypes.create_string_buffer(8)
    here, there = _Vector(ctypes.addressof(buffer), 8), _Vector(t.address, 8)
    _call(310, 270, t.server, ctypes.byref(here), ctypes.c_ulong(1), ctypes.byref(there), ctypes.c_ulong(1),
          ctypes.c_ulong(0))  # fmt: skip


def _send_when_ready(t: Targets) -> None:
    """The kernel would send a signal in our name."""
    reader, _ = os.pipe()
    fcntl.fcntl(reader, _F_SETOWN, t.server)


def _fork(t: Targets) -> None:
    child = os.fork()
    if child == 0:
        os._exit(0)
    os.waitpid(child, 0)


def _outlive(t: Targets) -> None:
    if _LIBC.prctl(1, 0, 0, 0, 0) != 0:
        raise PermissionError


def _become_root(t: Targets) -> None:
    os.setresuid(0, 0, 0)
    if os.access(t.secret, os.W_OK):
        return
    raise PermissionError


def _mount(t: Targets) -> None:
    _call(165, 40, b"none", os.fsencode(t.folder), b"tmpfs", ctypes.c_ulong(0), None)
    _call(166, 39, os.fsencode(t.folder), 0)


def _by_handle(t: Targets) -> None:
    handle = ctypes.create_string_buffer(8 + 128)
    ctypes.c_uint.from_buffer(handle).value = 128
    mount = ctypes.c_int()
    _call(303, 264, -100, os.fsencode(t.secret), handle, ctypes.byref(mount), 0)
    os.close(_call(304, 265, -100, handle, os.O_RDONLY))  # of the file system of "/"


def _io_uring(t: Targets) -> None:
    os.close(_call(425, 425, 1, ctypes.create_string_buffer(256)))


def _bpf(t: Targets) -> None:
    array = (ctypes.c_uint * 32)(2, 4, 4, 1)  # of one number
    os.close(_call(321, 280, 0, array, 128))


def _perf_event(t: Targets) -> None:
    attributes = ctypes.create_string_buffer(128)
    ctypes.c_uint.from_buffer(attributes).value = 1  # of software
    ctypes.c_uint.from_buffer(attributes, 4).value = 128
    os.close(_call(298, 241, attributes, 0, -1, -1, ctypes.c_ulong(0)))


ATTEMPTS: dict[str, Callable[[Targets], object]] = {
    "read a secret": lambda t: _read(t.secret),
    "list a folder": lambda t: os.listdir(t.folder),
    "write a new file": _write_new,
    "change a file": _overwrite,
    "link a file": _link,
    "empty a file": lambda t: os.truncate(os.path.join(t.folder, "victim"), 0),
    "delete a file": _delete,
    "open a file to everybody": lambda t: os.chmod(t.secret, 0o644),
    "connect to a unix socket": lambda t: _connect(socket.AF_UNIX, t.unix_socket),
    "connect to an abstract socket": lambda t: _connect(socket.AF_UNIX, "\0" + t.abstract_socket),
    "connect to a port of this machine": lambda t: _connect(socket.AF_INET, ("127.0.0.1", t.tcp_port)),
    "open a port": _listen,
    "trace the server": _trace,
    "read the memory of the server": _read_memory,
    "open the memory of the server": lambda t: os.close(os.open(f"/proc/{t.server}/mem", os.O_RDONLY)),
    "read the environment of the server": lambda t: _read(f"/proc/{t.server}/environ"),
    "list the open files of the server": lambda t: os.listdir(f"/proc/{t.server}/fd"),
    "signal the server": lambda t: os.kill(t.server, 0),
    "signal the server through a pipe": _send_when_ready,
    "limit the server": lambda t: resource.prlimit(t.server, resource.RLIMIT_NOFILE),
    "slow the server down": lambda t: os.setpriority(os.PRIO_PROCESS, t.server, 5),
    "start a process": _fork,
    "outlive the server": _outlive,
    "become root": _become_root,
    "change groups": lambda t: os.setgroups([0]),
    "mount": _mount,
    "open a file by its handle": _by_handle,
    "share memory": lambda t: _call(29, 194, 0, ctypes.c_size_t(4096), 0o1600),
    "use io_uring": _io_uring,
    "use bpf": _bpf,
    "watch the processor": _perf_event,
    "use keys of the kernel": lambda t: _call(250, 219, 0, ctypes.c_int(-3), 1),
    "change its personality": lambda t: _call(135, 92, ctypes.c_ulong(0x0040000)),
    "watch files": lambda t: _call(294, 26, 0),
    # Last: they change what comes after them.
    "make a mount namespace": lambda t: _call(272, 97, ctypes.c_ulong(0x00020000)),
    "make a user namespace": lambda t: _call(272, 97, ctypes.c_ulong(0x10000000)),
}


def main(argv: list[str]) -> None:
    targets = Targets(**json.loads(argv[1]))
    signal.alarm(60)
    outcomes, user = {}, os.getuid()
    for name, attempt in ATTEMPTS.items():
        outcomes[name] = False
        with contextlib.suppress(OSError):
            attempt(targets)
            outcomes[name] = True
    print(json.dumps({"outcomes": outcomes, "user": user}))


if __name__ == "__main__":
    main(sys.argv)
