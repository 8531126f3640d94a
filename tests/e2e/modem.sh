#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# The SIM in a modem, over `at:` in both families of commands: every quirk of modems that
# the software modem can have, noise, losses, late answers, restarts, a modem that is
# plugged in anew, sharing of the port, programs, and what is wrong with a port.
# Jobs in subshells have an OUT and ERR of their own, that is the point of them.
# shellcheck disable=SC2030,SC2031
# shellcheck source=lib.sh
. "$(dirname "$0")/lib.sh"
need openssl
configure
key=iotsafe://label=client-key
families=(csim cgla)

many=1000 # signatures on a noisy line of each family
[ "$E2E_SANITIZE" = none ] || many=250

# ------------------------------------------------------------------- modems

# start_modem NAME [QUIRK...]: a SIM like the first one, in a modem at $T/NAME/port.
start_modem() {
	local name=$1 quirk options=()
	shift
	for quirk; do options+=(--at-set "$quirk"); done
	if [ ! -d "$T/$name" ]; then
		mkdir -m 755 "$T/$name" && cp -r "$T/sim/store" "$T/$name/store" || return 1
	fi
	start_sim "$name" gsma-strict --at "$T/$name/port" --at-mode 0666 "${options[@]}" || return 1
	[ -c "$T/$name/port" ]
}

port_of() { echo "at:$T/$1/port?mode=${2:-auto}"; }

