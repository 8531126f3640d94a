#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# nginx with its key on a SIM in a reader: four workers under load while the card is reset
# again and again, and credentials replaced by the operator while clients come and go.
# IOTSAFE_LOAD is the number of seconds of load.
SECONDS_OF_LOAD=${IOTSAFE_LOAD:-60}
# shellcheck source=../e2e/lib.sh
. "$(dirname "$0")/../e2e/lib.sh"
public_locks
need nginx curl pcscd openssl wrk
same_openssl nginx || skip_all "$WHY"
configure 'transport = pcsc:load reader 1'
key=iotsafe://label=client-key
WORKERS=4

# The server's certificate in $T/pem/server.pem, made anew for the key that the SIM has.
certify() {
	mod openssl req -new -key "$key" -subj /CN=localhost -out "$T/server.csr" &&
		ca_sign "$T/server.csr" "$T/pem/server.pem"
}

prepare() {
	start_pcscd load 1 || return
	mkdir -p "$T/pem" "$T/www" "$T/log" "$T/temp" && echo 'served by nginx' >"$T/www/index.html" || return 1
	start_sim sim gsma-strict --vpcd "127.0.0.1:${VPCD[1]}" && card_in load 1 && keep_card load 1 || return 1
	cp "$T/sim/store/ca.pem" "$T/pem/ca.pem" && certify &&
		mod "$TOOL" key-ref "$key" >"$T/pem/server-key.pem"
}

# No session is resumed: each connection needs a signature.
configure_nginx() {
	pick_port
	cat >"$T/nginx.conf" <<EOF
$([ "$(id -u)" -ne 0 ] || echo 'user www-data;')
worker_processes $WORKERS;
pid $T/nginx.pid;
error_log $T/log/error.log info;
env PCSCLITE_CSOCK_NAME;
events { worker_connections 256; }
http {
	$(for kind in client_body proxy fastcgi uwsgi scgi; do echo "${kind}_temp_path $T/temp/$kind;"; done)
	log_format pids \$pid;
	access_log $T/log/access.log pids;
	server {
		listen 127.0.0.1:$PORT ssl reuseport;
		server_name localhost;
		ssl_protocols TLSv1.2 TLSv1.3;
		ssl_certificate $T/pem/server.pem;
		ssl_certificate_key $T/pem/server-key.pem;
		ssl_session_cache off;
		ssl_session_tickets off;
		root $T/www;
	}
}
EOF
	: >"$T/log/error.log"
	spawn_mod nginx nginx -c "$T/nginx.conf" -e "$T/log/error.log" -g 'daemon off;'
	PID_OF[nginx]=$SPAWNED
	started "$SPAWNED" all_workers && workers >"$T/workers"
}

workers() { cat "/proc/${PID_OF[nginx]}/task/${PID_OF[nginx]}/children"; }
all_workers() { [ "$(workers | wc -w)" -eq "$WORKERS" ]; }

get() {
	patiently curl --silent --show-error --cacert "$T/pem/ca.pem" "https://localhost:$PORT/"
}
served() { run get && matches "$OUT" 'served by nginx'; }

# ------------------------------------------------------------------------ load

load() { wrk -t2 -c16 -d "$SECONDS_OF_LOAD" --timeout 30 -H 'Connection: close' "https://localhost:$PORT/"; }
served_one_more() { [ "$(wc -l <"$T/log/access.log")" -gt "$1" ]; }

# Pulled and put in again, in turns with a reset that the reader does not notice. Before
# the next one somebody has been served: the load does go on.
trouble_until_gone() { # PID
	local n
	RESETS=0
	while alive "$1"; do
		sleep 2 # not a verdict, the rhythm
		RESETS=$((RESETS + 1))
		if [ $((RESETS % 2)) -eq 0 ]; then
			admin sim reset || return 1
		else
			admin sim remove && card_out load 1 && admin sim insert && card_in load 1 || return 1
		fi
		n=$(wc -l <"$T/log/access.log")
		going_on() { gone "$1" || served_one_more "$2"; }
		await going_on "$1" "$n" || return 1
	done
}

under_load() {
	local pid
	load >"$T/wrk.log" 2>&1 &
	pid=$!
	trouble_until_gone "$pid" || return 1
	wait "$pid" || return 1
	cat "$T/wrk.log"
	matches "$T/wrk.log" 'requests in' && lacks "$T/wrk.log" 'Non-2xx' || return 1
	echo "$RESETS" >"$T/resets"
	[ "$RESETS" -ge $((SECONDS_OF_LOAD / 10)) ]
}

same_workers() { equal "$(workers)" "$(cat "$T/workers")" 'workers'; }

each_worker_serves() {
	local i
	: >"$T/log/access.log"
	for ((i = 1; i <= 200; i++)); do
		get >"$T/served" || return 1
		[ "$(sort -u "$T/log/access.log" | wc -l)" -lt "$WORKERS" ] || return 0
	done
	echo "only these workers have served: $(sort -u "$T/log/access.log")"
	return 1
}

# Each line that is not plain information tells a failed handshake, and why: an error of
# ours, or that the client had gone in the meantime.
reasons_are_ours() {
	grep -E '\[(warn|error|crit|alert|emerg)\]' "$T/log/error.log" >"$T/complaints"
	lacks "$T/complaints" '\[(alert|emerg)\]|signal' || return 1
	grep -vE 'SSL_do_handshake\(\) failed .*:iotsafe:|peer closed connection|Connection reset by peer|Broken pipe' \
		"$T/complaints" >"$T/strange"
	head -n 5 "$T/strange"
	[ ! -s "$T/strange" ]
}

