# SPDX-License-Identifier: Apache-2.0
# shellcheck shell=bash
# What the end-to-end tests share: items with TAP output, processes that end
# with the test, software SIMs, a pcscd of their own, servers, free ports. The
# tests themselves are the other scripts here; each sources this file.
#
# From the build (tests/e2e/meson.build):
#   E2E_SOURCE    the source tree
#   E2E_BUILD     the build tree
#   E2E_SANITIZE  meson's b_sanitize: none, address,undefined, or thread (for programs of
#                 our build alone: tests/long/threads.sh)
# From scripts/cross.sh:
#   E2E_SOFTSIM   the software SIM of this machine, for programs of another

set -u
export LC_ALL=C
PATH=$PATH:/usr/sbin:/sbin
unset OPENSSL_CONF OPENSSL_MODULES LD_PRELOAD http_proxy https_proxy
# shellcheck disable=SC2034 # the scripts choose their counts by it
LONG=${IOTSAFE_TEST_LONG:-} # before all settings of ours are forgotten
for name in "${!IOTSAFE_@}"; do unset "$name"; done

: "${E2E_SOURCE:?run these tests with meson test}" "${E2E_BUILD:?}" "${E2E_SANITIZE:=none}"
SOFTSIM=${E2E_SOFTSIM:-$E2E_BUILD/softsim/iotsafe-softsim}
TOOL=$E2E_BUILD/tools/iotsafe
HELPERS=$E2E_BUILD/tests/e2e
CONF=$E2E_SOURCE/conf

# ------------------------------------------------------------ the folder T

# Under /tmp so that names of Unix sockets stay short. Other users (mosquitto,
# www-data) must get at some things in it.
T=$(mktemp -d /tmp/iotsafe-e2e.XXXXXX) || exit 1
chmod 755 "$T"
mkdir "$T/modules" "$T/san" "$T/lock"
chmod 1777 "$T/san"
chmod 700 "$T/lock"
export IOTSAFE_LOCK_DIR=$T/lock

# The lock folder for tests with several users, as root: of a group that they are in
# (setpriv --groups), as conf/tmpfiles.d/iotsafe.conf has it; or open to everybody, as for
# daemons that change their user by themselves.
LOCK_GROUP=4242
group_locks() { chgrp "$LOCK_GROUP" "$T/lock" && chmod 2770 "$T/lock"; }
public_locks() { chmod 1777 "$T/lock"; }
export HOME=$T XDG_RUNTIME_DIR=$T

# The module in a place that every user can read.
MODULES=$T/modules
cp "$E2E_BUILD/provider/iotsafe.so" "$MODULES/" || exit 1

# Sanitizers: an error aborts the program. Leaks are written down and looked
# through at the end (see no_sanitizer_findings), because stock programs have
# leaks of their own that are not ours to judge.
PRELOAD=()
if [ "$E2E_SANITIZE" = thread ]; then
	export TSAN_OPTIONS="log_path=$T/san/log:log_exe_name=1:suppressions=$E2E_SOURCE/tests/long/tsan.supp"
elif [ "$E2E_SANITIZE" != none ]; then
	asan=$(ldd "$MODULES/iotsafe.so" | grep -oE '/[^ ]*libasan[^ ]*')
	[ -n "$asan" ] || {
		echo '1..0 # SKIP stock programs need the shared runtime of gcc for the sanitizers'
		exit 0
	}
	cp "$HELPERS/libkeep_loaded.so" "$MODULES/" || exit 1
	PRELOAD=("LD_PRELOAD=$asan $MODULES/libkeep_loaded.so")
	reports=abort_on_error=1:log_path=$T/san/log:log_exe_name=1
	export ASAN_OPTIONS="$reports:detect_leaks=1:fast_unwind_on_malloc=0:malloc_context_size=40:stack_trace_format='    #%n %F %L [%m]'"
	export LSAN_OPTIONS=exitcode=0
	export UBSAN_OPTIONS=$reports:halt_on_error=1:print_stacktrace=1
fi

# --------------------------------------------------------------- processes

