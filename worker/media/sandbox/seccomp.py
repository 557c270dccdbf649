"""Seccomp: system calls that no decoder needs answer EPERM. Standard library only.

A list of what is refused, and not of what is allowed: FFmpeg, PyAV, numpy and the C libraries of those who install
this differ in what they call, and a list of the allowed would end a decode after an update of any of them. What is
left open concerns the memory and the files that the process has already. Calls that are younger than this list answer
ENOSYS, as on an older kernel, so that nothing new is open by accident. A refused call fails and does not kill:
programs try things and go on without them.
"""

from __future__ import annotations

import ctypes
import errno
import os
import struct
from collections.abc import Iterator, Sequence

_PR_SET_SECCOMP, _SECCOMP_MODE_FILTER = 22, 2
_ALLOW, _ERRNO = 0x7FFF0000, 0x00050000

# Offsets in struct seccomp_data; the lower half of an argument on a machine with little-endian numbers.
_NUMBER, _ARCHITECTURE, _ARGUMENTS = 0, 4, 16
_LOAD, _EQUAL, _GREATER, _AT_LEAST, _ANY_BIT, _RETURN = 0x20, 0x15, 0x25, 0x35, 0x45, 0x06

_ARCHITECTURES = {"x86_64": 0xC000003E, "aarch64": 0xC00000B7}
_X32_CALLS = 0x40000000  # x86_64: the same calls under other numbers
_YOUNGEST = 462  # mseal, of Linux 6.10

# name: number on x86_64, on aarch64
REFUSED: dict[str, tuple[int, int | None]] = {
    # other processes
    "ptrace": (101, 117), "process_vm_readv": (310, 270), "process_vm_writev": (311, 271),
    "process_madvise": (440, 440), "process_mrelease": (448, 448), "kcmp": (312, 272), "pidfd_open": (434, 434),
    "pidfd_getfd": (438, 438), "pidfd_send_signal": (424, 424), "tkill": (200, 130), "setpriority": (141, 140),
    "ioprio_set": (251, 30), "sched_setaffinity": (203, 122), "sched_setscheduler": (144, 119),
    "sched_setparam": (142, 118), "sched_setattr": (314, 274), "migrate_pages": (256, 238), "move_pages": (279, 239),
    # new processes
    "fork": (57, None), "vfork": (58, None),
    # the network and shared memory
    "socket": (41, 198), "socketpair": (53, 199), "connect": (42, 203), "bind": (49, 200), "listen": (50, 201),
    "accept": (43, 202), "accept4": (288, 242), "shmget": (29, 194), "shmat": (30, 196), "shmctl": (31, 195),
    "semget": (64, 190), "semop": (65, 193), "semctl": (66, 191), "semtimedop": (220, 192), "msgget": (68, 186),
    "msgsnd": (69, 189), "msgrcv": (70, 188), "msgctl": (71, 187), "mq_open": (240, 180), "mq_unlink": (241, 181),
    # users and rights
    "setuid": (105, 146), "setgid": (106, 144), "setreuid": (113, 145), "setregid": (114, 143),
    "setresuid": (117, 147), "setresgid": (119, 149), "setfsuid": (122, 151), "setfsgid": (123, 152),
    "setgroups": (116, 159), "capset": (126, 91),
    # namespaces and mounts
    "unshare": (272, 97), "setns": (308, 268), "mount": (165, 40), "umount2": (166, 39), "pivot_root": (155, 41),
    "chroot": (161, 51), "fsopen": (430, 430), "fsconfig": (431, 431), "fsmount": (432, 432), "fspick": (433, 433),
    "move_mount": (429, 429), "open_tree": (428, 428), "mount_setattr": (442, 442),
    # the names and marks of files
    "chmod": (90, None), "fchmod": (91, 52), "fchmodat": (268, 53), "fchmodat2": (452, 452), "chown": (92, None),
    "lchown": (94, None), "fchown": (93, 55), "fchownat": (260, 54), "setxattr": (188, 5), "lsetxattr": (189, 6),
    "fsetxattr": (190, 7), "removexattr": (197, 14), "lremovexattr": (198, 15), "fremovexattr": (199, 16),
    "utime": (132, None), "utimes": (235, None), "futimesat": (261, None), "utimensat": (280, 88),
    "truncate": (76, 45), "rename": (82, None), "renameat": (264, 38), "renameat2": (316, 276), "unlink": (87, None),
    "unlinkat": (263, 35), "rmdir": (84, None), "mkdir": (83, None), "mkdirat": (258, 34), "mknod": (133, None),
    "mknodat": (259, 33), "link": (86, None), "linkat": (265, 37), "symlink": (88, None), "symlinkat": (266, 36),
    "creat": (85, None), "inotify_init": (253, None), "inotify_init1": (294, 26), "fanotify_init": (300, 262),
    "name_to_handle_at": (303, 264), "open_by_handle_at": (304, 265),
    # the kernel
    "bpf": (321, 280), "perf_event_open": (298, 241), "userfaultfd": (323, 282), "io_uring_setup": (425, 425),
    "io_uring_enter": (426, 426), "io_uring_register": (427, 427), "keyctl": (250, 219), "add_key": (248, 217),
    "request_key": (249, 218), "kexec_load": (246, 104), "kexec_file_load": (320, 294), "init_module": (175, 105),
    "finit_module": (313, 273), "delete_module": (176, 106), "personality": (135, 92), "modify_ldt": (154, None),
    "iopl": (172, None), "ioperm": (173, None), "uselib": (134, None), "sysfs": (139, None), "syslog": (103, 116),
    "lookup_dcookie": (212, 18), "quotactl": (179, 60), "quotactl_fd": (443, 443), "acct": (163, 89),
    "swapon": (167, 224), "swapoff": (168, 225), "reboot": (169, 142), "vhangup": (153, 58),
    "sethostname": (170, 161), "setdomainname": (171, 162), "settimeofday": (164, 170), "clock_settime": (227, 112),
    "clock_adjtime": (305, 266), "adjtimex": (159, 171), "nfsservctl": (180, 42), "memfd_secret": (447, 447),
    "vmsplice": (278, 75), "splice": (275, 76), "tee": (276, 77),
}  # fmt: skip
_NOT_THERE = {"clone3": (435, 435), "openat2": (437, 437)}  # their flags lie in memory, where no filter can look
_ONLY_ITSELF = {"kill": (62, 129), "tgkill": (234, 131), "rt_sigqueueinfo": (129, 138), "rt_tgsigqueueinfo": (297, 240)}
_LIMITS_OF = (302, 261)  # prlimit64
_CLONE, _CLONE_THREAD = (56, 220), 0x00010000
_CLONE_NEW = 0x7E020000  # any namespace
_PRCTL, _PR_SET_PDEATHSIG = (157, 167), 1
_FCNTL, _F_SETOWN, _F_SETOWN_EX = (72, 25), 8, 15  # who gets a signal when a pipe is ready
_OPENS = (((2, None), 1), ((257, 56), 2))  # open, openat, and which argument holds the flags
_WRITING = os.O_WRONLY | os.O_RDWR | os.O_CREAT | os.O_TRUNC


