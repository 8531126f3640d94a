#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# Postfix as a server that demands certificates, and as the client of another one.
# shellcheck source=lib.sh
. "$(dirname "$0")/lib.sh"
PATH=$PATH:/usr/lib/postfix/sbin
program Postfix postfix postfix master
[ "$(id -u)" -eq 0 ] || skip_all 'only root can run postfix'

# start_postfix VERSION PORT PORT-BEHIND
start_postfix() {
	local dir=$T/postfix name
	rm -rf "$dir" "$T/queue" "$T/data"
	mkdir -p "$dir" "$T/queue" "$T/data" && chown postfix "$T/data" || return 1
	configuration programs/postfix-main.cf "s,mail.example\]:465,localhost]:$3," \
		's,OPENSSL_CONF,& OPENSSL_MODULES,' || return 1
	{
		cat "$T/postfix-main.cf"
		printf '%s\n' 'compatibility_level = 3.6' "queue_directory = $T/queue" "data_directory = $T/data" \
			"maillog_file = $T/mail.log" "maillog_file_prefixes = $T" 'myhostname = localhost' 'inet_interfaces = loopback-only' \
			'inet_protocols = ipv4' 'mydestination =' 'alias_maps =' 'alias_database =' 'smtpd_tls_loglevel = 1' \
			'smtp_tls_loglevel = 1' "smtpd_tls_mandatory_protocols = TLSv$1" "smtp_tls_mandatory_protocols = TLSv$1" \
			'smtp_host_lookup = native' 'mynetworks = 127.0.0.0/8'
	} >"$dir/main.cf"
	sed -E "s,^smtp +inet.*,127.0.0.1:$2 inet n - n - - smtpd,; /^[a-z].*(unix|inet|unix-dgram) /s/^(\S+ +\S+ +\S+ +\S+ +)y/\1n/" \
		/etc/postfix/master.cf >"$dir/master.cf"
	: >"$T/mail.log"
	run patiently postfix -c "$dir" check || return 1
	# `postfix start-fg` would leave it behind when it is ended itself
	daemon postfix master -c "$dir" -s
	started "$DAEMON" listening "$2"
}

server() {
	pick_port 2
	start_postfix "$1" "$PORT" "$((PORT + 1))" && tls_client "$1" "$PORT" -starttls smtp
}

client() {
	pick_port 2
	mail_server "$1" $((PORT + 1)) && start_postfix "$1" "$PORT" $((PORT + 1)) || return 1
	printf 'Subject: test\n\nhello\n' | sendmail -C "$T/postfix" -f device@localhost reports@mail.example || return 1
	started "$DAEMON" grep -qE 'status=(sent|deferred|bounced)' "$T/mail.log" &&
		matches "$T/mail.log" 'status=sent .250 taken'
}

need socat
runs server '1.2 1.3' 'its log' server "$T/mail.log"
runs client '1.2 1.3' 'its log' client "$T/mail.log"
done_with_program
