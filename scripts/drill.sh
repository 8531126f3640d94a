#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# A fleet on one machine: N devices, each with a software SIM of its own, one authority that
# speaks EST, one MQTT broker. All get certificates and connect, renew them; the certificates
# of a tenth are revoked; the broker goes away and comes back. Prints a table, draws time and
# failures, and sees that the devices never all come at once. Exit status 0 only when each
# step came out so.
#
# The server is tests/enroll/est_server.py, a stand-in; docs/fleet.md says what is there for
# fleets that are larger than one machine.
set -u
cd "$(dirname "$0")/.." || exit 1

usage='usage: scripts/drill.sh [N] [--rate R] [--away SECONDS] [--svg FILE] [--build FOLDER]
  N               devices; 20 if not given
  --rate R        requests per second that the authority takes, and the broker should see;
                  at least 3; 30 if not given
  --away SECONDS  how long the broker is away; 60 if not given
  --svg FILE      the drawing; drill.svg in the build folder if not given
  --build FOLDER  take what is built there, and install nothing'
n=20 rate=30 away=60 svg='' build=''
number() { [[ $1 =~ ^[1-9][0-9]{0,3}$ ]] || { echo "$usage" >&2 && exit 2; }; }
while [ $# -gt 0 ]; do
	case $1 in
	--help | -h) echo "$usage" && exit 0 ;;
	--rate) number "${2:-}" && rate=$2 && shift ;;
	--away) number "${2:-}" && away=$2 && shift ;;
	--svg) svg=$(realpath -m "${2:?the file is missing}") && shift ;;
	--build) build=${2:?the folder is missing} && shift ;;
	*) number "$1" && n=$1 ;;
	esac
	shift
done
per_enrolment=3 # requests: cacerts, csrattrs, the certificate
[ "$rate" -ge "$per_enrolment" ] || { echo "$usage" >&2 && exit 2; }
needs='mosquitto mosquitto_pub'
groups='test' # the stand-in for an EST server is in Python
# shellcheck source=scripts/zero-touch-lib.sh
. scripts/zero-touch-lib.sh
need_enroll

svg=${svg:-$build/drill.svg}
patience=$((600 + 10 * n)) # a busy machine
# The devices come at random times. So long a time for all of them that the limit is out of
# sight: on average they need a sixth of it.
spread=6
revoked=$((n < 10 ? 1 : n / 10))
key=iotsafe://label=spare-1

# ------------------------------------------------------------------ the devices

# all FIRST LAST COMMAND...: for each device, at the same time; the device is its last argument.
all() {
	local device pid first=$1 last=$2 others=("${pids[@]}")
	shift 2
	for ((device = first; device <= last; device++)); do
		"$@" "$device" &
		pids+=("$!")
	done
	for pid in "${pids[@]:${#others[@]}}"; do wait "$pid"; done
	pids=("${others[@]}")
}
# An attempt is written down, with its time.
attempt() { # STEP DEVICE WHEN-IT-FAILS COMMAND...
	local step=$1 device=$2 result=$3 begin=$EPOCHREALTIME
	shift 3
	! "$@" || result=ok
	echo "$step $device $begin $EPOCHREALTIME $result" >>"$work/events"
	[ "$result" = ok ]
}
# came STEP RESULT: how many devices.
came() { awk -v step="$1" -v result="$2" '$1 == step && $5 == result && !seen[$2]++ { n++ } END { print n + 0 }' "$work/events"; }
have_come() { [ "$(came "$1" "$2")" -ge "$3" ]; }
all_came() { # STEP RESULT DEVICES LOG
	have_come "$1" "$2" "$3" || give_up "$1: $(came "$1" "$2") of $3 devices" "$work"/[0-9]*/"$4" "$work/server.log"
	say "$3 of $3 devices"
}
sleep_ms() { sleep "$(($1 / 1000)).$(printf %03d $(($1 % 1000)))"; }
# At any moment of the time for all, so many requests each.
sleep_before() { sleep_ms $((SRANDOM % (1000 * spread * $1 * n / rate + 1))); }

