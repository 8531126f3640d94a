#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# Builds and tests for another machine: scripts/cross.sh ARCH OUTPUT
# Or tells what size the module has there: scripts/cross.sh --size ARCH...
#
# arm64, armhf, s390x: Debian's packages for that machine are unpacked in build-cross/ARCH/root
# (once; they stay), everything is built with them, and the unit tests and some end-to-end
# scripts run under qemu, the software SIM natively. musl: OpenSSL and jansson are built from
# Debian's sources first, which takes minutes. Results go to OUTPUT/ARCH.json. Exit status 77
# and `skipped: why` where something is missing. Nothing is installed on this machine.
#
# --size: the table of docs/distributions.md, of the module with one transport; arm64, armhf, s390x.
set -u
cd "$(dirname "$0")/.." || exit 1
usage='usage: scripts/cross.sh ARCH OUTPUT, or --size ARCH...'
if [ "${1-}" = --size ]; then
	shift
	printf '| machine | bytes | with `-Dprofile=minimal` |\n|---|---|---|\n'
	for arch in "${@:?$usage}"; do "$0" "$arch" --size || exit; done
	exit
fi
arch=${1:?$usage}
output=${2:?$usage}
[ "$output" = --size ] || output=$(realpath -m "$output")
place=$PWD/build-cross/$arch
root=$place/root
scripts=(tls commands exchanges)

# It counts as one skipped item.
skip() {
	echo "skipped: $*"
	mkdir -p "$output"
	printf '{"name": "cross %s", "result": "SKIP", "stdout": ""}\n' "$arch" >"$output/$arch.json"
	exit 77
}

fail() {
	echo "cross $arch: $*" >&2
	exit 1
}

need() {
	local program
	for program; do
		command -v "$program" >/dev/null || skip "$program is not installed"
	done
}

