# SPDX-License-Identifier: Apache-2.0
# shellcheck shell=bash
# What the tests of stock programs share, on top of the end-to-end library: a software
# SIM, a pair in software for the other side, the other side itself, and `runs`, which
# does each run twice: with the key on the SIM, and with that key deactivated there.
#
# A script here is one program. It has one line `program`, and one line `runs` for each
# role; scripts/applications.py reads these lines, so they hold words only. What the
# program is configured with is in conf/programs/, as users would write it; the scripts
# put paths and ports of the test in.
# shellcheck source=../e2e/lib.sh
. "$(dirname "$0")/../e2e/lib.sh"

# Where the error says why the run failed: the reason in OpenSSL's error queue, which
# programs log, with or without the details behind it.
REASON='conditions of use not satisfied'

PEM=$T/pem
# shellcheck disable=SC2034 # instead of the end-to-end library's
REQUEST=$T/request-with-host
printf 'GET / HTTP/1.0\r\nHost: localhost\r\n\r\n' >"$REQUEST"
OWN_PIDS=() # what outlives a run: the SIM

# program NAME PACKAGE COMMAND...: the commands must be there.
program() {
	NAME=$1
	PACKAGE=$2
	shift 2
	have "$@" || skip_all "$WHY"
	VERSION=$(dpkg-query -W -f '${Version}' "$PACKAGE" 2>/dev/null) || VERSION=unknown
	it 'a software SIM, and a pair in software for the other side' prepare
	OWN_PIDS=("${PIDS[@]}")
}

# The files of the pages' configurations, in $PEM instead of /etc/iotsafe.
prepare() {
	mkdir "$T/traces" && chmod 1777 "$T/traces" || return 1
	pick_port
	SIM_PORT=$PORT # for programs that cannot reach a Unix socket
	start_sim sim gsma-strict --listen "tcp:127.0.0.1:$SIM_PORT" || return 1
	chmod 777 "$T/sim/sim.sock" # for daemons that change their user
	configure "transport = $(socket_of sim)"
	# Some programs load this one too, and OPENSSL_MODULES names one folder only.
	cp "$(openssl version -m | sed 's/.*"\(.*\)"/\1/')/legacy.so" "$MODULES/" 2>/dev/null
	credentials sim "$PEM" && server_certificate peer || return 1
	cp "$PEM/client.pem" "$PEM/server.pem" && cp "$PEM/client-key.pem" "$PEM/server-key.pem" &&
		cp "$T/peer.pem" "$PEM/peer.pem" && cp "$T/peer.key" "$PEM/peer-key.pem"
}

# The other side's certificate has all extensions that some program asks for.
ca_sign() { # CSR CERTIFICATE
	openssl x509 -req -in "$1" -CA "$T/$CA/store/ca.pem" -CAkey "$T/$CA/store/ca.key" \
		-CAcreateserial -CAserial "$T/ca.srl" -days 2 -out "$2" -extfile <(printf '%s\n' \
		'subjectAltName=DNS:localhost,IP:127.0.0.1' 'basicConstraints=critical,CA:FALSE' \
		'keyUsage=critical,digitalSignature' 'extendedKeyUsage=clientAuth,serverAuth' \
		'subjectKeyIdentifier=hash' 'authorityKeyIdentifier=keyid')
}

# The authority of updates, whose certificate the operator writes to the SIM, and what a device
# does with it by docs/verify-software.md; an authority that is another one.
DOC=$E2E_SOURCE/docs/verify-software.md
anchors() {
	local name
	openssl x509 -in "$PEM/ca.pem" -outform DER -out "$T/update-ca.der" &&
		openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -keyout "$T/thief.key" -subj /CN=thief \
			-days 2 -outform DER -out "$T/thief-ca.der" || return 1
	mkdir -p "$T/bin" && for name in iotsafe:"$TOOL" iotsafe-softsim:"$SOFTSIM"; do
		ln -sf "${name#*:}" "$T/bin/${name%%:*}" || return 1
	done
	block 'operator anchor' >"$T/operator" && [ -s "$T/operator" ] &&
		ADMIN=$T/sim/admin.sock PATH=$T/bin:$PATH run sh -e "$T/operator"
}
device_looks() { # FILE WITH THE BLOCK
	[ -s "$1" ] || return 2
	sed -i "s,/run/,$T/run-," "$1"
	PATH=$T/bin:$PATH run mod sh -e "$1"
}
another_anchor() { admin sim put-file update-ca "$T/thief-ca.der" --usage cert; }

