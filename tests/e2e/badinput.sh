#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# What goes wrong outside: names that find nothing, missing readers, cards, applets,
# damaged key-reference files, and card answers that are cut, too long, nonsense or
# missing, at every exchange. Each gives one clear error that names the thing, also in
# the logs of mosquitto and nginx; nothing stays locked, and the next operation works.
# shellcheck source=lib.sh
. "$(dirname "$0")/lib.sh"
need openssl
configure
key=iotsafe://label=client-key

prepare() {
	start_sim sim gsma-strict && credentials sim "$T/pem" && server_certificate server &&
		openssl x509 -in "$T/pem/client.pem" -noout -pubkey >"$T/software.pub" &&
		printf 'to be signed\n' >"$T/message" && chmod 777 "$T/sim/sim.sock" || return 1
	SOCKET=$(socket_of sim)
	export IOTSAFE_TRANSPORT=$SOCKET
}

# shellcheck disable=SC2120 # without argument: the usual key
sign() { mod openssl dgst -sha256 -sign "${1:-$key}" -out "$T/sig" "$T/message"; }

works() {
	run sign || return 1
	run openssl dgst -sha256 -verify "$T/software.pub" -signature "$T/sig" "$T/message" || return 1
	matches "$OUT" '^Verified OK$'
}

# refused URI PATTERN...: one clear error; then all is well.
refused() {
	local uri=$1
	shift
	fails sign "$uri" && one_clear_error "$ERR" "$@" && works
}

# on TRANSPORT PATTERN...: signing there gives one clear error; elsewhere all is well.
on() {
	local transport=$1
	shift
	IOTSAFE_TRANSPORT=$transport fails sign && one_clear_error "$ERR" "$@" && works
}

# ------------------------------------------------------------------- devices

no_service() { PCSCLITE_CSOCK_NAME=$T/no-such-socket on pcsc 'pcscd'; }

no_reader() {
	start_pcscd empty 0 || return
	PCSCLITE_CSOCK_NAME=$T/empty/pcscd.sock on pcsc '[Rr]eader'
}

no_card() {
	start_pcscd bare 1 || return
	on pcsc '[Cc]ard|SIM' && on 'pcsc:bare reader' 'bare reader' && on 'pcsc:other' 'other'
}

no_applet() {
	start_sim none no-applet || return 1
	on "$(socket_of none)" '[Aa]pplet' 'none/sim\.sock'
}

no_applet_in_reader() {
	[ -n "${VPCD[1]:-}" ] || {
		WHY='no reader'
		return 77
	}
	stop none
	card_out bare 1 || return 1
	start_sim none no-applet --vpcd "127.0.0.1:${VPCD[1]}" && card_in bare 1 &&
		on pcsc '[Aa]pplet'
}

removed_and_inserted() {
	[ -n "${VPCD[1]:-}" ] || {
		WHY='no reader'
		return 77
	}
	stop none
	card_out bare 1 || return 1
	start_sim wandering gsma-strict --vpcd "127.0.0.1:${VPCD[1]}" && card_in bare 1 || return 1
	IOTSAFE_TRANSPORT=pcsc run sign &&
		admin wandering remove && card_out bare 1 || return 1
	on pcsc '[Cc]ard|SIM' &&
		admin wandering insert && card_in bare 1 &&
		IOTSAFE_TRANSPORT=pcsc run sign
}

# Another card in the reader before pcscd has noticed that the first one is gone.
exchanged() {
	[ -n "${VPCD[1]:-}" ] || {
		WHY='no reader'
		return 77
	}
	IOTSAFE_TRANSPORT=pcsc run sign || return 1
	stop wandering
	start_sim wandering gsma-strict --vpcd "127.0.0.1:${VPCD[1]}" || return 1
	IOTSAFE_TRANSPORT=pcsc run sign && return
	# On a slow machine it did notice: then the reader was empty, and that was said.
	matches "$ERR" 'no SIM in the reader' && card_in bare 1 && IOTSAFE_TRANSPORT=pcsc run sign
}

# ------------------------------------------------------------- key references

