#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# The command lines of README, the pages and the comments in conf/, as they stand there, with
# stand-ins for devices, hosts and the folders of the system. commands.py collects them; what
# cannot be run is in commands.txt.
# shellcheck source=tests/tools/lib.sh
. "$(dirname "$0")/lib.sh"
need bash sed
same_openssl openssl || skip_all "$WHY"
# Their shell runs all programs, and not all bear a sanitizer that is loaded in front.
[ "${E2E_SANITIZE:-none}" = none ] || skip_all 'not with sanitizers'
COLLECT=$E2E_SOURCE/tests/tools/commands.py
BLOCKS=$T/blocks
CA=desk
# What not every system has; a block that calls one of them is skipped where it is missing.
OPTIONAL=(curl flock jq socat tshark xxd)

collected() { /usr/bin/python3 "$COLLECT" "$E2E_SOURCE" "$BLOCKS" && [ -d "$BLOCKS/docs,iotsafe.1" ]; }

# A command that stands nowhere in a page's text, and one that no row explains.
collector_notices() {
	local page=$T/tree/docs/iotsafe.1
	mkdir -p "$T/tree" && cp -r "$E2E_SOURCE"/{README.md,CONTRIBUTING.md,SECURITY.md,docs,conf,scripts,tests} "$T/tree/" || return 1
	printf '.Bd -literal\niotsafe list\n.Ed\n' >>"$page"
	fails /usr/bin/python3 "$COLLECT" "$T/tree" "$T/noticed" &&
		matches "$ERR" '^docs/iotsafe\.1:[0-9]+: commands without a prompt' || return 1
	cp "$E2E_SOURCE/docs/iotsafe.1" "$page" && printf '.Dl $ iotsafe no-such-command\n' >>"$page"
	run /usr/bin/python3 "$COLLECT" "$T/tree" "$T/noticed" || return 1
	grep -rqx 'iotsafe no-such-command' "$T/noticed" || return 1
	sed -i -e 's/^podman run/podman-run/' -e '/^podman build/s,[^ ]*$,tests/tools/wait.sh,' "$T/tree/tests/tools/commands.txt"
	fails /usr/bin/python3 "$COLLECT" "$T/tree" "$T/noticed" &&
		matches "$ERR" '^commands\.txt:[0-9]+: .* has no such command: podman-run' &&
		matches "$ERR" '^commands\.txt:[0-9]+: tests/tools/wait\.sh has nothing to do with podman$'
}