# As it leaves the factory: a key on the SIM and a certificate of the authority for it.
make() {
	local folder=$work/$1
	mkdir -p "$folder" && "$softsim" init --store "$folder/sim" >"$folder/sim.log" 2>&1 &&
		configuration "$1/s" >"$folder/openssl.cnf"
}
first_certificate() {
	local folder=$work/$1
	export OPENSSL_CONF=$folder/openssl.cnf
	iotsafe pubkey 'iotsafe://label=client-key;type=public' >"$folder/first.pub" &&
		certify "$folder/first.pub" "/CN=device-$1" "$folder/first.pem" "${for_clients[@]}"
}
enroll() { # OPTION... DEVICE
	local folder=$work/${*: -1}
	OPENSSL_CONF=$folder/openssl.cnf iotsafe-enroll est --server "$server" --trust "$ca" --key "$key" \
		--subject "/CN=device-${*: -1}" --cert-out "$folder/device.pem" --chain-out "$folder/chain.pem" \
		--retry --retry-max "$patience" "${@:1:$#-1}" >>"$folder/enroll.log" 2>&1
}
enrol_first() {
	sleep_before "$per_enrolment"
	attempt enrol "$1" failed enroll --generate --bootstrap-key iotsafe://label=client-key \
		--bootstrap-cert "$work/$1/first.pem" "$1" &&
		OPENSSL_CONF=$work/$1/openssl.cnf iotsafe key-ref "$key" >"$work/$1/device-key.pem"
}
renew() {
	sleep_before "$per_enrolment"
	attempt renew "$1" failed enroll "$1"
}
publish() {
	local folder=$work/$1
	OPENSSL_CONF=$folder/openssl.cnf timeout 120 mosquitto_pub -h localhost -p "$port" --cafile "$ca" \
		--cert "$folder/device.pem" --key "$folder/device-key.pem" -t demo -m "device-$1" >"$folder/pub.log" 2>&1
}
# As the program of a device does: when the broker is away it comes back, after pauses that
# grow, each shortened at random by up to half.
connect() { # STEP DEVICE
	local pause=1000 longest=$((1000 * spread * n / rate)) end=$((SECONDS + patience))
	[ "$longest" -ge 2000 ] || longest=2000
	sleep_before 1
	until attempt "$1" "$2" failed publish "$2"; do
		[ "$SECONDS" -lt "$end" ] || return 1
		sleep_ms $((pause / 2 + SRANDOM % (pause / 2)))
		pause=$((2 * pause < longest ? 2 * pause : longest))
	done
}
connect_once() {
	sleep_before 1
	attempt revoked "$1" refused publish "$1"
}
# The public keys or the serial numbers of all certificates.
of_all() { # OPTION FILE
	local device
	for ((device = 1; device <= n; device++)); do
		OPENSSL_CONF=/dev/null openssl x509 -in "$work/$device/device.pem" -noout "$1" || return 1
	done >"$2"
}

step "1. $n devices are made, and an authority that takes $rate requests per second"
: >"$work/events"
all 1 "$n" make
for ((device = 1; device <= n; device++)); do
	serve_sim "$device/sim" "$device/s" "$device/admin"
done
for ((device = 1; device <= n; device++)); do
	wait_for sim_answers "$device/admin" || give_up "SIM $device does not answer" "$work/$device/sim.log"
done
all 1 "$n" first_certificate
for ((device = 1; device <= n; device++)); do
	[ -s "$work/$device/first.pem" ] || give_up "device $device has no first certificate" "$work/issue.err"
done
start_est
echo "rate $rate" >"$work/est/mode"
say "$server, with the certificates of the factory for the first time"

step "2. Each makes a key on its SIM and gets a certificate, at any time within $((spread * per_enrolment * n / rate)) s"
all 1 "$n" enrol_first
all_came enrol ok "$n" enroll.log
of_all -pubkey "$work/keys" && of_all -serial "$work/serials" || give_up 'there are certificates missing'
[ "$(grep -v -e ---- "$work/keys" | paste -d '' - - | sort -u | wc -l)" -eq "$n" ] || give_up 'two devices have one key'

step '3. All connect to the broker'
all 1 "$n" connect connect
all_came connect ok "$n" pub.log

step '4. All renew their certificates and keep their keys'
all 1 "$n" renew
all_came renew ok "$n" enroll.log
of_all -pubkey "$work/keys.new" && cmp -s "$work/keys" "$work/keys.new" || give_up 'another key was made'
of_all -serial "$work/serials.new" &&
	[ "$(sort -u "$work/serials" "$work/serials.new" | wc -l)" -eq $((2 * n)) ] || give_up 'not all certificates are new'

step "5. $revoked of them are suspected: their certificates are revoked"
mapfile -t suspects < <(seq -f "$work/%.0f/device.pem" 1 "$revoked")
revoke "${suspects[@]}" || give_up 'no list of revocations' "$work/ca.log"
restart_broker
before=$(connected 'device-[0-9]+')
all 1 "$revoked" connect_once
have_come revoked refused "$revoked" && [ "$(connected 'device-[0-9]+')" = "$before" ] ||
	give_up 'one connected with a revoked certificate' "$work/broker.log"
say "$revoked of $revoked are refused: $(grep -ohE -m 1 'OpenSSL Error.*(revoked|verify failed)' "$work/broker.log" | head -n 1)"
all $((revoked + 1)) "$n" connect others
all_came others ok $((n - revoked)) pub.log

step "6. The broker is away for $away s, and each device notices"
stop_broker
(
	sleep "$away"
	wait_for have_come recover failed $((n - revoked)) || exit 1
	touch "$work/long-enough"
) &
pids+=("$!")
all $((revoked + 1)) "$n" connect recover &
devices=$!
pids+=("$devices")
wait_for test -e "$work/long-enough" || give_up 'not all devices noticed' "$work"/[0-9]*/pub.log
back=$EPOCHREALTIME
start_broker "$port"
say 'it is back'
wait "$devices"
all_came recover ok $((n - revoked)) pub.log

# --------------------------------------------------------------------- the report

step '7. Time and failures'
sed -n 's/: New connection from .*//p' "$work/broker.log" >"$work/broker.times"
/usr/bin/python3 scripts/drill_report.py "$work/events" --rate "$rate" --svg "$svg" --mark "recover=$back" \
	--requests "authority=$work/est/times" --requests "broker=$work/broker.times" >"$work/report"
status=$?
indent <"$work/report"
say "the drawing: $svg"
turned_away=$(grep -c ' 429$' "$work/est/requests")
say "turned away by the authority, because there were too many: $turned_away"
[ "$status" -eq 0 ] || give_up 'too many devices came at once'

step "OK: $n devices enrolled, connected, renewed; $revoked shut out; the others came back by themselves, not all at once."
