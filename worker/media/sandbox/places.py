"""What a program needs of the machine to run at all: its own files and the system's libraries, nothing of ours."""

from __future__ import annotations

import functools
import glob
import itertools
import os
import sys
import sysconfig

_PACKAGE = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))  # the folder "worker"

# Not /usr as a whole: people install programs, and their data, somewhere below it.
_SYSTEM = (
    "/nix/store", "/gnu/store", "/snap",
    "/etc/ld.so.cache", "/etc/ld.so.preload", "/etc/ld-musl-*.path", "/etc/localtime",
    "/dev/null", "/dev/zero", "/dev/urandom", "/dev/random", "/sys/devices/system/cpu",
)  # fmt: skip
_LIBRARIES = ("lib", "lib32", "lib64", "libx32")  # no pattern: a home folder may hold a "library"


@functools.cache
def places_of(program: str) -> tuple[str, ...]:
    """Files and folders that ``program`` may read and run. Python also gets its packages and the code of ``worker``."""
    folder = os.path.dirname(os.path.realpath(program))
    own = [program, os.path.realpath(program)]
    if os.path.basename(folder) in ("bin", "sbin"):
        own += _parts(os.path.dirname(folder), *_LIBRARIES)
    if program == sys.executable:
        own += _python()
    prefixes = itertools.product(("/", "/usr", "/usr/local"), ("bin", "sbin", *_LIBRARIES))
    system = [os.path.join(prefix, part) for prefix, part in prefixes]
    system += [place for pattern in _SYSTEM for place in glob.glob(pattern)]
    return tuple(place for place in dict.fromkeys((*own, *system)) if os.path.exists(place))


def _parts(prefix: str, *names: str) -> list[str]:
    return [os.path.join(prefix, name) for name in names]


def _python() -> list[str]:
    own = [_PACKAGE, *(sysconfig.get_path(name) for name in ("stdlib", "platstdlib", "purelib", "platlib"))]
    for prefix in {sys.prefix, sys.exec_prefix, sys.base_prefix, sys.base_exec_prefix}:
        own += _parts(prefix, "bin", "pyvenv.cfg", *_LIBRARIES)
    # An environment may borrow the packages of another one.
    own += [place for place in sys.path if os.path.basename(place) in ("site-packages", "dist-packages")]
    return own
