"""Home Assistant's statistics beside the journal's hours, over outages, swaps, price changes and lost databases.

    statistics.py FOLDER PROGRAM CONFIG CONFIG-AS-HASS-SEES-IT HASS…

See README.md.
"""

import datetime
import json
import math
import os
import pathlib
import shutil
import subprocess
import sys
import time
import urllib.error
import urllib.parse
import urllib.request

from parts import HomeAssistant, free_port, start, stop, until, STARTED

HOUR = 3600
WEEK = 7 * 24 * HOUR
NOW = int(time.time())
# The last reading of each import, a while ago, so that no reading is of the future.
END = NOW - NOW % HOUR - 2 * HOUR + 10
BEFORE = END - WEEK
# Less of everything, for a program that is not optimized.
QUICK = bool(os.environ.get("QUICK"))
BEGIN = int(datetime.datetime(2026 if QUICK else 2025, 1, 10, 11, 20, tzinfo=datetime.timezone.utc).timestamp())
PAUSE = 3600 if QUICK else 900  # between two readings before the outage
PAUSE_IN_OUTAGE = 60 if QUICK else 1
SWAP = BEGIN + 100 * 24 * HOUR + 13 * 60
SET = BEGIN + 200 * 24 * HOUR + 17 * 60
YEARS = int(os.environ.get("YEARS", 0))

COUNTERS = {
    "grid/POWER_IMPORT": ("kWh", "1-0:1.8.0*255", 0.00013),
    "grid/POWER_EXPORT": ("kWh", "1-0:2.8.0*255", 0.00007),
    "solar/POWER_EXPORT": ("kWh", "1-0:2.8.0*255", 0.00011),
    "heat/counter": ("kWh", "", 0.00009),
    "gas/VOLUME": ("m3", "7-0:3.0.0*255", 0.00002),
    "water/VOLUME": ("m3", "8-0:1.0.0*255", 0.00001),
}
GAUGES = {"grid/CURRENT_POWER_SUM": ("W", "1-0:16.7.0*255")}


def rfc3339(second):
    return datetime.datetime.fromtimestamp(second, datetime.timezone.utc).strftime("%Y-%m-%dT%H:%M:%SZ")


def step(text):
    print(f"ok {text}", flush=True)


class Data:
    """Readings of a household, which go on from one import to the next."""

    def __init__(self):
        self.counts = {name: 100.0 + 10 * at for at, name in enumerate(COUNTERS)}

    def write(self, file, begin, end, pause, names):
        with file.open("w") as out:
            out.write("time,section,name,value,unit,obis,set_from\n")
            # The last reading is at the end, so that the hour before it is complete.
            for second in [*range(begin, end, pause), end]:
                moment = rfc3339(second)
                wave = 1.0 + math.sin(second / 40_000)
                for name in names:
                    section, reading = name.split("/")
                    if name in GAUGES:
                        unit, obis = GAUGES[name]
                        out.write(f"{moment},{section},{reading},{300 * wave:.1f},{unit},{obis},\n")
                        continue
                    unit, obis, rate = COUNTERS[name]
                    if name == "grid/POWER_IMPORT" and second - pause < SWAP <= second:
                        self.counts[name] = 0.5  # another meter
                    if name == "heat/counter" and second - pause < SET <= second:
                        old, self.counts[name] = self.counts[name], 5000.0
                        set_at = rfc3339(second - 1)
                        out.write(f"{set_at},{section},{reading},5000.0,{unit},{obis},{old:.4f}\n")
                    self.counts[name] += rate * wave * pause
                    out.write(f"{moment},{section},{reading},{self.counts[name]:.4f},{unit},{obis},\n")


