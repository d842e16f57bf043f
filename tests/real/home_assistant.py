"""What home-assistant.sh runs: starts everything, and looks at it through Home Assistant's own API.

A house of three sources is sent to the program over TCP. What the program announces is read from the broker, and
compared with what Home Assistant made of it; what a user must find there is in WANTED.
"""

import collections
import json
import pathlib
import re
import shutil
import signal
import sys

from parts import STARTED, Broker, HomeAssistant, House, Program, stop, until

# (device class, state class, unit): how many entities of that kind each section must have, at least.
WANTED = {
    "grid": {
        ("energy", "total_increasing", "kWh"): 2,
        ("power", "measurement", "W"): 4,
        ("voltage", "measurement", "V"): 3,
    },
    "flat": {
        ("energy", "total_increasing", "kWh"): 1,
        ("power", "measurement", "kW"): 1,
        ("gas", "total_increasing", "m³"): 1,
    },
    "heatpump": {("energy", "total_increasing", "kWh"): 1, ("power", "measurement", "W"): 1},
}


Announced = collections.namedtuple("Announced", "section platform config device")


def announcements(broker):
    """What the broker has retained for Home Assistant, in either form, abbreviations written out."""
    from homeassistant.components.mqtt.abbreviations import ABBREVIATIONS, DEVICE_ABBREVIATIONS

    def long(message, table=ABBREVIATIONS):
        return {table.get(key, key): value for key, value in message.items()}

    found = []
    for topic, payload in list(broker.retained.items()):
        if not (match := re.fullmatch(r"homeassistant/(\w+)/.+/config", topic)):
            continue
        message = long(json.loads(payload))
        if match[1] == "device":
            shared = {k: v for k, v in message.items() if re.match("availability|state_topic|command_topic", k)}
            parts = [shared | long(part) for part in message["components"].values()]
        else:
            parts = [message | {"platform": match[1]}]
        device = long(message["device"], DEVICE_ABBREVIATIONS)
        for part in parts:
            section = re.match("smartmeter/([^/]+)/", part.get("state_topic") or part["command_topic"])[1]
            found.append(Announced(section, part["platform"], part, device))
    return found