# A certificate of nearly 8 KiB for the key, and so many objects that the list comes in
# several answers; then what the SIM says without a modem.
prepare() {
	start_sim sim gsma-strict && credentials sim "$T/pem" || return 1
	IOTSAFE_TRANSPORT=$(socket_of sim) mod openssl req -new -key "$key" -subj /CN=big \
		-out "$T/big.csr" || return 1
	printf 'nsComment=%07500d\n' 0 >"$T/big.ext"
	openssl x509 -req -in "$T/big.csr" -CA "$T/sim/store/ca.pem" -CAkey "$T/sim/store/ca.key" \
		-CAcreateserial -CAserial "$T/ca.srl" -days 2 -extfile "$T/big.ext" -outform DER \
		-out "$T/big.der" &&
		admin sim put-file big "$T/big.der" --usage cert --id 20 || return 1
	local i
	for i in 1 2 3 4 5 6; do
		admin sim put-file "filler-$i" "$T/big.ext" --usage general --id "3$i" || return 1
	done
	tool sim --json list >"$T/list.json" && tool sim cert iotsafe://label=big >"$T/big.pem" &&
		printf 'to be signed\n' >"$T/message" || return 1
	if [ "$(stat -c %s "$T/big.der")" -lt 7800 ] ||
		[ "$(grep -c '"cmd":"81CB0101' "$T/sim/exchanges.json")" -lt 2 ]; then
		echo 'the certificate is too short, or the list came in fewer answers than thought'
		return 1
	fi
	server_certificate server &&
		start_s_server server -cert "$T/server.pem" -key "$T/server.key"
}

# With IOTSAFE_TRANSPORT; $1 tells where results go.
all_operations() {
	hold -n 10 "$key" && matches "$OUT" '10 signatures .*verified OK' || return 1
	run mod "$TOOL" --json list && cmp "$OUT" "$T/list.json" || return 1
	run mod "$TOOL" cert iotsafe://label=big && cmp "$OUT" "$T/big.pem" || return 1
	[ "$verify" = yes ] || return 0
	run mod "$TOOL" sign "$key" "$T/message" && cp "$OUT" "$1.sig" &&
		run mod "$TOOL" verify "$key" "$T/message" "$1.sig"
}

# ------------------------------------------------------- many jobs at a time

# Most of the time they wait for a modem. A job has results, locks, and a log of its own.
jobs=()
job() { # NAME FUNCTION [ARGUMENT...]
	local name=$1
	shift
	while [ "$(jobs -rp | wc -l)" -ge $((8 + standing)) ]; do wait -n; done
	(
		trap - EXIT
		OUT=$T/job-$name.out
		ERR=$T/job-$name.err
		mkdir "$T/job-$name" && export IOTSAFE_LOCK_DIR=$T/job-$name || exit 1
		"$@"
		echo $? >"$T/job-$name.status"
		rm -f "$T"/*"m$BASHPID"*.log # else each failing item shows them all
	) >"$T/job-$name.txt" 2>&1 &
	jobs+=("$name")
}

result() { # NAME
	await test -s "$T/job-$1.status"
	cat "$T/job-$1.txt"
	return "$(cat "$T/job-$1.status")"
}

with_quirks() { # FAMILY QUIRK...
	local name=m$BASHPID family=$1
	shift
	start_modem "$name" "$@" || return 1
	IOTSAFE_TRANSPORT=$(port_of "$name" "$family")
	export IOTSAFE_TRANSPORT
	all_operations "$T/$name" || return 1
	matches "$T/$name/exchanges.json" '"front":"at"' || return 1
	stop "$name"
	if [ -L "$T/$name/port" ]; then
		echo 'the link is still there'
		return 1
	fi
}

# description, families in which it can work, quirks
quirks=(
	'a modem without peculiarities' 'csim cgla auto' 'like=plain'
	'no echo' 'csim cgla' 'echo=off'
	'answers without quotes' 'csim cgla' 'quotes=off'
	'no space behind the colon' 'csim cgla' 'space=off'
	'the bare number of the session' 'cgla' 'session_prefix=off'
	'a long session handle' 'cgla' 'session_id=handle'
	'a long session handle alone' 'cgla' 'session_id=handle session_prefix=off'
	'answers in lower case' 'csim cgla' 'hex=lower'
	'lower-case digits refused' 'csim cgla' 'lower_hex=refuse'
	'+CSIM only' 'auto' 'commands=csim'
	'+CCHO and +CGLA only' 'auto' 'commands=cgla'
	'test commands answer ERROR although the commands work' 'auto csim cgla' 'test_commands=error'
	'+CCHC missing' 'auto' 'cchc=missing'
	'logical channels through +CSIM refused' 'auto' 'csim_channels=refuse'
	'the caller fills the class byte' 'cgla' 'class_by=caller'
	'the modem fetches what waits' 'csim cgla' 'fetch=modem'
	'lines of 540 characters at most' 'csim cgla' 'line_max=540'
	'answers cut off after 256 bytes' 'csim cgla' 'answer_max=256'
	'at least 5 bytes in an APDU' 'csim cgla' 'short_apdu=refuse'
	'no Le behind data' 'csim cgla' 'le_after_data=refuse'
	'OK late' 'csim cgla' 'ok=late ok_gap=15'
	'OK before the answer' 'csim cgla' 'ok=first ok_gap=15'
	'two old answers in front' 'csim cgla' 'old_answers=2'
	'unsolicited lines at every other place, in pieces' 'csim cgla' 'unsolicited=50 pieces=9'
	'unsolicited lines all the time' 'csim cgla' 'unsolicited_every=40'
	'each answer 20 ms late' 'csim cgla' 'delay=20'
	'SIM busy three times, by number' 'csim cgla' 'busy=3'
	'SIM busy twice, by text' 'csim' 'busy=2 cme=text'
	'plain ERROR for a status word' 'csim cgla' 'error_style=error'
	'OK alone for INIT' 'csim cgla' 'init_reply=ok'
	'as m33mu' 'csim' 'like=m33mu'
	'as Sequans' 'csim cgla' 'like=sequans'
	'as u-blox' 'csim' 'like=ublox'
	'as Wavecom' 'csim' 'like=wavecom'
)

begin_quirks() {
	local i family
	for ((i = 0; i < ${#quirks[@]}; i += 3)); do
		for family in ${quirks[i + 1]}; do
			# shellcheck disable=SC2086 # several quirks
			job "quirk-$i-$family" with_quirks "$family" ${quirks[i + 2]}
		done
	done
}

end_quirks() {
	local i family
	for ((i = 0; i < ${#quirks[@]}; i += 3)); do
		for family in ${quirks[i + 1]}; do
			it "$family: ${quirks[i]}" result "quirk-$i-$family"
		done
	done
}

# --------------------------------------------------------------- bad lines

noisy() { # FAMILY N
	local name=noisy-$1
	start_modem "$name" unsolicited=25 unsolicited_every=7 pieces=8 piece_gap=40 seed="$(chance "$name" 100000)" ||
		return 1
	export IOTSAFE_TRANSPORT
	IOTSAFE_TRANSPORT=$(port_of "$name" "$1")
	hold -n "$2" "$key" || return 1
	matches "$OUT" " $2 signatures .*verified OK" || return 1
	# One UPDATE each: none was repeated because its answer was not seen.
	equal "$(grep -c '"ins":"COMPUTE SIGNATURE UPDATE"' "$T/$name/exchanges.json")" "$2" UPDATEs
	stop "$name"
}

# Each run of signatures ends well, or with one clear error; on a good line the next one
# works. The module waits a third of its deadline for an answer: that decides how long a
# loss takes, and is far more than a slow machine needs for an answer that is not lost.
lossy() { # FAMILY QUIRK...
	local name=m$BASHPID family=$1 i failed=0
	shift
	start_modem "$name" "$@" "seed=$(chance "$family $*" 100000)" || return 1
	export IOTSAFE_TRANSPORT IOTSAFE_TIMEOUT_MS=9000
	IOTSAFE_TRANSPORT=$(port_of "$name" "$family")
	for i in 1 2 3 4 5 6; do
		hold -n 10 "$key"
		if [ "$RC" -ne 0 ]; then
			failed=$((failed + 1))
			[ "$RC" -lt 124 ] && one_clear_error "$ERR" "$name/port" || return 1
			admin "$name" modem-set lost=0 delay=0 && hold -n 2 "$key" || return 1
			admin "$name" modem-set "$@" || return 1
		fi
	done
	echo "$failed of 6 runs failed"
	[ "$failed" -le 3 ] || return 1
	admin "$name" modem-set lost=0 delay=0 && hold -n 5 "$key" && stop "$name"
}

# --------------------------------------------------- events while one signs

signs_on() { [ "$(exchanges "$1")" -ge "$2" ]; }

# signed_through EXCHANGES: the worker of `through` goes on from there.
signed_through() {
	signs_or_ended() { signs_on "$name" $(($1 + 100)) || gone "$worker"; }
	await signs_or_ended "$1" && alive "$worker" || {
		cat "$T/worker-$name.log"
		return 1
	}
}

# A program that holds the key signs all the time; meanwhile things happen to the modem.
# Whatever it is, the program goes on without restart, and no signature fails.
through() { # FAMILY FUNCTION [ARGUMENT...]
	local name=m$BASHPID before worker i
	export IOTSAFE_TRANSPORT
	start_modem "$name" || return 1
	IOTSAFE_TRANSPORT=$(port_of "$name" "$1")
	shift
	: >"$T/worker-$name.log"
	spawn_hold "worker-$name" -u "$key"
	worker=$SPAWNED
	for i in 1 2 3; do
		before=$(exchanges "$name")
		signed_through "$before" && "$@" "$name" || return 1
	done
	signed_through "$(exchanges "$name")" || return 1
	kill -TERM "$worker"
	ended "$worker" && matches "$T/worker-$name.log" 'verified OK$' && stop "$name"
}

verb() { admin "$2" "$1"; } # VERB NAME

out_and_in() { admin "$1" remove && admin "$1" insert; }

# The machine sleeps wherever the program may be: meanwhile the SIM loses its power, and the
# modem comes back under another device node. $worker is that of through().
suspended() { # NAME
	kill -STOP "$worker" && admin "$1" reset && admin "$1" modem-replug &&
		kill -CONT "$worker"
}

# Another user of the port dies in the middle of its work: what it is owed must not reach us.
killed_neighbour() { # NAME
	local before
	before=$(exchanges "$1")
	spawn_hold "neighbour-$1" -u "$key"
	await signs_on "$1" $((before + 60 + $(chance "$before" 40))) || return 1
	end "$SPAWNED" KILL
}

# ------------------------------------------------------------------- sharing

processes() { # FAMILY
	local name=shared-$1 i status=0 pids=()
	start_modem "$name" || return 1
	export IOTSAFE_TRANSPORT
	IOTSAFE_TRANSPORT=$(port_of "$name" "$1")
	for i in 1 2 3 4 5 6; do
		: >"$T/$name-$i.log"
		spawn_hold "$name-$i" -p 1 -n 20 "$key"
		pids+=("$SPAWNED")
	done
	for i in "${pids[@]}"; do ended "$i" || status=1; done
	cat "$T/$name"-?.log
	[ "$status" -eq 0 ] || return 1
	equal "$(cat "$T/$name"-?.log | grep -c 'verified OK$')" 12 'processes that signed' || return 1
	equal "$(grep -c '"cmd":"00700000' "$T/$name/exchanges.json")" 1 'channels that were opened'
}

has_opened() { find "/proc/$1/fd" -lname "$2" | grep -q .; } # PID FILE
held() { ! flock --nonblock "$T/port-sim/port" true; }

# flock(1) for longer than an operation may take: one clear error. For a moment: we wait.
port_is_held() {
	local pid
	export IOTSAFE_TRANSPORT
	IOTSAFE_TRANSPORT=$(port_of port-sim)
	spawn holder flock --close "$T/port-sim/port" sleep infinity
	pid=$SPAWNED
	await held || return 1
	IOTSAFE_TIMEOUT_MS=1500 fails sign && one_clear_error "$ERR" 'holds the port' 'flock|sleep' ||
		return 1
	: >"$T/waiting.log"
	spawn_hold waiting -n 1 "$key"
	await has_opened "$SPAWNED" "$(readlink "$T/port-sim/port")" && end "$pid"
	ended "$SPAWNED" && matches "$T/waiting.log" 'verified OK$'
}

# ------------------------------------------------------------------ programs

sign() { mod openssl dgst -sha256 -sign "$key" -out "$T/sig" "$T/message"; }

use() { export IOTSAFE_TRANSPORT="at:$T/port-sim/port?mode=$1"; } # FAMILY

handshake() { # FAMILY VERSION KEY CERTIFICATE
	use "$1"
	: >"$T/server.log"
	INPUT=$REQUEST run mod openssl s_client -ign_eof -connect "127.0.0.1:${PORT_OF[server]}" \
		"-tls1_${2#1.}" -key "$3" -cert "$4" -CAfile "$T/pem/ca.pem" -verify_return_error || return 1
	matches "$OUT" 'Verify return code: 0 \(ok\)' && matches "$OUT" "Protocol *: TLSv$2" &&
		matches "$T/server.log" "^depth=0 $(subject_of "$T/pem/client.pem")\$"
}

request() { # FAMILY
	use "$1"
	run mod openssl req -new -key "$key" -subj /CN=modem -out "$T/modem.csr" &&
		run openssl req -in "$T/modem.csr" -noout -verify &&
		cat "$OUT" "$ERR" >"$T/said" && matches "$T/said" 'verify OK'
}

listing() { # FAMILY
	use "$1"
	run mod openssl storeutl -noout -text iotsafe:// || return 1
	matches "$OUT" 'CN = big|CN=big'
}

with_curl() { # FAMILY
	have curl || return 77
	[ "$E2E_SANITIZE" = none ] || {
		WHY='curl does not run with the sanitizers here'
		return 77
	}
	use "$1"
	: >"$T/server.log"
	run mod curl --silent --show-error --cacert "$T/pem/ca.pem" \
		--cert "$T/pem/client.pem" --key "$T/pem/client-key.pem" \
		"https://localhost:${PORT_OF[server]}/" || return 1
	matches "$OUT" '^Client certificate' &&
		matches "$T/server.log" "^depth=0 $(subject_of "$T/pem/client.pem")\$"
}

with_mosquitto() { # FAMILY
	have mosquitto mosquitto_pub mosquitto_sub || return 77
	use "$1"
	pick_port
	sed -e "s,8883,$PORT,; s,/etc/iotsafe/server-key.pem,$T/server.key,
		s,/etc/iotsafe/server.pem,$T/server.pem,; s,/etc/iotsafe,$T/pem," \
		"$CONF/mosquitto.conf" >"$T/broker.conf" || return 1
	printf '%s\n' 'log_dest stderr' 'log_type all' >>"$T/broker.conf"
	: >"$T/broker.log"
	spawn mosquitto-broker mosquitto -c "$T/broker.conf"
	local broker=$SPAWNED text="by modem $RANDOM" options
	started "$broker" listening "$PORT" || return 1
	options=(-h 127.0.0.1 -p "$PORT" --cafile "$T/pem/ca.pem" --cert "$T/pem/client.pem"
		--key "$T/pem/client-key.pem" -t greeting)
	# Retained, so that the subscriber may come later.
	run mod mosquitto_pub "${options[@]}" -q 1 -r -m "$text" &&
		run mod mosquitto_sub "${options[@]}" -C 1 -k 600 && matches "$OUT" "^$text\$" || return 1
	end "$broker"
}

# Both workers sign with the key in the modem.
with_nginx() { # FAMILY
	have nginx curl || return 77
	use "$1"
	pick_port
	mkdir -p "$T/temp"
	: >"$T/nginx-error.log"
	local conf=$T/nginx-$1.conf
	cat >"$conf" <<-END
		pid $T/nginx.pid;
		worker_processes 2;
		events {}
		http {
			log_format pids \$pid;
			access_log $T/nginx-access-$1.txt pids;
			client_body_temp_path $T/temp; proxy_temp_path $T/temp; fastcgi_temp_path $T/temp;
			uwsgi_temp_path $T/temp; scgi_temp_path $T/temp;
			server {
				listen 127.0.0.1:$PORT ssl;
				ssl_certificate $T/pem/client.pem;
				ssl_certificate_key $T/pem/client-key.pem;
				location / { return 200 "served\n"; }
			}
		}
	END
	spawn_mod nginx nginx -c "$conf" -e "$T/nginx-error.log" -g 'daemon off;'
	local nginx=$SPAWNED rounds=0 i pids
	started "$nginx" listening "$PORT" || return 1
	while [ "$rounds" -lt 20 ]; do
		rounds=$((rounds + 1))
		pids=()
		for i in 1 2 3 4 5 6 7 8; do
			patiently curl --silent --show-error --cacert "$T/pem/ca.pem" \
				"https://localhost:$PORT/" >"$T/got-$i.txt" &
			pids+=($!)
		done
		wait "${pids[@]}"
		for i in 1 2 3 4 5 6 7 8; do matches "$T/got-$i.txt" '^served$' || return 1; done
		[ "$(sort -u "$T/nginx-access-$1.txt" | wc -l)" -lt 2 ] || break
	done
	equal "$(sort -u "$T/nginx-access-$1.txt" | wc -l)" 2 'workers that signed' &&
		lacks "$T/nginx-error.log" '\[(warn|error|crit|alert|emerg)\]' && end "$nginx"
}

# -------------------------------------------------------------------- errors

# refused TRANSPORT PATTERN...: one clear error, which does not wait for the deadline.
refused() {
	local transport=$1
	local -a module_env=("${module_env[@]}" "$FAR_DEADLINE")
	shift
	IOTSAFE_TRANSPORT=$transport fails sign && one_clear_error "$ERR" "$@"
}

regular_file() {
	printf 'precious' >"$T/file.txt"
	refused "at:$T/file.txt" 'file\.txt' 'not a serial port' &&
		equal "$(cat "$T/file.txt")" precious content
}

# A terminal whose other end only listens.
no_modem() {
	start_modem mute lost=1 || return 1
	refused "$(port_of mute)" 'does not answer AT' && stop mute
}

in_state() { # QUIRK PATTERN...
	admin port-sim modem-set "$1" || return 1
	refused "$(port_of port-sim)" "${@:2}" && refused "$(port_of port-sim csim)" "${@:2}" || return 1
	admin port-sim modem-set sim=ready && IOTSAFE_TRANSPORT=$(port_of port-sim) run sign
}

taken_out() {
	admin port-sim remove && refused "$(port_of port-sim)" 'no SIM' || return 1
	admin port-sim insert && IOTSAFE_TRANSPORT=$(port_of port-sim) run sign
}

no_applet() {
	start_sim bare no-applet --at "$T/bare/port" || return 1
	refused "$(port_of bare)" '[Aa]pplet' 'bare/port' &&
		refused "$(port_of bare csim)" '[Aa]pplet' && refused "$(port_of bare cgla)" '[Aa]pplet' &&
		stop bare
}

no_permission() {
	[ "$(id -u)" -eq 0 ] || {
		WHY='only root can become another user'
		return 77
	}
	chmod 600 "$(readlink "$T/port-sim/port")"
	IOTSAFE_TRANSPORT=$(port_of port-sim) fails mod setpriv --reuid nobody --regid nogroup \
		--clear-groups openssl dgst -sha256 -sign "$key" -out /dev/null "$T/message" &&
		one_clear_error "$ERR" 'Permission denied' 'dialout'
}

# ---------------------------------------------------------------------------

it 'a SIM with a certificate of 8 KiB and many objects' prepare
verify=no
if "$TOOL" --help | grep -q '^  verify ' && "$TOOL" --help | grep -q '^  sign '; then verify=yes; fi
note "iotsafe verify: $verify"
standing=$(jobs -rp | wc -l)

job noisy-csim noisy csim $many
job noisy-cgla noisy cgla $many
for family in "${families[@]}"; do
	job "lost-$family" lossy "$family" lost=30
	job "lost-ok-$family" lossy "$family" lost=30 lost_part=ok
	job "late-$family" lossy "$family" delay=3800 delay_one_in=30
	job "reset-$family" through "$family" verb reset
	job "out-$family" through "$family" out_and_in
	job "replug-$family" through "$family" verb modem-replug
	job "suspend-$family" through "$family" suspended
	job "killed-$family" through "$family" killed_neighbour
	job "shared-$family" processes "$family"
done
begin_quirks
for family in "${families[@]}"; do
	it "$family: $many signatures, unsolicited lines and pieces at random" result "noisy-$family"
	it "$family: 1 in 30 answers lost" result "lost-$family"
	it "$family: 1 in 30 answers without its OK" result "lost-ok-$family"
	it "$family: 1 in 30 answers later than we wait" result "late-$family"
	it "$family: the modem restarts while a program signs" result "reset-$family"
	it "$family: the SIM is taken out and put in while a program signs" result "out-$family"
	it "$family: the modem is plugged in anew while a program signs" result "replug-$family"
	it "$family: the machine sleeps and wakes while a program signs" result "suspend-$family"
	it "$family: a neighbour is killed at work while a program signs" result "killed-$family"
	it "$family: 12 processes share the port and one channel" result "shared-$family"
done
end_quirks

it 'a modem for programs' start_modem port-sim
for family in "${families[@]}"; do
	for version in 1.2 1.3; do
		it "$family: s_client, TLS $version, key reference" \
			handshake "$family" "$version" "$T/pem/client-key.pem" "$T/pem/client.pem"
		it "$family: s_client, TLS $version, names" \
			handshake "$family" "$version" "$key" iotsafe://label=client-cert
	done
	it "$family: openssl req" request "$family"
	it "$family: openssl storeutl" listing "$family"
	it "$family: curl" with_curl "$family"
	it "$family: mosquitto_pub and mosquitto_sub" with_mosquitto "$family"
	it "$family: nginx with two workers" with_nginx "$family"
done

it 'a port that flock(1) holds: waits, or one clear error' port_is_held
it 'a wrong path' refused "at:$T/none/port" 'none/port' 'is the modem connected'
it 'a regular file is left unchanged' regular_file
it '/dev/null' refused at:/dev/null 'not a serial port'
it 'a port that is no modem' no_modem
it 'no SIM' in_state sim=none 'no SIM'
it 'a SIM that wants its PIN' in_state sim=pin 'PIN'
it 'a SIM that is taken out and put in' taken_out
it 'no applet' no_applet
it 'no permission' no_permission
done_testing
