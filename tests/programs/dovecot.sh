#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# Dovecot as an IMAP server that demands certificates.
# shellcheck source=lib.sh
. "$(dirname "$0")/lib.sh"
program Dovecot dovecot-imapd dovecot
[ "$(id -u)" -eq 0 ] || skip_all 'only root can run dovecot'

server() {
	pick_port
	configuration programs/dovecot.conf 's,OPENSSL_CONF,& OPENSSL_MODULES IOTSAFE_LOCK_DIR,' || return 1
	cat >>"$T/dovecot.conf" <<-EOF
		protocols = imap
		listen = 127.0.0.1
		base_dir = $T/dovecot
		state_dir = $T/dovecot-state
		log_path = $T/dovecot-own.log
		verbose_ssl = yes
		ssl_dh =
		service imap-login {
			inet_listener imap {
				port = 0
			}
			inet_listener imaps {
				port = $PORT
			}
		}
		passdb {
			driver = static
			args = nopassword=y
		}
		userdb {
			driver = static
			args = uid=nobody gid=nogroup home=/nonexistent
		}
	EOF
	: >"$T/dovecot-own.log"
	daemon_on "$PORT" dovecot dovecot -F -c "$T/dovecot.conf" && tls_client "$1" "$PORT" -ign_eof &&
		matches "$OUT" 'Dovecot.* ready'
}

REQUEST=$T/imap-request
printf 'a LOGOUT\r\n' >"$REQUEST"
runs 'server (IMAP)' '1.2 1.3' 'its log' server "$T/dovecot-own.log"
done_with_program
