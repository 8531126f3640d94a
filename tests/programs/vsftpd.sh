#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# vsftpd as a server that demands certificates.
# shellcheck source=lib.sh
. "$(dirname "$0")/lib.sh"
program vsftpd vsftpd vsftpd
[ "$(id -u)" -eq 0 ] || skip_all 'only root can run vsftpd'

server() {
	pick_port
	# a hard link as the mount that vsftpd.conf speaks of
	mkdir -p "$T/empty$T/sim" && ln -f "$T/sim/sim.sock" "$T/empty$T/sim/" && configuration programs/vsftpd.conf || return 1
	printf '%s\n' 'listen=YES' 'background=NO' "listen_port=$PORT" 'listen_address=127.0.0.1' "secure_chroot_dir=$T/empty" \
		'anonymous_enable=YES' 'xferlog_enable=YES' 'xferlog_std_format=NO' "vsftpd_log_file=$T/vsftpd-own.log" >>"$T/vsftpd.conf"
	: >"$T/vsftpd-own.log"
	daemon_on "$PORT" vsftpd vsftpd "$T/vsftpd.conf" && tls_client "$1" "$PORT" -starttls ftp
}

runs server '1.2 1.3' 'its log' server "$T/vsftpd-own.log"
done_with_program
