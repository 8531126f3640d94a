#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# packaging/ for other distributions: the init script for OpenWrt by busybox's shell, with
# openwrt/rc.common in the place of procd, and what recipes repeat of the tree.
# shellcheck source=../e2e/lib.sh
. "$(dirname "$0")/../e2e/lib.sh"
need busybox md5sum
[ "$E2E_SANITIZE" = none ] || skip_all 'has nothing to do with sanitizers'

HERE=$(realpath "$(dirname "$0")")
PACKAGING=$E2E_SOURCE/packaging
INIT=$PACKAGING/openwrt/files/iotsafe.init
RECIPES=(
	"$PACKAGING"/yocto/meta-iotsafe/recipes-security/iotsafe/iotsafe_*.bb
	"$PACKAGING/openwrt/Makefile" "$PACKAGING/buildroot/iotsafe.mk" "$PACKAGING/alpine/APKBUILD"
	"$PACKAGING/Containerfile"
)

# init CONFIG ACTION: what was asked of procd is in $T/calls.
init() {
	: >"$T/calls"
	run env CONFIG="$1" CALLS="$T/calls" busybox ash "$HERE/openwrt/rc.common" "$INIT" "$2" &&
		equal "$(cat "$ERR")" '' 'standard error'
}

shipped() {
	init "$PACKAGING/openwrt/files/iotsafe.config" start && matches "$T/calls" '^config_load iotsafe$' &&
		lacks "$T/calls" '^open'
}

cat >"$T/config" <<'CONFIG'
config bridge 'first'
	option enabled '1'
	option transport 'pcsc:A Reader $(touch made) 00'
	option group 'users'
	option mode '0600'
	option aid 'A000000559'
	option quirks 'x,y'
	option timeout_ms '5000'
config other 'unrelated'
	option enabled '1'
	option transport 'at'
config bridge 'off'
	option enabled '0'
	option transport 'at'
config bridge 'nowhere'
	option enabled 'on'
config bridge 'second'
	option enabled 'yes'
	option transport 'at'
CONFIG
cat >"$T/wanted" <<'CALLS'
mkdir -p -m 0755 /var/run/iotsafe-bridge
mkdir -p -m 0700 /var/run/iotsafe
config_load iotsafe
open first
set command
/usr/bin/iotsafe-bridge
--listen
unix:/var/run/iotsafe-bridge/first.sock
--lock-dir
/var/run/iotsafe
--transport
pcsc:A Reader $(touch made) 00
--group
users
--mode
0600
--aid
A000000559
--quirks
x,y
--timeout-ms
5000
set respawn
set stderr
1
close
log -t iotsafe -p daemon.err bridge 'nowhere' has no option 'transport'
open second
set command
/usr/bin/iotsafe-bridge
--listen
unix:/var/run/iotsafe-bridge/second.sock
--lock-dir
/var/run/iotsafe
--transport
at
set respawn
set stderr
1
close
CALLS

starts() { init "$T/config" start && run diff "$T/wanted" "$T/calls"; }
triggers() { init "$T/config" triggers && equal "$(cat "$T/calls")" 'trigger iotsafe' calls; }

# The page's commands on the file as it is shipped, with a `uci set` for sections that are there.
uci() {
	local section option value
	[ "$1" != commit ] || return 0
	IFS=.= read -r _ section option value <<<"$2"
	grep -q "^config bridge '$section'" "$T/set" &&
		sed -i "/^config bridge '$section'/,/^config/s,^\toption $option .*,\toption $option '$value'," "$T/set" &&
		matches "$T/set" "^	option $option '$value'\$"
}
by_the_page() {
	local command
	DOC=$E2E_SOURCE/docs/distributions.md
	cp "$PACKAGING/openwrt/files/iotsafe.config" "$T/set" && block 'OpenWrt settings' >"$T/page" && [ -s "$T/page" ] || return 1
	: >"$T/calls"
	while read -ra command; do
		case ${command[0]} in
		uci) uci "${command[@]:1}" ;;
		/etc/init.d/iotsafe) init "$T/set" "${command[1]}" ;;
		'') ;;
		*) false ;;
		esac || { echo "fails: ${command[*]}"; return 1; }
	done <"$T/page"
	matches "$T/calls" '^open modem$' && matches "$T/calls" '^at:/dev/ttyUSB2$' &&
		matches "$T/calls" "^$(grep -oE 'socket:[^ \`]*/modem.sock' "$DOC" | head -n 1 | sed 's/socket/unix/')\$"
}

