#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# Runs the tests in another Debian: scripts/chroot.sh RELEASE OUTPUT
#
# Makes a chroot in build-RELEASE/ (once; it stays for the next run), copies the
# sources there, builds them and runs every suite with that release's OpenSSL and
# programs; then the end-to-end suite again with the module that was built here.
# The results of both go to the folder OUTPUT as *.json. Root only.
set -u
cd "$(dirname "$0")/.." || exit 1
release=${1:?usage: scripts/chroot.sh RELEASE OUTPUT}
output=$(realpath -m "${2:?usage: scripts/chroot.sh RELEASE OUTPUT}")
root=$PWD/build-$release/root

fail() {
	echo "chroot: $*" >&2
	exit 1
}

[ "$(id -u)" -eq 0 ] || fail 'only root can make one'
command -v debootstrap >/dev/null || fail 'the package debootstrap is missing'

make_root() {
	[ -e "$root/.ready" ] && return
	rm -rf "$root"
	mkdir -p "$root"
	debootstrap --variant=minbase "$release" "$root" >"$root.log" 2>&1 || {
		tail -n 20 "$root.log"
		fail "debootstrap $release failed"
	}
	touch "$root/.ready"
}

# Sources as they are in the working tree, without what git does not know.
copy_sources() {
	rm -rf "$root/src"
	mkdir -p "$root/src" "$root/vectors"
	git ls-files -z --cached --others --exclude-standard | tar -c --null -T - | tar -x -C "$root/src" ||
		fail 'cannot copy the sources'
	[ ! -d ../shared/vectors ] || cp -r ../shared/vectors/. "$root/vectors/"
	[ ! -f build/provider/iotsafe.so ] || cp build/provider/iotsafe.so "$root/other-module.so"
}

# In a mount namespace of its own, so that nothing stays mounted.
inside() {
	# shellcheck disable=SC2016 # expanded inside
	unshare --mount --propagation private /bin/bash -c '
		root=$1
		shift
		mount -t proc proc "$root/proc" && mount --rbind /dev "$root/dev" &&
			mount --rbind /sys "$root/sys" && cp /etc/resolv.conf "$root/etc/resolv.conf" &&
			exec chroot "$root" /usr/bin/env -i PATH=/usr/sbin:/usr/bin:/sbin:/bin HOME=/root LC_ALL=C.UTF-8 \
				DEBIAN_FRONTEND=noninteractive IOTSAFE_VECTORS=/vectors "$@"
	' inside "$root" "$@"
}

run_suites() {
	inside /bin/bash -c 'cd /src && scripts/test.sh --no-sanitize --no-clang'
	cp "$root/src/build/results.json" "$output/$release.json"
}

# The module of the older OpenSSL under the newer one.
run_other_module() {
	[ -f "$root/other-module.so" ] || return 0
	inside /bin/bash -c 'cd /src && cp /other-module.so build/provider/iotsafe.so &&
		meson test -C build --no-rebuild --print-errorlogs --suite e2e'
	cp "$root/src/build/meson-logs/testlog.json" "$output/$release-other-module.json"
}

mkdir -p "$output"
make_root
copy_sources
inside apt-get -q update >"$root.log" 2>&1 || {
	tail -n 20 "$root.log"
	fail 'apt-get update failed in the chroot'
}
run_suites || fail 'no results'
run_other_module || fail 'no results with the module built here'