# reference NAME COMMAND...: makes $T/NAME.pem from what the command makes of the DER.
reference() {
	openssl base64 -d <<<"$(sed '/-----/d' "$T/pem/client-key.pem")" >"$T/reference.der" || return 1
	{
		echo '-----BEGIN IOTSAFE KEY REFERENCE-----'
		"${@:2}" <"$T/reference.der" | openssl base64
		echo '-----END IOTSAFE KEY REFERENCE-----'
	} >"$T/$1.pem"
}

# nginx reads keys as servers do, from PEM, and says what it could not load and why.
nginx_refuses() { # FILE PATTERN...
	have nginx || return 77
	local file=$1
	shift
	cat >"$T/refuse.conf" <<-END
		pid $T/refuse.pid;
		events {}
		http {
			access_log off;
			client_body_temp_path $T/temp; proxy_temp_path $T/temp; fastcgi_temp_path $T/temp;
			uwsgi_temp_path $T/temp; scgi_temp_path $T/temp;
			server {
				listen 127.0.0.1:9 ssl;
				ssl_certificate $T/pem/client.pem;
				ssl_certificate_key $file;
			}
		}
	END
	fails mod nginx -t -c "$T/refuse.conf" -e stderr || return 1
	sed -n '/\[emerg\]/p' "$ERR" | grep -m 1 . >"$T/emerg"
	matches "$T/emerg" 'cannot load certificate key' && matches "$T/emerg" "${file##*/}" || return 1
	local pattern
	for pattern; do matches "$T/emerg" "$pattern" || return 1; done
}

damaged() { # NAME PATTERN COMMAND...
	reference "$1" "${@:3}" && nginx_refuses "$T/$1.pem" 'iotsafe:' "$2" && fails sign "$T/$1.pem" && works
}

truncated_text() {
	head -c 60 "$T/pem/client-key.pem" >"$T/half.pem"
	fails sign "$T/half.pem" && nginx_refuses "$T/half.pem" && works
}

unknown_in_reference() {
	tool sim key-ref --no-pubkey 'iotsafe://label=gone' >"$T/gone.pem" &&
		nginx_refuses "$T/gone.pem" 'iotsafe:' 'gone' && works
}

# The SIM has another key than the one that the reference was made for.
swapped() {
	start_sim other gsma-strict || return 1
	IOTSAFE_TRANSPORT=$(socket_of other) fails sign "$T/pem/client-key.pem" &&
		one_clear_error "$ERR" 'client-key' && works
}

# -------------------------------------------------------------- card answers

sign_right() {
	# shellcheck disable=SC2119
	sign || return
	openssl dgst -sha256 -verify "$T/software.pub" -signature "$T/sig" "$T/message"
}

# Reads everything: the list, files, public keys.
list_right() {
	mod openssl storeutl -noout iotsafe:// >"$T/list" || return
	grep -q "^Total found: $OBJECTS\$" "$T/list"
}

