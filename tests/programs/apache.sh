#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# Apache as a server that demands certificates.
# shellcheck source=lib.sh
. "$(dirname "$0")/lib.sh"
program Apache apache2 apache2

server() {
	local modules=/usr/lib/apache2/modules
	mkdir -p "$T/www" && echo 'served by Apache' >"$T/www/index.html" || return 1
	pick_port
	configuration programs/apache.conf "s,443,127.0.0.1:$PORT," 's,\*:127.0.0.1,127.0.0.1,' \
		's,server.example,localhost,' "s,/var/www/html,$T/www," "s,+TLSv1.2 +TLSv1.3,+TLSv$1," || return 1
	{
		for module in mpm_event authz_core dir socache_shmcb ssl; do
			echo "LoadModule ${module}_module $modules/mod_$module.so"
		done
		printf '%s\n' 'ServerName localhost' "PidFile $T/apache.pid" "DefaultRuntimeDir $T" "ErrorLog $T/error.log" \
			'DirectoryIndex index.html'
		[ "$(id -u)" -ne 0 ] || printf '%s\n' 'User www-data' 'Group www-data'
		cat "$T/apache.conf"
	} >"$T/apache2.conf"
	: >"$T/error.log"
	daemon_on "$PORT" apache apache2 -X -f "$T/apache2.conf" &&
		tls_client "$1" "$PORT" -ign_eof && matches "$OUT" 'served by Apache'
}

runs server '1.2 1.3' ErrorLog server "$T/error.log"
done_with_program
