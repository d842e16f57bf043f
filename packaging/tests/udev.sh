# shellcheck shell=bash disable=SC2154
# The udev rule, asked about devices in a simulated /sys. Part of packaging/test.sh.

# Prints what udev makes of a USB converter, or with `gpio` of a GPIO chip, and the nodes and links in /dev:
# udev_makes VENDOR PRODUCT [SERIAL].
udev_makes() {
    # shellcheck disable=SC2016
    chroot=$chroot unshare --mount bash -euc '
        sys=$chroot/sys
        mount -t tmpfs sys "$sys" && umount -R "$chroot/dev" && mount -t tmpfs dev "$chroot/dev"
        rm -rf "$chroot/run/udev"
        mknod "$chroot/dev/null" c 1 3
        link() { mkdir -p "$sys/$2" && ln -s "$(realpath --relative-to="$1" "$sys/$2")" "$1/subsystem"; }
        if [ "$1" = gpio ]; then
            device=$sys/devices/platform/gpiochip0
            mkdir -p "$device" && link "$device" bus/gpio
            printf "MAJOR=254\nMINOR=0\nDEVNAME=gpiochip0\n" >"$device/uevent"
            mknod "$chroot/dev/gpiochip0" c 254 0
        else
            usb=$sys/devices/pci0/usb1/1-1/1-1.2
            device=$usb/1-1.2:1.0/ttyUSB0/tty/ttyUSB0
            mkdir -p "$device" && link "$usb" bus/usb && link "$usb/1-1.2:1.0" bus/usb && link "$device" class/tty
            echo "$1" >"$usb/idVendor" && echo "$2" >"$usb/idProduct"
            [ -z "${3:-}" ] || echo "$3" >"$usb/serial"
            echo ff >"$usb/bDeviceClass" && echo DEVTYPE=usb_device >"$usb/uevent"
            echo DEVTYPE=usb_interface >"$usb/1-1.2:1.0/uevent"
            for file in bInterfaceNumber=00 bInterfaceClass=ff bInterfaceSubClass=00; do
                echo "${file#*=}" >"$usb/1-1.2:1.0/${file%=*}"
            done
            printf "MAJOR=188\nMINOR=0\nDEVNAME=ttyUSB0\n" >"$device/uevent"
            mknod "$chroot/dev/ttyUSB0" c 188 0
        fi
        SYSTEMD_DEVICE_VERIFY_SYSFS=0 chroot "$chroot" udevadm test "${device#"$chroot"}" 2>&1
        chroot "$chroot" ls -lR /dev
    ' bash "$@"
}

test_udev() {
    local head=$work/head other=$work/other
    udev_makes 10c4 ea60 0084B1A2 >"$head" || fail "udevadm: $(tail -n 5 "$head")"
    says 'a head is named after its USB socket' 'usb-1-1.2 -> ../ttyUSB0' cat "$head"
    says 'a head is named after its serial number' ' 0084B1A2 -> ../ttyUSB0' cat "$head"
    says 'ModemManager leaves a head alone' '^ID_MM_PORT_IGNORE=1' cat "$head"
    says 'the group of a head is dialout' 'crw-rw---- .* dialout .* ttyUSB0' cat "$head"
    expect 'udev understands every rule' bash -c "! grep -iE '60-smartmeter.rules:.*(ignoring|invalid|unknown)' '$head'"
    udev_makes 1a86 7523 >"$head" || fail "udevadm: $(tail -n 5 "$head")"
    expect 'a head without a serial number is named after its USB socket alone' \
        test "$(grep ^DEVLINKS= "$head" | grep -o '/dev/smartmeter/[^ ]*')" = /dev/smartmeter/usb-1-1.2
    udev_makes 2341 0043 7593 >"$other" || fail "udevadm: $(tail -n 5 "$other")"
    expect 'another USB device has no name' bash -c "! grep /dev/smartmeter/ '$other'"
    says 'a GPIO chip belongs to its group' 'crw-rw---- .* gpio .* gpiochip0' udev_makes gpio
}
