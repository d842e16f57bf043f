#!/usr/bin/env bash
# Builds the add-on from target/debian, and runs it beside a supervisor of the test. Needs root, mmdebstrap, buildah,
# mosquitto, mosquitto-clients and python3-yaml.
set -euo pipefail
cd "$(dirname "$0")/../.."
. packaging/container/images.sh

packaging/home-assistant/build.sh
/usr/bin/python3 packaging/home-assistant/check.py target/home-assistant
base_image
build_image smartmeter-add-on target/home-assistant/smartmeter --quiet >/dev/null
container=$(images from smartmeter-add-on)
trap 'images rm "$container" >/dev/null' EXIT
# Addresses and mounts of the test are nobody else's, and go with it.
unshare --net --mount python3 packaging/home-assistant/test.py "$(images mount "$container")"
