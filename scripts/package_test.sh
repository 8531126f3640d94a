#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# Installs, uses, upgrades and purges the Debian packages on a clean Debian, with systemd as
# its first process: scripts/package_test.sh [RELEASE...]
#
# RELEASE is bookworm (what is taken if none is named), trixie, ... The packages are built here
# by scripts/package.sh, once for all releases. What is done with them is in
# tests/install/packages.sh. Root only; systemd-nspawn starts the machine, which has no
# network, so that it meets no service of ours.
set -u
cd "$(dirname "$0")/.." || exit 1
case ${1-} in
-*) sed -n '3,/^set/{/^set/d;s/^# \?//;p}' "$0" && exit ;;
esac
releases=("${@:-bookworm}")
output=$PWD/build-package
root=$output/root # of the one that is at work
release=
# shellcheck source=scripts/chroot-lib.sh
. scripts/chroot-lib.sh
command -v systemd-nspawn >/dev/null || {
	echo 'skipped: systemd-nspawn is not installed (systemd-container)'
	exit 0
}

# Two versions, the second a little later.
build_packages() {
	local version
	scripts/package.sh || exit 1
	version=$(dpkg-deb -f "$output"/openssl-provider-iotsafe_*.deb Version)
	scripts/package.sh --output "$output/later" --version "$version+later1" >"$output/later.log" || fail 'no later version'
}

# What the packages need comes from the mirror now, them themselves on the machine.
# Users of readers are asked for by polkit from trixie on.
base=(
	dbus iproute2 mosquitto mosquitto-clients openssl pcscd polkitd procps python3-cryptography systemd
	systemd-sysv vsmartcard-vpcd
)

# A root as debootstrap makes it is kept; each test has a copy.
prepare() {
	local clean=$output/$release.clean
	if [ ! -e "$clean/.ready" ]; then
		root=$clean
		bootstrap && touch "$clean/.ready"
	fi
	root=$output/$release.root
	rm -rf "$root" && cp -a "$clean" "$root" && mkdir -p "$root/packages/1" "$root/packages/2" || fail 'no copy of the root'
	find "$output" -maxdepth 1 -name '*.deb' ! -name '*-dbgsym_*' -exec cp -t "$root/packages/1" {} + &&
		find "$output/later" -maxdepth 1 -name '*.deb' ! -name '*-dbgsym_*' -exec cp -t "$root/packages/2" {} + &&
		cp tests/install/packages.sh tests/enroll/est_server.py "$root/packages/" || fail 'no packages to install'
	logged 'apt-get update' inside apt-get -q update
	logged 'the installation of programs' inside apt-get -q -y --no-install-recommends install "${base[@]}"
	logged 'the download of dependencies' inside bash -c \
		'apt-get -q -y --no-install-recommends --download-only install /packages/1/*.deb'
	cat >"$root/etc/systemd/system/packages.service" <<-END
		[Unit]
		Description=Test of packages
		After=basic.target dbus.socket
		SuccessAction=exit
		FailureAction=exit
		[Service]
		Type=oneshot
		TimeoutStartSec=infinity
		ExecStart=/bin/bash /packages/packages.sh
		StandardOutput=append:/packages/log
		StandardError=append:/packages/log
	END
	mkdir -p "$root/etc/systemd/system/multi-user.target.wants" &&
		ln -s ../packages.service "$root/etc/systemd/system/multi-user.target.wants/packages.service"
	echo '127.0.0.1 localhost' >"$root/etc/hosts"
	touch "$root/packages/log"
}

# A machine that is mute for so long hangs.
run() {
	local -a here=()
	[ -d /run/systemd/system ] || here=(--register=no --keep-unit) # nobody to register with
	timeout --kill-after=30 1800 systemd-nspawn --quiet --directory "$root" --boot --private-network \
		--link-journal=no --machine="iotsafe-$release" "${here[@]}" </dev/null >"$root.console" 2>&1
	cat "$root/packages/log"
	grep -q '^1\.\.' "$root/packages/log" || { tail -n 20 "$root.console" && return 1; }
	! grep -q '^not ok' "$root/packages/log"
}

status=0
build_packages
for release in "${releases[@]}"; do
	prepare
	run || status=1
	rm -rf "$root"
done
exit "$status"
