#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# lighttpd as a server that demands certificates.
# shellcheck source=lib.sh
. "$(dirname "$0")/lib.sh"
program lighttpd lighttpd-mod-openssl lighttpd

server() {
	mkdir -p "$T/www" && echo 'served by lighttpd' >"$T/www/index.html" || return 1
	pick_port
	configuration programs/lighttpd.conf "s,/var/www/html,$T/www," \
		"s,443,$PORT\nserver.bind = \"127.0.0.1\"\nindex-file.names = ( \"index.html\" )," \
		"s,\"MinProtocol\",\"MaxProtocol\" => \"TLSv$1\"\, &," || return 1
	daemon_on "$PORT" lighttpd lighttpd -D -f "$T/lighttpd.conf" &&
		tls_client "$1" "$PORT" -ign_eof && matches "$OUT" 'served by lighttpd'
}

runs server '1.2 1.3' 'its error log' server "$T/lighttpd.log"
done_with_program
