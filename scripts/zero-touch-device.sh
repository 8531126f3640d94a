#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# Zero touch, with the device in charge: its SIM came with a first key and certificate. With
# them the device gets a certificate for a key of its own, which is made on the SIM, talks to
# an MQTT broker, renews the certificate with the key that it has, and is shut out by a list
# of revocations. Exit status 0 only when each step came out so.
#
# est: the server is tests/enroll/est_server.py, a stand-in as strict as RFC 7030 allows;
# cmp: it is the mock server of `openssl cmp`, which issues what it was given;
# aws: AWS IoT fleet provisioning, for which tests/enroll/aws_server.py stands in at the broker;
# dps: Azure Device Provisioning Service, for which tests/enroll/dps_server.py stands in. It
#      issues nothing: the certificate for the key on the SIM comes with the device, and the
#      service tells which hub it belongs to, or refuses it.
set -u
cd "$(dirname "$0")/.." || exit 1

usage='usage: scripts/zero-touch-device.sh est|cmp|aws|dps [--build FOLDER]
  --build FOLDER  take what is built there, and install nothing'
build=
case ${1:-} in
est | cmp | aws | dps) method=$1 ;;
--help | -h) echo "$usage" && exit 0 ;;
*) echo "$usage" >&2 && exit 2 ;;
esac
case ${2:-} in
'') ;;
--build) build=${3:?the folder is missing} ;;
*) echo "$usage" >&2 && exit 2 ;;
esac
needs='mosquitto mosquitto_pub'
groups='test' # the stand-ins are in Python
[ "$method" != aws ] || behind=yes
# shellcheck source=scripts/zero-touch-lib.sh
. scripts/zero-touch-lib.sh

