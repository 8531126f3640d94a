#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# A program in a container such as `podman run --volume` makes, which has the bridge's socket and
# no device; and rules of AppArmor.
# shellcheck source=lib.sh
. "$(dirname "$0")/lib.sh"
program 'curl in a container' curl curl unshare
[ "$(id -u)" -eq 0 ] && unshare -m true 2>/dev/null || skip_all 'mounts of our own are not permitted here'
[ -x "$E2E_BUILD/bridge/iotsafe-bridge" ] || skip_all 'the bridge was not built'

# The folder /run/sim is the tests': it exists in a name space of mounts of their own.
client() {
	mkdir -p "$T/sim-folder" && rm -f "$T/sim-folder/socket" || return 1
	spawn bridge "$E2E_BUILD/bridge/iotsafe-bridge" --transport "$(socket_of sim)" --listen "unix:$T/sim-folder/socket"
	started "$SPAWNED" test -S "$T/sim-folder/socket" && chmod 777 "$T/sim-folder/socket" || return 1
	tls_server "$1" && configuration programs/container.sh "s,https://server.example,https://localhost:$PORT," \
		"s,mount --bind /run/sim,mount --bind $T/sim-folder," || return 1
	configure 'transport = socket:/run/sim/socket'
	run mod sh "$T/container.sh" --silent --show-error "--tlsv$1" --tls-max "$1"
	configure "transport = $(socket_of sim)"
	matches "$OUT" '^Client certificate' && server_saw_us
}

apparmor() {
	have apparmor_parser || return 77
	configuration programs/apparmor && printf '%s\n' 'include <tunables/global>' 'profile test /usr/bin/test {' \
		"include \"$T/apparmor\"" '}' >"$T/profile" && run apparmor_parser --skip-kernel-load --skip-cache "$T/profile"
}

it 'AppArmor understands the rules' apparmor
runs client '1.2 1.3' 'standard error' client
done_with_program
