#!/usr/bin/env python3
"""The add-on beside a supervisor that answers as documented, a real broker and a meter.

usage: test.py ROOT, with the root of the add-on's image, in a network and a mount namespace of its own (test.sh)
"""

import contextlib
import http.client
import http.server
import json
import os
import pathlib
import shutil
import subprocess
import sys
import tempfile
import threading
import time

sys.path.insert(0, str(pathlib.Path(__file__).parent.parent / "container"))
import meter  # noqa: E402

ROOT = pathlib.Path(sys.argv[1])
WORK = pathlib.Path(tempfile.mkdtemp())
DEADLINE = 40
TOKEN = "token-of-the-supervisor"
# Addresses of the network `hassio`.
HOST, SUPERVISOR, ADD_ON, BROKER = "172.30.32.1", "172.30.32.2", "172.30.33.5", "172.30.33.6"


def run(*command):
    subprocess.run(command, check=True)


def until(what, wanted, log=None):
    """Repeats a function until it returns something, and returns that."""
    end = time.monotonic() + DEADLINE
    while True:
        found = wanted()
        if found:
            return found
        if time.monotonic() > end:
            raise AssertionError(f"never: {what}\n{log() if log else ''}")
        time.sleep(0.1)  # between two attempts


class Supervisor(http.server.ThreadingHTTPServer):
    """The API that the add-on may use. `broker` is what another add-on has registered, `None` without one."""

    def __init__(self):
        super().__init__((SUPERVISOR, 80), SupervisorRequest)
        self.broker, self.notices = None, []
        threading.Thread(target=self.serve_forever, daemon=True).start()


class SupervisorRequest(http.server.BaseHTTPRequestHandler):
    def answer(self, status, body):
        body = json.dumps(body).encode()
        self.send_response(status)
        self.send_header("Content-Type", "application/json; charset=utf-8")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def allowed(self):
        if self.headers["Authorization"] == f"Bearer {TOKEN}":
            return True
        self.answer(401, {"result": "error", "message": "unauthorized"})
        return False

    def do_GET(self):
        if not self.allowed():
            return
        if self.path != "/services/mqtt":
            self.answer(404, {"result": "error", "message": "not found"})
        elif self.server.broker is None:
            self.answer(400, {"result": "error", "message": "Service not enabled"})
        else:
            self.answer(200, {"result": "ok", "data": self.server.broker})

    def do_POST(self):
        body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        if self.allowed():
            self.server.notices.append((self.path.rsplit("/", 1)[1], body))
            self.answer(200, [])

    def log_message(self, *_):
        pass


@contextlib.contextmanager
def broker(password):
    """Mosquitto that takes the user `addons` with this password."""
    folder = pathlib.Path(tempfile.mkdtemp(dir=WORK))
    users = folder / "users"
    run("mosquitto_passwd", "-b", "-c", str(users), "addons", password)
    (folder / "conf").write_text(f"listener 1883 {BROKER}\npassword_file {users}\nallow_anonymous false\nuser root\n")
    process = subprocess.Popen(["mosquitto", "-c", str(folder / "conf")], stderr=subprocess.DEVNULL)
    try:
        yield
    finally:
        process.terminate()
        process.wait()


def message(password, topic):
    """First message of a topic that the broker has or gets."""
    sub = ["mosquitto_sub", "-h", BROKER, "-u", "addons", "-P", password, "-t", topic, "-C", "1", "-W", "30"]

    def receive():
        found = subprocess.run(sub, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True)
        return found.stdout if found.returncode == 0 else None

    return json.loads(until(f"a message of {topic}", receive, lambda: LOG.read_text()))


LOG = WORK / "log"


@contextlib.contextmanager
def add_on(ready=" serves http"):
    """The add-on, as the supervisor starts it, once it answers its watchdog and has logged `ready`."""
    environment = {"SUPERVISOR_TOKEN": TOKEN, "PATH": "/usr/sbin:/usr/bin:/sbin:/bin", "TZ": "Europe/Berlin"}
    with LOG.open("w") as log:
        process = subprocess.Popen(["/usr/sbin/chroot", str(ROOT), "/run.sh"], env=environment, stderr=log)
    try:
        is_ready = lambda: watchdog() and ready in LOG.read_text()  # noqa: E731
        until("the watchdog is answered", lambda: is_ready() or process.poll() is not None, LOG.read_text)
        assert process.poll() is None, LOG.read_text()
        yield
    finally:
        process.terminate()
        status = process.wait()
    assert status == 0, f"status {status}: {LOG.read_text()}"


