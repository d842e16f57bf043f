#!/bin/sh
# Start of the add-on: writes what Home Assistant knows into drop-ins of the configuration, then runs smartmeter.
set -eu
umask 077

drop_ins=/data/config.d
config=/config/config.toml

# ask PATH [OPTION…]: prints the supervisor's answer.
ask() {
    path=$1
    shift
    curl --silent --show-error --max-time 10 --retry 3 --retry-connrefused \
        --header "Authorization: Bearer $SUPERVISOR_TOKEN" "$@" "http://supervisor$path"
}

# option NAME: prints the value of an option, or nothing.
option() {
    jq --raw-output --arg name "$1" '.[$name] | values' /data/options.json
}

# write FILE: replaces a drop-in by standard input, whole.
write() {
    cat >"$drop_ins/$1.new"
    mv "$drop_ins/$1.new" "$drop_ins/$1"
}

# A text in JSON is one in TOML, too: `tojson` quotes both.
server() {
    cat <<'TOML'
# Written by the add-on at each start: changes are lost.
[server]
listen = "0.0.0.0:8099"
# The supervisor, which forwards requests of users of Home Assistant.
authenticating_proxies = ["172.30.32.2"]
TOML
    jq --raw-output 'select((.token // "") != "") | "token = \(.token | tojson)"' /data/options.json
}

# Prints the section for the broker that the supervisor's answer has, or nothing if it has none.
broker() {
    jq --raw-output 'if .result == "ok" then .data elif .result == "error" then empty else error("no answer") end
        | (.host | if contains(":") then "[\(.)]" else . end) as $host
        | "# Written by the add-on at each start: changes are lost.",
          "[publishers.home_assistant]",
          "plugin = \"mqtt\"",
          "url = \("\(if .ssl then "mqtts" else "mqtt" end)://\($host):\(.port)" | tojson)",
          # A password without a name is a mistake in the configuration.
          (select((.username // "") != "") | "username = \(.username | tojson)",
            (select((.password // "") != "") | "password = \(.password | tojson)"))'
}

# notice create|dismiss [MESSAGE]: shows or removes the notice about the broker; Home Assistant may not be running.
notice() {
    body=$(jq --null-input --arg text "${2:-}" \
        '{notification_id: "smartmeter_broker"} + if $text == "" then {} else {title: "smartmeter", message: $text} end')
    ask "/core/api/services/persistent_notification/$1" --output /dev/null \
        --header 'Content-Type: application/json' --data "$body" || true
}

publisher() {
    file=home-assistant-mqtt.toml
    if [ "$(option mqtt)" = false ]; then
        rm -f "$drop_ins/$file"
    elif ! answer=$(ask /services/mqtt) || ! section=$(printf '%s' "$answer" | broker); then
        echo 'the supervisor does not say which broker there is: it stays that of the last start' >&2
    elif [ -n "$section" ]; then
        printf '%s\n' "$section" | write "$file"
        notice dismiss
    else
        rm -f "$drop_ins/$file"
        message='Home Assistant has no MQTT broker, so the meters do not appear as devices.
Install the add-on "Mosquitto broker", then restart smartmeter.'
        echo "$message" >&2
        notice create "$message"
    fi
}

# The token and the address of Home Assistant come from the supervisor: the plugin finds both.
statistics() {
    file=home-assistant-statistics.toml
    if [ "$(option statistics)" = true ]; then
        write "$file" <<'TOML'
# Written by the add-on at each start: changes are lost.
[publishers.home_assistant_statistics]
plugin = "homeassistant"
TOML
    else
        rm -f "$drop_ins/$file"
    fi
}

mkdir -p "$drop_ins"
[ -e /data/options.json ] || echo '{}' >/data/options.json
server | write home-assistant.toml
publisher
statistics
[ -e "$config" ] || cat >"$config" <<'TOML'
# Configuration of smartmeter for what its page cannot set. Home Assistant shows this file in `addon_configs`.
# [server] is set by the add-on. After a change, restart the add-on; its log shows every mistake.
TOML

SMARTMETER_LOG=$(option log_level)
export SMARTMETER_LOG
exec smartmeter --config "$config" --state-dir /data