class Check:
    """The steps, in their order."""

    def __init__(self, folder, program):
        self.house = House()
        self.ha = HomeAssistant(folder / "home-assistant")
        self.ha.start()
        self.broker = Broker(folder)
        self.ha.add_mqtt(self.broker.port)
        self.broker.watch()
        self.program = Program(program, folder, self.house, self.broker)

    def entities(self):
        """Each announced entity with its entity_id and state; all that Home Assistant has, and no other."""
        registry = {e["unique_id"]: e for e in self.ha.ask("config/entity_registry/list") if e["platform"] == "mqtt"}
        devices = {device["id"]: device for device in self.ha.ask("config/device_registry/list")}
        states, found = self.ha.states(), []
        announced = announcements(self.broker)
        names = [a.config["unique_id"] for a in announced]
        assert len(set(names)) == len(names), f"announced twice: {sorted(names)}"
        assert set(names) == set(registry), f"only one side has {sorted(set(names) ^ set(registry))}"
        for a in announced:
            entry = registry[a.config["unique_id"]]
            assert entry["entity_id"].startswith(a.platform + "."), entry
            device = devices[entry["device_id"]]
            wanted = [["mqtt", i] for i in a.device["identifiers"]]
            assert device["identifiers"] == wanted, (device, wanted)
            assert device["name"] == a.device["name"], device
            if state := states.get(entry["entity_id"]):
                for key in ("device_class", "state_class", "unit_of_measurement"):
                    has, wants = state["attributes"].get(key), a.config.get(key)
                    assert has == wants, f"{entry['entity_id']}: {key} is {has}, not {wants}"
                found.append((a, state))
            else:
                assert entry["disabled_by"], f"{entry['entity_id']} has no state"
        return found

    def everything(self):
        """All that a user expects is there, and shows what the state topic says."""
        found = self.entities()
        for section, wanted in WANTED.items():
            kinds = collections.Counter(
                tuple(a.config.get(key) for key in ("device_class", "state_class", "unit_of_measurement"))
                for a, _ in found
                if a.section == section and a.platform == "sensor"
            )
            missing = {kind: number for kind, number in wanted.items() if kinds[kind] < number}
            assert not missing, f"{section} lacks {missing}; it has {dict(kinds)}"
        for a, state in found:
            if a.platform != "sensor":
                continue
            value = json.loads(self.broker.retained[a.config["state_topic"]])
            question = {"template": a.config["value_template"], "variables": {"value_json": value}}
            shown = self.ha.request("POST", "/api/template", question)
            assert state["state"] == shown, f"{state['entity_id']} is {state['state']}, not {shown}"
        values = sorted(float(s["state"]) for a, s in found if a.section == "grid" and self.is_energy(a))
        assert values == [815.04711, self.house.imported], values
        gas = [float(s["state"]) for a, s in found if a.config.get("device_class") == "gas"]
        assert gas == [123.456], gas
        return found

    @staticmethod
    def is_energy(a):
        return a.config.get("device_class") == "energy" and a.platform == "sensor"

    def unavailable(self):
        """The sections of which every entity is unavailable; none may be so in part."""
        sections = collections.defaultdict(set)
        for a, state in self.entities():
            sections[a.section].add(state["state"] == "unavailable")
        mixed = [section for section, both in sections.items() if len(both) > 1]
        assert not mixed, f"partly unavailable: {mixed}"
        return {section for section, both in sections.items() if True in both}

    def goes(self, *sections):
        until(f"unavailable: {sections or 'nothing'}", lambda: self.unavailable() == set(sections) or None)

    def run(self):
        house, ha, broker, program = self.house, self.ha, self.broker, self.program
        self.step("announced as devices")
        program.start("device")
        ids = {s["entity_id"] for _, s in until("every entity", self.everything)}
        for entity_id in sorted(ids):
            print("     ", entity_id)

        self.step("a new value arrives")
        house.imported = 1234.61234567
        until("the new value", self.everything)

        self.step("a meter that says nothing is unavailable, and only it")
        house.grid.quiet = True
        self.goes("grid")
        house.grid.quiet = False
        self.goes()

        self.step("a program that is killed is unavailable")
        program.stop(signal.SIGKILL)
        self.goes("grid", "flat", "heatpump")
        program.start("device")
        self.goes()

        self.step("commands: a number sets the count, a button resets it")
        house.heatpump.quiet = True
        self.command("number", "set_value", 2.5, value=2.5)
        self.command("button", "press", 0)
        house.heatpump.quiet = False

        self.step("Home Assistant is restarted, and finds no announcement until it asks for it")
        ha.stop()
        broker.forget("homeassistant/")
        ha.start()
        until("every entity", self.everything)

        self.step("the broker is restarted, and has forgotten everything")
        stop(broker.process)
        broker.retained.clear()
        self.all_gone()
        broker.start()
        until("every entity", self.everything)

        self.nothing_to_complain()
        self.step("announced entity by entity: the same ones")
        program.stop()
        self.goes("grid", "flat", "heatpump")
        program.start("entity")
        until("no device message", lambda: not any("/device/" in topic for topic in broker.retained))
        again = {s["entity_id"] for _, s in until("every entity", self.everything)}
        assert again == ids, f"other entities: {again ^ ids}"

        self.step("and back")
        program.stop()
        program.start("device")
        until("device messages alone", lambda: all(
            "/device/" in topic for topic in broker.retained if re.match("homeassistant/.*/config", topic)
        ) and any("/device/" in topic for topic in broker.retained))  # fmt: skip
        again = {s["entity_id"] for _, s in until("every entity", self.everything)}
        assert again == ids, f"other entities: {again ^ ids}"

        self.step("statistics and the energy dashboard (up to 6 minutes: they are made every five)")
        self.statistics()

        # Each device's topic that is cleared after its entities moved on makes one.
        self.nothing_to_complain("No device components to cleanup")

    def nothing_to_complain(self, *but):
        self.step("Home Assistant has nothing to complain about")
        wrong = self.ha.complaints([r"mqtt\.client.*[Cc]onnect", *but])  # the broker was away
        assert not wrong, f"{len(wrong)} complaints:\n" + "\n".join(line[:400] for line in wrong[:10])

    def command(self, platform, service, wanted, **data):
        found = [s for a, s in self.entities() if a.platform == platform and a.section == "heatpump"]
        assert len(found) == 1, f"expected one {platform} of the pulse counter, found {found}"
        self.ha.call(f"{platform}/{service}", entity_id=found[0]["entity_id"], **data)

        def count():
            return [float(s["state"]) for a, s in self.entities() if a.section == "heatpump" and self.is_energy(a)]

        until(f"the count is {wanted}", lambda: count() == [wanted])

    def all_gone(self):
        def gone():
            ours = [s["state"] for _, s in self.states_of_mqtt()]
            return ours and set(ours) == {"unavailable"}

        until("everything unavailable", gone)

    def states_of_mqtt(self):
        states = self.ha.states()
        entries = [e for e in self.ha.ask("config/entity_registry/list") if e["platform"] == "mqtt"]
        return [(e, states[e["entity_id"]]) for e in entries if e["entity_id"] in states]

    def statistics(self):
        found = self.everything()
        energy = [s["entity_id"] for a, s in found if self.is_energy(a)]
        gas = [s["entity_id"] for a, s in found if a.config.get("device_class") == "gas"]

        self.ha.ask(
            "energy/save_prefs",
            energy_sources=[{"type": "gas", "stat_energy_from": gas[0]}],
            device_consumption=[{"stat_consumption": entity_id} for entity_id in energy],
        )

        def accepted():
            verdict = self.ha.ask("energy/validate")
            assert not any(issue for part in verdict.values() for issue in part), verdict
            issues = self.ha.ask("recorder/validate_statistics")
            assert not issues, issues
            made = self.ha.ask("recorder/list_statistic_ids", statistic_type="sum")
            assert {m["statistic_id"] for m in made} >= {*energy, *gas}, made
            return True

        until("statistics of every register", accepted, 360)

    @staticmethod
    def step(text):
        print("  --", text, flush=True)


def main():
    from homeassistant.const import __version__ as version

    folder, program = pathlib.Path(sys.argv[1]) / "run", sys.argv[2]
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir()
    print(f"Home Assistant {version}, Python {sys.version.split()[0]}", flush=True)
    check = None
    try:
        check = Check(folder, program)
        check.run()
    except AssertionError as error:
        if check:
            check.broker.dump(folder / "retained.txt")
        print(f"FAILED: {error}\nthe logs are in {folder}", flush=True)
        sys.exit(1)
    finally:
        for process in STARTED:
            process.kill()
    print("passed")


main()