def request(method, path, source, headers=None, body=None):
    client = http.client.HTTPConnection(ADD_ON, 8099, timeout=10, source_address=(source, 0))
    client.request(method, path, body, headers or {})
    response = client.getresponse()
    # Icons are no text.
    return response.status, response.read().decode(errors="replace")


def watchdog():
    with contextlib.suppress(OSError):
        return request("GET", "/health?code=200", SUPERVISOR)[0] == 200


def by_ingress(method, path, body=None):
    """A request of a browser at Home Assistant, as Home Assistant and the supervisor pass it on."""
    headers = {
        "Host": "home.example.org:8123",
        "Origin": "https://home.example.org:8123",
        "Cookie": "ingress_session=0123456789abcdef",
        "X-Ingress-Path": "/api/hassio_ingress/2cTf9wDDGr",
        "X-Forwarded-For": f"192.168.1.50, {HOST}",
        "X-Forwarded-Host": "home.example.org:8123",
        "X-Forwarded-Proto": "https",
        "X-Remote-User-Id": "0123456789abcdef0123456789abcdef",
        "X-Remote-User-Name": "admin",
    }
    if body is not None:
        headers["Content-Type"] = "application/json"
        body = json.dumps(body)
    return request(method, path, SUPERVISOR, headers, body)


def drop_ins():
    return sorted(path.name for path in (ROOT / "data/config.d").iterdir())


def test_no_broker(supervisor):
    with add_on():
        assert drop_ins() == ["home-assistant.toml"], drop_ins()
        assert "Mosquitto broker" in LOG.read_text(), LOG.read_text()
        assert json.loads(request("GET", "/health", SUPERVISOR)[1])["publishers"] == {}
    (kind, notice) = supervisor.notices.pop()
    assert kind == "create" and "Mosquitto broker" in notice["message"], notice


def test_broker(supervisor, password):
    """The password has all that a text in TOML and JSON must escape."""
    supervisor.broker = {
        "addon": "core_mosquitto",
        "host": BROKER,
        "port": 1883,
        "ssl": False,
        "protocol": "3.1.1",
        "username": "addons",
        "password": password,
    }
    with broker(password), add_on():
        discovery = message(password, "homeassistant/device/smartmeter_1EBZ0100000042/config")
        assert "POWER_IMPORT" in discovery["cmps"], discovery
        assert message(password, "smartmeter/house/state")["POWER_IMPORT"] == 2714.12830185
        assert supervisor.notices.pop() == ("dismiss", {"notification_id": "smartmeter_broker"})


def test_supervisor_fails(supervisor, password):
    """The broker of the last start stays."""
    supervisor.broker = {"host": None}
    with broker(password), add_on():
        assert message(password, "smartmeter/house/state")["POWER_IMPORT"] == 2714.12830185


def test_ingress():
    with add_on():
        status, page = by_ingress("GET", "/")
        assert status == 200 and "<html" in page, (status, page)
        links = [part.split('"')[0] for part in page.replace('href="', 'src="').split('src="')[1:]]
        assert links and not any(link.startswith("/") for link in links), links
        for link in links:
            if not link.startswith(("#", "data:")):
                assert by_ingress("GET", f"/{link}")[0] == 200, link
        assert by_ingress("GET", "/data")[0] == 200
        assert json.loads(by_ingress("GET", "/setup")[1])["allowed"] is True

        call = {"name": "heat.set_s0", "args": {"value": 42.5}}
        assert by_ingress("POST", "/cmd", call)[0] == 200, by_ingress("POST", "/cmd", call)
        heat = until("the count is set", lambda: json.loads(by_ingress("GET", "/data")[1]).get("heat"))
        assert heat["count"] == 42.5, heat

        # Only the supervisor's word counts: any other add-on can write these headers.
        for source in (HOST, BROKER):
            headers = {"X-Ingress-Path": "/api/hassio_ingress/x", "X-Forwarded-For": "127.0.0.1", "Host": ADD_ON}
            status, answer = request("POST", "/cmd", source, headers, json.dumps(call))
            assert status in (401, 403), (source, status, answer)
    with add_on():
        heat = until("the count is there again", lambda: json.loads(by_ingress("GET", "/data")[1]).get("heat"))
        assert heat["count"] == 42.5, f"the count is lost: {heat}"


