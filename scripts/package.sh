#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# Builds the Debian packages of packaging/debian from the working tree:
# scripts/package.sh [OPTION...]
#   --output FOLDER    where they go, with the log of the build (build-package)
#   --version VERSION  another version than that of the changelog
#   --lintian          looks for faults in the packages, and in the log for flags that are
#                      missing (lintian, blhc)
#   --twice            builds once more, in another folder at another time and with another
#                      umask, and compares all bytes
# No test is run. Root alone may install what is missing for it; else anybody may build.
set -u
cd "$(dirname "$0")/.." || exit 1

usage() {
	sed -n '3,/^set/{/^set/d;s/^# \?//;p}' "$0"
}

output=build-package
version=
lintian=no
twice=no
while [ $# -gt 0 ]; do
	case $1 in
	--output) output=${2:?a folder is missing} && shift ;;
	--version) version=${2:?a version is missing} && shift ;;
	--lintian) lintian=yes ;;
	--twice) twice=yes ;;
	--help | -h) usage && exit 0 ;;
	*) usage >&2 && exit 2 ;;
	esac
	shift
done

fail() {
	echo "package: $*" >&2
	exit 1
}

output=$(realpath -m "$output")
mkdir -p "$output" || exit 1
# What a package is made in belongs to this run.
work=$(mktemp -d "$output/work.XXXXXX") || exit 1
trap 'rm -rf "$work"' EXIT

first_line=$(head -n 1 packaging/debian/changelog)
upstream=$(sed -n "s/^ *version: '\(.*\)',/\1/p" meson.build)
[[ $first_line == "iotsafe ($upstream-"* ]] ||
	fail "meson.build has version $upstream, packaging/debian/changelog begins with: $first_line"

# In a checkout what git knows, and what is new; else everything but builds.
sources() {
	if git rev-parse --is-inside-work-tree >/dev/null 2>&1; then
		git ls-files -z --cached --others --exclude-standard
	else
		find . -mindepth 1 \( -path './build*' -o -path ./.git \) -prune -o ! -type d -print0
	fi
}

# prepare FOLDER: the sources, with debian/ where it has to be.
prepare() {
	mkdir -p "$1" && sources | tar -c --null -T - | tar -x -C "$1" && cp -R "$1/packaging/debian" "$1/debian" || return 1
	[ -n "$version" ] || return 0
	{
		printf 'iotsafe (%s) unstable; urgency=medium\n\n  * A build with this version.\n\n' "$version"
		sed '/^ -- /q' "$1/packaging/debian/changelog" | tail -n 1
		echo
		cat "$1/packaging/debian/changelog"
	} >"$1/debian/changelog"
}

# build FOLDER: one copy of the sources; packages and log are beside it afterwards.
build() {
	echo "Builds in $1"
	prepare "$1" && (
		cd "$1" && DEB_BUILD_OPTIONS="nocheck parallel=$(nproc)" DEB_BUILD_PROFILES=nocheck \
			dpkg-buildpackage -us -uc -b
	) >"$1.log" 2>&1 && return
	tail -n 30 "$1.log"
	fail 'the build failed'
}

# Later, elsewhere, and as somebody with other habits.
compare() {
	local package status=0
	(
		umask 077
		LC_ALL=C.UTF-8 TZ=Asia/Kolkata build "$work/second/another-folder"
	) || exit 1
	for package in "$work"/first/*.deb; do
		cmp "$package" "$work/second/${package##*/}" || status=1
	done
	[ "$status" -eq 0 ] || fail 'two builds differ'
	echo 'Both builds are equal, byte for byte'
}

# flaws TOOL COMMAND...: what a tool says is a fault, also where its status is 0.
flaws() {
	local tool=$1 found
	shift
	command -v "$tool" >/dev/null || {
		echo "skipped: $tool is not installed"
		return 0
	}
	found=$("$@" 2>&1) && [ -z "$found" ] && echo "$tool finds nothing" && return
	tail -n 40 <<<"$found" | cut -c -200
	fail "$tool finds something"
}

scripts/deps.sh package
mkdir -p "$work/first" "$work/second"
build "$work/first/iotsafe"
if [ "$lintian" = yes ]; then
	flaws lintian lintian --allow-root --pedantic --display-info --fail-on=error,warning,info,pedantic \
		"$work"/first/*.changes
	# PIE is the default of the compiler: no flag says so.
	flaws blhc blhc --bindnow "$work/first/iotsafe.log"
fi
[ "$twice" = no ] || compare
find "$output" -maxdepth 1 -type f \( -name '*.deb' -o -name '*.changes' -o -name '*.buildinfo' \) -delete
mv "$work"/first/*.{deb,changes,buildinfo} "$output/"
mv "$work/first/iotsafe.log" "$output/build.log"
ls -l "$output"/*.deb | awk '{ sub(".*/", "", $NF); print $5, $NF }'
