#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# syslog-ng as a client of a collector.
# shellcheck source=lib.sh
. "$(dirname "$0")/lib.sh"
need socat logger
program syslog-ng syslog-ng-core syslog-ng

client() {
	collector "$1" && configuration programs/syslog-ng.conf 's,logs.example,127.0.0.1,' "s,6514,$PORT," || return 1
	{
		echo '@version: 3.38'
		cat "$T/syslog-ng.conf"
		echo "source s_test { unix-dgram(\"$T/syslog\"); };"
		echo 'log { source(s_test); destination(d_collector); };'
	} >"$T/syslog-ng-whole.conf"
	rm -f "$T/syslog"
	daemon syslog-ng syslog-ng --foreground --stderr --no-caps --cfgfile="$T/syslog-ng-whole.conf" \
		--persist-file="$T/persist" --pidfile="$T/syslog-ng.pid" --control="$T/syslog-ng.ctl"
	started "$DAEMON" test -S "$T/syslog" && logger -u "$T/syslog" 'hello, collector' || return 1
	await grep -qE "hello, collector|$REASON" "$T/peer-server.log" "$T/syslog-ng.log"
	matches "$T/peer-server.log" 'hello, collector'
}

runs client '1.2 1.3' 'its own messages' client "$T/syslog-ng.log"
done_with_program
