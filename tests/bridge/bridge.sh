#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# iotsafe-bridge as its users meet it: stock programs with the module in front, a
# software SIM, a reader, and modems of both kinds behind it.
# shellcheck source=../e2e/lib.sh
. "$(dirname "$0")/../e2e/lib.sh"
need openssl setpriv
BRIDGE=$E2E_BUILD/bridge/iotsafe-bridge
FAKES=$E2E_BUILD/tests/bridge
configure
key=iotsafe://label=client-key
providers=(-provider default -provider iotsafe)

bridge_socket() { echo "$T/$1.sock"; }

# start_bridge NAME TRANSPORT [OPTION...]: serves at $T/NAME.sock.
start_bridge() {
	local name=$1 transport=$2
	shift 2
	: >"$T/$name.log" # so that we wait for this one
	spawn "$name" "$BRIDGE" --transport "$transport" --listen "unix:$(bridge_socket "$name")" "$@"
	PID_OF[$name]=$SPAWNED
	started "$SPAWNED" grep -q 'serving' "$T/$name.log"
}

# through NAME: programs use that bridge from now on.
through() { export IOTSAFE_TRANSPORT=socket:$T/$1.sock; }

# eight NAME: processes that sign at the same time.
eight() {
	local i status=0
	local -a pids=()
	for i in 1 2 3 4 5 6 7 8; do
		: >"$T/holder$i.log"
		spawn_hold "holder$i" -n 5 "$1"
		pids+=("$SPAWNED")
	done
	for i in "${pids[@]}"; do ended "$i" || status=1; done
	[ "$status" -eq 0 ] || return 1
	equal "$(cat "$T"/holder?.log | grep -c 'verified OK$')" 8 'processes that signed'
}

sign_and_list() {
	hold -n 3 "$key" && matches "$OUT" 'verified OK$' || return 1
	run mod "$TOOL" list && matches "$OUT" "$key|label=client-key;type=private"
}

# ------------------------------------------------------------- software SIMs

profile() { # PROFILE [AID]
	local name=sim-$1
	[ -z "${2:-}" ] || export IOTSAFE_AID=$2
	start_sim "$name" "$1" && start_bridge "bridge-$1" "$(socket_of "$name")" || return 1
	through "bridge-$1"
	eight "$key" && sign_and_list || return 1
	equal "$(grep -c '"ins":"MANAGE CHANNEL"' "$T/$name/exchanges.json")" 1 'channels opened' || return 1
	unset IOTSAFE_AID
	end "${PID_OF[bridge-$1]}" && stop "$name"
}

# A server that demands a certificate of this SIM's CA.
start_server() { # SIM
	CA=$1
	server_certificate "server-$1" &&
		start_s_server "server-$1" -cert "$T/server-$1.pem" -key "$T/server-$1.key"
}

prepare() {
	start_sim sim gsma-strict && start_bridge bridge "$(socket_of sim)" && start_server sim &&
		credentials sim "$T/pem"
}

handshake() { # SIM VERSION KEY CERTIFICATE
	INPUT=$REQUEST run mod openssl s_client -ign_eof "${providers[@]}" \
		-connect "127.0.0.1:${PORT_OF[server-$1]}" "-tls1_${2#1.}" -key "$3" -cert "$4" \
		-CAfile "$T/$1/store/ca.pem" -verify_return_error || return 1
	matches "$OUT" 'Verify return code: 0 \(ok\)' && matches "$OUT" '^Client certificate'
}

same_list() {
	run mod "$TOOL" --json list && cp "$OUT" "$T/by-bridge" || return 1
	run tool sim --json list && cmp "$OUT" "$T/by-bridge"
}

# -------------------------------------------------------- what belongs together

# How much; all of it with IOTSAFE_TEST_LONG.
AGREEMENTS=60 LISTS=5
[ -z "$LONG" ] || AGREEMENTS=500 LISTS=50

# all_of PID...: wait for all of them.
all_of() {
	local pid status=0
	for pid; do wait "$pid" || status=1; done
	return "$status"
}

