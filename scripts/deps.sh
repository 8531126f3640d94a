#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# Installs the Debian packages that are missing; where it may not, says which to
# install. Does nothing when all are there. Exit status 0 also when packages are
# missing: the caller then goes as far as it can.
#
# usage: scripts/deps.sh [--exchange] [demo] [test] [programs] [others] [long] [bench] [chroot] [package] [arm64] [armhf] [s390x] [musl]
#   demo    to build everything and run the demo
#   test    the above, and what the tests use on top
#   long    what scripts/test.sh --long uses on top: analysis, coverage, load, valgrind
#   programs  the programs of docs/applications.md that `test` does not have
#   others  programs that exclude some of `programs`
#   --exchange  what excludes them is removed; else they are left out
#   bench   the peers of scripts/bench.sh, and what counts there
#   chroot  what makes a chroot with another release
#   package  what scripts/package.sh builds Debian packages with and looks into them, and what
#           scripts/package_test.sh has a machine by
#   arm64, armhf, s390x, musl  what scripts/cross.sh needs on this machine for that
set -u

packages=(
	meson ninja-build pkg-config gcc libc6-dev libssl-dev openssl libpcsclite-dev
	libjansson-dev libcurl4-openssl-dev libmosquitto-dev
)
# Else nothing is removed for what is installed.
keep=(--no-remove)
for group in "$@"; do
	case $group in
	--exchange) keep=() ;;
	demo) packages+=(mosquitto mosquitto-clients) ;;
	test)
		packages+=(
			busybox libcriterion-dev pcscd vsmartcard-vpcd mosquitto mosquitto-clients nginx curl
			python3 python3-cryptography clang llvm clang-format-14 libclang-rt-dev shellcheck mandoc socat
			libmbim-glib-dev libmbim-utils libmbim-proxy libglib2.0-dev
			git jq reuse stress-ng systemd time tshark udev valgrind xxd zsh
			charon-systemd haproxy libstrongswan-standard-plugins openvpn postgresql python3-paho-mqtt strongswan-swanctl
		)
		# from trixie on it has the commands for APDUs, and the bridge its qmi:
		! apt-cache policy libqmi-glib-dev 2>/dev/null | grep -qE 'Candidate: 1\.(3[6-9]|[4-9])' ||
			packages+=(libqmi-glib-dev libqmi-utils)
		# from trixie on as well; estserver is in the latter:
		! apt-cache show openssl-provider-fips >/dev/null 2>&1 || packages+=(openssl-provider-fips)
		! apt-cache show libest-utils >/dev/null 2>&1 || packages+=(libest-utils)
		;;
	long)
		packages+=(clang cppcheck gcovr valgrind wrk)
		! apt-cache show frama-c-base >/dev/null 2>&1 || packages+=(frama-c-base)
		;;
	programs)
		packages+=(
			apache2 apparmor bind9 coturn cpio dovecot-imapd eapoltest freeradius hostapd
			kamailio-tls-modules libcoap3-bin libio-socket-ssl-perl libnet-ssleay-perl lighttpd
			lighttpd-mod-openssl mariadb-client mariadb-server ncat nodejs paho.mqtt.c-examples php-cli
			postfix python3-openssl rauc redis-server rsyslog-openssl snmp snmpd squashfs-tools stunnel4
			swaks swupdate unbound vsftpd
		)
		;;
	bench)
		packages+=(libengine-pkcs11-openssl softhsm2 strace swtpm tpm2-openssl valgrind)
		# names that not every release has
		for package in libtss2-tcti-swtpm0 libtss2-tcti-swtpm0t64 pkcs11-provider; do
			! apt-cache policy "$package" 2>/dev/null | grep -q 'Candidate: [0-9]' || packages+=("$package")
		done
		;;
	others) packages+=(proftpd-mod-crypto syslog-ng-core) ;;
	chroot) packages+=(debootstrap git) ;;
	package)
		packages+=(blhc debhelper debootstrap dpkg-dev libmbim-glib-dev libqmi-glib-dev lintian systemd systemd-container udev)
		# from trixie on it has the folders of units and rules:
		! apt-cache show systemd-dev >/dev/null 2>&1 || packages+=(systemd-dev)
		;;
	arm64) packages+=(gcc-aarch64-linux-gnu libc6-dev-arm64-cross qemu-user-static) ;;
	armhf) packages+=(gcc-arm-linux-gnueabihf libc6-dev-armhf-cross qemu-user-static) ;;
	musl) packages+=(musl-tools make perl) ;;
	s390x) packages+=(gcc-s390x-linux-gnu libc6-dev-s390x-cross qemu-user-static) ;;
	*)
		echo "usage: scripts/deps.sh [--exchange] [demo] [test] [programs] [others] [long] [bench] [chroot] [package] [arm64] [armhf] [s390x] [musl]" >&2
		exit 2
		;;
	esac
done

list_missing() {
	local package
	for package in "${packages[@]}"; do
		[ "$(dpkg-query -W -f '${db:Status-Status}' "$package" 2>/dev/null)" = installed ] ||
			echo "$package"
	done
}

explain() {
	echo "$1; install these packages (names as in Debian 12):" >&2
	echo "  ${missing[*]}" >&2
}

if ! command -v dpkg-query >/dev/null; then
	missing=("${packages[@]}")
	explain 'This is not Debian: if anything is missing below'
	exit 0
fi
mapfile -t missing < <(list_missing)
[ "${#missing[@]}" -gt 0 ] || exit 0

if ! command -v apt-get >/dev/null || [ "$(id -u)" -ne 0 ]; then
	explain 'Packages can be installed here by root only'
	exit 0
fi

export DEBIAN_FRONTEND=noninteractive
apt() {
	apt-get -q -y -o DPkg::Lock::Timeout=300 -o Dpkg::Use-Pty=0 "$@" </dev/null >>"$log" 2>&1
}
log=$(mktemp)
# Packages of daemons start them; the tests start their own, and need no other.
policy=/usr/sbin/policy-rc.d
if [ ! -e "$policy" ]; then
	trap 'rm -f "$policy"' EXIT
	printf '#!/bin/sh\nexit 101\n' >"$policy" && chmod 755 "$policy"
fi
echo "Installing: ${missing[*]}"
# Not every release has all of them, as clang-format-14.
known_here() {
	local package
	for package in "${missing[@]}"; do
		! apt-cache show "$package" >/dev/null 2>&1 || echo "$package"
	done
}
install=(install --no-install-recommends "${keep[@]}")
one_by_one() {
	local package
	for package; do apt "${install[@]}" "$package"; done
	mapfile -t missing < <(list_missing)
	[ "${#missing[@]}" -eq 0 ]
}
# With an old package list or none the first try fails.
if ! apt "${install[@]}" "${missing[@]}" &&
	! { apt update && mapfile -t known < <(known_here) && apt "${install[@]}" "${known[@]}"; } &&
	! one_by_one "${known[@]}"; then
	tail -n 20 "$log" >&2
	mapfile -t missing < <(list_missing)
	[ "${#missing[@]}" -eq 0 ] || explain 'Not everything could be installed'
fi
rm -f "$log"
exit 0
