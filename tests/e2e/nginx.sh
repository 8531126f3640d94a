#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# nginx with keys on SIMs, in conf/nginx.conf with paths and ports put in: a server
# with two workers whose own key is on one SIM, and a proxy that shows a client
# certificate whose key is on another. Cards in readers of a real pcscd.
# shellcheck source=lib.sh
. "$(dirname "$0")/lib.sh"
public_locks
need nginx curl pcscd openssl
same_openssl nginx || skip_all "$WHY"
configure 'transport = pcsc:web reader 1' 'sim.server = pcsc:web reader 2' \
	"sim.silent = socket:$T/silent/sim.sock"

prepare() {
	start_pcscd web 2 || return
	start_sim sim gsma-strict --vpcd "127.0.0.1:${VPCD[1]}" &&
		start_sim server-sim thales-mvp --vpcd "127.0.0.1:${VPCD[2]}" &&
		credentials sim "$T/pem" &&
		card_in web 1 && card_in web 2 || return 1
	# The server's certificate, made from its key's CSR.
	run mod openssl req -new -key 'iotsafe://label=client-key;sim=server' -subj /CN=localhost \
		-out "$T/server.csr" &&
		ca_sign "$T/server.csr" "$T/pem/server.pem" &&
		mod "$TOOL" key-ref 'iotsafe://label=client-key;sim=server' >"$T/pem/server-key.pem" || return 1
	# What the proxy leads to.
	server_certificate backend && start_s_server backend -cert "$T/backend.pem" -key "$T/backend.key"
}

configure_nginx() {
	pick_port
	HTTPS=$PORT
	pick_port
	HTTP=$PORT
	mkdir -p "$T/www" "$T/temp" && echo 'served by nginx' >"$T/www/index.html" || return 1
	sed -e "s,/etc/iotsafe,$T/pem,; s,listen 443,listen 127.0.0.1:$HTTPS,; s,8080,$HTTP,
		s,https://backend.example,https://127.0.0.1:${PORT_OF[backend]},; s,backend.example,localhost,
		s,gateway.example,localhost,; s,/var/www/html,$T/www,; s,/var/log/nginx,$T/log,
		s,/run/nginx.pid,$T/nginx.pid,
		s,^\taccess_log.*,\tlog_format pids \$pid;\n\taccess_log $T/log/access.log pids;," \
		"$CONF/nginx.conf" >"$T/nginx.conf" || return 1
	# Where nginx must keep no files outside of our folder.
	local kind
	for kind in client_body proxy fastcgi uwsgi scgi; do
		sed -i "s,^http {,&\n\t${kind}_temp_path $T/temp/$kind;," "$T/nginx.conf"
	done
	[ "$(id -u)" -eq 0 ] || sed -i '/^user /d' "$T/nginx.conf"
	mkdir -p "$T/log"
}

config_test() {
	local before
	before=$(exchanges sim)$(exchanges server-sim)
	run mod nginx -t -c "$T/nginx.conf" -e "$T/log/error.log" || return 1
	matches "$ERR" 'test is successful' &&
		equal "$(exchanges sim)$(exchanges server-sim)" "$before" 'exchanges with the SIMs'
}

# The clients of our pcscd need to know its socket; the system's has a fixed one.
start_nginx() {
	: >"$T/log/error.log"
	spawn_mod nginx nginx -c "$T/nginx.conf" -e "$T/log/error.log" \
		-g 'daemon off; env PCSCLITE_CSOCK_NAME;'
	PID_OF[nginx]=$SPAWNED
	started "$SPAWNED" listening "$HTTPS"
}

workers() { cat "/proc/${PID_OF[nginx]}/task/${PID_OF[nginx]}/children"; }

has_two_workers() { [ "$(workers | wc -w)" -eq 2 ]; }
all_served() { [ "$(grep -c served "$T/served")" -eq 8 ]; }
replaced() { has_two_workers && [ "$(workers)" != "$1" ]; }

two_workers() {
	local user=www-data pid
	[ "$(id -u)" -eq 0 ] || user=$(id -un)
	await has_two_workers || return 1
	for pid in $(workers); do
		equal "$(stat -c %U "/proc/$pid")" "$user" 'user of a worker' || return 1
	done
}

get() { # VERSION
	patiently curl --silent --show-error --cacert "$T/pem/ca.pem" "--tlsv$1" --tls-max "$1" \
		"https://localhost:$HTTPS/"
}

as_server() { # VERSION
	local before
	before=$(exchanges server-sim)
	run get "$1" || return 1
	matches "$OUT" 'served by nginx' || return 1
	[ "$(exchanges server-sim)" -gt "$before" ] || {
		echo 'the SIM was not used'
		return 1
	}
}

