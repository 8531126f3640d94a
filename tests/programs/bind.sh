#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# BIND as a server of DNS over TLS.
# shellcheck source=lib.sh
. "$(dirname "$0")/lib.sh"
program BIND bind9 named

server() {
	pick_port
	configuration programs/named.conf "s,port 853,port $PORT," 's,{ any; },{ 127.0.0.1; },' \
		's,TLSv1.2; TLSv1.3;,TLSv'"$1"';,' \
		"s,^options {,&\n\tdirectory \"$T\";\n\tpid-file \"$T/named.pid\";\n\tsession-keyfile \"$T/session.key\";\n\tlisten-on-v6 { none; };\n\trecursion no;," || return 1
	echo 'controls {};' >>"$T/named.conf"
	daemon named named -g -d 3 -n 1 -c "$T/named.conf"
	started "$DAEMON" listening "$PORT" && tls_client "$1" "$PORT" -alpn dot
}

runs server '1.2 1.3' trace server
done_with_program
