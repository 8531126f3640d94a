#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# stunnel: puts TLS around the connections of programs that have none, or none of OpenSSL.
# shellcheck source=lib.sh
. "$(dirname "$0")/lib.sh"
program stunnel stunnel4 stunnel

client() {
	tls_server "$1" || return 1
	local far=$PORT
	pick_port
	configuration programs/stunnel-client.conf "s,127.0.0.1:8080,127.0.0.1:$PORT," \
		"s,server.example:443,127.0.0.1:$far," 's,server.example,localhost,' || return 1
	printf 'foreground = yes\npid =\nsslVersion = TLSv%s\n' "$1" | cat - "$T/stunnel-client.conf" >"$T/stunnel.conf"
	daemon_on "$PORT" stunnel stunnel "$T/stunnel.conf" || return 1
	run patiently curl --silent --show-error --http0.9 "http://127.0.0.1:$PORT/" || return 1
	matches "$OUT" '^Client certificate' && server_saw_us
}

server() {
	spawn web /usr/bin/python3 -u -c "$WEB"
	started "$SPAWNED" grep -q port "$T/web.log" || return 1
	local behind
	behind=$(sed -n 's/^port //p' "$T/web.log")
	pick_port
	configuration programs/stunnel-server.conf "s,443,127.0.0.1:$PORT," \
		"s,127.0.0.1:8080,127.0.0.1:$behind," || return 1
	printf 'foreground = yes\npid =\nsslVersion = TLSv%s\n' "$1" | cat - "$T/stunnel-server.conf" >"$T/stunnel.conf"
	daemon_on "$PORT" stunnel stunnel "$T/stunnel.conf" && tls_client "$1" "$PORT" -ign_eof &&
		matches "$OUT" 'served without TLS'
}

WEB='
import http.server
class Handler(http.server.BaseHTTPRequestHandler):
    def do_GET(self):
        self.send_response(200)
        self.end_headers()
        self.wfile.write(b"served without TLS\n")
server = http.server.HTTPServer(("127.0.0.1", 0), Handler)
print("port", server.server_port)
server.serve_forever()'

runs client '1.2 1.3' 'its log' client "$T/stunnel.log"
runs server '1.2 1.3' 'its log' server "$T/stunnel.log"
done_with_program
