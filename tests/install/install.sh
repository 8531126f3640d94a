#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# `meson install` with DESTDIR installs what files.txt lists and nothing else, and
# `ninja uninstall` leaves nothing of it.
#
# From the build (meson.build here):
#   INSTALL_PARTS   the parts that this build has, as files.txt names them
#   INSTALL_PLACES  lines NAME=FOLDER, for @NAME@ in files.txt
# shellcheck source=../e2e/lib.sh
. "$(dirname "$0")/../e2e/lib.sh"
need meson ninja

# What ninja would bring up to date here is not ours to judge.
ninja -C "$E2E_BUILD" -n uninstall 2>/dev/null | grep -qi 'regenerat' &&
	skip_all 'the build folder is older than meson.build'

PLACE=$T/place

expected() {
	local -a words
	local part file name
	while read -ra words; do
		file=${words[-1]}
		for part in "${words[@]::${#words[@]}-1}"; do
			[[ " $INSTALL_PARTS " == *" $part "* ]] || continue 2
		done
		name=${file#@}
		name=${name%%@*}
		echo "$(sed -n "s,^$name=,,p" <<<"$INSTALL_PLACES")${file#@"$name"@}"
	done < <(grep -v '^#' "$(dirname "$0")/files.txt") | sort
}

installed() { find "$PLACE" -mindepth 1 ! -type d -printf '/%P\n' | sort; }

install() {
	# shellcheck disable=SC2030 # meson's tests have it from their caller
	run env -u MESON_BUILD_ROOT meson install -C "$E2E_BUILD" --no-rebuild --quiet --destdir "$PLACE" || return 1
	run diff <(expected) <(installed)
}

# Programs are started by units from where they are.
units() {
	local folder bin
	[[ " $INSTALL_PARTS " == *' systemd '* ]] || {
		WHY='the units are not installed'
		return 77
	}
	folder=$PLACE$(sed -n 's/^systemd=//p' <<<"$INSTALL_PLACES")
	bin=$(sed -n 's/^bin=//p' <<<"$INSTALL_PLACES")
	run grep -h '^ExecStart=' "$folder/iotsafe-bridge@.service" "$folder/iotsafe-watch@.service" \
		"$folder/iotsafe-verify@.service" &&
		lacks <(grep -v "^ExecStart=$bin/iotsafe" "$OUT") .
}

# One that has no user of its own, since it writes for others, has no capability either.
hardened() {
	local unit exposure
	have systemd-analyze || return 77
	for unit in "$E2E_SOURCE"/conf/*.service; do
		run systemd-analyze security --no-pager --offline=true "$unit"
		exposure=$(sed -n 's/.*Overall exposure level for .*: \([0-9.]*\) .*/\1/p' "$OUT")
		[ -n "$exposure" ] && awk "BEGIN { exit !($exposure <= 2.0) }" || {
			WHY="${unit##*/} has an exposure of ${exposure:-nothing that can be read}, more than 2.0"
			return 1
		}
	done
}

# Each file is in one of the packages, whose version is ours.
packages() {
	local debian=$E2E_SOURCE/packaging/debian version file
	[ -d "$debian" ] || {
		WHY='packaging/debian is not here'
		return 77
	}
	version=$(sed -n "s/^ *version: '\(.*\)',/\1/p" "$E2E_SOURCE/meson.build")
	matches "$debian/changelog" "^iotsafe \\($version-" || return 1
	cat "$debian"/rules "$debian"/*.install >"$T/packaged"
	for file in $(sed -n 's,^[^#].*/,,p' "$(dirname "$0")/files.txt"); do
		matches "$T/packaged" "/${file//./\\.}( |\$)" || return 1
	done
}

loads() {
	local modules
	modules=$PLACE$(sed -n 's/^modules=//p' <<<"$INSTALL_PLACES")
	run patiently env "OPENSSL_MODULES=$modules" "${PRELOAD[@]}" openssl list -provider iotsafe -providers &&
		matches "$OUT" 'status: active'
}

uninstall() {
	run ninja -C "$E2E_BUILD" uninstall || return 1
	equal "$(installed)" '' 'what is left'
}

it 'what is installed is what is listed' install
it 'units start the programs that are installed' units
it 'units have no more rights than they need' hardened
it 'the Debian packages have all of it' packages
it 'the module that is installed loads' loads
it 'uninstall leaves nothing' uninstall
done_testing