agreements() {
	local i
	local -a pids=()
	run mod "$TOOL" keygen iotsafe://label=spare-1 || return 1
	for i in 1 2 3 4 5 6 7 8; do
		: >"$T/agree$i.log"
		spawn "agree$i" env "${module_env[@]}" "$HELPERS/agree" "$AGREEMENTS" 'iotsafe://label=spare-1;type=private'
		pids+=("$SPAWNED")
	done
	all_of "${pids[@]}"
	equal "$(cat "$T"/agree?.log | grep -c "^$AGREEMENTS right, 0 wrong, 0 failed$")" 8 'processes with right secrets only'
}

# A list of 46 objects in some 70 responses, and processes that do nothing but read it.
whole_lists() {
	local i listed
	local -a pids=()
	mkdir "$T/many" && "$SOFTSIM" init --store "$T/many/store" --profile gsma-strict --set list_page=25 \
		>"$T/many.log" 2>&1 && start_sim many || return 1
	listed=$("$SOFTSIM" info --store "$T/many/store" | grep -cE '^  (private|public|file|secret) ')
	for ((i = listed; i < 46; i++)); do
		echo "$i" >"$T/note" && admin many put-file "note-$i" "$T/note" >"$T/put.log" || return 1
	done
	start_bridge lists "$(socket_of many)" && through lists || return 1
	run tool many --json list && cp "$OUT" "$T/whole" || return 1
	equal "$(grep -c '^    "uri": ' "$T/whole")" 46 'objects in the list' || return 1
	for i in 1 2 3 4 5 6 7 8; do
		list_again_and_again "$i" >"$T/lister$i.log" 2>&1 &
		pids+=("$!")
	done
	all_of "${pids[@]}" || return 1
	[ "$(grep -c '"cmd":"..CB0101' "$T/many/exchanges.json")" -gt $((400 * LISTS)) ] || {
		echo 'the list has too few pages to tell anything'
		return 1
	}
	through bridge
	end "${PID_OF[lists]}" && stop many
}

list_again_and_again() { # NUMBER
	local i
	for ((i = 0; i < LISTS; i++)); do
		mod "$TOOL" --json list >"$T/list$1" && cmp "$T/list$1" "$T/whole" || return 1
	done
}

# ------------------------------------------------------------------- faults

commands() { grep -c "\"ins\":\"$1\"" "$T/sim/exchanges.json"; } # NAME

# from_now, start N programs, at_work N: they have loaded the key and sign.
from_now() {
	LOADED=$(commands 'READ PUBLIC KEY')
	SIGNED=$(commands 'COMPUTE SIGNATURE INIT')
}
at_work() { await enough "$((LOADED + $1))" "$((SIGNED + 10 * $1))"; }
# still_at_work N: the same, of programs that go on.
still_at_work() { await enough 0 "$(($(commands 'COMPUTE SIGNATURE INIT') + 10 * $1))"; }
enough() {
	[ "$(commands 'READ PUBLIC KEY')" -ge "$1" ] && [ "$(commands 'COMPUTE SIGNATURE INIT')" -ge "$2" ]
}

killed_at_work() {
	local i
	for i in 1 2 3; do
		from_now
		spawn_hold worker -u "$key"
		at_work 1 && end "$SPAWNED" KILL || return 1
		hold -n 2 "$key" || return 1
	done
}

# A bridge that is killed while programs work with it and started again: they go on.
restarted() {
	local i status=0
	local -a pids=()
	from_now
	for i in 1 2 3 4; do
		: >"$T/survivor$i.log"
		spawn_hold "survivor$i" -u "$key"
		pids+=("$SPAWNED")
	done
	at_work 4 || return 1
	end "${PID_OF[bridge]}" KILL
	sleep 0.3
	for i in "${pids[@]}"; do alive "$i" || status=1; done
	[ "$status" -eq 0 ] || {
		echo 'a program has ended with the bridge'
		return 1
	}
	start_bridge bridge "$(socket_of sim)" && still_at_work 4 || return 1
	kill -TERM "${pids[@]}"
	for i in "${pids[@]}"; do ended "$i" || status=1; done
	[ "$status" -eq 0 ] && equal "$(cat "$T"/survivor?.log | grep -c 'verified OK$')" 4 'programs that went on'
}

dead() {
	end "${PID_OF[bridge]}" KILL
	fails mod openssl dgst -sha256 "${providers[@]}" -sign "$key" -out "$T/sig" "$REQUEST" &&
		one_clear_error "$ERR" "cannot connect to socket:$T/bridge.sock" 'is the .* bridge running' ||
		return 1
	# the file of the dead one is in the way of nobody
	start_bridge bridge "$(socket_of sim)" && hold -n 1 "$key"
}

