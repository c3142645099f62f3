"""The seccomp filter of a worker, assembled by hand: which system calls pass, fail or kill.

Knows system calls on x86_64 and aarch64; nothing of paths, tiers or kernels.
"""

from __future__ import annotations

import ctypes
import errno
import mmap
import os
import platform
import struct
from collections.abc import Iterable
from dataclasses import dataclass

from . import linux

# name:x86_64:aarch64, the hottest first; unlisted calls fail with EPERM.
PLAIN = """read:0:63 write:1:64 futex:202:98 poll:7:- ppoll:271:73 close:3:57 lseek:8:62 readv:19:65
writev:20:66 pread64:17:67 pwrite64:18:68 select:23:- pselect6:270:72 mprotect:10:226 munmap:11:215
mremap:25:216 brk:12:214 rt_sigaction:13:134 rt_sigprocmask:14:135 rt_sigreturn:15:139
sigaltstack:131:132 restart_syscall:219:128 exit:60:93 exit_group:231:94 nanosleep:35:101
clock_nanosleep:230:115 clock_gettime:228:113 clock_getres:229:114 gettimeofday:96:169 time:201:-
sched_yield:24:124 sched_getaffinity:204:123 getcpu:309:168 getrusage:98:165 times:100:153
getrlimit:97:163 sysinfo:99:179 uname:63:160 getrandom:318:278 stat:4:- lstat:6:- fstat:5:80
newfstatat:262:79 statx:332:291 access:21:- faccessat:269:48 faccessat2:439:439 readlink:89:-
readlinkat:267:78 getdents64:217:61 getcwd:79:17 getpid:39:172 gettid:186:178 getppid:110:173
getuid:102:174 geteuid:107:175 getgid:104:176 getegid:108:177 getresuid:118:148
getresgid:120:150"""
CHECKED = """openat:257:56 open:2:- mmap:9:222 madvise:28:233 ioctl:16:29 fcntl:72:25
prlimit64:302:261 kill:62:129 tkill:200:130 tgkill:234:131"""
WRITING = """rename:82:- renameat:264:38 renameat2:316:276 unlink:87:-
unlinkat:263:35 fsync:74:82"""
# ENOSYS: libc falls back to calls whose arguments a filter can see.
ABSENT = "clone3:435:435 openat2:437:437"
# Nothing honest makes these: the worker dies of SIGSYS, which its parent sees.
FATAL = """ptrace:101:117 process_vm_readv:310:270 process_vm_writev:311:271
process_madvise:440:440 process_mrelease:448:448 pidfd_open:434:434 pidfd_send_signal:424:424
pidfd_getfd:438:438 kcmp:312:272 execve:59:221 execveat:322:281 socket:41:198 socketpair:53:199
connect:42:203 bind:49:200 listen:50:201 accept:43:202 accept4:288:242 sendto:44:206 sendmsg:46:211
sendmmsg:307:269 recvfrom:45:207 recvmsg:47:212 recvmmsg:299:243 setsockopt:54:208
getsockopt:55:209 unshare:272:97 setns:308:268 mount:165:40 umount2:166:39 pivot_root:155:41
chroot:161:51 move_mount:429:429 open_tree:428:428 fsopen:430:430 fsconfig:431:431 fsmount:432:432
fspick:433:433 mount_setattr:442:442 name_to_handle_at:303:264 open_by_handle_at:304:265
clock_settime:227:112 clock_adjtime:305:266 adjtimex:159:171 settimeofday:164:170
kexec_load:246:104 kexec_file_load:320:294 reboot:169:142 init_module:175:105 finit_module:313:273
delete_module:176:106 swapon:167:224 swapoff:168:225 bpf:321:280 perf_event_open:298:241
userfaultfd:323:282 io_uring_setup:425:425 io_uring_enter:426:426 io_uring_register:427:427
keyctl:250:219 add_key:248:217 request_key:249:218 iopl:172:- ioperm:173:- acct:163:89
syslog:103:116 quotactl:179:60"""

NAMED = f"{PLAIN} {CHECKED} {WRITING} {ABSENT} {FATAL}"

# AUDIT_ARCH, column of the tables above, number of seccomp(2)
MACHINES = {"x86_64": (0xC000003E, 1, 317), "aarch64": (0xC00000B7, 2, 277)}
X32_BIT = 0x40000000

ALLOW, KILL, FAIL = 0x7FFF0000, 0x80000000, 0x00050000
LOAD, AND, RETURN = 0x20, 0x54, 0x06
IF_EQUAL, IF_AT_LEAST = 0x15, 0x35
NR_OFFSET, ARCH_OFFSET, ARGS_OFFSET = 0, 4, 16

SET_MODE_FILTER = 1
SPEC_ALLOW = 4  # else kernels before 5.16 slow every store-to-load forward of the worker

