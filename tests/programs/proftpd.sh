#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# ProFTPD as a server that demands certificates.
# shellcheck source=lib.sh
. "$(dirname "$0")/lib.sh"
program ProFTPD proftpd-mod-crypto proftpd
[ "$(id -u)" -eq 0 ] || skip_all 'only root can run proftpd'

server() {
	pick_port
	mkdir -p "$T/tls" && : >"$T/tls/tls.log" && chmod 755 "$T/tls" &&
		configuration programs/proftpd.conf "s,/var/log/proftpd,$T/tls," "s,TLSv1.2 TLSv1.3,TLSv$1," || return 1
	printf '%s\n' 'ServerName test' 'ServerType standalone' "Port $PORT" 'DefaultAddress 127.0.0.1' 'UseIPv6 off' \
		'User nobody' 'Group nogroup' "PidFile $T/proftpd.pid" "ScoreboardFile $T/scoreboard" "SystemLog $T/system.log" \
		'UseReverseDNS off' 'RequireValidShell off' "DelayTable $T/delay" >>"$T/proftpd.conf"
	daemon_on "$PORT" proftpd proftpd -n -c "$T/proftpd.conf" && tls_client "$1" "$PORT" -starttls ftp
}

runs server '1.2 1.3' TLSLog server "$T/tls/tls.log"
done_with_program