# fault_everywhere JOB EFFECT...: a fault at each exchange of a job in a new process, one
# after the other. It either does not matter (the operation is repeated) or gives one
# clear error.
fault_everywhere() {
	local job=$1 n total recovered=0 refused=0 before
	shift
	OBJECTS=$(mod openssl storeutl -noout iotsafe:// | sed -n 's/^Total found: //p')
	before=$(exchanges sim)
	run "$job" || return 1
	total=$(($(exchanges sim) - before))
	[ "$total" -ge 4 ] || return 1
	for ((n = 0; n < total; n++)); do
		admin sim fault "$@" --skip "$n" --count 1 || return 1
		run "$job"
		if [ "$RC" -eq 0 ]; then
			recovered=$((recovered + 1))
		elif [ "$RC" -lt 124 ]; then
			one_clear_error "$ERR" 'sim\.sock' || return 1
			refused=$((refused + 1))
		else
			echo "exchange $n, $*: ended by a signal or a timeout: $RC"
			return 1
		fi
		admin sim fault clear
		works || {
			echo "after the fault at exchange $n"
			return 1
		}
	done
	FAULTS="$recovered repaired, $refused refused"
}

mute() {
	IOTSAFE_TIMEOUT_MS=1500 fault_everywhere sign_right mute
}

# ------------------------------------------------------------ logs of daemons

# Programs that print OpenSSL's errors without their details show what kind of thing is
# the matter; the details are in the errors of those that print all, as nginx does.

# A mosquitto broker: log in broker.log.
start_broker() { # KEY CERTIFICATE
	pick_port
	sed -e "s,8883,$PORT,; s,/etc/iotsafe/server-key.pem,$1,; s,/etc/iotsafe/server.pem,$2,
		s,/etc/iotsafe,$T/pem," "$CONF/mosquitto.conf" >"$T/broker.conf" || return 1
	printf '%s\n' 'log_dest stderr' 'log_type all' >>"$T/broker.conf"
	[ "$(id -u)" -ne 0 ] || echo 'user root' >>"$T/broker.conf"
	: >"$T/broker.log"
	spawn_mod broker mosquitto -c "$T/broker.conf"
	PID_OF[broker]=$SPAWNED
	started "$SPAWNED" grep -q 'mosquitto version .* running' "$T/broker.log"
}

publish() {
	mod mosquitto_pub -d -h 127.0.0.1 -p "$PORT" --cafile "$T/pem/ca.pem" --cert "$T/server.pem" \
		--key "$T/server.key" -t greeting -m hello
}

mosquitto_at_start() {
	have mosquitto mosquitto_pub || return 77
	admin sim fault clear || return 1
	tool sim key-ref --no-pubkey "$key" >"$T/no-pubkey.pem" && chmod 644 "$T/no-pubkey.pem" || return 1
	if IOTSAFE_TRANSPORT=socket:$T/nobody.sock start_broker "$T/no-pubkey.pem" "$T/pem/client.pem"; then
		echo 'the broker should not have started'
		return 1
	fi
	matches "$T/broker.log" 'Unable to load server key file .*no-pubkey\.pem' &&
		matches "$T/broker.log" 'error:[0-9A-F]+:iotsafe::.*socket.* not reachable' &&
		start_broker "$T/no-pubkey.pem" "$T/pem/client.pem" && run publish && stop broker
}

mosquitto_at_handshake() {
	have mosquitto mosquitto_pub || return 77
	admin sim fault clear || return 1
	start_broker "$T/pem/client-key.pem" "$T/pem/client.pem" && run publish || return 1
	admin sim fault sw=6F00 --ins compute-signature --count 1000 || return 1
	fails publish && matches "$T/broker.log" 'error:[0-9A-F]+:iotsafe::.*(SIM|card)' || return 1
	admin sim fault clear && run publish && stop broker && works
}

# The client's side. (mosquitto_pub tells OpenSSL's errors with -d.)
mosquitto_client() {
	have mosquitto mosquitto_pub || return 77
	admin sim fault clear || return 1
	start_broker "$T/server.key" "$T/server.pem" || return 1
	local client=(mod mosquitto_pub -d -h 127.0.0.1 -p "$PORT" --cafile "$T/pem/ca.pem"
		--cert "$T/pem/client.pem" --key "$T/no-pubkey.pem" -t greeting -m hello)
	IOTSAFE_TRANSPORT=socket:$T/nobody.sock fails "${client[@]}" || return 1
	cat "$OUT" "$ERR" >"$T/client-said"
	matches "$T/client-said" 'error:[0-9A-F]+:iotsafe::.*socket.* not reachable' &&
		run "${client[@]}" && stop broker
}

nginx_at_handshake() {
	have nginx curl || return 77
	admin sim fault clear || return 1
	pick_port
	mkdir -p "$T/log" "$T/temp" && : >"$T/log/error.log" || return 1
	cat >"$T/serve.conf" <<-END
		pid $T/serve.pid;
		worker_processes 2;
		events {}
		http {
			access_log off;
			client_body_temp_path $T/temp; proxy_temp_path $T/temp; fastcgi_temp_path $T/temp;
			uwsgi_temp_path $T/temp; scgi_temp_path $T/temp;
			server {
				listen 127.0.0.1:$PORT ssl;
				ssl_certificate $T/pem/client.pem;
				ssl_certificate_key $T/pem/client-key.pem;
				location / { return 200 "served"; }
			}
		}
	END
	spawn_mod nginx nginx -c "$T/serve.conf" -e "$T/log/error.log" -g 'daemon off;'
	PID_OF[nginx]=$SPAWNED
	local get=(curl --silent --show-error --cacert "$T/pem/ca.pem" "https://localhost:$PORT/")
	started "$SPAWNED" listening "$PORT" && run patiently "${get[@]}" || return 1
	admin sim fault sw=6F00 --ins compute-signature --count 1000 || return 1
	fails patiently "${get[@]}" && await grep -q iotsafe "$T/log/error.log" &&
		matches "$T/log/error.log" 'iotsafe:.*6F00' || return 1
	admin sim fault clear && run patiently "${get[@]}" && matches "$OUT" served && stop nginx && works
}

# ---------------------------------------------------------------------------

it 'a SIM' prepare
it 'it works' works

it 'unknown label' refused iotsafe://label=nope 'nope'
it 'unknown identifier' refused iotsafe://id=77 '77'
it 'unknown SIM' refused 'iotsafe://label=client-key;sim=second' 'second'
it 'an attribute twice' refused 'iotsafe://label=client-key;label=client-key' 'label'
it 'an unknown attribute' refused 'iotsafe://label=client-key;pin=1234' 'pin'
it 'a bad hex digit' refused 'iotsafe://id=0g' 'id'
it 'an odd number of hex digits' refused 'iotsafe://id=012' 'id'
it 'an identifier of 21 bytes' refused "iotsafe://id=$(printf '01%.0s' {1..21})" 'id'
it 'a label of 61 bytes' refused "iotsafe://label=$(printf 'a%.0s' {1..61})" 'label'
it 'a bad escape' refused 'iotsafe://label=%zz' 'label'
it 'an unknown type' refused 'iotsafe://label=client-key;type=secret' 'type'
it 'an empty attribute' refused 'iotsafe://label=' 'label'

it 'nobody at the socket' on "socket:$T/nobody.sock" 'nobody\.sock'
it 'an unknown transport' on 'carrier-pigeon:7' 'carrier-pigeon'
it 'no pcscd' no_service
it 'no reader' no_reader
it 'no card' no_card
it 'no applet' no_applet
it 'no applet in a reader' no_applet_in_reader
it 'a card that is removed and inserted' removed_and_inserted

it 'a card that is exchanged faster than pcscd notices' exchanged

it 'a key reference cut in its text' truncated_text
it 'a key reference cut in its data' damaged cut 'reference' head -c 40
it 'a key reference with something behind' damaged longer 'reference' sh -c 'cat; echo more'
it 'a key reference of another version' damaged version 'reference' \
	sed 's/key-reference-v1/key-reference-v9/'
it 'a key reference with a bad URI' damaged uri 'label|URI|reference' sed 's/label=/lable=/'
it 'a key reference to a key that is not there' unknown_in_reference
it "a key reference to another SIM's key" swapped

for effect in sw=6F00 sw=6985 sw=6A80 sw=6700 sw=6881 truncate=1 truncate=40 garbage=2 garbage=90 \
	garbage=256 garbage=1000 flip=77 reset; do
	FAULTS=
	it "a signature, $effect at each exchange" fault_everywhere sign_right "$effect"
	note "a signature, $effect: $FAULTS"
done
# (An answer cut elsewhere may end in two bytes that look like a status word of success: a
# file that is then no certificate, which a listing passes over.)
for effect in sw=6F00 truncate=1 garbage=1000 reset; do
	FAULTS=
	it "the whole list, $effect at each exchange" fault_everywhere list_right "$effect"
	note "the whole list, $effect: $FAULTS"
done
it 'no answer at each exchange' mute

it 'mosquitto cannot load its key: its log says why, later it can' mosquitto_at_start
it 'mosquitto cannot sign: its log says why, later it can' mosquitto_at_handshake
it 'mosquitto_pub cannot load its key and says why, later it can' mosquitto_client
it 'nginx cannot sign: its log says why, later it can' nginx_at_handshake
done_testing