def _instruction(code: int, value: int, if_true: int = 0, if_false: int = 0) -> bytes:
    return struct.pack("HBBI", code, if_true, if_false, value)


def _refuse(number: int = errno.EPERM) -> bytes:
    return _instruction(_RETURN, _ERRNO | number)


def _argument(index: int) -> bytes:
    return _instruction(_LOAD, _ARGUMENTS + 8 * index)


def _when(number: int, body: Sequence[bytes]) -> Iterator[bytes]:
    """``body`` runs for this call and must return."""
    yield _instruction(_EQUAL, number, 0, len(body))
    yield from body


def program(machine: str, pid: int, *, writing: bool) -> list[bytes]:
    """The instructions of the filter for process ``pid`` on x86_64 or aarch64.

    writing: whether it may open files for writing at all (Landlock says which).
    """
    column = 0 if machine == "x86_64" else 1
    allow = _instruction(_RETURN, _ALLOW)
    code = [
        _instruction(_LOAD, _ARCHITECTURE),
        _instruction(_EQUAL, _ARCHITECTURES[machine], 1, 0),
        _refuse(errno.ENOSYS),
        _instruction(_LOAD, _NUMBER),
        _instruction(_GREATER, _YOUNGEST, 0, 1),
        _refuse(errno.ENOSYS),
    ]
    for numbers in REFUSED.values():
        if (number := numbers[column]) is not None:
            code += _when(number, [_refuse()])
    for numbers in _NOT_THERE.values():
        code += _when(numbers[column], [_refuse(errno.ENOSYS)])
    for numbers in _ONLY_ITSELF.values():
        code += _when(numbers[column], [_argument(0), _instruction(_EQUAL, pid, 0, 1), allow, _refuse()])
    code += _when(_LIMITS_OF[column], [_argument(0), _instruction(_EQUAL, 0, 1, 0), _instruction(_EQUAL, pid, 0, 1),
                                       allow, _refuse()])  # fmt: skip
    threads_only = [_argument(0), _instruction(_ANY_BIT, _CLONE_NEW, 1, 0), _instruction(_ANY_BIT, _CLONE_THREAD, 1, 0),
                    _refuse(), allow]  # fmt: skip
    code += _when(_CLONE[column], threads_only)
    code += _when(_PRCTL[column], [_argument(0), _instruction(_EQUAL, _PR_SET_PDEATHSIG, 0, 1), _refuse(), allow])
    code += _when(_FCNTL[column], [_argument(1), _instruction(_EQUAL, _F_SETOWN, 1, 0),
                                   _instruction(_EQUAL, _F_SETOWN_EX, 0, 1), _refuse(), allow])  # fmt: skip
    for numbers, flags in _OPENS:
        if (number := numbers[column]) is None:
            continue
        if writing:  # a file that is only read can be emptied by it, which Landlock holds from version 3 on
            code += _when(number, [_argument(flags), _instruction(_ANY_BIT, os.O_TRUNC, 0, 2),
                                   _instruction(_ANY_BIT, os.O_ACCMODE, 1, 0), _refuse(), allow])  # fmt: skip
        else:
            code += _when(number, [_argument(flags), _instruction(_ANY_BIT, _WRITING, 0, 1), _refuse(), allow])
    return [*code, allow]


def install(libc: ctypes.CDLL, *, writing: bool) -> bool:
    """For the rest of this process and of whatever it becomes. False where the kernel or the machine has none.

    Needs "no new privileges" before.
    """
    machine = os.uname().machine
    if machine not in _ARCHITECTURES or struct.calcsize("P") != 8:
        return False
    instructions = program(machine, os.getpid(), writing=writing)
    code = ctypes.create_string_buffer(b"".join(instructions))
    header = struct.pack("HP", len(instructions), ctypes.addressof(code))
    return bool(libc.prctl(_PR_SET_SECCOMP, _SECCOMP_MODE_FILTER, ctypes.c_char_p(header), 0, 0) == 0)
