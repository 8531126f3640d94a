# SPDX-License-Identifier: Apache-2.0
# shellcheck shell=bash
# What the tests of iotsafe-enroll share.
# shellcheck source=tests/e2e/lib.sh
. "$(dirname "$0")/../e2e/lib.sh"
need openssl setpriv /usr/bin/python3

ENROLL=$E2E_BUILD/tools/iotsafe-enroll
[ -x "$ENROLL" ] || skip_all 'iotsafe-enroll was not built'
/usr/bin/python3 -c 'from cryptography.hazmat.primitives.serialization.pkcs7 import serialize_certificates' 2>/dev/null ||
	skip_all 'python3-cryptography is not installed'

# shellcheck disable=SC2034 # the scripts that read this file use these
new='iotsafe://label=spare-1' first_key='iotsafe://label=client-key' first_cert='iotsafe://label=client-cert'
configure # else the tool would warn at each run
printf 'device:a password' >"$T/user"
(umask 077 && echo 'a password' >"$T/secret")

# start_est NAME: the stand-in in $T/NAME, with the test CA of the SIM $CA.
start_est() {
	mkdir -p "$T/$1" && rm -f "$T/$1/ready" && cp "$T/user" "$T/$1/user" || return 1
	spawn "$1" /usr/bin/python3 "$E2E_SOURCE/tests/enroll/est_server.py" "$T/$1" \
		"$T/$CA/store/ca.pem" "$T/$CA/store/ca.key" "$T/server.pem" "$T/server.key"
	PID_OF[$1]=$SPAWNED
	started "$SPAWNED" test -e "$T/$1/ready" && EST=https://127.0.0.1:$(cat "$T/$1/port")/.well-known/est
}

# mode LINE...: what the stand-in does from now on; nothing: it behaves.
mode() {
	rm -f "$T/est/pending"
	printf '%s\n' "$@" >"$T/est/mode.new" && mv "$T/est/mode.new" "$T/est/mode"
}

# served: what it was asked for since `forget_requests`, in one line.
served() { tr '\n' ',' <"$T/est/requests"; }
forget_requests() { : >"$T/est/requests"; }

# enroll OPTION...: with the SIM `sim`. The user and the password are those of `by_password`.
enroll() { mod "$ENROLL" --transport "$(socket_of sim)" "$@"; }
# shellcheck disable=SC2034
by_password=(--ref device --secret-file "$T/secret")
est() { enroll est --server "$EST" --trust "$T/$CA/store/ca.pem" --subject /CN=device-1 "$@"; }

# ends STATUS PATTERN COMMAND...: with that status and that line on standard error.
ends() {
	local status=$1 pattern=$2
	shift 2
	run "$@"
	equal "$RC" "$status" 'exit status' && matches "$ERR" "$pattern" && lacks "$ERR" 'a password'
}

# json EXPRESSION: a Python expression over d, the JSON value in the output.
json() {
	/usr/bin/python3 -c 'import json, sys; d = json.load(open(sys.argv[2])); print(eval(sys.argv[1]))' "$1" "$OUT"
}

# holds FILE URI: the certificate in it is one for that key on the SIM.
holds() {
	equal "$(openssl x509 -in "$1" -noout -pubkey)" "$(tool sim pubkey "$2")" "the key in ${1##*/}"
}

generated() { grep -c '"ins":"GENERATE KEY PAIR"' "$T/sim/exchanges.json"; }

# world: a SIM on which nothing was made yet, its CA, and a server of that CA.
world() {
	local name
	for name in sim est; do
		[ -z "${PID_OF[$name]:-}" ] || stop "$name"
		rm -rf "${T:?}/$name"
	done
	start_sim sim && server_certificate server 2>"$T/openssl.err" && start_est est
}

# As where a newer OpenSSL has come and libcurl is still for the older one: it says so.
if ! one_openssl "$ENROLL"; then
	it 'two versions of OpenSSL in one program are an error' ends 1 'different versions of OpenSSL' \
		"$ENROLL" est --server https://localhost/ --subject /CN=x --key iotsafe://label=x --cert-out "$T/none.pem"
	done_testing
	exit
fi
