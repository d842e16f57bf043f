#!/usr/bin/env python3
"""Meter on a pseudo terminal, as a serial port of group 20 (`dialout`): prints its path, and pushes a telegram a second."""

import os
import pty
import threading
import tty

TELEGRAM = (
    "/EBZ5DD32R06ETA_107\r\n\r\n1-0:0.0.0*255(1EBZ0100000042)\r\n1-0:96.1.0*255(1EBZ0100000042)\r\n"
    "1-0:1.8.0*255(002714.12830185*kWh)\r\n1-0:2.8.0*255(000001.20600000*kWh)\r\n1-0:16.7.0*255(000458.90*W)\r\n"
    "1-0:96.5.0*255(001C0104)\r\n0-0:96.8.0*255(02FAB8BF)\r\n!\r\n"
)


def seven_e_one(text):
    """Each byte with an even parity bit, as an adapter at 8N1 delivers it."""
    return bytes(byte | (bin(byte).count("1") % 2) << 7 for byte in text.encode())


def port():
    """Returns both ends of a line, and the path of the program's."""
    meter, program = pty.openpty()
    tty.setraw(program)
    path = os.ttyname(program)
    os.chown(path, 0, 20)
    os.chmod(path, 0o660)
    # The open end keeps the line up while no program reads.
    return meter, program, path


def push(meter, stop):
    """Sends a telegram a second until `stop`, an event, is set."""
    os.set_blocking(meter, False)
    while not stop.wait(1):
        try:
            os.write(meter, seven_e_one(TELEGRAM))
        except BlockingIOError:
            pass  # Nobody reads.


if __name__ == "__main__":
    meter, program, path = port()
    print(path, flush=True)
    push(meter, threading.Event())
