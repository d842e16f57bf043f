#!/usr/bin/env python3
"""Check of an add-on's folder by the rules of Home Assistant's supervisor.

The supervisor drops keys that it does not know, and shows no add-on whose config.yaml is wrong. Here both are mistakes.
The rules are those of its documentation ("App configuration") and of its own check (supervisor/addons/validate.py).
"""

import pathlib
import re
import struct
import sys

import yaml


def text(value):
    return isinstance(value, str) and value != ""


def boolean(value):
    return isinstance(value, bool)


def port(value):
    return isinstance(value, int) and not isinstance(value, bool) and 1 <= value <= 65535


def one_of(*values):
    return lambda value: value in values


def match(pattern):
    return lambda value: isinstance(value, str) and re.search(pattern, value) is not None


def some(rule):
    return lambda value: isinstance(value, list) and all(map(rule, value)) and len(value) == len(set(map(str, value)))


def table(key, rule):
    return lambda value: isinstance(value, dict) and all(key(k) and rule(v) for k, v in value.items())


def volume(value):
    kinds = ("data", "ssl", "addons", "backup", "share", "media", "homeassistant_config", "all_addon_configs", "addon_config")
    return (
        isinstance(value, dict)
        and value.get("type") in kinds
        and boolean(value.get("read_only", True))
        and match("^/.+")(value.get("path", "/x"))
        and value.keys() <= {"type", "read_only", "path"}
    )


ELEMENT = (
    r"^(bool|email|url|port|device(\(subsystem=[a-z]+\))?|(str|password|int)(\(\d*,\d*\))?"
    r"|float(\([\d.]*,[\d.]*\))?|match\(.*\)|list\(.+\))\??$"
)


def element(value, depth=2):
    """A type of an option: a text, or a list or table of such."""
    if isinstance(value, list):
        return depth > 0 and len(value) == 1 and not isinstance(value[0], list) and element(value[0], depth - 1)
    if isinstance(value, dict):
        return depth > 0 and all(text(key) and element(inner, depth - 1) for key, inner in value.items())
    return match(ELEMENT)(value)


PORT = match(r"^\d+(/tcp|/udp)?$")
REQUIRED = ("name", "version", "slug", "description", "arch")
RULES = {
    "name": text,
    "version": match(r"^\d+(\.\d+)*([-.]?[a-z]+\.?\d*)?$"),
    "slug": match(r"^[-_.A-Za-z0-9]+$"),
    "description": text,
    "arch": some(one_of("armhf", "armv7", "aarch64", "amd64", "i386")),
    "machine": some(match(r"^!?[a-z0-9-]+$")),
    "url": match(r"^https?://[^/]+"),
    "startup": one_of("initialize", "system", "services", "application", "once"),
    "webui": match(r"^(https?|\[PROTO:\w+\])://\[HOST\]:\[PORT:\d+\].*$"),
    "boot": one_of("auto", "manual", "manual_only"),
    "ports": table(PORT, lambda value: value is None or port(value)),
    "ports_description": table(PORT, text),
    "devices": some(match("^/dev/")),
    "homeassistant": match(r"^\d+(\.\d+)*$"),
    "hassio_role": one_of("default", "homeassistant", "backup", "manager", "admin"),
    "map": some(volume),
    "environment": table(match(r"^\w*$"), text),
    "privileged": some(match(r"^[A-Z_]+$")),
    "options": lambda value: isinstance(value, dict),
    "schema": lambda value: value is False or isinstance(value, dict) and element(value, 3),
    "image": match(r"^([a-zA-Z\-.:\d{}]+/)*?([-\w{}]+)/([-\w{}]+)$"),
    "timeout": lambda value: isinstance(value, int) and 10 <= value <= 300,
    "discovery": some(text),
    "services": some(match(r"^(mqtt|mysql):(provide|want|need)$")),
    "ingress_port": lambda value: value == 0 or port(value),
    "ingress_entry": text,
    "panel_icon": match(r"^mdi:[a-z0-9-]+$"),
    "panel_title": text,
    "backup": one_of("hot", "cold"),
    "backup_pre": text,
    "backup_post": text,
    "backup_exclude": some(text),
    "stage": one_of("stable", "experimental", "deprecated"),
    "watchdog": match(r"^(https?|\[PROTO:\w+\]|tcp)://\[HOST\]:(\[PORT:\d+\]|\d+).*$"),
    "ulimits": table(text, lambda value: isinstance(value, (int, dict))),
    "breaking_versions": some(text),
    "apparmor": lambda value: boolean(value) or text(value),
}
for name in (
    "host_network host_ipc host_dbus host_pid host_uts hassio_api homeassistant_api docker_api full_access audio video"
    " gpio usb uart udev devicetree kernel_modules stdin legacy tmpfs auth_api ingress ingress_stream panel_admin"
    " advanced init realtime journald"
).split():
    RULES[name] = boolean


