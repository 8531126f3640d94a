#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# Runs the tests in another Debian, with its OpenSSL and its programs:
# scripts/chroot.sh NAME OUTPUT [OPTION...]
#
# NAME is a release, as trixie (OpenSSL 3.5) or forky (3.6), or RELEASE+experimental:
# that release with the openssl of experimental (4.0).
#
# Makes a chroot in build-NAME/ (once; it stays for the next run), copies the sources
# there, builds them and runs scripts/test.sh with the options (--suite NAME ...); then
# the end-to-end suite again with the module that was built here, if the chroot's OpenSSL
# has the same ABI. The results of both go to the folder OUTPUT as *.json. Root only.
set -u
cd "$(dirname "$0")/.." || exit 1
usage='usage: scripts/chroot.sh NAME OUTPUT [OPTION...]'
name=${1:?$usage}
output=$(realpath -m "${2:?$usage}")
shift 2
release=${name%+experimental}
root=$PWD/build-$name/root

# shellcheck source=scripts/chroot-lib.sh
. scripts/chroot-lib.sh
# The libraries of the release that use libcrypto stay with the older one, as Criterion's
# libgit2 does; the linker warns of both in one program, where versioned symbols keep
# them apart.
ldflags=
case $name in *+experimental) ldflags=-Wl,--no-fatal-warnings ;; esac

# What comes from experimental must be asked for by name.
add_experimental() {
	echo "deb $(mirror) experimental main" >"$root/etc/apt/sources.list.d/experimental.list"
	logged 'apt-get update' inside apt-get -q update
	logged 'the installation of openssl from experimental' inside apt-get -q -y \
		--no-install-recommends install -t experimental libssl-dev openssl
}

make_root() {
	[ -e "$root/.ready" ] && return
	bootstrap
	case $name in *+experimental) add_experimental ;; esac
	touch "$root/.ready"
}

# Sources as they are in the working tree, without what git does not know. With the time
# of now: what was edited while the last build ran would look older than that.
copy_sources() {
	mkdir -p "$root/src" "$root/vectors"
	find "$root/src" -mindepth 1 -maxdepth 1 ! -name build -exec rm -rf {} +
	git ls-files -z --cached --others --exclude-standard | tar -c --null -T - | tar -x -m -C "$root/src" ||
		fail 'cannot copy the sources'
	[ ! -d ../shared/vectors ] || cp -r ../shared/vectors/. "$root/vectors/"
	[ ! -f build/provider/iotsafe.so ] || cp build/provider/iotsafe.so "$root/other-module.so"
}

run_suites() {
	rm -f "$root/src/build/results.json" # of an earlier run
	inside /bin/bash -c 'cd /src && scripts/test.sh --no-sanitize --no-clang "$@"' suites "$@"
	cp "$root/src/build/results.json" "$output/$name.json"
}

# The version of libcrypto's ABI that a file in the chroot wants.
abi_of() { inside ldd "$1" | sed -n 's/^\s*libcrypto\.so\.\([0-9]*\) .*/\1/p'; }

# The module of the older OpenSSL under the newer one.
run_other_module() {
	local wanted there
	[ -f "$root/other-module.so" ] || return 0
	case " $* " in '  ' | *' e2e '*) ;; *) return 0 ;; esac # other suites were asked for
	wanted=$(abi_of /other-module.so)
	there=$(abi_of /usr/bin/openssl)
	if [ "$wanted" != "$there" ]; then
		echo "skipped: the module built here is for libcrypto.so.$wanted, $name has libcrypto.so.$there"
		return 0
	fi
	inside /bin/bash -c 'cd /src && cp /other-module.so build/provider/iotsafe.so &&
		meson test -C build --no-rebuild --print-errorlogs --suite e2e'
	rm "$root/src/build/provider/iotsafe.so" # to be linked again by the next run
	cp "$root/src/build/meson-logs/testlog.json" "$output/$name-other-module.json"
}

mkdir -p "$output"
make_root
copy_sources
logged 'apt-get update' inside apt-get -q update
run_suites "$@" || fail 'no results'
run_other_module "$@" || fail 'no results with the module built here'
