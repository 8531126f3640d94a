#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# Sets up what scripts/bench.sh measures: software SIMs of all kinds with all ways to them,
# and what a user would take instead; then measure.py does the rest.
#
# usage: bench.sh smoke|quick|full RESULTS.json     (with E2E_SOURCE and E2E_BUILD)
MODE=${1:?smoke, quick or full} RESULTS=${2:?the file for the results}
# shellcheck source=../e2e/lib.sh
. "$(dirname "$0")/../e2e/lib.sh"
configure
CA=direct
key=iotsafe://label=client-key
BRIDGE=$E2E_BUILD/bridge/iotsafe-bridge
PROGRAMS=$E2E_BUILD/tests/bench

case $MODE in
smoke)
	profiles=(thales-mvp)
	latencies=(none)
	n_sims=2
	;;
*)
	profiles=(thales-mvp gsma-strict orange zariot cira quantag-1.4 ntt m33mu kigen wolfssl thales-p11)
	latencies=(reader modem slow)
	n_sims=8
	;;
esac

# ---------------------------------------------------------- what is measured

# line FILE WORD...: a row of a table for measure.py.
line() {
	local file=$1
	shift
	(IFS=$'\t' && echo "$*" >>"$T/$file")
}

# candidate NAME KEY CERTIFICATE [VARIABLE=VALUE...]: one way to have a key.
candidate() { line candidates "$@"; }
# left_out NAME REASON
left_out() {
	line left-out "$@"
	note "skipped: $1: $2"
}
give_up() {
	note "$*"
	for log in "$T"/*.log; do [ ! -s "$log" ] || tail -n 5 "$log"; done
	exit 1
}
set_up() { "$@" >"$T/set-up.log" 2>&1 || give_up "cannot set up: $*"; }

# certified KEY FILE: a certificate for it by the CA of all.
certified() {
	mod openssl req -new -key "$1" -subj /CN=bench -out "$2.csr" && ca_sign "$2.csr" "$2"
}

# -------------------------------------------------------------- software SIMs

# What a program needs that uses the module.
env_of_module=("OPENSSL_MODULES=$MODULES" "OPENSSL_CONF=$T/openssl.cnf")

# A SIM with key reference and certificate in $T/NAME/pem.
sim_with_files() { # NAME PROFILE [OPTION...]
	start_sim "$@" || return 1
	[ "$2" != cira ] || local -x IOTSAFE_AID=A0000002480400
	local -x IOTSAFE_TRANSPORT
	IOTSAFE_TRANSPORT=$(socket_of "$1")
	mkdir -p "$T/$1/pem" && tool "$1" key-ref "$key" >"$T/$1/pem/key.pem" &&
		certified "$T/$1/pem/key.pem" "$T/$1/pem/cert.pem"
}

ours() { # NAME SIM TRANSPORT [VARIABLE=VALUE...]
	candidate "$1" "$T/$2/pem/key.pem" "$T/$2/pem/cert.pem" "${env_of_module[@]}" "IOTSAFE_TRANSPORT=$3" "${@:4}"
}

start_direct() {
	local options=(--at "$T/port")
	[ "$readers" = no ] || options+=(--vpcd "127.0.0.1:${VPCD[1]}")
	sim_with_files direct thales-mvp "${options[@]}" || return 1
	[ "$readers" = no ] || keep_card reader 1
}

# the certificate of all peers, and the ordinary key that everything is compared with
start_ca() {
	server_certificate server && server_certificate ordinary &&
		start_s_server server -cert "$T/server.pem" -key "$T/server.key"
}

start_bridge() {
	: >"$T/bridge.log"
	spawn bridge "$BRIDGE" --transport "$(socket_of direct)" --listen "unix:$T/bridge.sock"
	started "$SPAWNED" grep -q serving "$T/bridge.log"
}

# A certificate of 700 bytes in the place of the one that is there.
grown_certificate() { # SIM
	local csr=$T/$1/pem/cert.pem.csr der=$T/$1/pem/grown.der n=1
	for _ in 1 2; do
		openssl x509 -req -in "$csr" -CA "$T/direct/store/ca.pem" -CAkey "$T/direct/store/ca.key" \
			-CAcreateserial -CAserial "$T/ca.srl" -days 2 -outform DER -out "$der" \
			-extfile <(printf 'nsComment=%0*d\n' "$n" 0) || return 1
		n=$((n + 700 - $(stat -c %s "$der")))
	done
	if [ "$1" = profile-ntt ]; then # has its certificates as PEM
		openssl x509 -inform DER -in "$der" -out "$der.pem" && der=$der.pem || return 1
	fi
	admin "$1" put-file client-cert "$der" --usage cert
}

# The first one is also in the second reader.
start_late() { # LATENCY
	local vpcd=()
	[ "$readers" = no ] || [ "$1" != "${latencies[0]}" ] || vpcd=(--vpcd "127.0.0.1:${VPCD[2]}")
	start_sim "late-$1" thales-mvp --latency "$1" "${vpcd[@]}" || return 1
	[ "${#vpcd[@]}" -eq 0 ] || { keep_card reader 2 && line shared reader 'pcsc:reader reader 2'; }
}

start_sims() {
	local name i
	for name in "${profiles[@]}"; do
		sim_with_files "profile-$name" "$name" || return 1
		grown_certificate "profile-$name" || return 1
		line profiles "$name" "$T/profile-$name" "$(socket_of "profile-$name")"
	done
	line shared socket "$(socket_of "late-${latencies[0]}")"
	for name in "${latencies[@]}"; do
		sim_with_files "late-$name" thales-mvp && grown_certificate "late-$name" || return 1
		stop "late-$name"
		start_late "$name" || return 1
		line latencies "$name" "$T/late-$name" "$(socket_of "late-$name")"
	done
	cp "$T/openssl.cnf" "$T/many.cnf"
	for ((i = 1; i <= n_sims; i++)); do
		start_sim "many-$i" thales-mvp --latency "${latencies[0]}" || return 1
		echo "sim.s$i = $(socket_of "many-$i")" >>"$T/many.cnf"
		line sims "iotsafe://sim=s$i;label=client-key"
	done
}

# ------------------------------------------------------------------------ peers

start_softhsm() {
	local module
	module=$(find /usr/lib -name libsofthsm2.so -path '*softhsm/*' 2>/dev/null | head -n 1)
	have softhsm2-util || return 77
	[ -n "$module" ] || { WHY='libsofthsm2.so is not there' && return 77; }
	mkdir -p "$T/tokens"
	printf 'directories.tokendir = %s\nobjectstore.backend = file\nlog.level = ERROR\n' "$T/tokens" >"$T/softhsm2.conf"
	export SOFTHSM2_CONF=$T/softhsm2.conf PKCS11_MODULE_PATH=$module
	softhsm2-util --init-token --free --label bench --pin 1234 --so-pin 1234 &&
		openssl pkcs8 -topk8 -nocrypt -in "$T/ordinary.key" -out "$T/ordinary.p8" &&
		softhsm2-util --import "$T/ordinary.p8" --token bench --label client --id 01 --pin 1234 &&
		in_softhsm='pkcs11:token=bench;object=client;type=private;pin-value=1234'
}

pkcs11_engine() {
	openssl engine -t pkcs11 2>/dev/null | grep -q available || {
		WHY='libengine-pkcs11-openssl is not installed'
		return 77
	}
	candidate 'SoftHSM2, pkcs11 engine' "engine:pkcs11:$in_softhsm" "$T/ordinary.pem" \
		"SOFTHSM2_CONF=$SOFTHSM2_CONF" "PKCS11_MODULE_PATH=$PKCS11_MODULE_PATH"
}

# provider_configuration FILE FIRST SECOND [LINE...]: these providers; lines for the one that is
# not default.
provider_configuration() {
	printf '%s\n' 'openssl_conf = init' '[init]' 'providers = providers' 'alg_section = algorithms' \
		'[providers]' "$2 = sect_$2" "$3 = sect_$3" '[sect_default]' 'activate = 1' "${@:4}" >"$1"
}

has_provider() { find /usr/lib -path "*/ossl-modules/$1.so" 2>/dev/null | grep -q .; }

pkcs11_provider() {
	has_provider pkcs11 || { WHY='pkcs11-provider is not installed (Debian 13 has it)' && return 77; }
	# SoftHSM itself is to have the algorithms of default; and to be there until the end
	provider_configuration "$T/pkcs11.cnf" default pkcs11 '[sect_pkcs11]' 'activate = 1' \
		"pkcs11-module-path = $PKCS11_MODULE_PATH" 'pkcs11-module-quirks = no-deinit' '[algorithms]' &&
		candidate 'SoftHSM2, pkcs11-provider' "$in_softhsm" "$T/ordinary.pem" \
			"SOFTHSM2_CONF=$SOFTHSM2_CONF" "OPENSSL_CONF=$T/pkcs11.cnf"
}

tpm2_openssl() {
	have swtpm || return 77
	has_provider tpm2 || { WHY='tpm2-openssl is not installed' && return 77; }
	mkdir "$T/tpm" && spawn swtpm swtpm socket --tpm2 --tpmstate "dir=$T/tpm" --server "type=unixio,path=$T/tpm.sock" \
		--ctrl "type=unixio,path=$T/tpm.sock.ctrl" --flags not-need-init,startup-clear
	started "$SPAWNED" test -S "$T/tpm.sock" && started "$SPAWNED" test -S "$T/tpm.sock.ctrl" || return 1
	provider_configuration "$T/tpm2.cnf" tpm2 default '[sect_tpm2]' 'activate = 1' '[algorithms]' \
		'default_properties = ?provider=tpm2,tpm2.digest!=yes,tpm2.cipher!=yes'
	local -a inside=(env "TPM2OPENSSL_TCTI=swtpm:path=$T/tpm.sock" "OPENSSL_CONF=$T/tpm2.cnf")
	"${inside[@]}" openssl genpkey -algorithm EC -pkeyopt group:P-256 -out "$T/tpm.key" &&
		grep -q TSS2 "$T/tpm.key" && "${inside[@]}" openssl req -new -key "$T/tpm.key" -subj /CN=tpm -out "$T/tpm.csr" &&
		ca_sign "$T/tpm.csr" "$T/tpm.pem" && candidate 'swtpm, tpm2-openssl' "$T/tpm.key" "$T/tpm.pem" "${inside[@]:1}"
}

# peer NAME FUNCTION: it is there, or left out with the reason.
peer() {
	WHY=
	"$2" >"$T/set-up.log" 2>&1 && return
	left_out "$1" "${WHY:-$(grep -m 1 . "$T/set-up.log")}"
	return 1
}

# An authority that certifies keys which iotsafe-enroll has made.
start_authority() {
	local enroll=$E2E_BUILD/tools/iotsafe-enroll
	[ -x "$enroll" ] || { WHY='it was not built' && return 77; }
	one_openssl "$enroll" || return 77
	/usr/bin/python3 -c 'import cryptography' || { WHY='python3-cryptography is not installed' && return 77; }
	mkdir "$T/est" && echo device:password >"$T/est/user" && (umask 077 && echo password >"$T/secret") || return 1
	spawn est /usr/bin/python3 "$E2E_SOURCE/tests/enroll/est_server.py" "$T/est" \
		"$T/direct/store/ca.pem" "$T/direct/store/ca.key" "$T/server.pem" "$T/server.key"
	started "$SPAWNED" test -e "$T/est/ready" || return 1
	line settings enroll "$enroll"
	line settings authority "https://127.0.0.1:$(cat "$T/est/port")/.well-known/est"
}

# ------------------------------------------------------------------------ all

readers=no
WHY=
if start_pcscd reader 2 >"$T/set-up.log" 2>&1; then readers=yes; else left_out 'pcscd and vpcd' "${WHY:-it does not start}"; fi
set_up start_direct
set_up start_ca
candidate 'key file' "$T/ordinary.key" "$T/ordinary.pem"
candidate 'key file, module active' "$T/ordinary.key" "$T/ordinary.pem" "${env_of_module[@]}"
ours socket direct "$(socket_of direct)"
ours 'socket, unchecked' direct "$(socket_of direct)" IOTSAFE_VERIFY_SIGNATURE=no
candidate 'socket, by URI' "$key" "$T/direct/pem/cert.pem" "${env_of_module[@]}" "IOTSAFE_TRANSPORT=$(socket_of direct)"
if [ "$MODE" != smoke ]; then
	set_up sim_with_files strict gsma-strict
	ours 'socket, gsma-strict' strict "$(socket_of strict)"
	ours 'socket, gsma-strict, unchecked' strict "$(socket_of strict)" IOTSAFE_VERIFY_SIGNATURE=no
fi
[ "$readers" = no ] || ours 'pcscd and vpcd' direct 'pcsc:reader reader 1'
ours 'AT on a pty' direct "at:$T/port"
if [ -x "$BRIDGE" ]; then
	set_up start_bridge
	ours 'bridge' direct "socket:$T/bridge.sock"
else
	left_out bridge 'it was not built'
fi
set_up start_sims
if [ "$MODE" = smoke ]; then
	for name in 'SoftHSM2, pkcs11 engine' 'SoftHSM2, pkcs11-provider' 'swtpm, tpm2-openssl'; do
		left_out "$name" 'not in a smoke test'
	done
else
	if peer SoftHSM2 start_softhsm; then
		peer 'SoftHSM2, pkcs11 engine' pkcs11_engine
		peer 'SoftHSM2, pkcs11-provider' pkcs11_provider
	fi
	peer 'swtpm, tpm2-openssl' tpm2_openssl
fi
peer iotsafe-enroll start_authority
for name in nginx mosquitto; do
	have "$name" && same_openssl "$name" || left_out "$name" "$WHY"
done
pick_port 4
line settings mode "$MODE"
line settings programs "$PROGRAMS"
line settings tool "$TOOL"
line settings softsim "$SOFTSIM"
line settings ca "$T/direct/store/ca.pem"
line settings server_key "$T/server.key"
line settings server_cert "$T/server.pem"
line settings server_port "${PORT_OF[server]}"
line settings ports "$PORT"
line settings direct "$T/direct"
line settings direct_socket "$(socket_of direct)"
line settings module "$MODULES/iotsafe.so"
line settings modules "$MODULES"
line settings conf "$T/openssl.cnf"
line settings many_conf "$T/many.cnf"
line settings source "$E2E_SOURCE"
/usr/bin/python3 "$E2E_SOURCE/tests/bench/measure.py" "$T" "$RESULTS"