PIDS=()
# By the name of what was started.
# shellcheck disable=SC2034
declare -A PID_OF PORT_OF

# spawn NAME COMMAND...: in the background, output in $T/NAME.log, pid in
# SPAWNED. Ends with this script, however that ends.
spawn() {
	local name=$1
	shift
	setpriv --pdeathsig KILL -- "$@" </dev/null >>"$T/$name.log" 2>&1 &
	SPAWNED=$!
	PIDS+=("$SPAWNED")
}

alive() { kill -0 "$1" 2>/dev/null; }
gone() { ! alive "$1"; }

# end PID [SIGNAL]: ends a process of ours and waits until it is gone.
end() {
	local pid=$1 signal=${2:-TERM} i
	kill -s "$signal" "$pid" 2>/dev/null
	await gone "$pid"
	kill -s KILL "$pid" 2>/dev/null
	wait "$pid" 2>/dev/null
	for i in "${!PIDS[@]}"; do
		[ "${PIDS[i]}" != "$pid" ] || unset "PIDS[i]"
	done
}

end_all() {
	local i
	local -a pids=("${PIDS[@]}")
	for ((i = ${#pids[@]} - 1; i >= 0; i--)); do end "${pids[i]}"; done
}

on_exit() {
	local status=$?
	trap - EXIT
	end_all
	if [ -n "${E2E_KEEP:-}" ]; then
		echo "# kept: $T"
	else
		rm -rf "$T"
	fi
	exit "$status"
}
trap on_exit EXIT
trap 'exit 143' TERM INT HUP

# No verdict depends on how fast the machine is: we wait as long as something happens,
# and give up only when nothing has happened for PATIENCE seconds. That is longer than
# an operation of the module may take by default, so that its own error is seen first.
PATIENCE=60

# What is compared to see whether something happens: the SIMs note each exchange in a
# file, daemons write their logs.
written() { find "$T" -type f -printf '%s\n' 2>/dev/null | awk '{ n += $1 } END { print n + 0 }'; }

# await COMMAND...: until the command succeeds.
await() {
	local looked=$SECONDS moved=$SECONDS before='' now
	until "$@" >/dev/null 2>&1; do
		if [ "$SECONDS" -ne "$looked" ]; then
			looked=$SECONDS
			now=$(written)
			[ "$now" = "$before" ] || moved=$SECONDS
			before=$now
			if [ $((SECONDS - moved)) -gt "$PATIENCE" ]; then
				echo "nothing has happened for $PATIENCE seconds; waited in vain for: $*"
				return 1
			fi
		fi
		sleep 0.02
	done
}

# ended PID: waits until it ends by itself; with its status.
ended() { await gone "$1" && wait "$1"; }

# started PID COMMAND...: the same while that process lives.
started() {
	local pid=$1
	shift
	lives_or() { ! alive "$pid" || "$@"; }
	await lives_or "$@" && alive "$pid" && return
	echo "process $pid has ended or is not ready: $*"
	return 1
}

# patiently COMMAND...: ended when nothing happens any more, with status 124.
patiently() { "$HELPERS/patient" "$T" "$@"; }

# A deadline for the module that no machine is too slow for, and beyond our patience: what
# waits for it instead of noticing something at once is ended by `patiently`.
# shellcheck disable=SC2034
FAR_DEADLINE=IOTSAFE_TIMEOUT_MS=600000

# Programs with our module in them.
module_env=("OPENSSL_MODULES=$MODULES")
mod() { patiently env "${module_env[@]}" "${PRELOAD[@]}" "$@"; }
# hold OPTION... URI: our application that holds a key, see hold.c; like `run`.
hold() { run hold_key "$@"; }
hold_key() { patiently env "${module_env[@]}" "$HELPERS/hold" "$@"; }
spawn_hold() { spawn "$1" env "${module_env[@]}" "$HELPERS/hold" "${@:2}"; }
spawn_mod() {
	local name=$1
	shift
	spawn "$name" env "${module_env[@]}" "${PRELOAD[@]}" "$@"
}

# --------------------------------------------------------------- TAP output

N=0
FAILED=0

tap() { echo "$1 $N - $2"; }

# it DESCRIPTION FUNCTION [ARGUMENT...]: one test. Whatever the function
# prints is shown only when it fails. Status 77: skipped, with $WHY.
it() {
	local description=$1 log=$T/item.log status
	shift
	N=$((N + 1))
	WHY=
	touch "$T/item.began"
	"$@" >"$log" 2>&1
	status=$?
	[ "$status" -eq 0 ] || echo "seed: $SEED (E2E_SEED=$SEED repeats it)" >>"$log"
	if [ "$status" -eq 0 ]; then
		tap ok "$description"
	elif [ "$status" -eq 77 ]; then
		tap ok "$description # SKIP ${WHY:-not possible here}"
	else
		FAILED=$((FAILED + 1))
		tap 'not ok' "$description"
		sed 's/^/#   /' "$log" | tail -n 60
		for log in "$T"/*.log; do
			case $log in */item.log | *'*'*) continue ;; esac
			if [ -s "$log" ] && [ ! "$log" -ot "$T/item.began" ]; then
				echo "#   --- end of ${log##*/}"
				tail -n 12 "$log" | sed 's/^/#   /'
			fi
		done
	fi
}

# Chance: E2E_SEED=N repeats what a run with that seed did.
SEED=${E2E_SEED:-$RANDOM}
[[ $SEED =~ ^[0-9]+$ ]] || SEED=1

# chance NAME N: a number from 1 to N that depends on the seed and the name alone.
chance() {
	local sum
	sum=$(cksum <<<"$SEED $1")
	echo $((${sum%% *} % $2 + 1))
}

# note TEXT: for the reader of the log.
note() { echo "# $*"; }

skip_all() {
	echo "1..0 # SKIP $*"
	exit 0
}

# have PROGRAM...: else leaves the reason in WHY, for `|| return 77`.
have() {
	local program
	for program; do
		if ! command -v "$program" >/dev/null; then
			WHY="$program is not installed"
			return 1
		fi
	done
}

# same_openssl PROGRAM: it uses the libcrypto that our module was built for; else leaves the
# reason in WHY. A Debian may have two, with the openssl of another release.
same_openssl() {
	local program ours
	program=$(libcrypto_of "$(command -v "$1")")
	ours=$(libcrypto_of "$MODULES/iotsafe.so")
	[ -z "$program" ] || [ "$program" = "$ours" ] && return
	WHY="$1 uses $program, the module was built for $ours"
	return 1
}

# one_openssl PROGRAM: its libraries bring no other one along; else leaves the reason in WHY.
one_openssl() {
	[ "$(ldd "$1" | grep -oE 'libcrypto\.so\.[0-9]+' | sort -u | wc -l)" -le 1 ] && return
	WHY="the libraries of ${1##*/} bring another OpenSSL"
	return 1
}

libcrypto_of() { ldd "$1" | grep -m 1 -oE 'libcrypto\.so\.[0-9]+' | head -n 1; }

need() { have "$@" || skip_all "$WHY"; }

done_testing() {
	if [ "$E2E_SANITIZE" != none ]; then
		end_all
		it 'sanitizers have nothing to report' no_sanitizer_findings
	fi
	echo "1..$N"
	[ "$FAILED" -eq 0 ]
	exit
}

# In our programs every leak counts. Stock programs leave things behind when they exit,
# perhaps a key of ours that hangs on something of theirs ("indirect"); there the leaks
# count that start in our module. Everything else that a sanitizer says counts.
no_sanitizer_findings() {
	local report status=0
	for report in "$T"/san/*; do
		[ -s "$report" ] || continue
		case ${report##*/} in
		log.agree* | log.bad_line* | log.faults* | log.hold* | log.iotsafe* | log.mixed*) ;;
		*)
			if grep -q 'LeakSanitizer: detected' "$report" &&
				! grep -qE 'AddressSanitizer: [a-z-]+ on|runtime error' "$report"; then
				awk -v RS= '/^Direct leak/ && /\/iotsafe\.so/' "$report" >"$T/leaks"
				[ -s "$T/leaks" ] || continue
			fi
			;;
		esac
		echo "--- ${report##*/}"
		head -n 60 "$report"
		status=1
	done
	return $status
}

