#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# curl with its client key on the SIM: conf/curlrc, the provider activated in
# openssl.cnf, the card in a reader of a real pcscd.
# shellcheck source=lib.sh
. "$(dirname "$0")/lib.sh"
public_locks
need curl pcscd openssl
same_openssl curl || skip_all "$WHY"
configure
# Debian's curl hangs with any sanitized library in it, before it does anything.
[ "$E2E_SANITIZE" = none ] ||
	skip_all 'curl does not run with the sanitizers here'

prepare() {
	start_pcscd curl 1 || return
	start_sim sim gsma-strict --vpcd "127.0.0.1:${VPCD[1]}" &&
		credentials sim "$T/pem" &&
		server_certificate server &&
		start_s_server server -cert "$T/server.pem" -key "$T/server.key" &&
		sed "s,/etc/iotsafe,$T/pem," "$CONF/curlrc" >"$T/curlrc" && chmod 644 "$T/curlrc" &&
		card_in curl 1
}

get() { # VERSION [COMMAND...]: to put in front
	: >"$T/server.log"
	run mod "${@:2}" curl --config "$T/curlrc" --silent --show-error \
		"--tlsv$1" --tls-max "$1" "https://localhost:${PORT_OF[server]}/" || return 1
	matches "$OUT" '^Client certificate' && matches "$OUT" "Protocol *: TLSv$1" &&
		matches "$T/server.log" "^depth=0 $(subject_of "$T/pem/client.pem")\$"
}

ordinary_user() {
	[ "$(id -u)" -eq 0 ] || {
		WHY='only root can become another user'
		return 77
	}
	get 1.3 setpriv --reuid nobody --regid nogroup --clear-groups
}

without_key() {
	fails mod curl --silent --show-error --cacert "$T/pem/ca.pem" \
		"https://localhost:${PORT_OF[server]}/"
}

# Several transfers, each with its own connection, in one process.
again() {
	: >"$T/server.log"
	local url=https://localhost:${PORT_OF[server]}/
	run mod curl --config "$T/curlrc" --silent --show-error --no-sessionid "$url" "$url" "$url" || return 1
	equal "$(grep -c '^depth=0' "$T/server.log")" 3 'client certificates that the server saw'
}

it 'a pcscd with a reader, a SIM, and a server that demands a certificate' prepare
it 'TLS 1.3' get 1.3
it 'TLS 1.2' get 1.2
it 'three transfers in one process' again
it 'as an ordinary user' ordinary_user
it 'the server refuses curl without the key' without_key
done_testing
