"""The command lines of services as PID 1 holds them: names of units as JSON in, lists of argument lists out.

For the python of a throwaway machine, by libsystemd: systemctl prints arguments with nothing between them
that could not stand in one.
"""

from __future__ import annotations

import ctypes
import json
import sys

ONE, ALL = b"(sasbttttuii)", b"a(sasbttttuii)"  # ExecStart, org.freedesktop.systemd1(5)

sd = ctypes.CDLL("libsystemd.so.0")


def done(result: int) -> int:
    if result < 0:
        raise OSError(-result, "libsystemd")
    return result


def path_of(unit: str) -> bytes:
    """The object path of a unit (sd_bus_path_encode(3))."""
    plain = unit[0].isalpha()
    signs = [
        chr(byte) if chr(byte).isalnum() and byte < 128 and (place or plain) else f"_{byte:02x}"
        for place, byte in enumerate(unit.encode())
    ]
    return ("/org/freedesktop/systemd1/unit/" + "".join(signs)).encode()


def command_lines(bus: ctypes.c_void_p, unit: str) -> list[list[str]]:
    reply, program = ctypes.c_void_p(), ctypes.c_char_p()
    arguments = ctypes.POINTER(ctypes.c_char_p)()
    service = b"org.freedesktop.systemd1.Service"
    done(
        sd.sd_bus_get_property(
            *(bus, b"org.freedesktop.systemd1", path_of(unit), service, b"ExecStart", None),
            *(ctypes.byref(reply), ALL),
        )
    )
    found = []
    done(sd.sd_bus_message_enter_container(reply, ctypes.c_char(b"a"), ONE))
    while done(sd.sd_bus_message_enter_container(reply, ctypes.c_char(b"r"), ONE[1:-1])):
        done(sd.sd_bus_message_read_basic(reply, ctypes.c_char(b"s"), ctypes.byref(program)))
        done(sd.sd_bus_message_read_strv(reply, ctypes.byref(arguments)))
        line, place = [], 0
        while (argument := arguments[place]) is not None:
            line.append(argument.decode())
            place += 1
        found.append(line)
        done(sd.sd_bus_message_skip(reply, ONE[4:-1]))
        done(sd.sd_bus_message_exit_container(reply))
    sd.sd_bus_message_unref(reply)
    return found


def main() -> None:
    bus = ctypes.c_void_p()
    done(sd.sd_bus_open_system(ctypes.byref(bus)))
    json.dump([command_lines(bus, unit) for unit in json.load(sys.stdin)], sys.stdout)


if __name__ == "__main__":
    main()
