#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# nginx as a server, and as the client of the server behind it; tests/e2e/nginx.sh looks
# at more of it.
# shellcheck source=lib.sh
. "$(dirname "$0")/lib.sh"
program nginx nginx nginx

# start_nginx VERSION HTTPS HTTP BACKEND
start_nginx() {
	local kind
	mkdir -p "$T/www" "$T/temp" && echo 'served by nginx' >"$T/www/index.html" && : >"$T/error.log" || return 1
	configuration nginx.conf "s,listen 443,listen 127.0.0.1:$2," "s,127.0.0.1:8080,127.0.0.1:$3," \
		"s,https://backend.example,https://127.0.0.1:$4," 's,backend.example,localhost,' \
		's,gateway.example,localhost,' "s,/var/www/html,$T/www," "s,/var/log/nginx,$T," \
		"s,/run/nginx.pid,$T/nginx.pid," "s,TLSv1.2 TLSv1.3,TLSv$1," || return 1
	for kind in client_body proxy fastcgi uwsgi scgi; do
		sed -i "s,^http {,&\n\t${kind}_temp_path $T/temp/$kind;," "$T/nginx.conf"
	done
	[ "$(id -u)" -eq 0 ] || sed -i '/^user /d' "$T/nginx.conf"
	daemon_on "$2" nginx nginx -c "$T/nginx.conf" -e "$T/error.log" -g 'daemon off;'
}

both_ways() {
	tls_server "$1" || return 1
	local backend=$PORT
	pick_port 2
	start_nginx "$1" "$PORT" $((PORT + 1)) "$backend"
}

server() { both_ways "$1" && tls_client "$1" "$PORT" -ign_eof && matches "$OUT" 'served by nginx'; }

client() {
	both_ways "$1" || return 1
	run patiently curl --silent --show-error --fail "http://127.0.0.1:$((PORT + 1))/" || return 1
	matches "$OUT" '^Client certificate' && server_saw_us
}

# Of three connections the last two resume the session of the first.
resumed() {
	local before
	both_ways "$1" || return 1
	before=$(signatures)
	tls_client "$1" "$PORT" -ign_eof -sess_out "$T/session" || return 1
	for _ in 1 2; do
		INPUT=$REQUEST run patiently openssl s_client -connect "127.0.0.1:$PORT" -servername localhost -ign_eof \
			"-tls1_${1#1.}" -CAfile "$PEM/ca.pem" -sess_in "$T/session"
		matches "$OUT" '^Reused, TLSv' && matches "$OUT" 'served by nginx' || return 1
	done
	equal $(($(signatures) - before)) 1 signatures
	end_others
}

# The page's directive. Without quotes the URI ends at its semicolon. With them this nginx uses
# it, or is one before 1.29 and looks for a file, whose name is the whole URI.
quotes() {
	local directive uri
	directive=$(grep -oE 'ssl_certificate_key "store:[^`]*;' "$E2E_SOURCE/docs/applications.md" | sed 's/server-key/client-key/')
	uri=$(cut -d '"' -f 2 <<<"$directive")
	[[ $uri == *\;* ]] && printf 'pid %s;\nerror_log %s;\nevents { }\nhttp { server { listen 127.0.0.1:1 ssl; ssl_certificate %s;\n%s\n} }\n' \
		"$T/nginx.pid" "$T/error.log" "$PEM/server.pem" "$directive" >"$T/quotes.conf" || return 1
	run mod nginx -t -e "$T/error.log" -c "$T/quotes.conf" || {
		lacks "$ERR" 'unknown directive' && matches "$ERR" "cannot load certificate key \"[^\"]*$uri\": BIO_new_file" || return 1
	}
	tr -d '"' <"$T/quotes.conf" >"$T/no-quotes.conf"
	fails mod nginx -t -e "$T/error.log" -c "$T/no-quotes.conf" && matches "$ERR" "unknown directive \"${uri#*;}\" in .*:5"
}

it 'a URI with a semicolon stands in quotes' quotes
it 'a resumed session asks the SIM for nothing, TLS 1.2' resumed 1.2
it 'a resumed session asks the SIM for nothing, TLS 1.3' resumed 1.3
runs server '1.2 1.3' error.log server "$T/error.log"
runs client '1.2 1.3' error.log client "$T/error.log"
done_with_program
