"""What the check starts: a household of meters, the program, Mosquitto and Home Assistant."""

import asyncio
import datetime
import json
import os
import pathlib
import re
import shutil
import signal
import socket
import subprocess
import sys
import threading
import time
import urllib.error
import urllib.parse
import urllib.request

import aiohttp

DEADLINE = 60  # seconds; what is waited for comes far sooner


def free_port():
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        return listener.getsockname()[1]


def until(what, look, seconds=DEADLINE):
    """Looks until `look` gives something true, and gives that."""
    end, last = time.monotonic() + seconds, None
    while time.monotonic() < end:
        try:
            if found := look():
                return found
        except (AssertionError, urllib.error.URLError, ConnectionError) as error:
            last = error
        time.sleep(0.2)  # between two looks, not for timing
    raise AssertionError(f"not within {seconds} s: {what}; {last or ''}")


STARTED = []


def start(command, log):
    process = subprocess.Popen(command, stdout=log, stderr=log)
    STARTED.append(process)
    return process


def stop(process, how=signal.SIGTERM):
    if process.poll() is None:
        process.send_signal(how)
    try:
        process.wait(DEADLINE)
    except subprocess.TimeoutExpired:
        process.kill()
        raise AssertionError(f"{process.args[0]} did not end") from None


class Meter:
    """A TCP port that sends a telegram each second to everybody who is connected, unless it is `quiet`."""

    def __init__(self, telegram):
        self.telegram, self.quiet, self.clients = telegram, False, []
        self.listener = socket.create_server(("127.0.0.1", 0))
        self.port = self.listener.getsockname()[1]
        threading.Thread(target=self.accept, daemon=True).start()
        threading.Thread(target=self.speak, daemon=True).start()

    def accept(self):
        while True:
            self.clients.append(self.listener.accept()[0])

    def speak(self):
        while True:
            time.sleep(1)
            if not self.quiet:
                self.send(self.telegram())

    def send(self, data):
        for client in list(self.clients):
            try:
                client.sendall(data)
            except OSError:
                self.clients.remove(client)


class House:
    """An electricity meter with an infrared head, a P1 port with a gas meter, and a pulse counter."""

    def __init__(self):
        self.imported = 1234.56789012
        self.grid = Meter(self.d0)
        self.flat = Meter(self.p1)
        self.heatpump = Meter(lambda: b"\0")  # a byte for a pulse

    def d0(self):
        registers = {
            "0.0.0": "1EBZ0104711815", "96.1.0": "1EBZ0104711815",
            "1.8.0": f"{self.imported:015.8f}*kWh", "2.8.0": "000815.04711000*kWh",
            "16.7.0": "-000158.00*W", "36.7.0": "000012.34*W", "56.7.0": "-000200.34*W", "76.7.0": "000030.00*W",
            "32.7.0": "231.4*V", "52.7.0": "229.9*V", "72.7.0": "230.0*V", "96.5.0": "001C0104",
        }  # fmt: skip
        lines = "".join(f"1-0:{obis}*255({value})\r\n" for obis, value in registers.items())
        return f"/EBZ5DD32R06ETA_107\r\n\r\n{lines}!\r\n".encode()

    def p1(self):
        """The gas register was read ten minutes ago, as gas registers are."""
        winter = datetime.datetime.now(datetime.UTC) + datetime.timedelta(hours=1)
        now, before = (f"{winter - datetime.timedelta(minutes=m):%y%m%d%H%M%S}W" for m in (0, 10))
        text = (
            f"/XYZ5\\2M999-0001\r\n\r\n1-3:0.2.8(50)\r\n0-0:1.0.0({now})\r\n"
            "0-0:96.1.1(4530303331303033303031363939353135)\r\n"
            "1-0:1.8.1(000471.108*kWh)\r\n1-0:1.7.0(00.815*kW)\r\n"
            f"0-1:24.1.0(003)\r\n0-1:24.2.1({before})(00123.456*m3)\r\n!"
        ).encode()
        crc = 0
        for byte in text:  # CRC-16/ARC
            crc ^= byte
            for _ in range(8):
                crc = crc >> 1 ^ (0xA001 if crc & 1 else 0)
        return text + f"{crc:04X}\r\n".encode()


class Broker:
    """Mosquitto, which forgets everything when it is stopped, and a client that keeps what is retained."""

    def __init__(self, folder):
        self.port, self.retained = free_port(), {}
        self.config = folder / "mosquitto.conf"
        self.config.write_text(f"listener {self.port} 127.0.0.1\nallow_anonymous true\n")
        self.log = (folder / "mosquitto.log").open("w")
        self.start()

    def watch(self):
        import paho.mqtt.client as mqtt  # Home Assistant has installed it by now

        self.client = mqtt.Client(mqtt.CallbackAPIVersion.VERSION2, client_id="looker-on")
        self.client.on_connect = lambda client, *_: client.subscribe("#")
        self.client.on_message = self.arrived
        self.client.reconnect_delay_set(1, 1)
        until("the broker", lambda: self.client.connect("127.0.0.1", self.port) == 0)
        self.client.loop_start()

    def start(self):
        program = shutil.which("mosquitto", path=os.environ["PATH"] + ":/usr/sbin")
        self.process = start([program, "-c", self.config], self.log)

    def arrived(self, _client, _data, message):
        if message.payload:
            self.retained[message.topic] = message.payload
        else:
            self.retained.pop(message.topic, None)

    def dump(self, file):
        lines = (f"{topic} {payload.decode()}\n" for topic, payload in sorted(self.retained.items()))
        file.write_text("".join(lines))

    def forget(self, prefix):
        for topic in [topic for topic in self.retained if topic.startswith(prefix)]:
            self.client.publish(topic, b"", qos=1, retain=True)
        until(f"{prefix} is empty", lambda: not any(t.startswith(prefix) for t in self.retained))