# ---------------------------------------------------------------- assertions

# run COMMAND...: keeps standard output in OUT, errors in ERR, status in RC. Standard
# input is the file INPUT.
OUT=$T/out
ERR=$T/err
INPUT=/dev/null
run() {
	"$@" >"$OUT" 2>"$ERR" <"$INPUT"
	RC=$?
	echo "\$ $* -> $RC"
	head -c 4000 "$OUT" | tr -d '\000' | sed 's/^/    | /'
	head -c 4000 "$ERR" | sed 's/^/    ! /'
	return $RC
}

# fails COMMAND...: it must fail, and orderly: not by a signal, not by a timeout.
fails() {
	run "$@"
	if [ "$RC" -eq 0 ]; then
		echo 'should have failed'
		return 1
	elif [ "$RC" -ge 124 ]; then
		echo "ended by a signal or a timeout: $RC"
		return 1
	fi
}

matches() {
	grep -qE -e "$2" "$1" && return
	echo "not in ${1##*/}: $2"
	return 1
}

lacks() {
	grep -qE -e "$2" "$1" || return 0
	echo "unexpected in ${1##*/}: $(grep -m 1 -E -e "$2" "$1")"
	return 1
}

equal() {
	[ "$1" = "$2" ] && return
	echo "${3:-value}: is '$1', should be '$2'"
	return 1
}

