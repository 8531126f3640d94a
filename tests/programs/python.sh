#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# Python's ssl module: urllib as a client, http.server as a server.
# shellcheck source=lib.sh
. "$(dirname "$0")/lib.sh"
program Python python3-minimal /usr/bin/python3

only() { # VERSION FILE: the same with this version only
	sed -i "s,^context\.verify_mode.*\|^context\.load_cert_chain.*,&\ncontext.minimum_version = context.maximum_version = ssl.TLSVersion.TLSv1_${1#1.}," "$2"
}

client() {
	tls_server "$1" && configuration programs/python-client.py "s,server.example,localhost:$PORT," &&
		only "$1" "$T/python-client.py" || return 1
	run mod /usr/bin/python3 "$T/python-client.py" || return 1
	matches "$OUT" '^Client certificate' && server_saw_us
}

server() {
	pick_port
	configuration programs/python-server.py "s/\"\", 8443/\"127.0.0.1\", $PORT/" &&
		only "$1" "$T/python-server.py" || return 1
	daemon_on "$PORT" server /usr/bin/python3 -u "$T/python-server.py" &&
		tls_client "$1" "$PORT" -ign_eof && matches "$OUT" 'HTTP/1.0 200'
}

runs client '1.2 1.3' trace client
runs server '1.2 1.3' trace server
done_with_program