def test_options():
    options = ROOT / "data/options.json"
    options.write_text(json.dumps({"mqtt": False, "log_level": "error", "token": 'a "secret" of the \\ LAN'}))
    with add_on(ready=""):
        assert drop_ins() == ["home-assistant.toml"], drop_ins()
        assert LOG.read_text() == "", LOG.read_text()
        call = json.dumps({"name": "heat.set_s0", "args": {"value": 7}})
        headers = {"Authorization": 'Bearer a "secret" of the \\ LAN', "Content-Type": "application/json"}
        status, answer = request("POST", "/cmd", HOST, headers, call)
        assert status == 200, (status, answer)
    modes = {path.name: oct(path.stat().st_mode & 0o777) for path in (ROOT / "data/config.d").iterdir()}
    assert set(modes.values()) == {"0o600"}, modes


def test_statistics():
    (ROOT / "data/options.json").write_text(json.dumps({"mqtt": False, "statistics": True, "log_level": "info"}))
    with add_on(ready=""):
        assert drop_ins() == ["home-assistant-statistics.toml", "home-assistant.toml"], drop_ins()
        publishers = json.loads(by_ingress("GET", "/health?code=200")[1])["publishers"]
        assert list(publishers) == ["home_assistant_statistics"], publishers


def main():
    run("ip", "link", "set", "lo", "up")
    for address in (HOST, SUPERVISOR, ADD_ON, BROKER):
        run("ip", "address", "add", f"{address}/23", "dev", "lo")
    # Terminals of its own, too: no other program on this machine can take the meters'.
    run("mount", "-t", "devpts", "-o", "newinstance,ptmxmode=666", "devpts", "/dev/pts")
    # What the supervisor passes into the container.
    for name in ("data", "config", "dev/pts"):
        (ROOT / name).mkdir(parents=True, exist_ok=True)
    run("mount", "--bind", "/dev", str(ROOT / "dev"))
    run("mount", "--bind", "/dev/pts", str(ROOT / "dev/pts"))
    (ROOT / "etc/hosts").write_text(f"127.0.0.1 localhost\n{SUPERVISOR} supervisor hassio\n")
    (ROOT / "data/options.json").write_text(json.dumps({"mqtt": True, "log_level": "info"}))

    lines = [meter.port(), meter.port()]
    config = '[sources.house]\nplugin = "d0"\nport = "{}"\n[sources.heat]\nplugin = "s0"\nport = "{}"\n'
    supervisor = Supervisor()
    stop = threading.Event()
    threading.Thread(target=meter.push, args=(lines[0][0], stop), daemon=True).start()

    tests = [
        ("without a broker it starts, and says so", lambda: test_no_broker(supervisor)),
        ("it sends readings to the supervisor's broker", lambda: test_broker(supervisor, 'a"\\b é \U0001f600')),
        ("it takes a changed password at the next start", lambda: test_broker(supervisor, "changed")),
        ("without an answer the broker stays", lambda: test_supervisor_fails(supervisor, "changed")),
        ("page and commands work by ingress, and only by ingress", test_ingress),
        ("options are taken", test_options),
        ("statistics take the supervisor's token, and need no other setting", test_statistics),
    ]
    try:
        for number, (name, test) in enumerate(tests):
            test()
            print(f"add-on: {name}")
            if number == 0:
                # The file of the user, which the first start has made.
                path = ROOT / "config/config.toml"
                assert path.read_text().startswith("# "), path
                path.write_text(config.format(lines[0][2], lines[1][2]))
    finally:
        stop.set()
        shutil.rmtree(WORK)


if __name__ == "__main__":
    main()
