#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# iotsafe-enroll est, against `estserver` of the package libest-utils (Debian 13), a server
# that others have written. What is refused and how is in est.sh.
# shellcheck source=tests/enroll/lib.sh
. "$(dirname "$0")/lib.sh"
need estserver

cert=$T/device.pem
printf 'estpwd' >"$T/secret" # it knows one user, and is told of no other
by_password=(--ref estuser --secret-file "$T/secret")

# As `openssl ca` has it; the server looks for its files where it is started.
authority() {
	mkdir -p "$T/ca/new" && : >"$T/ca/index.txt" && echo 1000 >"$T/ca/serial" || return 1
	cat >"$T/ca/ca.cnf" <<-END
		[ca]
		default_ca = it
		[it]
		database = $T/ca/index.txt
		new_certs_dir = $T/ca/new
		serial = $T/ca/serial
		certificate = $T/$CA/store/ca.pem
		private_key = $T/$CA/store/ca.key
		default_days = 30
		default_md = sha256
		policy = any
		x509_extensions = client
		unique_subject = no
		[any]
		commonName = supplied
		[client]
		basicConstraints = CA:FALSE
		keyUsage = digitalSignature
		extendedKeyUsage = clientAuth
	END
}

# -o: who shows a certificate needs no password.
start_libest() {
	local ca=$T/$CA/store/ca.pem
	authority && pick_port || return 1
	spawn libest env "EST_TRUSTED_CERTS=$ca" "EST_CACERTS_RESP=$ca" "EST_OPENSSL_CACONFIG=$T/ca/ca.cnf" \
		estserver -c "$T/server.pem" -k "$T/server.key" -r iotsafe -o -p "$PORT" -v
	started "$SPAWNED" listening "$PORT" && EST=https://127.0.0.1:$PORT/.well-known/est
}
serial() { openssl x509 -in "$cert" -noout -serial; }

first_by_password() {
	ends 4 refuses est --key "$new" --generate --cert-out "$cert" --ref estuser --secret-file "$T/user" && [ ! -e "$cert" ] || return 1
	run est --key "$new" --generate --cert-out "$cert" --chain-out "$T/chain.pem" "${by_password[@]}" && holds "$cert" "$new" &&
		cmp "$T/chain.pem" "$T/$CA/store/ca.pem" && equal "$(serial)" serial=1000 certificate
}
renewal() {
	run est --key "$new" --cert-out "$cert" --json && holds "$cert" "$new" &&
		equal "$(json 'd["status"]')" 'done' status && equal "$(serial)" serial=1001 certificate
}
first_by_first_key() {
	run est --key iotsafe://label=spare-2 --generate --cert-out "$T/two.pem" --bootstrap-key "$first_key" \
		--bootstrap-cert "$first_cert" && holds "$T/two.pem" iotsafe://label=spare-2
}
nobody() {
	ends 4 refuses est --key iotsafe://label=spare-2 --cert-out "$T/none.pem" --ref estuser --secret-file "$T/user" &&
		[ ! -e "$T/none.pem" ]
}

start_sim sim && server_certificate server 2>"$T/openssl.err" || exit 1
it 'estserver of libest starts' start_libest
it 'a key, and its first certificate by password' first_by_password
it 'the certificate is renewed by its key' renewal
it 'a first certificate by the key that the SIM came with' first_by_first_key
it 'who shows neither gets none' nobody
done_testing