MAP_HUGETLB = 0x40000
# Shared memory of its own would not count as a worker's: shared is what it was given.
MAP_KIND, MAPPINGS = 0x2F, (mmap.MAP_SHARED, mmap.MAP_PRIVATE, mmap.MAP_PRIVATE | mmap.MAP_ANON)
MADVISE_FREE, MADVISE_NOHUGEPAGE = 8, 15
TCGETS, FIOCLEX = 0x5401, 0x5451
F_GETFD, F_SETFD, F_GETFL = 1, 2, 3
WORD = 0xFFFFFFFF


@dataclass(frozen=True, slots=True)
class Test:
    """Passes when `argument & mask`, a 32-bit half of one, is among `values`."""

    argument: int
    values: tuple[int, ...]
    mask: int = WORD
    high: bool = False

    def assembled(self) -> bytes:
        """Falls through when passed, fails the call with EPERM otherwise."""
        code = _op(LOAD, ARGS_OFFSET + 8 * self.argument + 4 * self.high) + _op(AND, self.mask)
        for left in range(len(self.values), 0, -1):
            code += _op(IF_EQUAL, self.values[-left], yes=left)
        return code + _op(RETURN, FAIL | errno.EPERM)


def _op(code: int, k: int, yes: int = 0, no: int = 0) -> bytes:
    return struct.pack("=HBBI", code, yes, no, k)


def numbers(table: str) -> dict[str, int]:
    """The calls of one table that this machine has."""
    column = MACHINES[platform.machine()][1]
    rows = (entry.split(":") for entry in table.split())
    return {row[0]: int(row[column]) for row in rows if row[column] != "-"}


def number(name: str) -> int:
    """Of a system call that the filter names, on this machine."""
    return numbers(NAMED)[name]


def _opening(argument: int, writing: bool) -> Test:
    """Read-only for most; who may write must not truncate what it opens for reading, which
    Landlock before ABI 3 overlooks."""
    mode = os.O_ACCMODE | os.O_TRUNC
    if writing:
        return Test(argument, (0, 1, 2, 1 | os.O_TRUNC, 2 | os.O_TRUNC), mode)
    return Test(argument, (0,), mode | os.O_CREAT)


def _tests(writing: bool) -> dict[str, tuple[Test, ...]]:
    """What the arguments of a checked call must satisfy; huge pages would time another machine."""
    itself = (os.getpid(),)
    return {
        "openat": (_opening(2, writing),),
        "open": (_opening(1, writing),),
        "mmap": (Test(3, (0,), MAP_HUGETLB), Test(3, MAPPINGS, MAP_KIND)),
        "madvise": (Test(2, (*range(5), MADVISE_FREE, MADVISE_NOHUGEPAGE)),),
        "ioctl": (Test(1, (TCGETS, FIOCLEX)),),
        "fcntl": (Test(1, (F_GETFD, F_SETFD, F_GETFL)),),
        "prlimit64": (Test(2, (0,)), Test(2, (0,), high=True)),
        "kill": (Test(0, itself),),
        "tkill": (Test(0, itself),),
        "tgkill": (Test(0, itself),),
    }


def _when(number: int, body: bytes) -> bytes:
    return _op(IF_EQUAL, number, no=len(body) // 8) + body


def _each(table: str, action: int) -> Iterable[bytes]:
    return (_when(number, _op(RETURN, action)) for number in numbers(table).values())


def program(writing: bool) -> bytes:
    """The filter for this process id: pid checks are against the caller's own."""
    tests = _tests(writing)
    code = _op(LOAD, ARCH_OFFSET) + _op(IF_EQUAL, MACHINES[platform.machine()][0], yes=1)
    code += _op(RETURN, KILL) + _op(LOAD, NR_OFFSET)
    code += _op(IF_AT_LEAST, X32_BIT, no=1) + _op(RETURN, KILL)
    code += b"".join(_each(PLAIN + (" " + WRITING if writing else ""), ALLOW))
    for name, number in numbers(CHECKED).items():
        code += _when(number, b"".join(t.assembled() for t in tests[name]) + _op(RETURN, ALLOW))
    code += b"".join(_each(ABSENT, FAIL | errno.ENOSYS)) + b"".join(_each(FATAL, KILL))
    return code + _op(RETURN, FAIL | errno.EPERM)


def restrict(writing: bool) -> None:
    """Installs the filter for good. Needs no_new_privs; OSError where the kernel has no filters."""
    if platform.machine() not in MACHINES:
        raise OSError(errno.ENOSYS, f"no filter for {platform.machine()}")
    code = program(writing)
    buffer = ctypes.create_string_buffer(code, len(code))

    class Program(ctypes.Structure):
        _fields_ = [("length", ctypes.c_ushort), ("filter", ctypes.c_void_p)]

    header = Program(len(code) // 8, ctypes.addressof(buffer))
    call = MACHINES[platform.machine()][2]
    linux.syscall(call, SET_MODE_FILTER, SPEC_ALLOW, ctypes.byref(header))
