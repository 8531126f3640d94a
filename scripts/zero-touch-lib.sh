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

new_sim profile-1
"$softsim" run --store "$work/profile-1" --listen "unix:$work/sim.sock" --admin "unix:$work/admin.sock" \
	>>"$work/sim.log" 2>&1 </dev/null &
pids+=($!)
wait_for "$softsim" admin "$work/admin.sock" list || give_up 'the SIM does not answer' "$work/sim.log"
sed "\$a module = $build/provider/iotsafe.so\ntransport = socket:$work/sim.sock\nlock-dir = $work" \
	conf/openssl.cnf >"$work/openssl.cnf"
export OPENSSL_CONF=$work/openssl.cnf

# The broker's own key is in software; it demands certificates of the operator's CA.
broker_files() {
	openssl req -new -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -subj /CN=localhost \
		-keyout "$work/broker.key" -out "$work/broker.csr" 2>/dev/null &&
		openssl x509 -req -in "$work/broker.csr" -CA "$work/profile-1/ca.pem" -CAkey "$work/profile-1/ca.key" \
			-CAcreateserial -days 30 -extfile <(echo subjectAltName=DNS:localhost,IP:127.0.0.1) \
			-out "$work/broker.pem" 2>/dev/null
}
start_broker() { # [PORT]: that one, or any that is free; with a list of revocations if there is one
	local tries before
	for tries in 1 2 3 4 5 6 7 8; do
		port=${1:-$((20000 + (RANDOM + tries) % 10000))}
		cat >"$work/mosquitto.conf" <<-END
			user $(id -un)
			listener $port 127.0.0.1
			cafile $work/profile-1/ca.pem
			certfile $work/broker.pem
			keyfile $work/broker.key
			require_certificate true
			use_identity_as_username true
			log_dest stderr
			${crl:+crlfile $crl}
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
restart_broker() {
	kill "$broker" && wait "$broker" 2>/dev/null
	start_broker "$port"
}
connected() { grep -cE "New (client|bridge) connected.*u'device-1'" "$work/broker.log"; }
: >"$work/broker.log"
crl=
broker_files || give_up 'no certificate for the broker'
start_broker