# apt with folders of its own, and with nothing installed: apt_conf ARCHITECTURE [LINE...]
apt_conf() {
	mkdir -p "$place/apt/lists/partial" "$place/apt/cache/archives/partial"
	: >"$place/apt/status"
	cat >"$place/apt/apt.conf" <<-CONF
		Dir::State "$place/apt";
		Dir::State::status "$place/apt/status";
		Dir::Cache "$place/apt/cache";
		APT::Architecture "$1";
		APT::Architectures { "$1"; };
		APT::Install-Recommends "false";
		APT::Sandbox::User "root";
		Acquire::Languages "none";
	CONF
	shift
	[ $# -eq 0 ] || printf '%s\n' "$@" >>"$place/apt/apt.conf"
	# one source of several that fails need not matter
	private_apt update >>"$place/apt.log" 2>&1
}
private_apt() { APT_CONFIG=$place/apt/apt.conf apt-get -q -y "$@"; }

debian_root() {
	local deb
	local -a packages=(libc6-dev libssl-dev openssl libpcsclite-dev libjansson-dev)
	[ -e "$place/.ready" ] && return
	rm -rf "$place"
	mkdir -p "$root"
	apt_conf "$arch"
	! APT_CONFIG=$place/apt/apt.conf apt-cache show libcriterion-dev >/dev/null 2>&1 ||
		packages+=(libcriterion-dev)
	private_apt install --download-only "${packages[@]}" >>"$place/apt.log" 2>&1 || {
		tail -n 5 "$place/apt.log"
		skip "no packages for $arch"
	}
	for deb in "$place"/apt/cache/archives/*.deb; do
		dpkg -x "$deb" "$root" || fail "cannot unpack $deb"
	done
	touch "$place/.ready"
}

# The same sources as those of the packages, with musl.
musl_root() {
	local source
	local -a compiler=(musl-gcc -idirafter "$root/kernel")
	[ -e "$place/.ready" ] && return
	rm -rf "$place"
	mkdir -p "$root/kernel" "$root/usr/include" "$root/usr/lib/pkgconfig" "$place/apt/sources"
	ln -s /usr/include/linux /usr/include/asm-generic /usr/include/"$(gcc -print-multiarch)"/asm \
		"$root/kernel/"
	for source in /etc/apt/sources.list /etc/apt/sources.list.d/*; do
		[ ! -f "$source" ] ||
			sed 's/^deb /deb-src /; s/^Types:.*/Types: deb-src/' "$source" >"$place/apt/sources/${source##*/}"
	done
	apt_conf "$(dpkg --print-architecture)" 'Dir::Etc::sourcelist "/dev/null";' \
		"Dir::Etc::sourceparts \"$place/apt/sources\";"
	(cd "$place" && private_apt source --tar-only openssl jansson) >>"$place/apt.log" 2>&1 || {
		tail -n 5 "$place/apt.log"
		skip 'no sources of OpenSSL and jansson'
	}
	mkdir "$place/openssl" "$place/jansson"
	tar -xf "$place"/openssl_*.orig.tar.* -C "$place/openssl" --strip-components 1 &&
		tar -xf "$place"/jansson_*.orig.tar.* -C "$place/jansson" --strip-components 1 ||
		fail 'cannot unpack the sources'
	musl_openssl >"$place/openssl.log" 2>&1 || {
		tail -n 20 "$place/openssl.log"
		fail 'OpenSSL cannot be built'
	}
	musl_jansson || fail 'jansson cannot be built'
	touch "$place/.ready"
}

musl_openssl() (
	cd "$place/openssl" &&
		CC="${compiler[*]}" ./Configure "linux-$(uname -m)" no-tests no-engine no-afalgeng no-async \
			--prefix="$root/usr" --libdir=lib "-Wl,-rpath,$root/usr/lib" &&
		make -j"$(nproc)" build_sw && make install_sw install_ssldirs
)

musl_jansson() (
	cd "$place/jansson/src" && : >jansson_private_config.h && cp ../android/jansson_config.h . &&
		"${compiler[@]}" -O2 -fPIC -shared -DHAVE_STDINT_H -DHAVE_UNISTD_H -DHAVE_SYS_TIME_H \
			-DHAVE_GETTIMEOFDAY -DHAVE_LOCALE_H -I. -o "$root/usr/lib/libjansson.so" ./*.c &&
		cp jansson.h jansson_config.h "$root/usr/include/" &&
		printf '%s\n' 'Name: jansson' 'Description: jansson' 'Version: 2.14' \
			"Libs: -L$root/usr/lib -ljansson" "Cflags: -I$root/usr/include" \
			>"$root/usr/lib/pkgconfig/jansson.pc"
)

configure() { # FOLDER OPTION...
	local folder=$1
	shift
	printf "[constants]\nroot = '%s'\n" "$root" >"$place/root.ini"
	rm -rf "$folder"
	meson setup "$folder" --cross-file "$place/root.ini" \
		--cross-file "scripts/cross/$arch.ini" "$@" >"$place/setup.log" 2>&1 || {
		tail -n 20 "$place/setup.log"
		fail 'cannot be configured'
	}
}

build() {
	local -a options=(-Dwerror=true -Dtests=enabled -Dmbim=disabled -Dqmi=disabled "$@")
	compgen -G "$root/usr/lib/*/pkgconfig/criterion.pc" >/dev/null || options+=(-Dcriterion=plain)
	[ -f "$place/build/build.ninja" ] || configure "$place/build" "${options[@]}"
	ninja -C "$place/build" --quiet || fail 'cannot be built'
}

# The kernel starts the other machine's programs by qemu inside a user namespace, so that
# this machine's settings stay as they are. Several users are known there.
# shellcheck disable=SC2016 # expanded inside
inside_qemu='
	until grep -q " 65536$" /proc/self/gid_map; do sleep 0.05; done
	mount -t binfmt_misc none /proc/sys/fs/binfmt_misc &&
		cat "/usr/lib/binfmt.d/qemu-$1.conf" >/proc/sys/fs/binfmt_misc/register || exit 70
	shift
	exec "$@"
'
under_qemu() {
	local pid
	QEMU_LD_PREFIX=$root unshare --user --mount bash -c "$inside_qemu" inside "$@" &
	pid=$!
	until [ "$(readlink "/proc/$pid/ns/user")" != "$(readlink /proc/self/ns/user)" ]; do
		kill -0 "$pid" 2>/dev/null || break
		sleep 0.05
	done
	{ echo '0 0 65536' >"/proc/$pid/uid_map" && echo '0 0 65536' >"/proc/$pid/gid_map"; } 2>/dev/null ||
		kill "$pid" 2>/dev/null
	wait "$pid"
}

# The openssl of that machine is the first in PATH; the SIM is this machine's where it is built.
run_tests() {
	local status
	mkdir -p "$place/bin" "$output"
	ln -sfn ../root/usr/bin/openssl "$place/bin/openssl"
	rm -f "$place/build/meson-logs/testlog.json"
	[ ! -x build/softsim/iotsafe-softsim ] ||
		export E2E_SOFTSIM=$PWD/build/softsim/iotsafe-softsim
	PATH=$place/bin:$PATH "$@" meson test -C "$place/build" --no-rebuild --print-errorlogs \
		--timeout-multiplier 8 "${names[@]}"
	status=$?
	[ -f "$place/build/meson-logs/testlog.json" ] || return "$status"
	cp "$place/build/meson-logs/testlog.json" "$output/$arch.json"
}

# The names of the tests of the suite unit, and of the scripts.
names_of_tests() {
	mapfile -t names < <(meson test -C "$place/build" --list --suite unit 2>/dev/null |
		sed -n 's,.* / ,,p')
	names+=("${scripts[@]}")
}

# size TRIPLET OPTION...: of the module with one transport and no programs beside it
size() {
	local strip=$1-strip part
	local -a options=(-Doptimization=s -Db_lto=true -Dpcsc=disabled -Dat=enabled)
	for part in tests softsim tools enroll clouds bridge docs; do options+=("-D$part=disabled"); done
	shift
	configure "$place/size" "${options[@]}" "$@"
	ninja -C "$place/size" --quiet provider/iotsafe.so >&2 || fail 'cannot be built'
	"$strip" -o "$place/size/stripped.so" "$place/size/provider/iotsafe.so" &&
		stat -c %s "$place/size/stripped.so"
}

machine() { # TRIPLET QEMU
	if [ "$output" = --size ]; then
		need apt-get dpkg "$1-gcc"
		debian_root
		whole=$(size "$1") && small=$(size "$1" -Dprofile=minimal) || exit 1
		echo "| $arch | $whole | $small |"
		return
	fi
	need apt-get dpkg "$1-gcc" "qemu-$2-static" unshare
	[ "$(id -u)" -eq 0 ] || skip 'only root can make users known to a namespace'
	debian_root
	under_qemu "$2" true || skip 'no binfmt_misc in user namespaces (Linux 6.7 has it)'
	build
	"$1-strip" -o "$place/iotsafe.so" "$place/build/provider/iotsafe.so" &&
		echo "# module for $arch, stripped: $(stat -c %s "$place/iotsafe.so") bytes"
	names_of_tests
	run_tests under_qemu "$2"
}

case $arch in
arm64) machine aarch64-linux-gnu aarch64 ;;
armhf) machine arm-linux-gnueabihf arm ;;
s390x)
	# pcscd and its clients talk in the byte order of their machine, and this one's pcscd
	# would have to serve: only what goes over sockets.
	scripts=(exchanges)
	export E2E_READERS=no
	machine s390x-linux-gnu s390x
	;;
musl)
	need apt-get dpkg musl-gcc make perl
	musl_root
	scripts=(exchanges)
	export E2E_READERS=no
	build -Dpcsc=disabled
	names_of_tests
	run_tests
	;;
*) fail 'is not one of arm64, armhf, s390x, musl' ;;
esac