# Programs that wait for a SIM that does not answer, when the bridge dies: each has one error.
dead_while_waiting() {
	local i pid
	local -a pids=()
	admin sim fault mute --count 1 || return 1
	for i in 1 2 3; do
		: >"$T/waiter$i.log"
		IOTSAFE_TIMEOUT_MS=3000 spawn_mod "waiter$i" openssl dgst -sha256 \
			"${providers[@]}" -sign "$key" -out "$T/sig$i" "$REQUEST"
		pids+=("$SPAWNED")
	done
	sleep 0.5
	end "${PID_OF[bridge]}" KILL
	for pid in "${pids[@]}"; do
		ended "$pid" && {
			echo 'a signature without a bridge'
			return 1
		}
	done
	for i in 1 2 3; do one_clear_error "$T/waiter$i.log" "socket:$T/bridge.sock" || return 1; done
	start_bridge bridge "$(socket_of sim)" && hold -n 1 "$key"
}

reset_behind() {
	local i
	for i in 1 2 3 4 5; do
		admin sim reset && hold -n 2 "$key" || return 1
	done
}

# A bridge and a program that are both short of time.
removed_behind() {
	start_bridge hasty "$(socket_of sim)" --timeout-ms 2000 && through hasty || return 1
	hold -n 1 "$key" && admin sim remove || return 1
	IOTSAFE_TIMEOUT_MS=2000 fails mod openssl dgst -sha256 "${providers[@]}" -sign "$key" -out "$T/sig" "$REQUEST" &&
		one_clear_error "$ERR" "socket:$T/hasty.sock" || return 1
	matches "$T/hasty.log" "socket:$T/sim/sim.sock" || return 1
	admin sim insert && hold -n 2 "$key" || return 1
	through bridge
	end "${PID_OF[hasty]}"
}

# The SIM comes back while a program waits: it notices nothing but the time. The bridge has
# looked for it in vain a few times by then.
back_in_time() {
	: >"$T/patient.log"
	: >"$T/away.trace"
	IOTSAFE_TRACE=file:$T/away.trace start_bridge away "$(socket_of sim)" && through away || return 1
	from_now
	spawn_hold patient -u "$key"
	at_work 1 && admin sim remove && await looked_for_sim 3 && admin sim insert && still_at_work 1 || return 1
	kill -TERM "$SPAWNED"
	ended "$SPAWNED" && matches "$T/patient.log" 'verified OK$' || return 1
	through bridge
	end "${PID_OF[away]}"
}
looked_for_sim() { [ "$(grep -c 'trying again' "$T/away.trace")" -ge "$1" ]; }

# ------------------------------------------------------------------ the socket

mode_and_group() {
	local spec
	for spec in 600:0 640:1 666:0; do
		start_bridge mode "$(socket_of sim)" --mode "${spec%:*}" --group "${spec#*:}" || return 1
		equal "$(stat -c %a:%g "$(bridge_socket mode)")" "$spec" 'mode and group' || return 1
		end "${PID_OF[mode]}"
		[ ! -e "$(bridge_socket mode)" ] || {
			echo 'the socket is left after SIGTERM'
			return 1
		}
		: >"$T/mode.log"
	done
	start_bridge mode "$(socket_of sim)" || return 1
	equal "$(stat -c %a "$(bridge_socket mode)")" 660 'mode by default' && end "${PID_OF[mode]}"
}

other_users() {
	[ "$(id -u)" -eq 0 ] || {
		WHY='only root can become another user'
		return 77
	}
	cp "$HELPERS/hold" "$T/hold-copy" && chmod 755 "$T/hold-copy" || return 1
	: >"$T/open.log"
	start_bridge open "$(socket_of sim)" --mode 660 --group "$(id -g nobody)" || return 1
	through open
	as() { run patiently env "${module_env[@]}" setpriv --reuid "$1" --regid "$2" --clear-groups "$T/hold-copy" -n 2 "$key"; }
	as nobody "$(id -g nobody)" || return 1
	as daemon "$(id -g daemon)" && {
		echo 'a user outside the group has signed'
		return 1
	}
	through bridge
	end "${PID_OF[open]}"
}

