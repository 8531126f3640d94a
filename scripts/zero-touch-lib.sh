# SPDX-License-Identifier: Apache-2.0
# shellcheck shell=bash
# What the zero-touch scripts share: the build, a software SIM, its operator with a CA, and
# an MQTT broker that demands certificates of that CA. The script sets `build`, the folder
# that was built already, or nothing; `needs`, programs without which it is skipped; and
# `groups`, what scripts/deps.sh is to install beside what the demo needs.
# shellcheck disable=SC2034,SC2154 # the scripts that read this file use and set these

# shellcheck source=scripts/scene.sh
. scripts/scene.sh
patience=300 # a busy machine
# more_than N PATTERN FILE: so many lines have it by now.
more_than() { [ "$(grep -cE -e "$2" "$3")" -gt "$1" ]; }

need_enroll() {
	local program
	program=$(command -v iotsafe-enroll) || { echo 'skipped: iotsafe-enroll was not built' && exit 77; }
	[ "$(ldd "$program" | grep -oE 'libcrypto\.so\.[0-9]+' | sort -u | wc -l)" -le 1 ] ||
		{ echo 'skipped: iotsafe-enroll and its libraries are for different versions of OpenSSL' && exit 77; }
}

if [ -z "$build" ]; then
	# shellcheck disable=SC2086
	install_packages demo ${groups:-}
	build=build
	step 'Build'
	build_or_give_up
fi
for program in $needs; do
	command -v "$program" >/dev/null || { echo "skipped: $program is not installed" && exit 77; }
done
build=$(cd "$build" && pwd) || exit 1
softsim=$build/softsim/iotsafe-softsim
export PATH=$build/tools:$PATH

# ------------------------------------------------------------------ the scene

# new_sim NAME: as the factory ships it: an applet with empty containers.
new_sim() {
	"$softsim" init --store "$work/$1" >"$work/$1.log" 2>&1 || give_up 'no SIM' "$work/$1.log"
}
operator() { "$softsim" admin "$work/admin.sock" "$@" || give_up "the operator's command failed: $*"; }
on_sim() { operator list | grep -E "(key|spare|cert)" | grep -E "$1"; }

# serve_sim STORE SOCKET ADMIN-SOCKET
serve_sim() {
	"$softsim" run --store "$work/$1" --listen "unix:$work/$2" --admin "unix:$work/$3" >>"$work/$1.log" 2>&1 </dev/null &
	pids+=($!)
}
sim_answers() { "$softsim" admin "$work/$1" list; }
# configuration SOCKET: an openssl.cnf for programs that use that SIM.
configuration() {
	sed "\$a module = $build/provider/iotsafe.so\ntransport = socket:$work/$1\nlock-dir = $work" conf/openssl.cnf
}

new_sim profile-1
serve_sim profile-1 sim.sock admin.sock
wait_for sim_answers admin.sock || give_up 'the SIM does not answer' "$work/profile-1.log"
configuration sim.sock >"$work/openssl.cnf"
export OPENSSL_CONF=$work/openssl.cnf

# -------------------------------------------------- the authority of the operator

ca=$work/profile-1/ca.pem
# certify PUBLIC-KEY SUBJECT OUTPUT EXTENSION...: a certificate for that key.
certify() {
	local key=$1 subject=$2 output=$3
	shift 3
	openssl x509 -new -subj "$subject" -force_pubkey "$key" -CA "$ca" -CAkey "$work/profile-1/ca.key" \
		-set_serial "$((SRANDOM + 1))$SRANDOM" -days 30 -extfile <(printf '%s\n' "$@") -out "$output" 2>>"$work/issue.err"
}
for_clients=(basicConstraints=CA:FALSE extendedKeyUsage=clientAuth)

# revoke CERTIFICATE...: a list of revocations with them, in $crl.
revoke() {
	local certificate
	: >"$work/index.txt"
	cat >"$work/ca.conf" <<-END
		[ca]
		default_ca = it
		[it]
		database = $work/index.txt
		certificate = $ca
		private_key = $work/profile-1/ca.key
		default_md = sha256
		default_crl_days = 30
	END
	for certificate; do
		OPENSSL_CONF=/dev/null openssl ca -config "$work/ca.conf" -revoke "$certificate" >>"$work/ca.log" 2>&1 || return 1
	done
	OPENSSL_CONF=/dev/null openssl ca -config "$work/ca.conf" -gencrl -out "$work/crl.pem" >>"$work/ca.log" 2>&1 &&
		crl=$work/crl.pem
}

# An EST server, in $work/est; its certificate is the broker's.
start_est() {
	/usr/bin/python3 -c 'from cryptography.hazmat.primitives.serialization.pkcs7 import serialize_certificates' 2>/dev/null ||
		{ echo 'skipped: python3-cryptography is not installed' && exit 77; }
	mkdir "$work/est"
	OPENSSL_CONF=/dev/null /usr/bin/python3 tests/enroll/est_server.py "$work/est" "$ca" "$work/profile-1/ca.key" \
		"$work/broker.pem" "$work/broker.key" >"$work/server.log" 2>&1 </dev/null &
	pids+=($!)
	wait_for test -e "$work/est/ready" || give_up 'the EST server does not start' "$work/server.log"
	server=https://127.0.0.1:$(cat "$work/est/port")/.well-known/est
}

# ------------------------------------------------------------------- the broker

# Its own key is in software; it demands certificates of the operator's CA.
broker_files() {
	openssl genpkey -algorithm EC -pkeyopt ec_paramgen_curve:P-256 -out "$work/broker.key" 2>/dev/null &&
		openssl pkey -in "$work/broker.key" -pubout -out "$work/broker.pub" &&
		certify "$work/broker.pub" /CN=localhost "$work/broker.pem" subjectAltName=DNS:localhost,IP:127.0.0.1
}
# [PORT]: that one, or any that is free; with a list of revocations if there is one; if
# $behind is set, what stands behind the broker gets in by the next port, without TLS.
start_broker() {
	local tries before
	for tries in 1 2 3 4 5 6 7 8; do
		port=${1:-$((20000 + (RANDOM + tries) % 10000))}
		cat >"$work/mosquitto.conf" <<-END
			user $(id -un)
			listener $port 127.0.0.1
			cafile $ca
			certfile $work/broker.pem
			keyfile $work/broker.key
			require_certificate true
			use_identity_as_username true
			log_dest stderr
			${crl:+crlfile $crl}
			${behind:+allow_anonymous true}
			${behind:+listener $((port + 1)) 127.0.0.1}
		END
		before=$(grep -c ' running$' "$work/broker.log")
		OPENSSL_CONF=/dev/null mosquitto -c "$work/mosquitto.conf" >>"$work/broker.log" 2>&1 </dev/null &
		broker=$!
		pids+=("$broker")
		wait_for runs_or_ended "$before"
		! kill -0 "$broker" 2>/dev/null || return 0
	done
	give_up 'the broker does not start' "$work/broker.log"
}
runs_or_ended() { more_than "$1" ' running$' "$work/broker.log" || ! kill -0 "$broker" 2>/dev/null; }
stop_broker() { kill "$broker" && wait "$broker" 2>/dev/null; }
restart_broker() {
	stop_broker
	start_broker "$port"
}
# connected [DEVICE]: how often it did.
connected() { grep -cE "New (client|bridge) connected.*u'${1:-device-1}'" "$work/broker.log"; }
: >"$work/broker.log"
crl=
broker_files || give_up 'no certificate for the broker' "$work/issue.err"
start_broker