# one_clear_error FILE PATTERN...: the module's own error is there, once, and
# matches every pattern.
one_clear_error() {
	local file=$1 pattern n
	shift
	n=$(grep -cE 'error:[0-9A-F]+:iotsafe:' "$file")
	if [ "$n" -ne 1 ]; then
		echo "$n errors of iotsafe in ${file##*/}, should be one"
		return 1
	fi
	grep -E 'error:[0-9A-F]+:iotsafe:' "$file" >"$T/clear-error"
	for pattern; do matches "$T/clear-error" "$pattern" || return 1; done
}

# The blocks of the page DOC, by the name in the line before each: "<!-- NAME -->".
block() { # NAME
	awk -v name="<!-- $1 -->" '$0 == name {on = 1; next} on && /^    / {print substr($0, 5); seen = 1; next}
		on && seen && NF {exit}' "$DOC"
}

# --------------------------------------------------------------------- ports

PORT_LOCKS=/tmp/iotsafe-e2e-ports-$(id -u)
mkdir -p "$PORT_LOCKS" && chmod 700 "$PORT_LOCKS"

listening() { # PORT: whether somebody listens there
	grep -qiE "^ *[0-9]+: [0-9A-F]+:$(printf %04X "$1") [0-9A-F]+:0000 0A " /proc/net/tcp /proc/net/tcp6 2>/dev/null
}

# pick_port [N]: PORT and the N - 1 after it are free, lie below the ephemeral
# range, and are kept from other tests by locks that end with this script.
pick_port() {
	local n=${1:-1} base i fd ok
	local -a fds
	while :; do
		base=$((10000 + (RANDOM * 32768 + RANDOM) % 22000))
		fds=()
		ok=yes
		for ((i = 0; i < n; i++)); do
			exec {fd}>"$PORT_LOCKS/$((base + i))"
			fds+=("$fd")
			if ! flock -n "$fd" || listening $((base + i)); then
				ok=no
				break
			fi
		done
		if [ "$ok" = yes ]; then
			PORT=$base
			return 0
		fi
		for fd in "${fds[@]}"; do exec {fd}>&-; done
	done
}

# ------------------------------------------------------------- software SIMs