# configuration FILE [EXPRESSION...]: conf/FILE in $T, by its last name, with our paths and
# what the expressions of sed replace.
configuration() {
	local file=$1 expression
	local -a options=(-e "s,/etc/iotsafe,$PEM,g")
	shift
	for expression; do options+=(-e "$expression"); done
	sed "${options[@]}" "$CONF/$file" >"$T/${file##*/}" && chmod 644 "$T/${file##*/}"
}

# runs ROLE VERSIONS WHERE FUNCTION [LOG]: for each version of TLS, FUNCTION VERSION with
# the key on the SIM, then the same with the key deactivated: it must fail, and the reason
# must stand in LOG. WHERE says what LOG is, for readers; `trace` for programs that do not
# show what OpenSSL has to say. `-` as version: the program has
# no choice.
runs() {
	local role=$1 where=$3 function=$4 log=${5:-} version said
	unset IOTSAFE_TRACE
	case $where in
	'standard error') : "${log:=$ERR}" ;;
	'standard output') : "${log:=$OUT}" ;;
	trace) log=$T/traces/trace && export IOTSAFE_TRACE=file:$log ;;
	esac
	for version in $2; do
		said="$role, TLS $version"
		[ "$version" != - ] || said=$role
		local before=$FAILED works=works control='refused, with our reason'
		it "$said" with_key "$function" "$version"
		[ "$FAILED" -eq "$before" ] || works=FAILS
		before=$FAILED
		it "$said: fails with the key deactivated, and says why ($where)" \
			without_key "$function" "$version" "$log"
		[ "$FAILED" -eq "$before" ] || control=FAILS
		note "program: $NAME | $VERSION | $role | $version | $works | $control"
	done
}

signatures() { grep -c '"COMPUTE SIGNATURE UPDATE"' "$T/sim/exchanges.json"; }

end_others() {
	local pid
	local -a pids=("${PIDS[@]}")
	for pid in "${pids[@]}"; do
		[[ " ${OWN_PIDS[*]} " == *" $pid "* ]] || end "$pid"
	done
}

# What earlier runs wrote must not be found again.
forget_logs() {
	local file
	rm -f "$T/traces/trace"
	for file in "$T"/*.log "$OUT" "$ERR"; do
		case $file in */item.log | *'*'*) ;; *) : >"$file" ;; esac
	done
}

with_key() { # FUNCTION VERSION
	local before status
	forget_logs
	before=$(signatures)
	"$1" "$2"
	status=$?
	end_others
	[ "$status" -eq 0 ] || return "$status"
	[ "$(signatures)" -gt "$before" ] || {
		echo 'the SIM was not asked for a signature'
		return 1
	}
}

without_key() { # FUNCTION VERSION LOG
	local status
	forget_logs
	admin sim deactivate client-key || return 1
	"$1" "$2"
	status=$?
	end_others
	admin sim activate client-key || return 1
	if [ "$status" -eq 0 ]; then
		echo 'works without the key'
		return 1
	elif [ "$status" -eq 77 ]; then
		return 77
	fi
	matches "$3" "$REASON"
}

# ------------------------------------------------------------------ the other side

# tls_server VERSION [OPTION...]: demands a certificate of the CA; its port is in PORT. Its
# page tells what it saw of the client.
tls_server() {
	local version=$1
	shift
	start_s_server peer-server "-tls1_${version#1.}" -cert "$PEM/peer.pem" -key "$PEM/peer-key.pem" "$@"
}

# dtls_server: the same for DTLS 1.2. It ends with its standard input, so this one has no end.
dtls_server() {
	pick_port
	[ -p "$T/endless" ] || mkfifo "$T/endless" || return 1
	# shellcheck disable=SC2016 # for the inner shell
	spawn peer-server bash -c 'exec "$@" <>"$0"' "$T/endless" \
		openssl s_server -dtls1_2 -accept "127.0.0.1:$PORT" -Verify 1 -verify_return_error \
		-CAfile "$PEM/ca.pem" -cert "$PEM/peer.pem" -key "$PEM/peer-key.pem"
	started "$SPAWNED" grep -q ACCEPT "$T/peer-server.log"
}

# The server has seen the SIM's certificate, and that it holds.
server_saw_us() {
	matches "$T/peer-server.log" "^depth=0 $(subject_of "$PEM/client.pem")\$" &&
		lacks "$T/peer-server.log" 'verify error'
}

