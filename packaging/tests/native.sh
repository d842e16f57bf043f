# shellcheck shell=bash disable=SC2154
# The life of a package on a system of this machine's architecture. Part of packaging/test.sh.

test_native() {
    expect 'lintian finds no error and no warning' lintian --fail-on error,warning --allow-root "$deb"
    make_chroot native "$host"
    cp "$deb" "$chroot/packages/smartmeter_$version.deb"
    repack "$version+1"
    repack "$version+2" '# The default configuration of a later version.'

    test_old_processor
    list_files >"$work/before"
    test_installation
    test_content
    test_versions
    test_removal
    test_purge
    test_speed
    test_udev
}

test_old_processor() {
    cp "$chroot/usr/bin/uname" "$work/uname"
    printf '#!/bin/sh\necho armv6l\n' >"$chroot/usr/bin/uname"
    if inside dpkg -i "/packages/smartmeter_$version.deb" >"$work/log" 2>&1; then fail 'ARMv6 was accepted'; fi
    cp "$work/uname" "$chroot/usr/bin/uname"
    grep -q 'has an ARMv6 processor' "$work/log" || fail 'ARMv6 is refused without an explanation'
    [ ! -e "$chroot/usr/bin/smartmeter" ] || fail 'ARMv6: the program was installed'
    inside dpkg --purge smartmeter >/dev/null 2>&1 || true
    ok 'a machine with an ARMv6 processor is refused with an explanation'
}

test_installation() {
    forget
    says 'the installation says where the page is' 'the page is at http://127.0.0.1:8080/' \
        inside apt-get -q install -y --no-install-recommends "/packages/smartmeter_$version.deb"
    expect 'the installation starts the service' asked '(^| )start smartmeter.service'
    expect 'the service is enabled' inside systemctl is-enabled smartmeter.service
    expect 'dpkg finds every file as it was packed' test -z "$(inside dpkg --verify smartmeter)"
    says 'the user is in the groups of serial ports and GPIO' 'dialout.*gpio|gpio.*dialout' inside id smartmeter
    says 'the user has no shell' 'nologin$' inside getent passwd smartmeter
    expect 'the configuration is for its group only' \
        test "$(inside stat -c '%a %U:%G' /etc/smartmeter/config.toml)" = '640 root:smartmeter'
    expect 'the recordings are for its group only' \
        test "$(inside stat -c '%a %U:%G' /var/lib/smartmeter)" = '750 smartmeter:smartmeter'
    says 'the configuration is right, and has no source' 'configuration OK' inside smartmeter check
    expect 'the page answers' serves / '<html'
    expect 'the data are empty' serves /data '^\{\}'
    expect 'the unit is right' inside systemd-analyze verify --man=no /lib/systemd/system/smartmeter.service
}

test_content() {
    diff -u packaging/tests/files.txt <(installed_files) >"$work/log" || fail 'the files of the package'
    ok 'the package has the files and modes of packaging/tests/files.txt'
    local command page=$chroot/usr/share/man/man1/smartmeter
    for command in check probe export; do
        [ -e "$page-$command.1.gz" ] || fail "no manual page of $command"
    done
    says 'the manual page names the commands' 'probe.*' zcat "$page.1.gz"
    expect 'the manual pages have no fault' bash -c "! zcat '$page'*.1.gz | man --warnings -l - 2>&1 >/dev/null | grep ."
    says 'bash completes the commands' 'probe' bash -c "
        . '$chroot/usr/share/bash-completion/completions/smartmeter.bash'
        COMP_WORDS=(smartmeter pro) COMP_CWORD=1
        _smartmeter smartmeter pro smartmeter
        echo \"\${COMPREPLY[*]}\""
    expect 'zsh and fish complete the commands' \
        grep -q probe "$chroot/usr/share/zsh/vendor-completions/_smartmeter" "$chroot/usr/share/fish/vendor_completions.d/smartmeter.fish"
    says 'the copyright names the linked crates' 'serialport .*MPL-2.0' cat "$chroot/usr/share/doc/smartmeter/copyright"
    says 'the licences of the linked crates are there' 'Mozilla Public License' zcat "$chroot/usr/share/doc/smartmeter/licences.txt.gz"
    for document in README.md CHANGELOG.md docs/configuration.md docs/http.md examples/config.toml; do
        [ -e "$chroot/usr/share/doc/smartmeter/$document" ] || fail "no $document"
    done
    ok 'documents and examples are there'
}