# What the pages' commands find in the folder where they are run.
material() {
	mkdir "$T/bin" "$T/material" && cd "$T/material" || return 1
	ln -s "$TOOL" "$SOFTSIM" "$E2E_BUILD/bridge/iotsafe-bridge" "$T/bin/"
	# for what would change the system, or belongs to the reader
	printf '#!/bin/sh\n[ "$1" = reload ]\n' >"$T/bin/systemctl"
	printf '#!/bin/sh\n[ -f "$1" ]\n' >"$T/bin/install-update"
	# newer ones load no scripts when they are run by root
	# shellcheck disable=SC2016 # for that shell
	[ "$(id -u)" -ne 0 ] || printf '#!/bin/sh\nexec setpriv --reuid 65534 --regid 65534 --clear-groups %s "$@"\n' \
		"$(command -v tshark)" >"$T/bin/tshark"
	# those of the system, on the page's folder in place of the system
	local program
	for program in systemd-sysusers:--root systemd-tmpfiles:--root usermod:--prefix groupadd:--prefix; do
		printf '#!/bin/sh\nPATH=%s; exec %s %s "$SYSTEM" "$@"\n' "$PATH" "${program%:*}" "${program#*:}" >"$T/bin/${program%:*}"
	done
	chmod +x "$T"/bin/*
	cp "$CONF/wireshark/iotsafe.lua" . && echo text >log && head -c 5000 /dev/urandom >image || return 1
	start_sim desk && server_certificate server || return 1
	cp "$T/server.csr" "$T/server.key" . && cp "$T/desk/store/ca.pem" . && cp "$T/server.pem" maker.pem &&
		cp server.key new.key && openssl x509 -in maker.pem -outform DER -out new-cert.der || return 1
	openssl dgst -sha256 -sign server.key -out image.sig image
	tool desk pubkey "$key" >client.pub
	stop desk
}

# folder_for PAGE: with a SIM of its own, on a socket and in a modem. Sets WHERE, SIM.
folder_for() {
	WHERE=$T/on-$1
	SIM=sim-$1
	cp -r "$T/material" "$WHERE" && mkdir -p "$WHERE"/{dev/serial/by-id,run/iotsafe,run/iotsafe-bridge,run/sim,tmp,traces} \
		"$WHERE"/etc/{iotsafe,mosquitto,nginx,systemd/system,sysusers.d,tmpfiles.d} "$WHERE"/usr/lib || return 1
	cp -r "$CONF/sysusers.d" "$CONF/tmpfiles.d" "$WHERE/usr/lib/" && for user in mosquitto www-data USER; do
		echo "$user:x:12345:12345::/:/bin/false" >>"$WHERE/etc/passwd"
	done
	mkdir "$T/$SIM" && cp -r "$T/desk/store" "$T/$SIM/store" || return 1 # the same key and CA
	start_sim "$SIM" gsma-strict --at "$WHERE/dev/ttyUSB2" || return 1
	ln -s ttyUSB2 "$WHERE/dev/iotsafe-modem"
	ln -s ../../ttyUSB2 "$WHERE/dev/serial/by-id/usb-Quectel_EG25-G-if02-port0"
	ln -sf "$T/$SIM/sim.sock" "$WHERE/run/iotsafe-bridge/modem.sock" # systemd's
	openssl pkey -in "$WHERE/server.key" -pubout -out "$T/update.pub" && admin "$SIM" put-key update-key "$T/update.pub" &&
		admin "$SIM" put-key server-key "$WHERE/server.key" && admin "$SIM" put-file server-cert "$WHERE/new-cert.der" --usage cert || return 1
	configure "transport = $(socket_of "$SIM")"
	# what other commands of the page, or of another, have made
	tool "$SIM" cert "$key" >"$WHERE/client-cert.pem" && tool "$SIM" key-ref "$key" >"$WHERE/etc/mosquitto/key.pem" &&
		tool "$SIM" sign "$key" "$WHERE/log" >"$WHERE/log.sig" || return 1
	openssl dgst -sha256 -sign "$WHERE/server.key" -out "$WHERE/log.update.sig" "$WHERE/log" || return 1
	IOTSAFE_TRACE=pcap:$WHERE/trace.pcap tool "$SIM" list >/dev/null &&
		chmod 711 "$T" && chmod 755 "$WHERE" && chmod 644 "$WHERE/trace.pcap" "$WHERE/iotsafe.lua"
}

# Devices, hosts and the system's folders, as they are here.
stand_ins() {
	sed -E -e "s,(^|[ :=<>])(/(etc|run|tmp|dev/(ttyUSB2|iotsafe-modem|serial)))\b,\1$WHERE\2,g" \
		-e "s,[^ ]*mbim:/dev/cdc-wdm0|--transport pcsc\b,--transport $(socket_of "$SIM"),g;s,--transport --transport,--transport," \
		-e "s,(--group|install .*-g) iotsafe\b,\1 $(id -gn),g;s,--as mosquitto\b,--as $(id -un),g" \
		-e "s,\bbroker:8883\b,localhost:${PORT_OF[broker]},g" \
		-e "/update-key.*dgst|dgst.*update-key/s,log\.sig,log.update.sig,"
}

# A SIM whose operator's side a block uses without saying how it was started.
the_operators() {
	# shellcheck disable=SC2016 # for that shell
	! grep -q 'admin admin\.sock' "$1" || grep -q -e --admin "$1" || echo 'iotsafe-softsim run --store sim \
		--listen unix:sim.sock --admin unix:admin.sock >/dev/null & until [ -e admin.sock ]; do kill -0 $!; sleep 0.1; done'
}

run_block() { # FILE
	local program
	for program in "${OPTIONAL[@]}"; do
		! grep -qw "$program" "$1" || have "$program" || return 77
	done
	if grep -q -e --as "$1" && [ "$(id -u)" -ne 0 ]; then
		WHY='only root can be another user'
		return 77
	fi
	if grep -qE "$OF_SYSTEM" "$1" && [ "$(id -u)" -ne 0 ]; then
		WHY='only root can make users and folders of the system'
		return 77
	fi
	if grep -q '^iotsafe-bridge\|iotsafe-bridge --' "$1" && [ ! -x "$E2E_BUILD/bridge/iotsafe-bridge" ]; then
		WHY='built without the bridge'
		return 77
	fi
	{
		# shellcheck disable=SC2016 # for that shell
		echo 'set -eo pipefail; trap '\''status=$?; set +e; kill $(jobs -p) 2>/dev/null; wait; exit $status'\'' EXIT'
		the_operators "$1"
		stand_ins <"$1"
	} >"$T/block"
	cat "$T/block"
	cd "$WHERE" || return 1
	PATH=$T/bin:$PATH SYSTEM=$WHERE run mod env -u IOTSAFE_TRANSPORT bash "$T/block" || return 1
	lacks "$ERR" '(^|[^_])[Ee]rror:' && system_is_so "$1"
}

# What a block says of groups, users and folders is so in the page's system.
OF_SYSTEM='systemd-sysusers|systemd-tmpfiles|usermod|groupadd'
system_is_so() { # FILE
	local user
	! grep -qE "$OF_SYSTEM" "$1" || matches "$WHERE/etc/group" '^iotsafe:' || return 1
	! grep -q systemd-sysusers "$1" || matches "$WHERE/etc/group" '^iotsafe:.*[:,]iotsafe-bridge(,|$)' || return 1
	! grep -q '/run/iotsafe$\|systemd-tmpfiles' "$1" || equal "$(stat -c %a "$WHERE/run/iotsafe")" 2770 'mode of the lock folder' || return 1
	! grep -q systemd-tmpfiles "$1" ||
		equal "$(stat -c %g "$WHERE/run/iotsafe")" "$(awk -F : '$1 == "iotsafe" { print $3 }' "$WHERE/etc/group")" 'its group' || return 1
	for user in $(sed -n 's/.*usermod .* iotsafe \([^ ]*\).*/\1/p' "$1"); do
		matches "$WHERE/etc/group" "^iotsafe:.*[:,]$user(,|\$)" || return 1
	done
}

run_page() { # FOLDER OF BLOCKS
	local page=${1##*/} block
	it "${page//,//}: a SIM for it" folder_for "${page//[^a-z0-9]/-}"
	for block in "$1"/*.sh; do
		it "${page//,//}:$(basename "$block" .sh | sed 's/^0*//'): $(head -n 1 "$block" | cut -c 1-60 | tr -d '#\\')" run_block "$block"
	done
	stop "$SIM"
}

it 'every command line is run, or has its reason' collected
it 'a command line that is neither is noticed' collector_notices
it 'what they find where they are run' material
start_s_server broker -cert "$T/server.pem" -key "$T/server.key" -CAfile "$T/desk/store/ca.pem" >/dev/null
for page in "$BLOCKS"/*/; do run_page "${page%/}"; done
done_testing
