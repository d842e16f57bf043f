#!/usr/bin/env python3
"""Reads a heat pump over HTTP, as a source with `plugin = "exec"`. It needs nothing but Python.

    heatpump.py --once       reads it once, for mode = "poll"
    heatpump.py              reads it every 10 s and takes commands, for mode = "stream"
    heatpump.py --set 42.5   sets the flow temperature, for a command that runs a program

The device answers GET /status with {"power": 1250, "energy": 4567.810, "flow": 35.25, "state": "heating"}, and takes
PUT /flow with {"value": 42.5}. HEATPUMP_URL is its address.
"""

import json
import os
import select
import sys
import urllib.request
from decimal import Decimal

URL = os.environ.get("HEATPUMP_URL", "http://heatpump.home")
INTERVAL = float(os.environ.get("HEATPUMP_INTERVAL", "10"))  # seconds


def number(value, unit, kind):
    # As a text, a number keeps the digits of the device: Python's json would make a float of it.
    return {"value": str(value), "unit": unit, "kind": kind}


def read():
    with urllib.request.urlopen(URL + "/status", timeout=5) as answer:
        status = json.load(answer, parse_float=Decimal)
    return {
        "power": number(status["power"], "W", "gauge"),
        "energy": number(status["energy"], "kWh", "counter"),
        "flow_temperature": number(status["flow"], "°C", "gauge"),
        "state": status["state"],
        "heating": status["state"] == "heating",
    }


def set_flow(value):
    body = json.dumps({"value": float(value)}).encode()
    headers = {"Content-Type": "application/json"}
    request = urllib.request.Request(URL + "/flow", body, headers, method="PUT")
    urllib.request.urlopen(request, timeout=5).close()


def stream():
    while True:
        try:
            print(json.dumps(read()), flush=True)
        except OSError as error:  # it is switched off: the next turn comes
            print(f"{URL}: {error}", file=sys.stderr, flush=True)
        # Standard input brings commands. Its end is that of smartmeter, and so of this program.
        if select.select([sys.stdin], [], [], INTERVAL)[0]:
            line = sys.stdin.readline()
            if not line:
                return
            command = json.loads(line)  # {"command": "set_flow", "args": {"value": 42.5}}
            if command["command"] == "set_flow":
                set_flow(command["args"]["value"])


if sys.argv[1:] == ["--once"]:
    print(json.dumps(read()))
elif sys.argv[1:2] == ["--set"]:
    set_flow(sys.argv[2])
else:
    stream()
