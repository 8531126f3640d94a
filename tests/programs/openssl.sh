#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# openssl s_client and s_server, by URI.
# shellcheck source=lib.sh
. "$(dirname "$0")/lib.sh"
program openssl openssl openssl

client() {
	tls_server "$1" && configuration programs/openssl-client.sh "s,server.example:8883,127.0.0.1:$PORT," || return 1
	INPUT=$REQUEST run mod sh "$T/openssl-client.sh" "-tls1_${1#1.}" -ign_eof || return 1
	matches "$OUT" '^Client certificate' && server_saw_us
}

server() {
	pick_port
	configuration programs/openssl-server.sh "s,8883,127.0.0.1:$PORT," \
		's,label=server-key,label=client-key,' || return 1
	daemon_on "$PORT" server sh "$T/openssl-server.sh" "-tls1_${1#1.}" -www && tls_client "$1" "$PORT" -ign_eof
}

dtls() {
	dtls_server && configuration programs/openssl-client.sh "s,server.example:8883,127.0.0.1:$PORT," &&
		run mod sh "$T/openssl-client.sh" -dtls1_2 && server_saw_us
}

# without_quotes SHELL COMMAND: as somebody types it who forgets them.
without_quotes() { run patiently env "${module_env[@]}" "$1" -c "$(tr -d "'" <<<"$2")"; }

# The manual page's command, and the two mistakes that docs/applications.md tells of: the shell
# calls the word behind the URI a command, or says nothing and the default SIM answers.
quotes() {
	local shell request other="'$TOOL' pubkey 'iotsafe://label=client-key;sim=backup'"
	request=$(sed -n "s/^\\$ \\(openssl req .*;type=private'.*\\)/\\1/p" "$E2E_SOURCE/docs/iotsafe-uri.7")
	request=${request/id=01/label=client-key}
	run mod sh -c "$request" && matches "$OUT" 'BEGIN CERTIFICATE REQUEST' || return 1
	fails mod sh -c "$other" && matches "$ERR" 'no SIM called "backup"' || return 1
	for shell in sh bash; do
		without_quotes "$shell" "$request"
		equal "$RC" 127 "status of $shell" && lacks "$OUT" 'CERTIFICATE REQUEST' &&
			matches "$ERR" '[-]subj: (command )?not found' || return 1
		without_quotes "$shell" "$other"
		equal "$RC" 0 "status of $shell" && cmp "$OUT" "$T/client.pub" && equal "$(wc -c <"$ERR")" 0 'bytes of complaint' || return 1
		without_quotes "$shell" "${other/client-key/nothing}"
		equal "$RC" 0 "status of $shell" && matches "$ERR" 'label=nothing' || return 1
	done
}

mod "$TOOL" pubkey iotsafe://label=client-key >"$T/client.pub"
it 'in a shell a URI with a semicolon stands in quotes' quotes
runs client '1.2 1.3' 'standard error' client
runs server '1.2 1.3' 'standard error' server "$T/server.log"
runs 'DTLS client' '1.2' 'standard error' dtls
done_with_program