# tls_client VERSION PORT [OPTION...]: shows the other pair; takes only the SIM's
# certificate, and a signature with its key. Output in OUT.
tls_client() {
	local version=$1 port=$2
	shift 2
	INPUT=$REQUEST run patiently openssl s_client -connect "127.0.0.1:$port" -servername localhost \
		"-tls1_${version#1.}" -cert "$PEM/peer.pem" -key "$PEM/peer-key.pem" -CAfile "$PEM/ca.pem" \
		-verify_return_error -verify_hostname localhost "$@"
	# Its status is not asked: it dislikes servers that end without close_notify.
	matches "$OUT" 'Verify return code: 0 \(ok\)' && matches "$OUT" "TLSv$version" &&
		matches "$OUT" 'Peer signature type: (ECDSA|ecdsa_secp256r1_sha256)' &&
		matches "$OUT" "^subject=$(subject_of "$PEM/server.pem")\$"
}

# in_place_of_shell FILE: its command replaces the shell, which would leave it behind when it
# is ended.
in_place_of_shell() { grep -q '^exec ' "$1" || sed -i '0,/^[a-z]/s//exec &/' "$1"; }

# daemon NAME COMMAND...: with our module, until the run ends.
daemon() {
	[ "$2" != sh ] || in_place_of_shell "$3"
	spawn_mod "$@"
	DAEMON=$SPAWNED
}

# daemon_on PORT NAME COMMAND...: until it listens there.
daemon_on() {
	local port=$1
	shift
	daemon "$@"
	started "$DAEMON" listening "$port"
}

# mqtt_broker VERSION: a broker that demands certificates; its port is in PORT.
mqtt_broker() {
	pick_port
	configuration mosquitto.conf "s,8883,$PORT 127.0.0.1," 's,/server,/peer,g' || return 1
	printf '%s\n' 'log_dest stderr' 'log_type all' "tls_version tlsv$1" >>"$T/mosquitto.conf"
	spawn peer-server mosquitto -c "$T/mosquitto.conf"
	started "$SPAWNED" listening "$PORT"
}

# It has seen the SIM's certificate, and taken a message.
mqtt_broker_saw_us() {
	matches "$T/peer-server.log" "New client connected .* u'$(common_name_of "$PEM/client.pem")'" &&
		matches "$T/peer-server.log" 'Received PUBLISH'
}

# mail_server VERSION PORT: just enough of one, behind TLS; says "250 taken" to a mail.
mail_server() {
	local versions=openssl-min-proto-version=TLS$1,openssl-max-proto-version=TLS$1
	cat >"$T/smtp.sh" <<-'EOF'
		echo '220 test'
		while read -r line; do
			case $line in
			EHLO* | MAIL* | RCPT*) echo '250 ok' ;;
			DATA*) echo '354 go on' ;;
			.*) echo '250 taken' ;;
			QUIT*) echo '221 bye' && exit ;;
			esac
		done
	EOF
	spawn peer-server socat "OPENSSL-LISTEN:$2,pf=ip4,fork,cert=$PEM/peer.pem,key=$PEM/peer-key.pem,cafile=$PEM/ca.pem,$versions,crlf" \
		"SYSTEM:sh $T/smtp.sh"
	started "$SPAWNED" listening "$2"
}

# collector VERSION: of messages, which writes what comes into its log; its port is in PORT.
collector() {
	pick_port
	spawn peer-server socat -u "OPENSSL-LISTEN:$PORT,pf=ip4,fork,cert=$PEM/peer.pem,key=$PEM/peer-key.pem,cafile=$PEM/ca.pem,openssl-min-proto-version=TLS$1,openssl-max-proto-version=TLS$1" STDOUT
	started "$SPAWNED" listening "$PORT"
}

# -------------------------------------------------------------------- the end

# Processes of ours, known by the test's folder in their environment.
left_over() {
	local file
	local -a environment
	for file in /proc/[0-9]*/environ; do
		mapfile -d '' -t environment <"$file" || continue
		[[ ${environment[*]} != *"$T"* ]] || echo "${file//[^0-9]/} $(tr '\0' ' ' <"${file%/*}/cmdline")"
	done 2>/dev/null
}

none_left_over() { [ -z "$(left_over)" ]; }

nothing_stays() {
	end_all
	await none_left_over && return
	left_over
	return 1
}

done_with_program() {
	it 'nothing of it goes on running' nothing_stays
	done_testing
}