load_figures() {
	note "figure: nginx, $WORKERS workers, $SECONDS_OF_LOAD s of load, $(cat "$T/resets") resets:" \
		"$(grep -oE '[0-9]+ requests in' "$T/wrk.log" | cut -d ' ' -f 1) handshakes," \
		"$(grep -c 'SSL_do_handshake() failed' "$T/log/error.log") failed in the log," \
		"$(grep 'Socket errors' "$T/wrk.log" | sed 's/^ *//' || true)"
}

unlocked() {
	local file
	for file in "$T"/lock/*.lock "$T"/lock/*.queue; do
		[ ! -e "$file" ] || await flock --nonblock "$file" true || {
			echo "somebody still has ${file##*/}"
			return 1
		}
	done
}

# ---------------------------------------------------------------- hot change

# Clients that come all the time; the result of each in $T/client-I.log, "served" or
# what curl said.
begin_clients() {
	local i
	CLIENTS=()
	rm -f "$T/enough" "$T"/client-*.log
	for i in 1 2 3 4; do
		client_until_enough "$i" &
		CLIENTS+=("$!")
	done
}
client_until_enough() { # NUMBER
	until [ -e "$T/enough" ]; do
		if get >"$T/page-$1" 2>"$T/said-$1"; then
			echo served
		else
			tail -n 1 "$T/said-$1"
			sleep 0.1 # else refusals fill the log
		fi >>"$T/client-$1.log"
	done
}
end_clients() {
	touch "$T/enough"
	wait "${CLIENTS[@]}"
	cat "$T"/client-*.log | sort | uniq -c | sort -rn >"$T/clients"
	head -n 5 "$T/clients"
}

n_served() { cat "$T"/client-*.log | grep -c '^served$'; }
more_served() { [ "$(n_served)" -gt "$1" ]; }

shown() { # the serial number of the certificate that a new client is shown
	openssl s_client -connect "127.0.0.1:$PORT" -servername localhost </dev/null 2>/dev/null |
		openssl x509 -noout -serial
}
shows() { [ "$(shown)" = "$(openssl x509 -in "$1" -noout -serial)" ]; } # FILE
reload() { kill -HUP "${PID_OF[nginx]}"; }

# A peer that gets a signature which does not fit says so by this alert; curl says the rest.
no_wrong_signature() {
	lacks "$T/log/error.log" 'decrypt error|bad signature' &&
		lacks "$T/clients" 'bad signature|bad record|decrypt'
}

# The new key was met, well or badly.
has_met_new_key() {
	grep -qE 'does not match the public key in use|decrypt error|bad signature' \
		"$T/log/error.log" "$T"/client-*.log
}

# The operator makes a new key: nginx has the old public key and certificate, so that there is
# a clear error, until both are written anew and nginx is told to read them.
new_key() {
	local n
	: >"$T/log/error.log"
	begin_clients
	await more_served 8 && admin sim generate-key client-key && await has_met_new_key || return 1
	fails get && matches "$T/log/error.log" 'does not match the public key in use' || return 1
	certify && mod "$TOOL" key-ref "$key" >"$T/pem/server-key.new" &&
		mv "$T/pem/server-key.new" "$T/pem/server-key.pem" && reload &&
		await shows "$T/pem/server.pem" && n=$(n_served) && await more_served $((n + 8)) || return 1
	end_clients
	no_wrong_signature && reasons_are_ours
}

# The operator writes a new certificate for the same key: nginx shows the old one, which is
# as good, until the file is written anew and nginx is told; nobody is refused.
new_certificate() {
	local old n
	: >"$T/log/error.log"
	old=$(shown)
	begin_clients
	await more_served 8 || return 1
	ca_sign "$T/server.csr" "$T/renewed.pem" &&
		openssl x509 -in "$T/renewed.pem" -outform DER -out "$T/renewed.der" &&
		admin sim put-file client-cert "$T/renewed.der" || return 1
	n=$(n_served)
	await more_served $((n + 8)) && equal "$(shown)" "$old" 'certificate before the reload' || return 1
	mod "$TOOL" cert "$key" >"$T/pem/server.new" && mv "$T/pem/server.new" "$T/pem/server.pem" &&
		reload && await shows "$T/renewed.pem" && n=$(n_served) && await more_served $((n + 8)) || return 1
	end_clients
	equal "$(grep -vc ' served$' "$T/clients")" 0 'other results of clients' &&
		no_wrong_signature && reasons_are_ours
}

# Whatever became of an item, its clients end with it.
with_clients() { # FUNCTION
	"$1"
	local status=$?
	touch "$T/enough"
	wait "${CLIENTS[@]}"
	return "$status"
}

it 'a SIM in a reader, a certificate for its key' prepare
it "nginx with $WORKERS workers" configure_nginx
[ "$FAILED" -eq 0 ] || done_testing
it "$SECONDS_OF_LOAD seconds of load while the card is pulled and reset every 2 s" under_load
it 'the workers are those of the beginning' same_workers
it 'each of them serves' each_worker_serves
it 'the error log has our reasons only' reasons_are_ours
it 'a new key on the SIM: a clear error and no wrong signature, until nginx is told' with_clients new_key
it 'a new certificate on the SIM: shown once nginx is told, nobody is refused' with_clients new_certificate
it 'nothing is locked' unlocked
[ ! -s "$T/wrk.log" ] || load_figures
done_testing