# start_sim NAME [PROFILE] [OPTION...]: a SIM in $T/NAME, served on
# $T/NAME/sim.sock; log in $T/NAME/exchanges.json.
start_sim() {
	local name=$1 profile=${2:-gsma-strict}
	shift $(($# > 2 ? 2 : $#))
	local dir=$T/$name
	if [ ! -d "$dir/store" ]; then
		mkdir "$dir" || return 1
		"$SOFTSIM" init --store "$dir/store" --profile "$profile" >>"$T/$name.log" 2>&1 || return 1
	fi
	rm -f "$dir/sim.sock" "$dir/admin.sock"
	: >>"$dir/exchanges.json"
	spawn "$name" "$SOFTSIM" run --store "$dir/store" --listen "unix:$dir/sim.sock" \
		--admin "unix:$dir/admin.sock" --log "$dir/exchanges.json" "$@"
	PID_OF[$name]=$SPAWNED
	started "$SPAWNED" admin "$name" list
}

stop() { end "${PID_OF[$1]}"; } # NAME of a SIM, pcscd or server

admin() { # NAME VERB...
	local name=$1
	shift
	patiently "$SOFTSIM" admin "$T/$name/admin.sock" "$@"
}

# exchanges NAME: how many commands this SIM has answered so far.
exchanges() { grep -c '"cmd":' "$T/$1/exchanges.json"; }

socket_of() { echo "socket:$T/$1/sim.sock"; }

# ---------------------------------------------------------------------- pcscd

# start_pcscd NAME [N]: a pcscd of our own with N readers called "NAME reader I";
# VPCD[I] is the port for the card of reader I (from 1). Clients find it by
# PCSCLITE_CSOCK_NAME, which is exported.
start_pcscd() {
	local name=$1 n=${2:-1} i dir=$T/$1
	[ "${E2E_READERS:-yes}" = yes ] || { # scripts/cross.sh
		WHY='this machine cannot serve card readers to another'
		return 77
	}
	command -v pcscd >/dev/null || {
		WHY='pcscd is not installed'
		return 77
	}
	local driver=/usr/lib/pcsc/drivers/serial/libifdvpcd.so
	[ -e "$driver" ] || {
		WHY='vsmartcard-vpcd is not installed'
		return 77
	}
	mkdir -p "$dir/conf" || return 1
	VPCD=()
	for ((i = 1; i <= n; i++)); do
		pick_port 2
		VPCD[i]=$PORT
		# One driver library keeps global state: each reader has its own copy.
		cp -L "$driver" "$dir/driver$i.so" || return 1
		printf 'FRIENDLYNAME "%s reader %d"\nDEVICENAME /dev/null:%d\nLIBPATH %s\nCHANNELID %d\n' \
			"$name" "$i" "$PORT" "$dir/driver$i.so" "$i" >"$dir/conf/reader$i"
	done
	rm -f "$dir/pcscd.sock"
	# It writes a pid file to /run/pcscd: put a private folder in front if we can.
	local -a inside=("$HELPERS/listen" "$dir/pcscd.sock" pcscd --foreground --config "$dir/conf")
	# newer ones ask polkit, which is not there; older ones do not know the option
	! pcscd --help 2>&1 | grep -q -- --disable-polkit || inside+=(--disable-polkit)
	local hide='mount -t tmpfs none /run/pcscd 2>/dev/null; exec "$@"'
	mkdir -p /run/pcscd 2>/dev/null
	if unshare -m true 2>/dev/null; then
		spawn "$name" unshare -m sh -c "$hide" sh "${inside[@]}"
	elif unshare -Urm true 2>/dev/null; then
		spawn "$name" unshare -Urm sh -c "$hide" sh "${inside[@]}"
	else
		spawn "$name" "${inside[@]}"
	fi
	PID_OF[$name]=$SPAWNED
	export PCSCLITE_CSOCK_NAME=$dir/pcscd.sock
	started "$SPAWNED" test -S "$dir/pcscd.sock" || return 1
	for ((i = 1; i <= n; i++)); do await listening "${VPCD[i]}" || return 1; done
}

# card_in NAME I: waits until reader I holds a card. card_out: until it holds none.
card_in() { patiently "$HELPERS/wait_card" "$1 reader $2" present; }
card_out() { patiently "$HELPERS/wait_card" "$1 reader $2" empty; }

# keep_card NAME I: stays connected to the card of reader I until `stop keeper-NAME-I`.
# pcscd switches off a card that nobody is connected to.
keep_card() {
	: >"$T/keeper-$1-$2.log"
	spawn "keeper-$1-$2" "$HELPERS/wait_card" "$1 reader $2" keep
	PID_OF[keeper-$1-$2]=$SPAWNED
	started "$SPAWNED" grep -q connected "$T/keeper-$1-$2.log"
}

# ------------------------------------------------------------- keys and servers

# configure [LINE...]: makes $T/openssl.cnf, which activates the module as
# conf/openssl.cnf says; lines are added to the module's section.
configure() {
	cp "$CONF/openssl.cnf" "$T/openssl.cnf"
	local line
	for line; do echo "$line" >>"$T/openssl.cnf"; done # its section is the last one
	module_env=("OPENSSL_MODULES=$MODULES" "OPENSSL_CONF=$T/openssl.cnf")
}

# server_certificate NAME KEY-ALGORITHM: $T/NAME.key and $T/NAME.pem for loopback,
# signed by the test CA of the SIM $CA.
CA=sim
ca_sign() { # CSR CERTIFICATE
	openssl x509 -req -in "$1" -CA "$T/$CA/store/ca.pem" -CAkey "$T/$CA/store/ca.key" \
		-CAcreateserial -CAserial "$T/ca.srl" -days 2 -out "$2" \
		-extfile <(echo 'subjectAltName=DNS:localhost,IP:127.0.0.1')
}

server_certificate() {
	local name=$1 algorithm=${2:-EC}
	local -a options=(-pkeyopt ec_paramgen_curve:P-256)
	[ "$algorithm" = EC ] || options=()
	openssl genpkey -algorithm "$algorithm" "${options[@]}" -out "$T/$name.key" &&
		openssl req -new -key "$T/$name.key" -subj "/CN=$name" -out "$T/$name.csr" &&
		ca_sign "$T/$name.csr" "$T/$name.pem" && chmod 644 "$T/$name.key"
}

# start_s_server NAME OPTION...: demands a client certificate from the CA; port in
# PORT_OF[NAME]. Its page (GET /) tells what it saw of the client.
start_s_server() {
	local name=$1
	shift
	pick_port
	# shellcheck disable=SC2034
	PORT_OF[$name]=$PORT
	spawn "$name" openssl s_server -accept "127.0.0.1:$PORT" -www -Verify 1 -verify_return_error \
		-CAfile "$T/$CA/store/ca.pem" "$@"
	PID_OF[$name]=$SPAWNED
	started "$SPAWNED" listening "$PORT"
}

# A request for s_server's page, for INPUT.
# shellcheck disable=SC2034
REQUEST=$T/request
printf 'GET / HTTP/1.0\r\n\r\n' >"$REQUEST"

# tool SIM COMMAND...: the command line tool on a SIM's socket.
tool() {
	local sim=$1
	shift
	mod "$TOOL" --transport "$(socket_of "$sim")" "$@"
}

# uri_of SIM LABEL TYPE: the whole URI of an object, as `list` has it.
uri_of() {
	tool "$1" --json list | grep -oE '"iotsafe://[^"]*"' | tr -d '"' |
		grep -E "[/;]label=$2(;|\$)" | grep -m 1 -E "[/;]type=$3(;|\$)"
}

id_of() { uri_of "$@" | grep -oE 'id=[0-9a-fA-F]+'; }

# credentials SIM FOLDER: what programs that read PEM files need to be a TLS client
# with that SIM: client.pem, client-key.pem (a key reference) and ca.pem.
credentials() {
	mkdir -p "$2" &&
		tool "$1" key-ref iotsafe://label=client-key >"$2/client-key.pem" &&
		tool "$1" cert iotsafe://label=client-key >"$2/client.pem" &&
		cp "$T/$CA/store/ca.pem" "$2/ca.pem" && chmod -R a+rX "$2"
}

# subject_of CERTIFICATE: as the log of s_server has it.
subject_of() { openssl x509 -in "$1" -noout -subject | sed 's/^subject=//'; }

common_name_of() { openssl x509 -in "$1" -noout -subject -nameopt multiline | sed -n 's/ *commonName *= //p'; }
