#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# MQTT with the keys on SIMs: unchanged mosquitto programs, the provider activated in
# openssl.cnf, keys named by key-reference files, cards in readers of a real pcscd.
# The configuration files are those of conf/, with paths and ports put in.
# shellcheck source=lib.sh
. "$(dirname "$0")/lib.sh"
public_locks
need mosquitto mosquitto_pub mosquitto_sub pcscd openssl
same_openssl mosquitto || skip_all "$WHY"
configure "sim.broker = pcsc:mqtt reader 2"

prepare() {
	start_pcscd mqtt 2 || return
	start_sim sim gsma-strict --vpcd "127.0.0.1:${VPCD[1]}" &&
		start_sim broker zariot --vpcd "127.0.0.1:${VPCD[2]}" &&
		credentials sim "$T/pem" || return 1
	# The clients' options, as users keep them.
	mkdir -p "$T/config" || return 1
	pick_port
	sed -e "s,/etc/iotsafe,$T/pem,; s,broker.example,127.0.0.1,; s,-p 8883,-p $PORT," \
		"$CONF/mosquitto-client.conf" >"$T/config/mosquitto_pub" &&
		cp "$T/config/mosquitto_pub" "$T/config/mosquitto_sub" &&
		chmod -R a+rX "$T/config" &&
		card_in mqtt 1 && card_in mqtt 2
}

# A broker with a key in software: only the clients use SIMs.
start_broker() { # NAME KEY CERTIFICATE [LINE...]
	local name=$1
	sed -e "s,8883,$PORT,; s,/etc/iotsafe/server-key.pem,$2,; s,/etc/iotsafe/server.pem,$3,
		s,/etc/iotsafe,$T/pem," "$CONF/mosquitto.conf" >"$T/$name.conf" || return 1
	shift 3
	printf '%s\n' 'log_dest stderr' 'log_type all' "$@" >>"$T/$name.conf"
	: >"$T/$name.log"
	spawn_mod "$name" mosquitto -c "$T/$name.conf"
	PID_OF[$name]=$SPAWNED
	started "$SPAWNED" grep -q 'mosquitto version .* running' "$T/$name.log"
}

client() { XDG_CONFIG_HOME=$T/config mod "$@"; }

# subscribe BROKER TOPIC [OPTION...]: waits for one message, which subscriber_got looks at.
subscribe() {
	: >"$T/subscriber.log"
	XDG_CONFIG_HOME=$T/config spawn_mod subscriber mosquitto_sub -i reader -t "$2" -C 1 \
		-k 600 "${@:3}" # or its pings look like progress
	PID_OF[subscriber]=$SPAWNED
	await grep -q 'Sending SUBACK to reader' "$T/$1.log"
}

subscriber_got() {
	ended "${PID_OF[subscriber]}" || return 1
	matches "$T/subscriber.log" "^$1\$"
}

# The message arrives, and the broker has seen the name in the SIM's certificate.
passes_on() { # BROKER [TLS-VERSION]
	local tls=(--tls-version "${2:-tlsv1.3}") text="hello $RANDOM"
	: >"$T/$1.log"
	subscribe "$1" greeting "${tls[@]}" || return 1
	run client mosquitto_pub "${tls[@]}" -t greeting -m "$text" || return 1
	subscriber_got "$text" || return 1
	matches "$T/$1.log" "New client connected .* u'$(common_name_of "$T/pem/client.pem")'"
}

software_broker() {
	server_certificate server && start_broker broker1 "$T/server.key" "$T/server.pem"
}

no_certificate() {
	fails mod mosquitto_pub -h 127.0.0.1 -p "$PORT" --cafile "$T/pem/ca.pem" -t greeting -m no &&
		matches "$T/broker1.log" 'peer did not return a certificate'
}

# As a user who is neither root nor the broker's.
as_nobody() {
	[ "$(id -u)" -eq 0 ] || {
		WHY='only root can become another user'
		return 77
	}
	run client setpriv --reuid nobody --regid nogroup --clear-groups \
		mosquitto_pub -t greeting -m 'from nobody'
}

# The broker's key is on another SIM; the certificate is made for it by its CSR.
broker_credentials() {
	IOTSAFE_TRANSPORT='pcsc:mqtt reader 2' run mod openssl req -new -key iotsafe://label=client-key \
		-subj /CN=broker -out "$T/broker.csr" &&
		ca_sign "$T/broker.csr" "$T/broker.pem" || return 1
	mod "$TOOL" key-ref 'iotsafe://label=client-key;sim=broker' >"$T/broker-key.pem"
}

broker_on_sim() { # NAME LINE...
	local before
	before=$(exchanges broker)
	start_broker "$1" "$T/broker-key.pem" "$T/broker.pem" "${@:2}" || return 1
	if [ "$(id -u)" -eq 0 ]; then
		local user=mosquitto
		[ "$#" -eq 1 ] || user=root
		# The pid is that of env, then of mosquitto.
		equal "$(stat -c %U "/proc/${PID_OF[$1]}")" "$user" 'user of the broker' || return 1
	fi
	passes_on "$1" && passes_on "$1" tlsv1.2 || return 1
	[ "$(exchanges broker)" -gt "$before" ] || {
		echo 'the SIM of the broker was not used'
		return 1
	}
	end "${PID_OF[$1]}"
}

# A broker on a gateway that passes messages on, with its key on the SIM.
bridge() {
	local far=$PORT text="over the bridge $RANDOM"
	pick_port
	sed -e "s,1883,$PORT,; s,broker.example:8883,127.0.0.1:$far,; s,/etc/iotsafe,$T/pem," \
		"$CONF/mosquitto-bridge.conf" >"$T/bridge.conf" || return 1
	printf '%s\n' 'log_dest stderr' 'log_type all' >>"$T/bridge.conf"
	spawn_mod bridge mosquitto -c "$T/bridge.conf"
	local bridge=$SPAWNED
	started "$bridge" grep -q 'mosquitto version .* running' "$T/bridge.log" || return 1
	: >"$T/broker1.log"
	subscribe broker1 out &&
		await grep -q 'Received CONNACK on connection local' "$T/bridge.log" || return 1
	run mosquitto_pub -h 127.0.0.1 -p "$PORT" -t out -q 1 -m "$text" &&
		subscriber_got "$text" || return 1
	end "$bridge"
	PORT=$far
}

it 'a pcscd with two readers and two SIMs' prepare
it 'a broker with require_certificate and a key in software' software_broker
it 'pub and sub with the key on a SIM, TLS 1.3' passes_on broker1
it 'pub and sub with the key on a SIM, TLS 1.2' passes_on broker1 tlsv1.2
it 'a client without a certificate is refused' no_certificate
it 'a client of another user' as_nobody
it 'a bridge whose key is on a SIM' bridge
end "${PID_OF[broker1]}"
it 'a certificate for the key on the second SIM' broker_credentials
it 'the broker with its own key on the second SIM' broker_on_sim broker2
it 'the same as user root' broker_on_sim broker3 'user root'
done_testing