class HomeAssistant:
    """Home Assistant with an MQTT integration, set up through its API as a user does it in the browser."""

    def __init__(self, folder):
        self.folder, self.port, self.refresh = folder, free_port(), None
        self.url = f"http://127.0.0.1:{self.port}"
        folder.mkdir()
        (folder / "configuration.yaml").write_text(
            "homeassistant:\n  time_zone: Europe/Berlin\n"
            f"http:\n  server_host: 127.0.0.1\n  server_port: {self.port}\n"
            "config:\nrecorder:\n  commit_interval: 1\nhistory:\nenergy:\n"
        )
        self.log = folder.with_suffix(".log").open("w+")

    def start(self):
        """The first time, it installs what its integrations need, from PyPI."""
        hass = pathlib.Path(sys.executable).with_name("hass")
        self.process = start([hass, "-c", self.folder], self.log)
        until("Home Assistant answers", lambda: self.request("GET", "/api/onboarding"), 600)
        if self.refresh:
            self.authorize(grant_type="refresh_token", refresh_token=self.refresh)
        else:
            user = {"name": "Test", "username": "test", "password": "test", "language": "en"}
            answer = self.request("POST", "/api/onboarding/users", user | {"client_id": self.url})
            self.authorize(grant_type="authorization_code", code=answer["auth_code"])
        until("Home Assistant runs", lambda: self.request("GET", "/api/config")["state"] == "RUNNING")

    def authorize(self, **form):
        body = urllib.parse.urlencode(form | {"client_id": self.url}).encode()
        with urllib.request.urlopen(f"{self.url}/auth/token", body, timeout=30) as response:
            answer = json.load(response)
        self.token = answer["access_token"]
        self.refresh = answer.get("refresh_token", self.refresh)

    def stop(self):
        stop(self.process)

    def request(self, method, path, body=None):
        headers = {"Content-Type": "application/json"}
        if token := getattr(self, "token", None):
            headers["Authorization"] = f"Bearer {token}"
        data = None if body is None else json.dumps(body).encode()
        request = urllib.request.Request(self.url + path, data, headers, method=method)
        try:
            with urllib.request.urlopen(request, timeout=30) as response:
                text = response.read().decode()
        except urllib.error.HTTPError as error:
            raise AssertionError(f"{method} {path}: {error} {error.read().decode()}") from None
        return text if path == "/api/template" else json.loads(text)

    def ask(self, kind, **message):
        """A question over the WebSocket."""

        async def ask():
            async with aiohttp.ClientSession() as session, session.ws_connect(f"{self.url}/api/websocket") as ws:
                await ws.receive_json()
                await ws.send_json({"type": "auth", "access_token": self.token})
                await ws.receive_json()
                await ws.send_json({"id": 1, "type": kind, **message})
                return await ws.receive_json(timeout=30)

        answer = asyncio.run(ask())
        assert answer["success"], f"{kind}: {answer}"
        return answer["result"]

    def add_mqtt(self, port):
        flows = "/api/config/config_entries/flow"
        flow = self.request("POST", flows, {"handler": "mqtt"})
        filled = fill(flow["data_schema"], broker="127.0.0.1", port=port, set_client_cert=False, set_ca_cert="off")
        answer = self.request("POST", f"{flows}/{flow['flow_id']}", filled)
        assert answer["type"] == "create_entry", answer

    def states(self):
        return {state["entity_id"]: state for state in self.request("GET", "/api/states")}

    def call(self, service, **data):
        self.request("POST", f"/api/services/{service}", data)

    def complaints(self, allowed=()):
        """What it warned about that has to do with us."""
        self.log.flush()
        ours = r"components\.(mqtt|sensor|number|button|energy|recorder)\b|helpers\.(template|entity)"
        lines = pathlib.Path(self.log.name).read_text().splitlines()
        wrong = [line for line in lines if re.search(r" (WARNING|ERROR|CRITICAL) ", line)]
        wrong = [line for line in wrong if re.search(ours, line) or re.search("smartmeter|grid|flat|heatpump", line)]
        return [line for line in wrong if not any(re.search(a, line) for a in allowed)]


def fill(form, **given):
    """What a browser sends when a user has filled in only this: the defaults of all else."""
    filled = {}
    for field in form:
        if field.get("type") == "expandable":
            filled[field["name"]] = fill(field["schema"], **given)
        elif field["name"] in given or "default" in field:
            filled[field["name"]] = given.get(field["name"], field.get("default"))
    return filled


class Program:
    """smartmeter on that house."""

    def __init__(self, path, folder, house, broker):
        self.path, self.folder, self.house, self.broker, self.process = path, folder, house, broker, None
        self.log = (folder / "smartmeter.log").open("w")

    def start(self, discovery):
        house, state = self.house, self.folder / "state"
        (self.folder / "smartmeter.toml").write_text(f"""
[server]
listen = "127.0.0.1:{free_port()}"
state_dir = "{state}"

[sources.grid]
plugin = "d0"
port = "tcp://127.0.0.1:{house.grid.port}"
stale_after = "5s"

[sources.flat]
plugin = "d0"
port = "tcp://127.0.0.1:{house.flat.port}"

[sources.heatpump]
plugin = "s0"
port = "tcp://127.0.0.1:{house.heatpump.port}"
debounce = "0s"

[publishers.home]
plugin = "mqtt"
url = "mqtt://127.0.0.1:{self.broker.port}"
discovery = "{discovery}"
allow_commands = true
""")
        self.process = start([self.path, "--config", self.folder / "smartmeter.toml"], self.log)

    def stop(self, how=signal.SIGTERM):
        stop(self.process, how)