test_versions() {
    local config=$chroot/etc/smartmeter/config.toml state=$chroot/var/lib/smartmeter
    echo '# edited' >>"$config"
    echo kept >"$state/house.count"
    forget
    expect 'an upgrade' inside dpkg -i "/packages/smartmeter_$version+1.deb"
    expect 'an upgrade restarts the service' asked '(^| )restart smartmeter.service'
    expect 'an upgrade keeps the configuration that was edited' grep -q '^# edited' "$config"
    expect 'an upgrade keeps owner and mode of the configuration' test "$(inside stat -c '%a %U:%G' /etc/smartmeter/config.toml)" = '640 root:smartmeter'
    expect 'an upgrade keeps the recordings' test -e "$state/house.count"
    expect 'an upgrade with another default configuration' inside dpkg --force-confdef --force-confold -i "/packages/smartmeter_$version+2.deb"
    expect 'what was edited stays, the new default is beside it' \
        bash -c "grep -q '^# edited' '$config' && grep -q 'later version' '$config.dpkg-dist'"
    rm "$config.dpkg-dist"
    expect 'the page answers after the upgrade' serves / '<html'

    echo '[mistake' >>"$config"
    expect 'a mistake in the configuration does not break an upgrade' inside dpkg --force-confdef --force-confold -i "/packages/smartmeter_$version+1.deb"
    sed -i '/^\[mistake/d' "$config"

    forget
    says 'a downgrade' "downgrading smartmeter" inside dpkg -i "/packages/smartmeter_$version.deb"
    expect 'a downgrade restarts the service' asked '(^| )restart smartmeter.service'
    expect 'a downgrade keeps configuration and recordings' bash -c "grep -q '^# edited' '$config' && test -e '$state/house.count'"
    expect 'the page answers after the downgrade' serves / '<html'
}

test_removal() {
    local config=$chroot/etc/smartmeter/config.toml state=$chroot/var/lib/smartmeter
    forget
    expect 'a removal' inside apt-get -q remove -y smartmeter
    expect 'a removal stops the service' asked '(^| )stop smartmeter.service'
    expect 'a removal takes the program away' test ! -e "$chroot/usr/bin/smartmeter"
    expect 'a removal keeps configuration and recordings' bash -c "grep -q '^# edited' '$config' && test -e '$state/house.count'"
    expect 'another installation' inside dpkg -i "/packages/smartmeter_$version.deb"
    expect 'another installation continues with configuration and recordings' \
        bash -c "grep -q '^# edited' '$config' && test -e '$state/house.count'"
    expect 'the page answers after another installation' serves / '<html'
    expect 'the service is enabled after another installation' inside systemctl is-enabled smartmeter.service
}

test_purge() {
    local state=$chroot/var/lib/smartmeter
    says 'a purge that cannot ask keeps the recordings, and says where they are' 'still in /var/lib/smartmeter' \
        inside apt-get -q purge -y smartmeter
    expect 'a purge that cannot ask keeps the recordings' test -e "$state/house.count"
    expect 'a purge takes the configuration away' test ! -e "$chroot/etc/smartmeter"

    for answer in no yes; do
        inside dpkg -i "/packages/smartmeter_$version.deb" >"$work/log" 2>&1 || fail 'installation before a purge'
        says "a purge asks ($answer)" 'Delete the recordings and counts' \
            bash -c "printf '$answer\n' | DEBIAN_FRONTEND=readline LC_ALL=C.UTF-8 chroot '$chroot' dpkg --purge smartmeter"
        if [ "$answer" = no ]; then
            expect 'the answer no keeps the recordings' test -e "$state/house.count"
        else
            expect 'the answer yes deletes the recordings' test ! -e "$state"
        fi
    done

    inside dpkg -i "/packages/smartmeter_$version.deb" >"$work/log" 2>&1 || fail 'installation before a purge'
    echo again >"$state/house.count"
    inside sh -c 'echo smartmeter smartmeter/delete-recordings boolean true | debconf-set-selections'
    expect 'a purge with an answer beforehand' inside apt-get -q purge -y smartmeter
    expect 'the answer beforehand deletes the recordings' test ! -e "$state"

    list_files >"$work/after"
    if diff "$work/before" "$work/after" | grep '^[<>]' >"$work/log"; then fail 'a purge leaves files'; fi
    ok 'a purge leaves no file'
}

test_speed() {
    local begin end
    begin=$(date +%s%N)
    inside dpkg -i "/packages/smartmeter_$version.deb" >"$work/log" 2>&1 || fail 'installation'
    serves / '<html' || fail 'no page'
    end=$(date +%s%N)
    printf 'from dpkg -i to the page: %d ms\n' $(((end - begin) / 1000000))
    expect 'from dpkg -i to the page: at most 5 s' test $((end - begin)) -le 5000000000
}
