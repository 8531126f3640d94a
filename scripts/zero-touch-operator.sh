#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# Zero touch, with the operator in charge: a device waits for its credentials, which the
# operator puts on the SIM over the air, and talks to an MQTT broker with them. Then they
# are taken away, come back, and go with another profile of the eSIM; nobody touches the
# device and no program is started again. Exit status 0 only when each step came out so.
#
# The software SIM stands for the SIM, its `admin` command for the operator's server.
set -u
cd "$(dirname "$0")/.." || exit 1

usage='usage: scripts/zero-touch-operator.sh [--build FOLDER]
  --build FOLDER  take what is built there, and install nothing'
build=
case $# in
0) ;;
*)
	case $1 in
	--build) build=${2:?the folder is missing} ;;
	--help | -h) echo "$usage" && exit 0 ;;
	*) echo "$usage" >&2 && exit 2 ;;
	esac
	;;
esac
needs='mosquitto mosquitto_pub'
# shellcheck source=scripts/zero-touch-lib.sh
. scripts/zero-touch-lib.sh

# issue LABEL: a certificate of the operator's CA for the public key on the SIM. The
# operator knows that key and needs no request of the device.
issue() {
	iotsafe pubkey "iotsafe://label=$1;type=public" >"$work/new.pub" &&
		certify "$work/new.pub" /CN=device-1 "$work/new.pem" "${for_clients[@]}" &&
		openssl x509 -in "$work/new.pem" -outform DER -out "$work/new.der" || give_up 'no certificate was issued' "$work/issue.err"
}

# The device tries to connect anew, and fails.
refused_again() {
	local before
	before=$(grep -c 'OpenSSL Error' "$work/device.log")
	wait_for more_than "$before" 'OpenSSL Error' "$work/device.log" || give_up 'the device does not try' "$work/device.log"
}

new_sim profile-2
operator delete client-key
operator delete client-cert

# ----------------------------------------------------------------- the device

step '1. The device is switched on: it waits for its credentials'
say 'iotsafe wait-cert iotsafe://label=device-cert --changed --exec reload.sh'
# Its part: what programs read is made anew whenever the certificate on the SIM changes.
cat >"$work/reload.sh" <<END
iotsafe key-ref --no-pubkey iotsafe://label=spare-1 >$work/device-key.new && iotsafe cert iotsafe://label=device-cert >$work/device.new &&
	mv $work/device-key.new $work/device-key.pem && mv $work/device.new $work/device.pem && date +%s%N >>$work/reloads
END
iotsafe wait-cert iotsafe://label=device-cert --interval 1 --changed --exec "sh $work/reload.sh" >"$work/wait.log" 2>&1 </dev/null &
pids+=($!)
sleep 1
[ ! -e "$work/device.pem" ] || give_up 'there is a certificate already'
say 'nothing there yet'

provision() { # LABEL: the certificate for the key of that name goes to the SIM
	issue "$1"
	operator put-file device-cert "$work/new.der" --usage cert
}
wait_for_reload() { # N: the device has made its files so many times
	wait_for more_than "$(($1 - 1))" . "$work/reloads" || give_up 'the device noticed nothing' "$work/wait.log"
}

step '2. The operator generates a key on the SIM and stores a certificate for it there'
operator generate-key spare-1
provision spare-1
on_sim 'spare-1|device-cert' | sed 's/^/    /'
: >>"$work/reloads"
wait_for_reload 1
say 'the device has read it from the SIM, and got it in no other way'

step '3. The device connects to the broker and stays connected'
say 'it runs a mosquitto for the sensors around it, with a bridge to that broker'
cat >"$work/device.conf" <<END
listener 0 $work/device.sock
allow_anonymous true
user $(id -un)
log_dest stderr
connection operator
address 127.0.0.1:$port
topic # out 1
bridge_cafile $work/profile-1/ca.pem
bridge_certfile $work/device.pem
bridge_keyfile $work/device-key.pem
restart_timeout 1
END
IOTSAFE_TRACE=file:$work/trace mosquitto -c "$work/device.conf" >"$work/device.log" 2>&1 </dev/null &
device=$!
pids+=("$device")
wait_for more_than 0 "New (client|bridge) connected.*u'device-1'" "$work/broker.log" || give_up 'it does not connect' "$work/device.log" "$work/broker.log"
grep -m 1 -E "New (client|bridge) connected" "$work/broker.log" | sed 's/^[0-9]*: /    /'

step '4. The device is suspected: the operator deletes its credentials'
operator delete spare-1
operator delete device-cert
restart_broker
say 'the connection is closed; the device tries to reconnect:'
wait_for grep -q 'iotsafe:.*no such object on the SIM' "$work/device.log" || give_up 'no reason in its log' "$work/device.log"
grep -m 1 'iotsafe:' "$work/device.log" | sed 's/^[0-9]*: /    /'
grep -m 1 ' error .*no private key' "$work/trace" | sed -E 's/^[^ ]+ [^ ]+ /    trace: /; s/ at socket:.*//'
if mosquitto_pub -h localhost -p "$port" --cafile "$work/profile-1/ca.pem" --cert "$work/device.pem" \
	--key "$work/device-key.pem" -t a -m b >"$work/new.log" 2>&1; then
	give_up 'a new program connected without credentials' "$work/new.log"
fi
say 'a program started now is refused, too'
before=$(connected)

step '5. It is cleared: the operator provisions it again'
openssl genpkey -algorithm EC -pkeyopt ec_paramgen_curve:P-256 -out "$work/pair.pem" 2>/dev/null &&
	operator put-key spare-1 "$work/pair.pem" && rm "$work/pair.pem"
provision spare-1
wait_for_reload 2
wait_for more_than "$before" "New (client|bridge) connected.*u'device-1'" "$work/broker.log" || give_up 'it does not come back' "$work/device.log" "$work/trace"
kill -0 "$device" || give_up 'the program has ended'
say 'the same process is connected again, with a new key'

step '6. Another profile of the eSIM is enabled, with an applet of its own'
operator switch "$work/profile-2"
restart_broker
before=$(connected)
refused_again
[ "$(connected)" = "$before" ] || give_up 'it connected with a profile that has no credentials'
say 'no credentials there yet: the device does not connect'
operator generate-key spare-1
provision spare-1
wait_for_reload 3
wait_for more_than "$before" "New (client|bridge) connected.*u'device-1'" "$work/broker.log" || give_up 'it does not come back' "$work/device.log" "$work/trace"
kill -0 "$device" || give_up 'the program has ended'
say 'provisioned there, it is connected once more'

step '7. A mistake: a certificate for another key'
operator put-file device-cert "$work/broker.pem" --usage cert
wait_for_reload 4
restart_broker
before=$(connected)
refused_again
[ "$(connected)" = "$before" ] || give_up "it connected with somebody else's certificate"
say 'the device does not connect: the certificate does not match the key on the SIM'

step 'OK: credentials were provisioned, removed and provisioned again over the air; nobody touched the device.'
