#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# rsyslog as a client of a collector.
# shellcheck source=lib.sh
. "$(dirname "$0")/lib.sh"
need socat
program rsyslog rsyslog-openssl rsyslogd logger

client() {
	collector "$1" && configuration programs/rsyslog.conf 's,logs.example,127.0.0.1,' "s,6514,$PORT," || return 1
	{
		echo "module(load=\"imuxsock\" SysSock.Use=\"off\")"
		echo "input(type=\"imuxsock\" Socket=\"$T/syslog\")"
		cat "$T/rsyslog.conf"
	} >"$T/rsyslogd.conf"
	daemon rsyslog rsyslogd -n -f "$T/rsyslogd.conf" -i "$T/rsyslogd.pid"
	started "$DAEMON" test -S "$T/syslog" && logger -u "$T/syslog" 'hello from rsyslog' || return 1
	await grep -qE "hello from rsyslog|$REASON" "$T/peer-server.log" "$T/rsyslog.log"
	matches "$T/peer-server.log" 'hello from rsyslog'
}

runs client '1.2 1.3' 'its own messages' client "$T/rsyslog.log"
done_with_program