known_options() {
	local bridge=$E2E_BUILD/bridge/iotsafe-bridge option
	[ -x "$bridge" ] || {
		WHY='iotsafe-bridge is not built'
		return 77
	}
	run "$bridge" --help || return 1
	while read -r option; do
		matches "$OUT" "(^|[ ,])$option( |,|$)" || return 1
	done < <(grep '^--' "$T/wanted" | sort -u)
}

# Options of meson and their values are those of the tree.
meson_options() {
	local recipe option
	for recipe in "${RECIPES[@]}"; do
		[ -f "$recipe" ] || { echo "no $recipe"; return 1; }
		for option in $(grep -oE -e '-D[a-z][a-z_]+=' "$recipe" | sort -u); do
			option=${option#-D}
			grep -q "^option('${option%=}'" "$E2E_SOURCE/meson_options.txt" ||
				{ echo "${recipe##*/}: no option ${option%=}"; return 1; }
		done
	done
}

# What `podman build` makes the image of: the module of the same options, and the files that the
# image names. It has the one transport.
image() {
	local -a options
	have meson ninja openssl || return 77
	mapfile -t options < <(sed -n '/^RUN meson setup/,/meson install/p' "$PACKAGING/Containerfile" | grep -oE -e '(--|-D)[a-z_]+=[^ ]+')
	run env -u MESON_BUILD_ROOT -u MESON_SOURCE_ROOT meson setup "$T/image" "$E2E_SOURCE" "${options[@]}" &&
		run env DESTDIR="$T/place" meson install -C "$T/image" --quiet || return 1
	[ -f "$T/place$(sed -n 's/.*\.include \([^\\]*\).*/\1/p' "$PACKAGING/Containerfile")" ] || return 1
	module_env=("OPENSSL_MODULES=$(dirname "$(find "$T/place" -name iotsafe.so)")")
	read -ra command < <(sed -n 's/^CMD \[\(.*\)\]/\1/p' "$PACKAGING/Containerfile" | tr -d '",')
	run mod "${command[@]}" && matches "$OUT" '^  iotsafe' || return 1
	for transport in pcsc at:/dev/null; do
		fails mod env "IOTSAFE_TRANSPORT=$transport" openssl pkey -provider default -provider iotsafe -in iotsafe://id=01 -noout &&
			matches "$ERR" 'unknown kind of transport; this build has socket:$' || return 1
	done
}

same_version() {
	local version md5
	version=$(sed -n "s/^ *version: '\(.*\)',/\1/p" "$E2E_SOURCE/meson.build")
	md5=$(md5sum <"$E2E_SOURCE/LICENSE")
	matches "$PACKAGING/openwrt/Makefile" "^PKG_VERSION:=$version\$" &&
		matches "$PACKAGING/buildroot/iotsafe.mk" "^IOTSAFE_VERSION = $version\$" &&
		matches "$PACKAGING/alpine/APKBUILD" "^pkgver=$version\$" &&
		equal "${RECIPES[0]##*/}" "iotsafe_$version.bb" recipe &&
		matches "${RECIPES[0]}" "md5=${md5%% *}\""
}

parses() { run busybox ash -n "$INIT" && run busybox ash -n "$PACKAGING/alpine/APKBUILD"; }

it 'OpenWrt: nothing starts before the file says so' shipped
it 'OpenWrt: an instance for each bridge that is enabled' starts
it 'OpenWrt: a change of the file restarts' triggers
it 'OpenWrt: the commands of the page start the bridge that it speaks of' by_the_page
it 'OpenWrt: the options are those of iotsafe-bridge' known_options
it 'recipes: options are those of the tree' meson_options
it 'container: the image has what it names, and one transport' image
it 'recipes: version and licence are those of the tree' same_version
it 'shell parts can be parsed' parses
done_testing
