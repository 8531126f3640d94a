#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# Builds the Debian packages on a clean Debian, and installs, uses, upgrades and purges them on
# another, with systemd as its first process: scripts/package_test.sh [RELEASE...]
#
# RELEASE is bookworm (what is taken if none is named), trixie, ... The packages are built by
# scripts/package.sh with what packaging/debian/control names. What is done with them is in
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

# A root as debootstrap makes it is kept; who needs one has a copy: copy_root PURPOSE
copy_root() {
	local clean=$output/$release.clean
	if [ ! -e "$clean/.ready" ]; then
		root=$clean
		mkdir -p "$output"
		bootstrap && touch "$clean/.ready"
	fi
	root=$output/$release.$1
	rm -rf "$root" && cp -a "$clean" "$root" || fail 'no copy of the root'
	logged 'apt-get update' inside apt-get -q update
}

# Two versions, the second a little later, by a user who can install nothing. There is no git:
# what it knows is there, and nothing else.
build_packages() {
	local version
	copy_root build
	mkdir -p "$root/src" "$root/packages" &&
		git ls-files -z --cached --others --exclude-standard | tar -c --null -T - | tar -x -C "$root/src" &&
		cp -R "$root/src/packaging/debian" "$root/src/debian" || fail 'cannot copy the sources'
	logged 'the installation of what builds' inside bash -c 'cd /src &&
		apt-get -q -y --no-install-recommends install build-essential &&
		apt-get -q -y --no-install-recommends -P nocheck build-dep ./ && rm -r debian && chown -R nobody /src /packages'
	version=$(sed -n '1s/.*(\(.*\)).*/\1/p' packaging/debian/changelog)
	logged 'the build of packages' inside setpriv --reuid nobody --regid nogroup --clear-groups bash -c 'cd /src &&
		export HOME=/src && scripts/package.sh --output /packages/1 &&
		scripts/package.sh --output /packages/2 --version "$1+later1"' build "$version"
	packages=$output/$release.packages
	rm -rf "$packages" && mv "$root/packages" "$packages" && rm -rf "$root" || fail 'no packages'
	echo "# packages built on a clean $release:"
	find "$packages/1" -name '*.deb' -printf '#   %s %f\n' | sort -k 3
}

# What the packages need comes from the mirror now, them themselves on the machine.
# Users of readers are asked for by polkit from trixie on.
base=(
	dbus iproute2 mosquitto mosquitto-clients openssl pcscd polkitd procps python3-cryptography systemd
	systemd-sysv vsmartcard-vpcd
)

prepare() {
	local n
	copy_root root
	mkdir -p "$root/packages/1" "$root/packages/2"
	for n in 1 2; do
		find "$packages/$n" -maxdepth 1 -name '*.deb' ! -name '*-dbgsym_*' -exec cp -t "$root/packages/$n" {} + ||
			fail 'no packages to install'
	done
	cp tests/install/packages.sh tests/enroll/est_server.py "$root/packages/" || fail 'no test'
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
for release in "${releases[@]}"; do
	build_packages
	prepare
	run || status=1
	rm -rf "$root"
done
exit "$status"