refuses() { # STATUS PATTERN OPTION...
	local status=$1 pattern=$2
	shift 2
	run patiently "$BRIDGE" "$@"
	equal "$RC" "$status" 'exit status' && matches "$ERR" "$pattern"
}

# As a service manager would, but with something else.
refuses_handed() { # COUNT FILE PATTERN
	# shellcheck disable=SC2016 # the inner shell expands them
	run patiently sh -c 'exec 3<"$1"; shift; exec env LISTEN_PID=$$ "$@"' sh "$2" LISTEN_FDS="$1" \
		"$BRIDGE" --transport "$(socket_of sim)"
	equal "$RC" 1 'exit status' && matches "$ERR" "$3"
}

# A folder in which one may make files, and whose sockets are to be another group's.
not_my_group() {
	[ "$(id -u)" -eq 0 ] || {
		WHY='only root can become another user'
		return 77
	}
	cp "$BRIDGE" "$T/bridge-copy" && chmod 755 "$T/bridge-copy" && mkdir -m 777 "$T/public" || return 1
	run patiently setpriv --reuid nobody --regid "$(id -g nobody)" --clear-groups "$T/bridge-copy" \
		--transport "$(socket_of sim)" --listen "unix:$T/public/x.sock" --group root
	equal "$RC" 1 'exit status' && matches "$ERR" 'cannot set group and mode' &&
		equal "$(ls "$T/public")" '' 'what is left'
}

bad_usage() {
	refuses 2 'want unix:/PATH' --listen tcp:127.0.0.1:1 &&
		refuses 2 'octal' --listen "unix:$T/x.sock" --mode 888 &&
		refuses 2 'no such group' --listen "unix:$T/x.sock" --group no-such-group &&
		refuses 2 'unexpected argument' --listen "unix:$T/x.sock" more &&
		refuses 2 'this build has .*socket:' --transport carrier:pigeon --listen "unix:$T/x.sock" &&
		refuses 2 'want 1|milliseconds' --timeout-ms never --listen "unix:$T/x.sock" &&
		refuses 1 'no socket' --transport "$(socket_of sim)" &&
		refuses 1 'is in use' --transport "$(socket_of sim)" --listen "unix:$T/bridge.sock" &&
		refuses 1 'not a socket' --transport "$(socket_of sim)" --listen "unix:$REQUEST" &&
		refuses 1 'cannot make the socket' --transport "$(socket_of sim)" --listen "unix:$T/none/x.sock" &&
		refuses 1 'at most [0-9]+ bytes' --transport "$(socket_of sim)" --listen "unix:$T/$(printf '%0100d' 0)" || return 1
	refuses_handed 2 /dev/null '2 sockets were passed on' &&
		refuses_handed 1 /dev/null 'not a listening Unix stream socket' || return 1
	run "$BRIDGE" --help && matches "$OUT" '^usage: iotsafe-bridge' && run "$BRIDGE" --version &&
		matches "$OUT" '^iotsafe-bridge [0-9]' && hold -n 1 "$key"
}

activated() {
	local -a as_systemd=("$HELPERS/listen" "$T/activated.sock" "$BRIDGE" --transport "$(socket_of sim)")
	[ -x "$HELPERS/listen" ] || return 77
	spawn activated "${as_systemd[@]}"
	started "$SPAWNED" grep -q serving "$T/activated.log" || return 1
	through activated
	hold -n 2 "$key" || return 1
	end "$SPAWNED"
	through bridge
	[ -S "$T/activated.sock" ] || {
		echo 'removed a socket that is not its own'
		return 1
	}
}

notifies() {
	have socat || return 77
	spawn manager socat -u "UNIX-RECV:$T/notify.sock" "OPEN:$T/notified,creat,append"
	local manager=$SPAWNED
	await test -S "$T/notify.sock" || return 1
	NOTIFY_SOCKET=$T/notify.sock start_bridge noticed "$(socket_of sim)" || return 1
	await grep -q READY=1 "$T/notified" || return 1
	end "${PID_OF[noticed]}"
	await grep -q STOPPING=1 "$T/notified" && end "$manager" || return 1
	# an abstract socket, and what is none
	spawn manager socat -u "ABSTRACT-RECV:iotsafe-$$" "OPEN:$T/notified-2,creat,append"
	manager=$SPAWNED
	await grep -q "@iotsafe-$$" /proc/net/unix || return 1
	NOTIFY_SOCKET=@iotsafe-$$ start_bridge noticed "$(socket_of sim)" && await grep -q READY=1 "$T/notified-2" || return 1
	end "${PID_OF[noticed]}"
	end "$manager"
	NOTIFY_SOCKET=nowhere start_bridge noticed "$(socket_of sim)" && end "${PID_OF[noticed]}"
}