class Program:
    """smartmeter with that household, whose meters are away: only its journal counts."""

    def __init__(self, path, folder, url):
        self.path, self.folder, self.url, self.process = path, folder, url, None
        self.state, self.port = folder / "state", free_port()
        self.config = folder / "smartmeter.toml"
        self.log = (folder / "smartmeter.log").open("w")
        self.environment = os.environ | {"TZ": "Europe/Berlin"}

    def configure(self, token, price=0.30, label="Import"):
        sources = "".join(
            f'[sources.{name}]\nplugin = "d0"\nport = "tcp://127.0.0.1:{port}"\n'
            for port, name in enumerate(("grid", "solar", "heat", "gas", "water"), 1)
        )
        self.config.write_text(f"""
[server]
listen = "127.0.0.1:{self.port}"
state_dir = "{self.state}"

[publishers.home]
plugin = "homeassistant"
url = "{self.url}"
token = "{token}"

[[tariffs]]
name = "Old"
source = "grid"
from = 2025-03-01
work_price = 0.28
feed_in_price = 0.0803

[[tariffs]]
name = "New"
source = "grid"
from = 2026-01-01
work_price = {price}
feed_in_price = 0.0803

{sources}
[sources.grid.readings]
POWER_IMPORT = {{ label = "{label}" }}
""")

    def command(self, *arguments):
        done = subprocess.run(
            [self.path, *arguments, "--config", self.config], env=self.environment, capture_output=True, text=True
        )
        assert done.returncode == 0, f"{arguments}: {done.stdout} {done.stderr}"
        return done.stdout

    def load(self, file):
        self.command("import", file)

    def start(self):
        self.process = subprocess.Popen(
            [self.path, "--config", self.config], stdout=self.log, stderr=self.log, env=self.environment
        )
        STARTED.append(self.process)
        until("smartmeter answers", lambda: self.ask("/data?") is not None)

    def stop(self):
        stop(self.process)

    def reload(self):
        self.command("reload")

    def ask(self, path, **query):
        url = f"http://127.0.0.1:{self.port}{path}?{urllib.parse.urlencode(query)}"
        try:
            with urllib.request.urlopen(url, timeout=60) as response:
                return json.load(response)
        except urllib.error.HTTPError as error:
            if error.code == 503:
                return json.loads(error.read())
            raise AssertionError(f"{url}: {error} {error.read().decode()}") from None

    def health(self):
        return self.ask("/health")["publishers"]["home"]

    def pieces(self, begin, end):
        """Ranges of at most 10,000 hours."""
        for at in range(begin - begin % HOUR, end, 9000 * HOUR):
            yield at, min(at + 9000 * HOUR, end)

    def hours(self, name, begin, end):
        """The complete hours of `/history`: amount or mean, and the cost."""
        found = {}
        last = end - end % HOUR
        for at, to in self.pieces(begin, last):
            if name in GAUGES:
                answer = self.ask(f"/history/{name}", **{"from": at, "to": to, "step": "1h"})
                for row in zip(answer["time"], answer["mean"], answer["min"], answer["max"]):
                    if row[1] is not None:
                        found[row[0] // 1000] = row[1:]
                continue
            answer = self.ask(f"/history/{name}", **{"from": at, "to": to, "per": "hour", "cost": "true"})
            for row in zip(answer["start"], answer["amount"], answer["cost"]):
                found[row[0] // 1000] = row[1:]
        return found


class Statistics(HomeAssistant):
    """Home Assistant with nothing but its recorder and its energy dashboard."""

    def __init__(self, folder, inside, hass):
        super().__init__(folder)
        self.inside, self.hass = inside, hass
        (folder / "configuration.yaml").write_text(
            "homeassistant:\n  time_zone: Europe/Berlin\n"
            f"http:\n  server_host: 127.0.0.1\n  server_port: {self.port}\n"
            "config:\nrecorder:\nhistory:\nenergy:\n"
        )
        self.log = folder.with_name("home-assistant.log").open("w+")

    def spawn(self):
        self.process = start([*self.hass, "-c", self.inside], self.log)

    def start(self):
        self.spawn()
        until("Home Assistant answers", lambda: self.request("GET", "/api/onboarding"), 300)
        if self.refresh:
            return self.authorize(grant_type="refresh_token", refresh_token=self.refresh)
        user = {"name": "Test", "username": "test", "password": "test", "language": "en"}
        answer = self.request("POST", "/api/onboarding/users", user | {"client_id": self.url})
        self.authorize(grant_type="authorization_code", code=answer["auth_code"])
        try:
            # Newer ones go back to the port of before, unless somebody says within five minutes that this one works.
            self.ask("http/config/promote")
        except AssertionError:
            pass

    def long_lived(self):
        kind = "auth/long_lived_access_token"
        return self.ask(kind, client_name="smartmeter", lifespan=30)

    def guest(self):
        """The token of a user who is not an administrator."""
        user = self.ask("config/auth/create", name="Guest", group_ids=["system-users"])["user"]
        self.ask("config/auth_provider/homeassistant/create", user_id=user["id"], username="guest", password="guest")
        flow = {"client_id": self.url + "/", "handler": ["homeassistant", None], "redirect_uri": self.url + "/"}
        flow_id = self.request("POST", "/auth/login_flow", flow)["flow_id"]
        login = {"client_id": self.url + "/", "username": "guest", "password": "guest"}
        code = self.request("POST", f"/auth/login_flow/{flow_id}", login)["result"]
        form = urllib.parse.urlencode({"grant_type": "authorization_code", "code": code, "client_id": self.url + "/"})
        with urllib.request.urlopen(f"{self.url}/auth/token", form.encode(), timeout=30) as response:
            return json.load(response)["access_token"]

    def hours(self, statistic, begin, end, types):
        found = {}
        # An answer has at most four megabytes.
        for at in range(begin - begin % HOUR, end, 9000 * HOUR):
            to = min(at + 9000 * HOUR, end)
            answer = self.ask(
                "recorder/statistics_during_period",
                start_time=rfc3339(at), end_time=rfc3339(to), statistic_ids=[statistic], period="hour", types=types,
            )  # fmt: skip
            for row in answer.get(statistic, []):
                found[int(row["start"]) // 1000] = [row.get(kind) for kind in types]
        return found


def slug(name):
    return "smartmeter:" + name.replace("/", "_").lower()


def near(one, other, tolerance=2e-6):
    return one is not None and other is not None and abs(float(one) - float(other)) <= tolerance


def compare(program, home, begin, end, names=None):
    """Compares hour by hour; the amounts of a statistic are the steps of its sum. Returns the number of hours."""
    compared = 0
    for name in names or [*COUNTERS, *GAUGES]:
        journal = program.hours(name, begin, end)
        assert journal, f"{name} has no hours"
        if name in GAUGES:
            stored = home.hours(slug(name), begin, end, ["mean", "min", "max"])
            for hour, figures in journal.items():
                has = stored.get(hour)
                assert has and all(near(*pair, 1e-5) for pair in zip(figures, has)), (
                    f"{name} at {rfc3339(hour)}: {figures} in the journal, {has} in Home Assistant"
                )
                compared += 1
            continue
        for what, at in (("", 0), ("_cost" if name == "grid/POWER_IMPORT" else "_income", 1)):
            amounts = {hour: figures[at] for hour, figures in journal.items() if figures[at] is not None}
            if at == 1 and not name.startswith("grid/"):
                assert not amounts, f"{name} costs something"
                continue
            stored = home.hours(slug(name) + what, begin - HOUR, end, ["sum"])
            for hour, amount in amounts.items():
                has = stored.get(hour, [None])[0]
                before = stored.get(hour - HOUR, [0.0])[0]
                step = None if has is None or before is None else has - before
                assert near(amount, step), (
                    f"{name}{what} at {rfc3339(hour)}: {amount} in the journal, {step} in Home Assistant"
                )
                compared += 1
    return compared


def same(program, home, begin, end, names=None, seconds=900):
    return until("Home Assistant has the journal's hours", lambda: compare(program, home, begin, end, names), seconds)


def energy(home):
    """The energy dashboard on these statistics has no complaints."""
    grid_from = {"stat_energy_from": slug("grid/POWER_IMPORT"), "stat_cost": slug("grid/POWER_IMPORT") + "_cost"}
    grid_to = {
        "stat_energy_to": slug("grid/POWER_EXPORT"),
        "stat_compensation": slug("grid/POWER_EXPORT") + "_income",
    }
    prices = {"entity_energy_price": None, "number_energy_price": None}
    old = {"type": "grid", "flow_from": [grid_from | prices], "flow_to": [grid_to | prices], "cost_adjustment_day": 0.0}
    new = {"type": "grid", **grid_from, **grid_to, **prices, "cost_adjustment_day": 0.0}
    new |= {"entity_energy_price_export": None, "number_energy_price_export": None}
    others = [
        {"type": "solar", "stat_energy_from": slug("solar/POWER_EXPORT"), "config_entry_solar_forecast": None},
        {"type": "gas", "stat_energy_from": slug("gas/VOLUME"), "stat_cost": None, **prices},
        {"type": "water", "stat_energy_from": slug("water/VOLUME"), "stat_cost": None, **prices},
    ]
    devices = [{"stat_consumption": slug("heat/counter")}]
    try:
        home.ask("energy/save_prefs", energy_sources=[old, *others], device_consumption=devices)
    except AssertionError:
        # Newer ones have one flow in each direction.
        home.ask("energy/save_prefs", energy_sources=[new, *others], device_consumption=devices)
    found = home.ask("energy/validate")
    complaints = [issue for of in found.values() for issues in of for issue in issues]
    assert not complaints, complaints


def complains(program, *words):
    def look():
        error = (program.health().get("last_error") or {}).get("message") or json.dumps(program.health())
        assert all(word in error for word in words), error
        return True

    until(f"/health says {words}", look)


def many_years(program, home, folder):
    """Times the hours of YEARS years of twenty series, with a reading each hour."""
    begin = END - YEARS * 365 * 24 * HOUR
    file = folder / "years.csv"
    with file.open("w") as out:
        out.write("time,section,name,value,unit,obis,set_from\n")
        for second in range(begin, END + 1, HOUR):
            moment = rfc3339(second)
            count = (second - begin) / HOUR
            out.writelines(f"{moment},heat,c{at},{count * (1 + at / 7):.3f},kWh,,\n" for at in range(10))
            out.writelines(f"{moment},heat,p{at},{count % 100 + at:.3f},W,,\n" for at in range(10))
    program.load(file)
    hours = 20 * YEARS * 365 * 24
    began = time.monotonic()
    program.start()
    until("all is delivered", lambda: program.health()["state"] == "delivering", 7200)
    step(f"{hours} new hours are delivered in {time.monotonic() - began:.0f} s")
    program.stop()
    began = time.monotonic()
    program.start()
    until("all is compared", lambda: program.health()["state"] == "delivering", 7200)
    step(f"{hours} hours are compared in {time.monotonic() - began:.0f} s")
    began = time.monotonic()
    program.command("publish", "home", "--from", str(begin))
    step(f"{hours} hours are sent again in {time.monotonic() - began:.0f} s")
    program.stop()


def main():
    folder, path, config, inside, *hass = sys.argv[1:]
    folder, config = pathlib.Path(folder), pathlib.Path(config)
    for old in (folder, config):
        shutil.rmtree(old, ignore_errors=True)
    folder.mkdir(parents=True)
    home = Statistics(config, inside, hass)
    began = time.monotonic()
    home.start()
    version = home.request("GET", "/api/config")["version"]
    step(f"Home Assistant {version} started in {time.monotonic() - began:.0f} s")
    program, data = Program(path, folder, home.url), Data()

    program.configure("wrong")
    history = folder / "history.csv"
    data.write(history, BEGIN, BEFORE, PAUSE, [*COUNTERS, *GAUGES])
    program.load(history)
    program.start()
    complains(program, "rejects the token", "Long-lived access tokens")
    step("a wrong token is told, and where to make one")
    program.stop()
    # Home Assistant must not ban this machine in the next steps.
    program.configure(home.guest())
    program.start()
    complains(program, "is not an administrator")
    step("a user who is not an administrator is told")
    program.stop()

    token = home.long_lived()
    program.configure(token)
    if YEARS:
        shutil.rmtree(program.state)
        return many_years(program, home, folder)
    began = time.monotonic()
    program.start()
    count = same(program, home, BEGIN, BEFORE)
    step(f"years before Home Assistant, a swap, a set counter, changes of the clock: {count} hours equal, "
         f"in {time.monotonic() - began:.0f} s")
    energy(home)
    step("the energy dashboard validates")

    home.stop()
    complains(program, "no connection")
    program.stop()
    week = folder / "week.csv"
    data.write(week, BEFORE + PAUSE_IN_OUTAGE, END, PAUSE_IN_OUTAGE, ["grid/POWER_IMPORT", "grid/CURRENT_POWER_SUM"])
    program.load(week)
    slow = folder / "slow.csv"
    data.write(slow, BEFORE + 900, END, 900, [name for name in COUNTERS if name != "grid/POWER_IMPORT"])
    program.load(slow)
    program.start()
    complains(program, "no connection")
    home.start()
    began = time.monotonic()
    same(program, home, BEFORE, END)
    seconds = time.monotonic() - began
    count = same(program, home, BEGIN, END)
    step(f"an outage of a week, {WEEK // PAUSE_IN_OUTAGE} batches: {count} hours equal, {seconds:.1f} s after the return of Home Assistant")

    program.stop()
    stored = home.hours(slug("grid/POWER_IMPORT"), BEGIN, END, ["sum"])
    program.start()
    until("all is compared", lambda: program.health()["state"] == "delivering")
    assert home.hours(slug("grid/POWER_IMPORT"), BEGIN, END, ["sum"]) == stored
    step("a restart of the program changes nothing")

    program.configure(token, price=0.35, label="Bezug")
    program.reload()
    count = same(program, home, BEGIN, END, ["grid/POWER_IMPORT"])
    step(f"a corrected price: {count} hours equal")

    def is_renamed():
        named = {known["statistic_id"]: known["name"] for known in home.ask("recorder/list_statistic_ids")}
        return named[slug("grid/POWER_IMPORT")].endswith("Bezug")

    until("the statistic has its new name", is_renamed)
    step("a label is the new name of its statistic")

    home.stop()
    for file in config.glob("home-assistant_v2.db*"):
        file.unlink()
    home.start()
    count = same(program, home, BEGIN, END)
    step(f"a database of Home Assistant that is gone is filled again: {count} hours equal")
    program.stop()
    home.stop()
    # A newer one does not take the first form of the dashboard that this check has tried.
    complaints = [line for line in home.complaints(["energy_sources"]) if "smartmeter" in line or "statistics" in line]
    assert not complaints, "\n".join(complaints)
    step("Home Assistant has logged no complaint")


if __name__ == "__main__":
    try:
        main()
    finally:
        for process in STARTED:
            if process.poll() is None:
                process.kill()
