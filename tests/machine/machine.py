"""A guest in qemu: its disks, its serial line with a meter, its pulses, a shell in it, and its HTTP."""

import fcntl
import json
import os
import re
import socket
import struct
import subprocess
import termios
import threading
import time
import urllib.error
import urllib.request

from disk import Disk

PATIENCE = 300  # seconds; emulation without KVM takes its time to boot. `--patience` changes it.

# What this machine does not need, and an emulated one takes a minute for.
QUICKER = ("modprobe.blacklist=kvm,kvm_amd,kvm_intel,iTCO_wdt,lpc_ich,i2c_i801,cfg80211,rfkill,pcspkr,powernow_k8 "
           "systemd.mask=e2scrub_reap.service systemd.mask=systemd-logind.service systemd.mask=systemd-binfmt.service "
           "systemd.mask=serial-getty@ttyS0.service systemd.default_timeout_start_sec=30min quiet")


class Wrong(Exception):
    """What a check found."""


def until(what, look, seconds=None):
    """Looks until `look` returns something true, and returns that."""
    seconds = seconds or PATIENCE
    end, last = time.monotonic() + seconds, None
    while time.monotonic() < end:
        try:
            if found := look():
                return found
        except urllib.error.HTTPError as error:
            last = f"{error}: {error.read(300).decode(errors='replace')}"
        except (Wrong, OSError, ValueError, KeyError) as error:
            last = error
        time.sleep(0.2)  # between two looks, not for timing
    raise Wrong(f"not within {seconds} s: {what}{f' ({last})' if last else ''}")


def connect(path):
    def attempt():
        client = socket.socket(socket.AF_UNIX)
        client.connect(path)
        return client
    return until(f"{path} accepts a connection", attempt, 60)


class Meter:
    """An electricity meter that pushes a telegram each second. Its counter rises by one Wh in each."""

    def __init__(self):
        self.sent = {}  # Wh -> time at which the telegram was sent
        self.number = int(time.time()) - 1_790_000_000  # it goes on where an earlier scenario's meter ended
        self.line = None
        threading.Thread(target=self.run, daemon=True).start()

    def run(self):
        while True:
            time.sleep(1)
            self.number += 1
            line = self.line
            if line is None:
                continue
            try:
                # A line keeps nothing for a reader that is not there.
                if struct.unpack("i", fcntl.ioctl(line, termios.TIOCOUTQ, b"\0" * 4))[0]:
                    continue
                text = (f"/EBZ5DD32R06ETA_107\r\n\r\n1-0:0.0.0*255(1EBZ0100000042)\r\n"
                        f"1-0:1.8.0*255({self.number / 1000:013.6f}*kWh)\r\n1-0:16.7.0*255(003600.00*W)\r\n!\r\n")
                self.sent[self.number] = time.time()
                line.sendall(bytes(c | (c.bit_count() & 1) << 7 for c in text.encode()))
            except OSError:
                self.line = None


