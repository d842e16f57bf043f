"""A disk that loses what was not flushed, as a memory card does when the power fails: a server of NBD."""

import os
import random
import socket
import struct
import threading

SECTOR = 512


class Disk:
    """A raw image at a socket. Writes stay in memory until the guest flushes them."""

    def __init__(self, image, path, seed=1):
        self.image = os.open(image, os.O_RDWR)
        self.size = os.fstat(self.image).st_size
        self.cache = {}
        self.random = random.Random(seed)
        self.lost = 0  # sectors, of all power cuts
        self.listener = socket.socket(socket.AF_UNIX)
        self.listener.bind(path)
        self.listener.listen(1)
        threading.Thread(target=self.serve, daemon=True).start()

    def replace(self, image):
        """Begins with the content of another disk."""
        with open(image, "rb") as other:
            os.pwrite(self.image, other.read(), 0)

    def serve(self):
        while True:
            client, _ = self.listener.accept()
            try:
                if self.greet(client):
                    self.answer(client)
            except (ConnectionError, EOFError, OSError):
                pass
            self.power_cut()
            client.close()

    def power_cut(self):
        """Each sector that was not flushed may have been written, or not."""
        for sector, data in sorted(self.cache.items()):
            if self.random.random() < 0.5:
                os.pwrite(self.image, data, sector * SECTOR)
            else:
                self.lost += 1
        self.cache.clear()

    def greet(self, client):
        client.sendall(b"NBDMAGICIHAVEOPT" + struct.pack(">H", 3))
        take(client, 4)
        while True:
            _, option, length = struct.unpack(">QII", take(client, 16))
            take(client, length)

            def reply(kind, data=b""):
                client.sendall(struct.pack(">QIII", 0x3E889045565A9, option, kind, len(data)) + data)

            if option == 7:  # go
                reply(3, struct.pack(">HQH", 0, self.size, 1 | 4 | 8))
                reply(1)
                return True
            if option == 2:  # abort
                reply(1)
                return False
            reply(0x80000001)

    def answer(self, client):
        while True:
            _, flags, kind, handle, offset, length = struct.unpack(">IHHQQI", take(client, 28))
            data = b""
            if kind == 0:
                data = self.read(offset, length)
            elif kind == 1:
                self.write(offset, take(client, length))
                if flags & 1:
                    self.flush()
            elif kind == 2:
                return
            elif kind == 3:
                self.flush()
            client.sendall(struct.pack(">IIQ", 0x67446698, 0, handle) + data)

    def read(self, offset, length):
        data = bytearray(os.pread(self.image, length, offset))
        for sector in range(offset // SECTOR, (offset + length + SECTOR - 1) // SECTOR):
            if cached := self.cache.get(sector):
                start = sector * SECTOR - offset
                data[start:start + SECTOR] = cached
        return bytes(data)

    def write(self, offset, data):
        for at in range(0, len(data), SECTOR):
            self.cache[(offset + at) // SECTOR] = data[at:at + SECTOR]

    def flush(self):
        for sector, data in self.cache.items():
            os.pwrite(self.image, data, sector * SECTOR)
        self.cache.clear()


def take(client, length):
    data = b""
    while len(data) < length:
        piece = client.recv(length - len(data))
        if not piece:
            raise EOFError
        data += piece
    return data
