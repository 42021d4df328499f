"""Who runs on root's terminal as another user must type nothing into it, which root's shell would read."""

from __future__ import annotations

import ctypes
import platform
import struct

PR_SET_SECCOMP, SECCOMP_MODE_FILTER = 22, 2
TIOCSTI, TIOCLINUX = 0x5412, 0x541C  # ioctl_tty(2), ioctl_console(2): a key pressed, the console's selection
# The AUDIT_ARCH_ of linux/audit.h, and the number of ioctl(2).
IOCTL = {"x86_64": (0xC000003E, 16), "aarch64": (0xC00000B7, 29)}
LOAD, EQUAL, AT_LEAST, RETURN = 0x20, 0x15, 0x35, 0x06  # linux/bpf_common.h
ALLOW, REFUSE = 0x7FFF0000, 0x00050001  # SECCOMP_RET_ALLOW, SECCOMP_RET_ERRNO with EPERM
X32 = 0x40000000  # from here on, x86_64 numbers its calls a second time


def forbid() -> None:
    """Refuse these two calls to this process and what it starts; it has to have no_new_privs set.

    :raises OSError: where the kernel has no seccomp filters.
    """
    if platform.machine() not in IOCTL:
        return  # Linux from 6.2 on, as in Debian 13, refuses TIOCSTI by itself
    architecture, ioctl = IOCTL[platform.machine()]
    # Each: what to do, how many to skip if so, how many if not, and the number; the last but one allows.
    program = (
        (LOAD, 0, 0, 4),  # the architecture of the call
        (EQUAL, 0, 7, architecture),
        (LOAD, 0, 0, 0),  # the number of the call
        (AT_LEAST, 5, 0, X32),
        (EQUAL, 0, 3, ioctl),
        (LOAD, 0, 0, 24),  # its second argument
        (EQUAL, 2, 0, TIOCSTI),
        (EQUAL, 1, 0, TIOCLINUX),
        (RETURN, 0, 0, ALLOW),
        (RETURN, 0, 0, REFUSE),
    )
    code = ctypes.create_string_buffer(b"".join(struct.pack("=HBBI", *step) for step in program))
    header = struct.pack("@HP", len(program), ctypes.addressof(code))
    libc = ctypes.CDLL(None, use_errno=True)
    if libc.prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, ctypes.c_char_p(header), 0, 0) != 0:
        raise OSError(ctypes.get_errno(), "prctl(PR_SET_SECCOMP)")
