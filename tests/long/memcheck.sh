#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# Stock programs with the module in them under valgrind: no use of memory that is not theirs
# and nothing definitely lost, up to their exit.
# shellcheck source=../e2e/lib.sh
. "$(dirname "$0")/../e2e/lib.sh"
[ "$E2E_SANITIZE" = none ] || skip_all 'valgrind and sanitizers exclude each other'
need openssl valgrind
configure
key=iotsafe://label=client-key
mkdir "$T/memcheck" "$T/www" "$T/temp" "$T/log" || exit 1

# The module is unloaded before the report: its symbols are kept.
checked=(valgrind --quiet --leak-check=full --errors-for-leak-kinds=definite
	--show-leak-kinds=definite --keep-debuginfo=yes --num-callers=40 --error-exitcode=99
	--log-file="$T/memcheck/%p" --suppressions="$E2E_SOURCE/tests/long/memcheck.supp")

# clean: nothing was reported since the last item.
clean() {
	local report status=0
	for report in "$T"/memcheck/*; do
		[ -s "$report" ] || continue
		echo "--- ${report##*/}"
		head -n 60 "$report"
		status=1
	done
	rm -f "$T"/memcheck/*
	return "$status"
}

prepare() {
	start_sim sim gsma-strict && credentials sim "$T/pem" && server_certificate server &&
		start_s_server peer -cert "$T/server.pem" -key "$T/server.key" || return 1
	export IOTSAFE_TRANSPORT
	IOTSAFE_TRANSPORT=$(socket_of sim)
	mod openssl req -new -key "$key" -subj /CN=localhost -out "$T/sim.csr" &&
		ca_sign "$T/sim.csr" "$T/pem/server.pem"
}

command_line() { # COMMAND...
	run mod "${checked[@]}" "$@" && clean
}

client() {
	INPUT=$REQUEST run mod "${checked[@]}" openssl s_client -connect "127.0.0.1:${PORT_OF[peer]}" -quiet \
		-CAfile "$T/pem/ca.pem" -verify_return_error -cert "$T/pem/client.pem" -key "$key" -ign_eof &&
		matches "$OUT" '^Client certificate' && clean
}

# begin_server NAME COMMAND...: a server that listens on PORT, until end_server.
begin_server() {
	: >"$T/$1.log"
	spawn_mod "$1" "${checked[@]}" "${@:2}"
	PID_OF[$1]=$SPAWNED
	started "$SPAWNED" listening "$PORT"
}
end_server() { # NAME SIGNAL
	local status=0
	kill -s "$2" "${PID_OF[$1]}"
	ended "${PID_OF[$1]}" || status=$?
	clean && equal "$status" 0 "exit status of $1"
}

broker() {
	have mosquitto mosquitto_pub && same_openssl mosquitto || return 77
	pick_port
	printf '%s\n' "listener $PORT 127.0.0.1" "cafile $T/pem/ca.pem" "certfile $T/pem/server.pem" \
		"keyfile $T/pem/client-key.pem" 'require_certificate true' 'allow_anonymous true' \
		'log_dest stderr' 'user root' >"$T/broker.conf"
	begin_server broker mosquitto -c "$T/broker.conf" || return 1
	run mod "${checked[@]}" mosquitto_pub -h localhost -p "$PORT" --cafile "$T/pem/ca.pem" \
		--cert "$T/pem/client.pem" --key "$T/pem/client-key.pem" -q 1 -t greeting -m hello &&
		end_server broker TERM
}

web_server() {
	have nginx curl && same_openssl nginx || return 77
	local kind i
	pick_port
	echo 'served by nginx' >"$T/www/index.html"
	cat >"$T/nginx.conf" <<EOF
daemon off;
master_process off;
pid $T/nginx.pid;
events { }
http {
	$(for kind in client_body proxy fastcgi uwsgi scgi; do echo "${kind}_temp_path $T/temp/$kind;"; done)
	access_log off;
	server {
		listen 127.0.0.1:$PORT ssl;
		ssl_certificate $T/pem/server.pem;
		ssl_certificate_key $T/pem/client-key.pem;
		root $T/www;
	}
}
EOF
	begin_server nginx nginx -c "$T/nginx.conf" -e "$T/log/error.log" || return 1
	for i in 1 2 3; do
		run patiently curl --silent --show-error --cacert "$T/pem/ca.pem" "https://localhost:$PORT/" &&
			matches "$OUT" 'served by nginx' || return 1
	done
	end_server nginx QUIT
}

# A card that refuses takes other ways through the module.
refused() {
	admin sim fault sw=6982 --count 1000 || return 1
	run mod "${checked[@]}" openssl req -new -key "$key" -subj /CN=x
	[ "$RC" -eq 1 ] && admin sim fault clear && clean
}

it 'a software SIM and a server' prepare
it 'openssl pkey' command_line openssl pkey -in "$key" -pubout
it 'openssl req' command_line openssl req -new -key "$key" -subj /CN=x
it 'openssl storeutl' command_line openssl storeutl -noout iotsafe://
it 'openssl s_client' client
it 'openssl req, refused by the card' refused
it 'a mosquitto broker and mosquitto_pub' broker
it 'nginx, a single process' web_server
done_testing