need_enroll
iotsafe-enroll --help | grep -q "^  $method " || { echo 'skipped: built without libmosquitto' && exit 77; }
key=iotsafe://label=spare-1
bootstrap=(--bootstrap-key iotsafe://label=client-key --bootstrap-cert iotsafe://label=client-cert)

# -------------------------------------------------------------- the authority

# What is given for each method: `server`, as it is shown; `where`, the options that name it;
# and `first`, those of the first request.
authority_est() {
	start_est
	where=(--server "$server" --subject /CN=device-1 --chain-out "$work/chain.pem")
	first=(--generate "${bootstrap[@]}")
}

# The mock server does not issue: it is given a certificate for the key on the SIM.
authority_cmp() {
	local tries
	make_key && certify "$work/made.pub" /CN=device-1 "$work/issued.pem" "${for_clients[@]}" ||
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
	where=(--server "$server" --subject /CN=device-1 --chain-out "$work/chain.pem")
	first=(--generate "${bootstrap[@]}")
}
server_is_there() { (: <"/dev/tcp/127.0.0.1/$port_cmp") 2>/dev/null || ! kill -0 "$server_pid" 2>/dev/null; }
make_key() { iotsafe keygen "$key" >"$work/made.pub" 2>"$work/keygen.err"; }

authority_aws() {
	OPENSSL_CONF=/dev/null /usr/bin/python3 -c 'import cryptography, paho.mqtt.client' 2>/dev/null ||
		{ echo 'skipped: python3-paho-mqtt is not installed' && exit 77; }
	stand_in aws_server.py "$((port + 1))" "$ca" "$work/profile-1/ca.key" fleet
	server=localhost:$port
	where=(--endpoint "$server" --template fleet --parameter SerialNumber=4711 --subject /CN=device-1
		--chain-out "$work/chain.pem")
	first=(--generate "${bootstrap[@]}")
}

authority_dps() {
	make_key && certify "$work/made.pub" /CN=device-1 "$work/device.pem" "${for_clients[@]}" ||
		give_up 'no certificate for the key on the SIM' "$work/keygen.err" "$work/issue.err"
	stand_in dps_server.py "$ca" "$work/broker.pem" "$work/broker.key" 0ne00000001
	server=localhost:$(cat "$work/$method/port")
	where=(--endpoint "$server" --scope 0ne00000001)
	first=()
}
stand_in() { # PROGRAM ARGUMENT...: in $work/$method
	mkdir "$work/$method"
	OPENSSL_CONF=/dev/null /usr/bin/python3 "tests/enroll/$1" "$work/$method" "${@:2}" >"$work/server.log" 2>&1 </dev/null &
	pids+=("$!")
	wait_for test -e "$work/$method/ready" || give_up 'the service does not start' "$work/server.log"
}

step "1. An authority that speaks ${method^^}"
"authority_$method"
say "$server"
# A certificate that the device never saw: nothing of this authority is believed then.
openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -subj /CN=another -keyout /dev/null \
	-out "$work/other.pem" 2>/dev/null || give_up 'no other CA'

# --------------------------------------------------------------- the device

name=(--registration-id device-1) # for dps alone
[ "$method" = dps ] || name=()
enroll() { # OPTION...
	iotsafe-enroll "$method" "${where[@]}" "${name[@]}" --key "$key" --cert-out "$work/device.pem" --json "$@" \
		>"$work/enroll.json" 2>"$work/enroll.err"
}
made() { operator counters | grep -o '"GENERATE KEY PAIR":[0-9]*'; }
certificate() { cksum "$work/device.pem" 2>/dev/null; }
publish() {
	timeout 60 mosquitto_pub -h localhost -p "$port" --cafile "$ca" --cert "$work/device.pem" --key "$work/device-key.pem" \
		-t demo -m hello >"$work/pub.log" 2>&1
}
show() { sed '/"certificate"/d; s/^/    /' "$work/enroll.json"; }
reason() { grep -m 1 -o 'iotsafe-enroll: .*' "$work/enroll.err" | cut -c 1-160; }
hub_is() { grep -q "\"hub\": *\"$1\"" "$work/enroll.json"; }

# What the device gets the first time, and again.
gets_certificate() {
	step '3. The SIM generates a key and gets a certificate for it, authenticated by its first key'
	say "iotsafe-enroll $method --generate --key $key --bootstrap-key iotsafe://label=client-key ..."
	enroll --trust "$ca" "${first[@]}" || give_up 'no certificate' "$work/enroll.err" "$work/server.log"
	show
}
gets_hub() {
	step '3. It registers with its key and certificate on the SIM, and learns its hub'
	say "iotsafe-enroll dps --key $key --cert-out device.pem --registration-id device-1 ..."
	enroll --trust "$ca" && hub_is hub.example || give_up 'no hub' "$work/enroll.err" "$work/server.log"
	show
}
certificate_again() {
	local before
	step '5. The certificate is renewed for the same key'
	before=$(certificate)
	enroll --trust "$ca" || give_up 'no renewal' "$work/enroll.err" "$work/server.log"
	show
	# The mock server for CMP has one certificate alone.
	[ "$method" = cmp ] || [ "$(certificate)" != "$before" ] || give_up 'it is the old one'
}
nothing_due() {
	enroll --trust "$ca" --renew 1d && grep -q not-due "$work/enroll.json" || give_up 'a run too many did something' "$work/enroll.err"
	say 'a run before it is due does nothing'
}
hub_again() {
	step '5. It registers again with the same key; no other device can use its name, nor it another name'
	enroll --trust "$ca" && hub_is hub.example || give_up 'no hub' "$work/enroll.err" "$work/server.log"
	name=(--registration-id device-2)
	if enroll --trust "$ca"; then give_up 'it registered as another device'; fi
	name=(--registration-id device-1)
	say "$(reason)"
}

step '2. It trusts only the CA that it was given'
before=$(made) before_certificate=$(certificate)
if enroll --trust "$work/other.pem" "${first[@]}"; then
	give_up 'it believed an authority of no one'
fi
[ "$(certificate)" = "$before_certificate" ] && [ "$(made)" = "$before" ] || give_up 'something was made all the same'
say "refused, and no key was made: $(reason)"

if [ "$method" = dps ]; then gets_hub; else gets_certificate; fi
[ "$(openssl x509 -in "$work/device.pem" -noout -pubkey)" = "$(iotsafe pubkey "$key")" ] ||
	give_up 'the certificate is not for the key on the SIM'
iotsafe key-ref "$key" >"$work/device-key.pem" || give_up 'no key-reference file'

step '4. The device talks to its broker'
publish || give_up 'it does not connect' "$work/pub.log" "$work/broker.log"
[ "$(connected)" -gt 0 ] || wait_for more_than 0 "u'device-1'" "$work/broker.log" || give_up 'the broker saw nobody' "$work/broker.log"
grep -m 1 -E "New client connected.*u'device-1'" "$work/broker.log" | sed 's/^[0-9]*: /    /'

before=$(made)
if [ "$method" = dps ]; then hub_again; else certificate_again; fi
[ "$(made)" = "$before" ] || give_up 'another key was made'
publish || give_up 'it does not connect any more' "$work/pub.log" "$work/broker.log"
[ "$method" = dps ] || nothing_due

step '6. The device is suspected: its certificate is revoked'
revoke "$work/device.pem" || give_up 'no list of revocations' "$work/ca.log"
restart_broker
before=$(connected)
if publish; then give_up 'it connected with a revoked certificate' "$work/broker.log"; fi
wait_for grep -q 'OpenSSL Error' "$work/broker.log" && [ "$(connected)" = "$before" ] ||
	give_up 'the broker does not say that it refused' "$work/broker.log"
grep -hE -m 1 'OpenSSL Error.*(revoked|verify failed)' "$work/pub.log" "$work/broker.log" | sed -E 's/^([0-9]+: )?/    /'

if [ "$method" = dps ]; then
	echo 'status disabled' >"$work/dps/mode"
	if enroll --trust "$ca"; then give_up 'it registered though it is disabled'; fi
	say "$(reason)"
	step 'OK: own key, registration, hub, TLS, refusal, revocation, by DPS; no private key left the SIM.'
else
	step "OK: bootstrap, own key, certificate, TLS, renewal, revocation, by ${method^^}; no private key left the SIM."
fi