# Enough connections at once, each with a full handshake, that both workers sign.
both_workers() {
	local i round
	for ((round = 1; round <= 20; round++)); do
		: >"$T/served"
		for i in 1 2 3 4 5 6 7 8; do get 1.2 >>"$T/served" & done
		await all_served || return 1
		[ "$(sort -u "$T/log/access.log" | wc -l)" -lt 2 ] || return 0
	done
	echo "one worker did everything in 20 rounds"
	return 1
}

as_proxy() {
	: >"$T/backend.log"
	run patiently curl --silent --show-error "http://127.0.0.1:$HTTP/" || return 1
	matches "$OUT" '^Client certificate' &&
		matches "$T/backend.log" "^depth=0 $(subject_of "$T/pem/client.pem")\$"
}

quiet_log() { lacks "$T/log/error.log" '\[(warn|error|crit|alert|emerg)\]'; }

# A worker that dies in the middle of its work leaves nothing locked.
killed_workers() {
	local i pid old
	old=$(workers)
	for i in 1 2 3 4 5 6; do get 1.2 & done >/dev/null 2>&1
	for pid in $old; do kill -KILL "$pid"; done
	await replaced "$old" || return 1
	run get 1.3 && matches "$OUT" 'served by nginx' && as_proxy
}

reload() {
	local old
	old=$(workers)
	kill -HUP "${PID_OF[nginx]}"
	await replaced "$old" || return 1
	run get 1.3 && matches "$OUT" 'served by nginx' && as_proxy
}

# -------------------------------------------------------- a SIM that falls silent

# A server of one process, on a socket: a silent reader is bounded by pcscd alone. What it
# waits for a silent SIM is short, so that nobody waits long here.
start_silent() {
	local key='iotsafe://label=client-key;sim=silent' kind
	start_sim silent || return 1
	run mod openssl req -new -key "$key" -subj /CN=localhost -out "$T/silent.csr" &&
		ca_sign "$T/silent.csr" "$T/silent.pem" &&
		mod "$TOOL" key-ref "$key" >"$T/silent-key.pem" || return 1
	pick_port
	HTTPS=$PORT
	mkdir -p "$T/silent-temp"
	cat >"$T/silent.conf" <<EOF
daemon off;
master_process off;
pid $T/silent.pid;
events { }
http {
	$(for kind in client_body proxy fastcgi uwsgi scgi; do echo "${kind}_temp_path $T/silent-temp/$kind;"; done)
	access_log off;
	server {
		listen 127.0.0.1:$PORT ssl;
		ssl_certificate $T/silent.pem;
		ssl_certificate_key $T/silent-key.pem;
		ssl_session_cache off;
		ssl_session_tickets off;
		root $T/www;
	}
}
EOF
	IOTSAFE_TIMEOUT_MS=3000 spawn_mod silent-nginx nginx -c "$T/silent.conf" -e "$T/silent-error.log"
	PID_OF[silent-nginx]=$SPAWNED
	started "$SPAWNED" listening "$PORT" && run get 1.2 && matches "$OUT" 'served by nginx'
}

# refused_handshake: how many commands the SIM got in it, in TAKEN.
refused_handshake() {
	local before
	before=$(exchanges silent)
	fails get 1.2 || return 1
	TAKEN=$(($(exchanges silent) - before))
}

brief_errors() { grep -c 'SSL_do_handshake() failed .*tried briefly' "$T/silent-error.log"; }

# The first handshake waits for all its time. Each one after it asks the SIM one thing, and
# gives up at once; the first answer ends that.
silent_sim() {
	local i round
	for round in 1 2; do
		: >"$T/silent-error.log"
		admin silent fault mute --count 100000 && refused_handshake || return 1
		equal "$(brief_errors)" 0 'errors of a brief try, after the first handshake' || return 1
		for i in 1 2 3; do
			refused_handshake || return 1
			[ "$TAKEN" -le 1 ] || {
				echo "handshake $i with a silent SIM sent it $TAKEN commands"
				return 1
			}
			equal "$(brief_errors)" "$i" 'errors of a brief try' || return 1
		done
		admin silent fault clear && run get 1.2 && matches "$OUT" 'served by nginx' || return 1
	done
}

it 'a pcscd with two readers and two SIMs' prepare
it 'the example configuration' configure_nginx
it 'nginx -t needs no card' config_test
it 'nginx starts' start_nginx
it 'two workers of an ordinary user' two_workers
it 'a server with its key on a SIM, TLS 1.3' as_server 1.3
it 'a server with its key on a SIM, TLS 1.2' as_server 1.2
it 'both workers sign' both_workers
it 'a proxy with its client key on a SIM' as_proxy
it 'nothing in the error log' quiet_log
it 'workers killed at work are replaced, and the new ones sign at once' killed_workers
it 'reload' reload
it 'a server of one process with its key on a third SIM' start_silent
it 'that SIM falls silent: one handshake waits for it, and the next ones do not' silent_sim
done_testing