def config_mistakes(config):
    """Returns the mistakes of a config.yaml, of each key alone and of those that belong together."""
    if not isinstance(config, dict):
        return ["config.yaml: expected a table"]
    found = [f"`{key}` is missing" for key in REQUIRED if key not in config]
    for key, value in config.items():
        if key not in RULES:
            found.append(f"`{key}` is not a known key")
        elif not RULES[key](value):
            found.append(f"`{key}` has an unexpected value: {value!r}")
    if found:
        return found
    options, schema = config.get("options", {}), config.get("schema", {})
    if isinstance(schema, dict):
        found += [f"option `{name}` is not in `schema`" for name in options.keys() - schema.keys()]
        for name in schema.keys() - options.keys():
            if not (isinstance(schema[name], str) and schema[name].endswith("?")):
                found.append(f"option `{name}` has neither a default nor a `?`")
    if config.get("full_access") and any(config.get(key) for key in ("devices", "uart", "usb", "gpio")):
        found.append("`full_access` excludes `devices`, `uart`, `usb` and `gpio`")
    if config.get("backup") == "cold" and ("backup_pre" in config or "backup_post" in config):
        found.append("`backup_pre` and `backup_post` have no effect with a cold backup")
    return found


def translation_mistakes(language, translation, config):
    schema, ports = config.get("schema") or {}, config.get("ports") or {}
    options, network = translation.get("configuration", {}), translation.get("network", {})
    found = [f"{language}: `{key}` is not a known key" for key in translation.keys() - {"configuration", "network"}]
    found += [f"{language}: option `{name}` has no text" for name in schema.keys() - options.keys()]
    found += [f"{language}: there is no option `{name}`" for name in options.keys() - schema.keys()]
    found += [f"{language}: port `{name}` has no text, or is not there" for name in ports.keys() ^ network.keys()]
    for name, option in options.items():
        if not text(option.get("name")) or option.keys() - {"name", "description", "fields"}:
            found.append(f"{language}: option `{name}` needs a `name`, and may have a `description`")
    return found


def mistakes(repository):
    """Returns all mistakes of a repository's folder."""
    about = yaml.safe_load((repository / "repository.yaml").read_text())
    found = [] if text(about.get("name")) else ["repository.yaml: `name` is missing"]
    folders = [path.parent for path in repository.glob("*/config.yaml")]
    if not folders:
        found.append("there is no add-on: no folder has a config.yaml")
    for folder in folders:
        config = yaml.safe_load((folder / "config.yaml").read_text())
        found += config_mistakes(config)
        if not found and config["slug"] != folder.name:
            found.append(f"`slug` is `{config['slug']}`, expected the name of its folder, `{folder.name}`")
        for path in (folder / "translations").glob("*"):
            found += translation_mistakes(path.name, yaml.safe_load(path.read_text()), config)
        for name in ["README.md", "DOCS.md", "Dockerfile", "translations/en.yaml"]:
            if not (folder / name).is_file():
                found.append(f"{name} is missing")
        for name, square in [("icon.png", True), ("logo.png", False)]:
            head = (folder / name).read_bytes()[:24]
            width, height = struct.unpack(">II", head[16:24])
            if head[:8] != b"\x89PNG\r\n\x1a\n" or (square and width != height):
                found.append(f"{name}: expected a PNG, an icon as wide as high")
    return found


# Mistakes that the check must find, by the text that names them.
WRONG = {
    "`slug` is missing": {"slug": None},
    "`uarts` is not a known key": {"uarts": True},
    "`arch` has": {"arch": ["arm64"]},
    "`services` has": {"services": ["mqtt"]},
    "`watchdog` has": {"watchdog": "http://localhost:8099/health"},
    "`ports` has": {"ports": {"8099": 0}},
    "`ingress_port` has": {"ingress_port": "8099"},
    "`map` has": {"map": ["config:rw"]},
    "`schema` has": {"schema": {"mqtt": "boolean"}},
    "option `mqtt` is not in": {"schema": {"log_level": "str", "token": "str?"}},
    "option `more` has neither": {"schema": {"mqtt": "bool", "log_level": "str", "more": "str"}},
    "`panel_icon` has": {"panel_icon": "meter-electric"},
    "`full_access` excludes": {"full_access": True},
}


def main():
    repository = pathlib.Path(sys.argv[1])
    found = mistakes(repository)
    for mistake in found:
        print(mistake, file=sys.stderr)
    right = yaml.safe_load((repository / "smartmeter/config.yaml").read_text())
    for expected, change in WRONG.items():
        changed = {key: value for key, value in {**right, **change}.items() if value is not None}
        if not any(expected in mistake for mistake in config_mistakes(changed)):
            sys.exit(f"the check does not find `{expected}`")
    sys.exit(1 if found else 0)


if __name__ == "__main__":
    main()