units() {
	have systemd-analyze || return 77
	local unit
	mkdir -p "$T/units" && for unit in service socket; do
		sed "s|/usr/bin/iotsafe-bridge|$BRIDGE|" "$CONF/iotsafe-bridge@.$unit" >"$T/units/iotsafe-bridge@x.$unit"
	done
	run systemd-analyze verify --man=no "$T"/units/* || return 1
	lacks "$ERR" 'iotsafe-bridge@x' || return 1
	run systemd-analyze security --offline=true "$T/units/iotsafe-bridge@x.service"
	matches "$OUT" 'exposure level.* [01]\.[0-9] OK'
}

# ------------------------------------------------------------ readers and modems

over_pcsc() {
	start_pcscd reader 1 || return
	start_sim card gsma-strict --vpcd "127.0.0.1:${VPCD[1]}" && card_in reader 1 || return 1
	start_bridge by-pcsc pcsc || return 1
	through by-pcsc
	eight "$key" && sign_and_list || return 1
	# programs that use the reader themselves meet the bridge's users nowhere
	: >"$T/direct.log"
	spawn direct env "${module_env[@]}" IOTSAFE_TRANSPORT=pcsc "$HELPERS/hold" -n 5 "$key"
	hold -n 5 "$key" && ended "$SPAWNED" || return 1
	admin card reset && hold -n 2 "$key"
}

# modem NAME PROGRAM [OPTION]: a fake in front of a SIM of its own; terminal in PTY.
modem() {
	local name=$1 program=$2
	shift 2
	start_sim "$name" "${MODEM_PROFILE:-gsma-strict}" || return 1
	: >"$T/modem-$name.log"
	spawn "modem-$name" "$FAKES/$program" "$T/$name/sim.sock" "$@"
	PID_OF[modem-$name]=$SPAWNED
	started "$SPAWNED" grep -q /dev/pts/ "$T/modem-$name.log" && PTY=$(head -n 1 "$T/modem-$name.log")
}

built_with() { # SCHEME
	[ "$1" = at ] || "$BRIDGE" --transport none: --listen "unix:$T/x.sock" 2>&1 | grep -q "$1:" || {
		WHY="built without lib$1-glib that can do it"
		return 1
	}
}

over_modem() { # NAME SCHEME PROGRAM QUERY [OPTION]
	local name=$1 scheme=$2 program=$3 query=$4
	shift 4
	built_with "$scheme" || return 77
	modem "$name" "$program" "$@" && start_bridge "by-$name" "$scheme:$PTY$query" || return 1
	through "by-$name"
	eight "$key" && sign_and_list && start_server "$name" || return 1
	handshake "$name" 1.3 "$key" iotsafe://label=client-cert || return 1
	admin "$name" reset && hold -n 2 "$key" || return 1
	admin "$name" remove && sleep 0.2 && admin "$name" insert && hold -n 2 "$key" || return 1
	end "${PID_OF[by-$name]}"
	# on MBIM and QMI no channel stays open; on an AT port the next process takes it over
	[ "$scheme" = at ] || grep '"cmd":"..70' "$T/$name/exchanges.json" | tail -n 1 |
		grep -q '"cmd":"..7080' || {
		echo 'a channel is left open'
		return 1
	}
}

# What modems are reported to do: the applet is found and used all the same.
quirk() { # SCHEME PROFILE QUIRK...
	local scheme=$1 name=$1-$2-$3 MODEM_PROFILE=$2
	shift 2
	built_with "$scheme" || return 77
	modem "$name" "fake_$scheme" "$@" && start_bridge "by-$name" "$scheme:$PTY?proxy=no" || return 1
	through "by-$name"
	sign_and_list && run mod "$TOOL" keygen --force iotsafe://label=spare-1 &&
		run mod "$TOOL" cert iotsafe://label=client-cert && matches "$OUT" 'BEGIN CERTIFICATE' || return 1
	lacks "$T/modem-$name.log" 'asked for another service' || return 1
	end "${PID_OF[by-$name]}" && stop "$name"
}

# One that opens no channel to the applet: the reason stands in the log of the bridge.
no_channel() { # SCHEME QUIRK REASON
	local scheme=$1 name=$1-$2
	built_with "$scheme" || return 77
	modem "$name" "fake_$scheme" "$2" && start_bridge "by-$name" "$scheme:$PTY?proxy=no" || return 1
	through "by-$name"
	fails mod "$TOOL" list &&
		await grep -qE "has no IoT SAFE applet; tried AID A0000005590010 .*; $3" "$T/by-$name.log" || return 1
	end "${PID_OF[by-$name]}" && stop "$name"
}

# A modem that falls silent or fails: one clear error, and the reason in the log.
ailing() { # QUIRK REASON
	local name=ailing-$1
	built_with mbim || return 77
	modem "$name" fake_mbim "$1" && start_bridge "by-$name" "mbim:$PTY?proxy=no" --timeout-ms 3000 || return 1
	through "by-$name"
	IOTSAFE_TIMEOUT_MS=3000 fails mod openssl dgst -sha256 "${providers[@]}" -sign "$key" -out "$T/sig" "$REQUEST" &&
		one_clear_error "$ERR" "$T/by-$name.sock" && await grep -qE "$2" "$T/by-$name.log" || return 1
	end "${PID_OF[by-$name]}" && stop "$name"
}

no_modem() {
	built_with mbim || return 77
	start_bridge none "mbim:$T/no-modem?proxy=no" --timeout-ms 2000 && through none || return 1
	IOTSAFE_TIMEOUT_MS=2000 fails mod "$TOOL" list && await grep -q "mbim:$T/no-modem: no such modem" "$T/none.log" || return 1
	end "${PID_OF[none]}"
}

modem_gone() {
	built_with mbim || return 77
	modem gone fake_mbim && start_bridge by-gone "mbim:$PTY?proxy=no" --timeout-ms 2000 && through by-gone || return 1
	hold -n 1 "$key" && end "${PID_OF[modem-gone]}" KILL || return 1
	IOTSAFE_TIMEOUT_MS=2000 fails mod openssl dgst -sha256 "${providers[@]}" -sign "$key" -out "$T/sig" "$REQUEST" &&
		one_clear_error "$ERR" "$T/by-gone.sock" && await grep -q 'no such modem' "$T/by-gone.log" || return 1
	end "${PID_OF[by-gone]}" && stop gone
}

asked_by_mbimcli() {
	have mbimcli || return 77
	built_with mbim || return 77
	modem cli fake_mbim || return 1
	run patiently mbimcli -d "$PTY" --query-device-caps && matches "$OUT" 'Device capabilities' &&
		run patiently mbimcli -d "$PTY" --ms-query-uicc-atr && matches "$OUT" '3B:9F:96' &&
		run patiently mbimcli -d "$PTY" --ms-set-uicc-open-channel=application-id=A0000005590010,selectp2arg=0,channel-group=7 &&
		matches "$OUT" 'channel: 1'
}

# Beside another user of the modem, as ModemManager is: in a network namespace of their
# own, because the proxy listens on an abstract socket.
by_proxy() {
	local proxy=/usr/libexec/mbim-proxy
	built_with mbim || return 77
	have "$proxy" || return 77
	local -a apart=(unshare -n -p -f --kill-child)
	[ "$(id -u)" -eq 0 ] || apart=(unshare -U -r -n -p -f --kill-child)
	"${apart[@]}" true 2>/dev/null || {
		WHY='no namespaces here'
		return 77
	}
	modem shared fake_mbim || return 1
	# shellcheck disable=SC2016 # the inner shell expands them
	local script='"$1" --no-exit & sleep 0.5
		"$2" --transport "mbim:$3" --listen "unix:$4" & sleep 0.3
		while [ ! -e "$5" ]; do mbimcli -p -d "$3" --query-device-caps; sleep 0.1; done'
	: >"$T/proxied.log"
	spawn proxied "${apart[@]}" sh -c "$script" sh "$proxy" "$BRIDGE" "$PTY" "$T/proxied.sock" "$T/enough"
	local pid=$SPAWNED
	started "$pid" grep -q serving "$T/proxied.log" || return 1
	through proxied
	eight "$key" && sign_and_list || return 1
	if have mbimcli; then
		await grep -q 'Device capabilities retrieved' "$T/proxied.log" && hold -n 5 "$key" || return 1
	fi
	through bridge
	end "$pid" KILL
}

it 'gsma-strict: 8 processes at once' profile gsma-strict
it 'thales-mvp: 8 processes at once' profile thales-mvp
it 'cira: 8 processes at once, AID configured' profile cira A0000002480400
it 'orange: 8 processes at once' profile orange
it 'zariot: 8 processes at once' profile zariot
it 'a SIM, its bridge, and a server that demands a certificate' prepare
through bridge
it 'TLS 1.2, key and certificate by label' handshake sim 1.2 "$key" iotsafe://label=client-cert
it 'TLS 1.3, key and certificate by label' handshake sim 1.3 "$key" iotsafe://label=client-cert
it 'TLS 1.3, key-reference file' handshake sim 1.3 "$T/pem/client-key.pem" "$T/pem/client.pem"
it 'the list of objects is the same as without the bridge' same_list
it "ECDH on one key: 8 processes, $AGREEMENTS secrets each, all right" agreements
it "a list in many answers: 8 processes, $LISTS lists each, all whole" whole_lists
it 'programs killed in the middle of signatures: the next one signs' killed_at_work
it 'the bridge killed and started again: programs go on' restarted
it 'no bridge: one clear error; a dead socket is replaced' dead
it 'the bridge dies while programs wait: one clear error each' dead_while_waiting
it 'the SIM is reset behind the bridge: programs notice nothing' reset_behind
it 'the SIM is removed: one clear error; inserted: works again' removed_behind
it 'the SIM is away for a while: programs wait' back_in_time
it 'mode and group of the socket, removed at the end' mode_and_group
it 'the group of the socket decides who may use the SIM' other_users
it 'wrong options are refused with a reason' bad_usage
it 'a socket that cannot be made as it is to be is not left' not_my_group
it 'a socket handed over by systemd' activated
it 'the service manager is told' notifies
it 'the units are well-formed and hardened' units
it 'over pcsc, beside programs that use the reader themselves' over_pcsc
it 'over at: (CCHO and CGLA)' over_modem at at fake_at ''
it 'over at: (CSIM)' over_modem csim at fake_at '' csim
it 'the fake MBIM modem satisfies mbimcli' asked_by_mbimcli
it 'over mbim: (the modem makes the class byte)' over_modem mbim mbim fake_mbim '?proxy=no'
it 'over mbim: (the modem keeps the class byte)' over_modem kept mbim fake_mbim '?proxy=no' keep-class
for quirk in extended-only p2-0c invalid-open loses-channels in-pieces leaves-waiting; do
	it "over mbim: $quirk" quirk mbim gsma-strict "$quirk"
done
it 'over mbim: extended-only, an applet of class 0N' quirk mbim thales-p11 extended-only
it 'over mbim: leaves-waiting, an applet that answers by 61xx' quirk mbim zariot leaves-waiting
it 'over mbim: no modem' no_modem
it 'over mbim: the modem is pulled out' modem_gone
it 'over mbim: the modem falls silent' ailing silent 'the modem did not respond in time'
it 'over mbim: the modem tells of a protocol error' ailing protocol-errors 'the modem reports a protocol error'
it 'over mbim: the modem opens channel 0' no_channel mbim opens-0 'the modem does not say why'
it 'over mbim: a modem that opens no channel' no_channel mbim never-opens 'the modem opens no channel to it .MBIM status 0x87430003'
it 'over qmi:' over_modem qmi qmi fake_qmi '?proxy=no'
it 'over qmi: in-pieces' quirk qmi gsma-strict in-pieces
it 'over qmi: an AID is denied, the next one is not' quirk qmi thales-p11 denies-gsma
it 'over qmi: a modem that denies access' no_channel qmi denies-all 'the modem denies access to it .AccessDenied'
it 'over mbim: through mbim-proxy, beside another user' by_proxy
done_testing