class Guest:
    """One machine, which may be booted many times."""

    def __init__(self, options, folder, name, backing, memory=512):
        self.options, self.folder, self.name, self.memory = options, folder / name, name, memory
        self.folder.mkdir()
        self.meter = Meter()
        self.process = None
        self.root = self.folder / "root.qcow2"
        kind = "raw" if backing.suffix == ".img" else "qcow2"
        subprocess.run(["qemu-img", "create", "-q", "-f", "qcow2", "-F", kind, "-b", backing.resolve(), self.root], check=True)
        state = self.folder / "state.img"
        subprocess.run(["mke2fs", "-q", "-F", "-t", "ext4", "-L", "state", state, "64M"], check=True, capture_output=True)
        self.disk = Disk(state, str(self.folder / "disk.sock"), options.seed)
        with socket.socket() as listener:
            listener.bind(("127.0.0.1", 0))
            self.port = listener.getsockname()[1]
        self.boots = self.requests = 0
        self.small_kernel = False
        self.meter_port = "/dev/ttyS1" if options.arch == "amd64" else "/dev/ttyAMA0"

    def command(self, kernel_options, rtc):
        files, folder, options = self.options.cache, self.folder, self.options
        serial = ["-chardev", f"file,id=console,path={folder}/console-{self.boots}.log",
                  "-chardev", f"socket,id=meter,path={folder}/meter.sock,server=on,wait=off"]
        if options.arch == "amd64":
            machine = ["qemu-system-x86_64", "-machine", "q35", "-cpu", "host" if options.kvm else "max,-svm,-la57"]
            serial += ["-serial", "chardev:console", "-serial", "chardev:meter"]
        else:
            machine = ["qemu-system-aarch64", "-machine", "virt", "-cpu", "cortex-a57"]
            serial += ["-serial", "chardev:meter", "-device", "pci-serial,chardev=console"]
        kernel = ["-kernel", f"{files}/vmlinuz", "-initrd", f"{files}/initrd"]
        if self.small_kernel:
            kernel = ["-kernel", f"{files}/vmlinuz-small"]
        return [
            *machine, "-accel", "kvm" if options.kvm else "tcg", "-m", str(self.memory), "-smp", "1", "-nodefaults",
            "-display", "none", "-no-reboot", "-rtc", f"base={rtc}", *kernel, "-append", f"root=/dev/vda console=ttyS0 panic=-1 net.ifnames=0 mitigations=off no_timer_check {QUICKER} {kernel_options}", *serial,
            "-drive", f"file={self.root},if=none,id=root", "-device", "virtio-blk-pci,drive=root",
            "-drive", f"file=nbd+unix:///?socket={folder}/disk.sock,format=raw,if=none,id=state",
            "-device", "virtio-blk-pci,drive=state",
            "-drive", f"file={options.parcel},format=raw,if=none,id=parcel,readonly=on",
            "-device", "virtio-blk-pci,drive=parcel,serial=parcel",
            "-netdev", f"user,id=net,restrict=on,hostfwd=tcp:127.0.0.1:{self.port}-:8080", "-device", "virtio-net-pci,netdev=net,romfile=",
            "-device", "virtio-serial-pci",
            *(part for port in ("agent", "pulses") for part in (
                "-chardev", f"socket,id={port},path={folder}/{port}.sock,server=on,wait=off",
                "-device", f"virtserialport,chardev={port},name={port}"))]

    def boot(self, kernel_options="rw", rtc="utc"):
        self.boots += 1
        for name in ("agent", "pulses", "meter"):
            (self.folder / f"{name}.sock").unlink(missing_ok=True)
        log = open(self.folder / f"qemu-{self.boots}.log", "wb")
        self.process = subprocess.Popen(self.command(kernel_options, rtc), stdout=log, stderr=log)
        self.agent = connect(f"{self.folder}/agent.sock")
        self.pulse_port = connect(f"{self.folder}/pulses.sock")
        self.meter.line = connect(f"{self.folder}/meter.sock")
        self.made = []  # times of this boot's pulses
        self.stopped = threading.Event()
        threading.Thread(target=self.hear_pulses, args=(self.pulse_port, self.made, self.stopped), daemon=True).start()
        self.shell("true")

    @staticmethod
    def hear_pulses(port, made, stopped):
        try:
            for line in port.makefile():
                if line.strip() == "stopped":
                    stopped.set()
                else:
                    made.append(time.time())
        except OSError:
            pass

    def pulses(self, count, milliseconds=20):
        """Starts pulses; a count of 0 is until `stop_pulses`."""
        self.pulse_port.sendall(f"{count} {milliseconds}\n".encode())

    def stop_pulses(self):
        self.stopped.clear()
        self.pulse_port.sendall(b"stop\n")
        if not self.stopped.wait(60):
            raise Wrong("the pulses did not stop within 60 s")

    def shell(self, command, seconds=None, check=True):
        """Runs a command in the guest, and returns what it printed."""
        seconds = seconds or PATIENCE
        self.requests += 1
        text = json.dumps({"id": self.requests, "command": command, "timeout": seconds})
        self.agent.settimeout(seconds + 30)
        answer = b""
        try:
            self.agent.sendall(text.encode() + b"\n")
            while not answer.endswith(b"\n"):
                piece = self.agent.recv(65536)
                if not piece:
                    raise Wrong(f"the guest ended during `{command}`: see {self.folder}")
                answer += piece
        except OSError as error:
            raise Wrong(f"the guest did not answer `{command}`: {error}; see {self.folder}") from None
        answer = json.loads(answer)
        with open(self.folder / "shell.log", "a") as log:
            print(f"{time.strftime('%T')} {command}\n{answer['output']}[{answer['status']}]", file=log)
        if check and answer["status"] != 0:
            raise Wrong(f"`{command}` ended with {answer['status']}: {answer['output'].strip()[-600:]}")
        return answer["output"]

    def get(self, path):
        with urllib.request.urlopen(f"http://127.0.0.1:{self.port}{path}", timeout=20) as answer:
            return json.load(answer)

    def health(self):
        return self.get("/health?code=200")

    def count(self):
        return self.get("/data/heat/pulses")

    def property(self, name):
        return self.shell(f"systemctl show -P {name} smartmeter").strip()

    def power_cut(self):
        self.process.kill()
        self.process.wait()
        self.meter.line = None

    def power_off(self):
        self.shell("(sleep 0.5; systemctl poweroff) >/dev/null 2>&1 &")
        try:
            self.process.wait(PATIENCE)
        except subprocess.TimeoutExpired:
            self.power_cut()
            raise Wrong(f"the machine did not power off within {PATIENCE} s") from None
        self.meter.line = None

    def history(self):
        """Returns the meter's recorded counter: pairs of its Wh and the time in seconds since 1970."""
        text = self.shell("smartmeter export --journal /var/lib/smartmeter/journal.db --format jsonl --series 'house/POWER_IMPORT'")
        rows = [json.loads(line) for line in text.splitlines() if line.startswith("{")]
        return [(round(float(row["value"]) * 1000), seconds(row["time"])) for row in rows]

    def restarts(self):
        """Returns the times of this boot in which no program had the meter's port: pairs, with a telegram on each side."""
        pairs, begin = [], None
        for line in self.shell("journalctl -u smartmeter -b -o short-unix --no-pager").splitlines():
            if re.search(r"Stopping|Main process exited|: +INFO ending", line):
                begin = begin or float(line.split()[0])
            elif begin and "name=house}: receiving readings" in line:
                pairs.append((begin - 2, float(line.split()[0]) + 1))
                begin = None
        return pairs

    def close(self):
        if self.process and self.process.poll() is None:
            try:
                (self.folder / "service.log").write_text(
                    self.shell("systemctl status smartmeter --no-pager; journalctl -b -u smartmeter --no-pager -o short-precise", 60, check=False))
            except Wrong:
                pass
            self.power_cut()


def seconds(text):
    import datetime
    return datetime.datetime.fromisoformat(text.replace("Z", "+00:00")).timestamp()
