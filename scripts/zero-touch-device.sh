#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# Zero touch, with the device in charge: its SIM came with a first key and certificate. With
# them the device gets a certificate for a key of its own, which is made on the SIM, talks to
# an MQTT broker, renews the certificate with the key that it has, and is shut out by a list
# of revocations. Exit status 0 only when each step came out so.
#
# est: the server is tests/enroll/est_server.py, a stand-in as strict as RFC 7030 allows;
# cmp: it is the mock server of `openssl cmp`, which issues what it was given.
set -u
cd "$(dirname "$0")/.." || exit 1

usage='usage: scripts/zero-touch-device.sh est|cmp [--build FOLDER]
  --build FOLDER  take what is built there, and install nothing'
build=
case ${1:-} in
est | cmp) method=$1 ;;
--help | -h) echo "$usage" && exit 0 ;;
*) echo "$usage" >&2 && exit 2 ;;
esac
case ${2:-} in
'') ;;
--build) build=${3:?the folder is missing} ;;
*) echo "$usage" >&2 && exit 2 ;;
esac
needs='mosquitto mosquitto_pub'
groups='test' # the stand-in for an EST server is in Python
# shellcheck source=scripts/zero-touch-lib.sh
. scripts/zero-touch-lib.sh

command -v iotsafe-enroll >/dev/null || { echo "skipped: iotsafe-enroll was not built" && exit 77; }
key=iotsafe://label=spare-1
bootstrap=(--bootstrap-key iotsafe://label=client-key --bootstrap-cert iotsafe://label=client-cert)

# -------------------------------------------------------------- the authority

# The mock server does not issue: it is given a certificate for the key on the SIM.
start_cmp() {
	local tries
	iotsafe keygen "$key" >"$work/made.pub" 2>"$work/keygen.err" &&
		certify "$work/made.pub" /CN=device-1 "$work/issued.pem" "${for_clients[@]}" ||
		give_up 'nothing to issue' "$work/keygen.err" "$work/issue.err"
	for tries in 1 2 3 4 5 6 7 8; do
		port_cmp=$((30000 + (RANDOM + tries) % 2000))
		OPENSSL_CONF=/dev/null openssl cmp -config '' -port "$port_cmp" -srv_cert "$work/broker.pem" -srv_key "$work/broker.key" \
			-srv_trusted "$ca" -rsp_cert "$work/issued.pem" -grant_implicitconf >"$work/server.log" 2>&1 </dev/null &
		server_pid=$!
		pids+=("$server_pid")
		wait_for server_is_there
		! kill -0 "$server_pid" 2>/dev/null || break
	done
	server=http://127.0.0.1:$port_cmp/pkix/
}
server_is_there() { (: <"/dev/tcp/127.0.0.1/$port_cmp") 2>/dev/null || ! kill -0 "$server_pid" 2>/dev/null; }

step "1. An authority that speaks ${method^^}"
"start_$method"
say "$server"
# A certificate that the device never saw: nothing of this authority is believed then.
openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -subj /CN=another -keyout /dev/null \
	-out "$work/other.pem" 2>/dev/null || give_up 'no other CA'

# --------------------------------------------------------------- the device

enroll() { # OPTION...
	iotsafe-enroll "$method" --server "$server" --key "$key" --subject /CN=device-1 \
		--cert-out "$work/device.pem" --chain-out "$work/chain.pem" --json "$@" >"$work/enroll.json" 2>"$work/enroll.err"
}
made() { operator counters | grep -o '"GENERATE KEY PAIR":[0-9]*'; }
publish() {
	timeout 60 mosquitto_pub -h localhost -p "$port" --cafile "$ca" --cert "$work/device.pem" --key "$work/device-key.pem" \
		-t demo -m hello >"$work/pub.log" 2>&1
}
show() { sed '/"certificate"/d; s/^/    /' "$work/enroll.json"; }

step '2. It believes only the authority that it was told of'
before=$(made)
if enroll --trust "$work/other.pem" --generate "${bootstrap[@]}"; then
	give_up 'it believed an authority of no one'
fi
[ ! -e "$work/device.pem" ] && [ "$(made)" = "$before" ] || give_up 'something was made all the same'
say "refused, and no key was made: $(grep -m 1 -o 'iotsafe-enroll: .*' "$work/enroll.err" | cut -c 1-110)"

step '3. A key is made on the SIM, and certified; the first key and certificate vouch for it'
say "iotsafe-enroll $method --generate --key $key --bootstrap-key iotsafe://label=client-key ..."
enroll --trust "$ca" --generate "${bootstrap[@]}" || give_up 'no certificate' "$work/enroll.err" "$work/server.log"
show
[ "$(openssl x509 -in "$work/device.pem" -noout -pubkey)" = "$(iotsafe pubkey "$key")" ] ||
	give_up 'the certificate is not for the key on the SIM'
iotsafe key-ref "$key" >"$work/device-key.pem" || give_up 'no key-reference file'

step '4. The device talks to its broker'
publish || give_up 'it does not connect' "$work/pub.log" "$work/broker.log"
[ "$(connected)" -gt 0 ] || wait_for more_than 0 "u'device-1'" "$work/broker.log" || give_up 'the broker saw nobody' "$work/broker.log"
grep -m 1 -E 'New client connected' "$work/broker.log" | sed 's/^[0-9]*: /    /'

step '5. The certificate is renewed, by the key that it has'
before=$(made)
enroll --trust "$ca" || give_up 'no renewal' "$work/enroll.err" "$work/server.log"
show
[ "$(made)" = "$before" ] || give_up 'another key was made'
publish || give_up 'it does not connect any more' "$work/pub.log" "$work/broker.log"
enroll --trust "$ca" --renew 1d && grep -q not-due "$work/enroll.json" || give_up 'a run too many did something' "$work/enroll.err"
say 'a run before the time does nothing'

step '6. The device is suspect: its certificate is revoked'
revoke "$work/device.pem" || give_up 'no list of revocations' "$work/ca.log"
restart_broker
before=$(connected)
if publish; then give_up 'it connected with a revoked certificate' "$work/broker.log"; fi
wait_for grep -q 'OpenSSL Error' "$work/broker.log" && [ "$(connected)" = "$before" ] ||
	give_up 'the broker does not say that it refused' "$work/broker.log"
grep -hE -m 1 'OpenSSL Error.*(revoked|verify failed)' "$work/pub.log" "$work/broker.log" | sed -E 's/^([0-9]+: )?/    /'

step "OK: bootstrap, own key, certificate, TLS, renewal, revocation, by ${method^^}; no private key left the SIM."
