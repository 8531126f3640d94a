#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# iotsafe-enroll cmp, with the mock server of openssl, which gives out a certificate that was
# issued before.
# shellcheck source=tests/enroll/lib.sh
. "$(dirname "$0")/lib.sh"
openssl cmp -help 2>&1 | grep -q -- -rsp_cert || skip_all 'this openssl has no mock server for CMP'

cert=$T/device.pem

# start_cmp OPTION...: the server; MOCK is its URL.
start_cmp() {
	[ -z "${PID_OF[mock]:-}" ] || stop mock
	pick_port
	MOCK=http://127.0.0.1:$PORT/pkix/
	spawn mock openssl cmp -config '' -port "$PORT" -srv_cert "$T/server.pem" -srv_key "$T/server.key" \
		-srv_trusted "$T/$CA/store/ca.pem" -rsp_cert "$T/issued.pem" "$@"
	PID_OF[mock]=$SPAWNED
	started "$SPAWNED" listening "$PORT"
}

# issue URI NAME: what the server gives out: $T/issued.pem, for that key on the SIM.
issue() {
	tool sim pubkey "$1" >"$T/key.pub" || return 1
	openssl req -new -key "$T/server.key" -subj "/CN=$2" -out "$T/issued.csr" &&
		openssl x509 -req -in "$T/issued.csr" -force_pubkey "$T/key.pub" -CA "$T/$CA/store/ca.pem" \
			-CAkey "$T/$CA/store/ca.key" -CAcreateserial -CAserial "$T/ca.srl" -days 90 -out "$T/issued.pem" \
			-extfile <(echo 'extendedKeyUsage=clientAuth') 2>"$T/openssl.err"
}

cmp() { enroll cmp --server "$MOCK" --trust "$T/$CA/store/ca.pem" --subject /CN=device-1 --key "$new" --cert-out "$cert" "$@"; }
by_first_key=(--bootstrap-key "$first_key" --bootstrap-cert "$first_cert")

issued() { # COMMAND...
	rm -f "$cert"
	run "$@" && holds "$cert" "$new" && equal "$(sha256sum <"$cert")" "$(sha256sum <"$T/issued.pem")" 'the certificate'
}

# There is a key that no certificate names, as a run that was broken off leaves it.
first() {
	tool sim keygen "$new" >"$T/made.pub" 2>"$T/err2" && issue "$new" device-1 && start_cmp || return 1
	issued cmp --generate "${by_first_key[@]}" --san device-1.example --json --chain-out "$T/chain.pem" || return 1
	equal "$(json 'd["status"], d["server"]')" "('done', '$MOCK')" result &&
		openssl verify -CAfile "$T/chain.pem" "$cert" && equal "$(generated)" 1 'keys made' &&
		issued cmp "${by_first_key[@]}" --request p10cr
}

# The server of OpenSSL 3.0 takes no other certificate as the old one than what it gives out.
renewal() {
	start_cmp -grant_implicitconf || return 1
	run cmp --san new.example && matches "$ERR" 'has been written' && equal "$(sha256sum <"$cert")" "$(sha256sum <"$T/issued.pem")" 'the certificate' || return 1
	cp "$cert" "$T/old.pem" && issue "$new" device-1 || return 1
	# newer ones take any, whatever -ref_cert says
	[[ $(openssl cmp -help 2>&1) != *-ref_cert* ]] || return 0
	start_cmp || return 1
	ends 4 'the server refuses' cmp && equal "$(sha256sum <"$cert")" "$(sha256sum <"$T/old.pem")" 'the certificate'
}

secret() {
	start_cmp -srv_ref device -srv_secret 'pass:a password' || return 1
	issued cmp "${by_password[@]}" && issued cmp "${by_password[@]}" --request p10cr || return 1
	echo wrong >"$T/wrong"
	rm "$cert"
	ends 1 'cmp' cmp --ref device --secret-file "$T/wrong" && [ ! -e "$cert" ]
}

# Answers that are none: no file.
none() { # STATUS PATTERN OPTION...: of the server
	local status=$1 pattern=$2
	shift 2
	rm -f "$cert"
	start_cmp "$@" || return 1
	ends "$status" "$pattern" cmp "${by_first_key[@]}" || return 1
	equal "$(wc -l <"$ERR")" 1 'lines on standard error' && [ ! -e "$cert" ]
}

refused() {
	none 4 'the server refuses: .*rejection.*not today' -pkistatus 2 -statusstring 'not today' &&
		none 4 'the server refuses' -send_error &&
		none 1 cmp -send_unprotected
}

pending() {
	none 3 'cmp: the server decides later' -poll_count 3 -check_after 1 && start_cmp -poll_count 2 -check_after 1 || return 1
	issued cmp "${by_first_key[@]}" --retry
}

unacceptable() {
	issue "$first_key" device-1 && none 1 'no certificate for the key on the SIM' || return 1
	issue "$new" device-1 && cp "$T/issued.pem" "$T/good.pem"
	openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -subj /CN=other -days 2 \
		-keyout "$T/other.key" -out "$T/other.pem" 2>"$T/openssl.err"
	openssl x509 -req -in "$T/issued.csr" -force_pubkey "$T/key.pub" -CA "$T/other.pem" -CAkey "$T/other.key" \
		-CAcreateserial -CAserial "$T/other.srl" -days 2 -out "$T/issued.pem" 2>"$T/openssl.err" &&
		none 1 'does not chain to what is trusted' && mv "$T/good.pem" "$T/issued.pem"
}

# Nothing is made on the SIM for a server that does not show who it is.
other_server() {
	local made
	made=$(generated)
	start_cmp -srv_cert "$T/other.pem" -srv_key "$T/other.key" || return 1
	ends 1 cmp enroll cmp --server "$MOCK" --trust "$T/$CA/store/ca.pem" --subject /CN=x --key iotsafe://label=spare-2 --generate \
		--cert-out "$T/two.pem" "${by_first_key[@]}" --retry && equal "$(generated)" "$made" 'keys made' || return 1
	stop mock
	ends 1 'onnect' enroll cmp --server "$MOCK" --trust "$T/$CA/store/ca.pem" --subject /CN=x --key iotsafe://label=spare-2 --generate \
		--cert-out "$T/two.pem" "${by_first_key[@]}" && equal "$(generated)" "$made" 'keys made' || return 1
	start_cmp || return 1
	ends 1 'no certificate for the key' enroll cmp --server "$MOCK" --trust "$T/$CA/store/ca.pem" --subject /CN=x \
		--key iotsafe://label=spare-2 --generate --cert-out "$T/two.pem" "${by_first_key[@]}" &&
		equal "$(generated)" $((made + 1)) 'keys made'
}

wrong_usage() {
	ends 2 'cmp: --trust is missing' enroll cmp --server http://h/ --subject /CN=x --key "$new" --cert-out c &&
		ends 2 'expected http' enroll cmp --server ftp://h/ --subject /CN=x --key "$new" --cert-out c --trust c &&
		ends 2 '--request kur: ir or p10cr' enroll cmp --server http://h/ --subject /CN=x --key "$new" --cert-out c --trust c --request kur
}

start_sim sim && server_certificate server 2>"$T/openssl.err" || exit 1
it 'ir and p10cr, signed with the first key of the SIM' first
it 'kur: a renewal' renewal
it 'ir and p10cr with a secret' secret
it 'the server refuses, or does not protect its answer' refused
it 'the server decides later' pending
it 'certificates that are not accepted' unacceptable
it 'a server that is not trusted, or away: no key is made' other_server
it 'wrong usage' wrong_usage
done_testing
