#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# TLS with openssl s_client and s_server: over a socket and over pcscd, TLS 1.2 and
# 1.3, the key named by identifier, by label, and by a key-reference file.
# shellcheck source=lib.sh
. "$(dirname "$0")/lib.sh"
need openssl

providers=(-provider default -provider iotsafe)

start_reader() {
	start_pcscd pcsc 1 || return
	vpcd=(--vpcd "127.0.0.1:${VPCD[1]}")
}

prepare() {
	start_sim sim gsma-strict "${vpcd[@]}" &&
		credentials sim "$T/pem" &&
		server_certificate server &&
		start_s_server server -cert "$T/server.pem" -key "$T/server.key"
}

# handshake TRANSPORT VERSION KEY CERTIFICATE
handshake() {
	local subject
	subject=$(subject_of "$T/pem/client.pem")
	: >"$T/server.log"
	INPUT=$REQUEST IOTSAFE_TRANSPORT=$1 run mod openssl s_client -ign_eof "${providers[@]}" \
		-connect "127.0.0.1:${PORT_OF[server]}" "-tls1_${2#1.}" -key "$3" -cert "$4" \
		-CAfile "$T/pem/ca.pem" -verify_return_error || return 1
	matches "$OUT" 'Verify return code: 0 \(ok\)' &&
		matches "$OUT" "Protocol *: TLSv$2" &&
		matches "$OUT" '^Client certificate' &&
		lacks "$OUT" 'no client certificate' &&
		matches "$T/server.log" "^depth=0 $subject\$" &&
		lacks "$T/server.log" 'verify error'
}

# The other way round: the server's key is on the SIM.
server_on_sim() {
	tool sim cert "$1" >"$T/sim-server.pem" || return 1
	pick_port
	IOTSAFE_TRANSPORT=$2 spawn_mod sim-server openssl s_server "${providers[@]}" \
		-accept "127.0.0.1:$PORT" -www -key "$1" -cert "$T/sim-server.pem"
	started "$SPAWNED" listening "$PORT" || return 1
	local version
	for version in 2 3; do
		INPUT=$REQUEST run openssl s_client -ign_eof -connect "127.0.0.1:$PORT" "-tls1_$version" \
			-CAfile "$T/pem/ca.pem" || return 1
		matches "$OUT" 'Verify return code: 0 \(ok\)' &&
			matches "$OUT" "Protocol *: TLSv1.$version" || return 1
	done
	end "$SPAWNED"
}

vpcd=()
transports=(socket)
it 'a pcscd of our own with a reader' start_reader
[ "${#vpcd[@]}" -eq 0 ] || transports+=(pcsc)
it 'a SIM and a server that demands a certificate' prepare
[ "${#vpcd[@]}" -eq 0 ] || it 'the reader holds the SIM' card_in pcsc 1

id=$(id_of sim client-key private)
for transport in "${transports[@]}"; do
	real=$transport
	[ "$transport" = pcsc ] || real=$(socket_of sim)
	for version in 1.2 1.3; do
		it "$transport, TLS $version, key and certificate by identifier" \
			handshake "$real" "$version" "iotsafe://$id" "iotsafe://$id;type=cert"
		it "$transport, TLS $version, key and certificate by label" \
			handshake "$real" "$version" iotsafe://label=client-key iotsafe://label=client-cert
		it "$transport, TLS $version, certificate named by its key, no slashes" \
			handshake "$real" "$version" 'iotsafe:label=client-key' 'iotsafe:label=client-key;type=cert'
		it "$transport, TLS $version, key-reference file" \
			handshake "$real" "$version" "$T/pem/client-key.pem" "$T/pem/client.pem"
	done
	it "$transport, the server's own key on the SIM" server_on_sim iotsafe://label=client-key "$real"
done
done_testing
