#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# The openssl commands with a key on the SIM; what they make is checked by software
# alone, and by what the check prints.
# shellcheck source=lib.sh
. "$(dirname "$0")/lib.sh"
need openssl

providers=(-provider default -provider iotsafe)
key=iotsafe://label=client-key

prepare() {
	start_pcscd pcsc 1
	case $? in
	0) vpcd=(--vpcd "127.0.0.1:${VPCD[1]}") ;;
	77) ;;
	*) return 1 ;;
	esac
	start_sim sim gsma-strict "${vpcd[@]}" &&
		credentials sim "$T/pem" &&
		openssl x509 -in "$T/pem/client.pem" -noout -pubkey >"$T/software.pub" &&
		printf 'to be signed\n' >"$T/message" || return 1
	[ "${#vpcd[@]}" -eq 0 ] || card_in pcsc 1
}

sim() { mod openssl "$1" "${providers[@]}" "${@:2}"; }

request() { # DIGEST
	run sim req -new -key "$key" -subj "/CN=device 7" "-$1" -out "$T/req.pem" || return 1
	run openssl req -in "$T/req.pem" -noout -verify -text || return 1
	# OpenSSL 3.0 says so on stderr, 3.5 on stdout
	cat "$OUT" "$ERR" >"$T/said" && matches "$T/said" 'self-signature verify OK' &&
		matches "$OUT" "Signature Algorithm: ecdsa-with-${1^^}" &&
		matches "$OUT" 'ASN1 OID: prime256v1'
}

self_signed() {
	run sim req -new -x509 -key "$key" -subj "/CN=device 7" -days 1 -out "$T/self.pem" || return 1
	run openssl verify -CAfile "$T/self.pem" "$T/self.pem" || return 1
	matches "$OUT" 'self.pem: OK$'
}

x509_signkey() {
	openssl req -new -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -subj '/CN=other' \
		-keyout /dev/null -out "$T/other.csr" || return 1
	run sim req -new -key "$key" -subj '/CN=device 7' -out "$T/req.pem" || return 1
	run sim x509 -req -in "$T/req.pem" -signkey "$key" -days 1 -out "$T/signkey.pem" || return 1
	run openssl verify -CAfile "$T/signkey.pem" "$T/signkey.pem" || return 1
	matches "$OUT" 'signkey.pem: OK$'
}

x509_as_ca() {
	run sim req -new -x509 -key "$key" -subj '/CN=a CA on a SIM' -days 1 \
		-addext 'keyUsage=critical,keyCertSign' -out "$T/sim-ca.pem" || return 1
	run sim x509 -req -in "$T/other.csr" -CA "$T/sim-ca.pem" -CAkey "$key" -set_serial 9 -days 1 \
		-sha384 -out "$T/issued.pem" || return 1
	run openssl verify -CAfile "$T/sim-ca.pem" "$T/issued.pem" || return 1
	matches "$OUT" 'issued.pem: OK$'
}

digest_sign() { # DIGEST
	run sim dgst "-$1" -sign "$key" -out "$T/sig" "$T/message" || return 1
	run openssl dgst "-$1" -verify "$T/software.pub" -signature "$T/sig" "$T/message" || return 1
	matches "$OUT" '^Verified OK$'
}

digest_sign_by_reference() {
	run sim dgst -sha256 -sign "$T/pem/client-key.pem" -out "$T/sig" "$T/message" || return 1
	run openssl dgst -sha256 -verify "$T/software.pub" -signature "$T/sig" "$T/message" || return 1
	matches "$OUT" '^Verified OK$'
}

pkeyutl_sign() {
	openssl dgst -sha256 -binary -out "$T/hash" "$T/message" || return 1
	run sim pkeyutl -sign -inkey "$key" -in "$T/hash" -out "$T/sig" || return 1
	run openssl pkeyutl -verify -pubin -inkey "$T/software.pub" -in "$T/hash" -sigfile "$T/sig" ||
		return 1
	matches "$OUT" 'Signature Verified Successfully'
}

cms_sign() {
	run sim cms -sign -nodetach -in "$T/message" -signer "$T/pem/client.pem" -inkey "$key" -outform PEM \
		-out "$T/cms.pem" || return 1
	run openssl cms -verify -in "$T/cms.pem" -inform PEM -CAfile "$T/pem/ca.pem" -purpose any ||
		return 1
	matches "$ERR" 'CMS Verification successful' && matches "$OUT" '^to be signed'
}

public_key() {
	run sim pkey -in "$key" -pubout -outform DER -out "$T/pub.der" || return 1
	equal "$(wc -c <"$T/pub.der")" 91 'bytes of the public key' || return 1
	openssl pkey -pubin -in "$T/software.pub" -outform DER -out "$T/software.der" || return 1
	cmp "$T/pub.der" "$T/software.der"
}

stays_on_sim() {
	# An encoder may write a reference instead; never a private key.
	: >"$T/exported.pem"
	run sim pkey -in "$key" -out "$T/exported.pem"
	[ "$RC" -lt 124 ] && lacks "$T/exported.pem" 'BEGIN (EC )?PRIVATE KEY'
}

list_everything() {
	run sim storeutl -noout iotsafe:// || return 1
	matches "$OUT" 'Pkey' && matches "$OUT" 'Certificate' && matches "$OUT" 'Total found: [1-9]'
}

list_certificates() {
	run sim storeutl -certs "iotsafe://label=client-cert" || return 1
	matches "$OUT" 'Total found: 1$' && lacks "$OUT" 'Pkey' && cp "$OUT" "$T/listed" || return 1
	equal "$(openssl x509 -in "$T/listed" -noout -fingerprint)" \
		"$(openssl x509 -in "$T/pem/client.pem" -noout -fingerprint)" 'certificate' || return 1
	run sim storeutl -noout -certs iotsafe:// && matches "$OUT" 'Total found: 2$' && lacks "$OUT" 'Pkey'
}

listed_names_work() {
	local uri n=0
	tool sim --json list | grep -oE '"iotsafe://[^"]*type=private[^"]*"' | tr -d '"' >"$T/uris"
	while read -r uri; do
		case $uri in *label=client-key*) ;; *) continue ;; esac
		run sim pkey -in "$uri" -noout -text_pub || return 1
		n=$((n + 1))
	done <"$T/uris"
	equal "$n" 1 'private keys called client-key'
}

# The activation as our example has it, at the end of the system's openssl.cnf.
included() {
	local before
	cp /etc/ssl/openssl.cnf "$T/system.cnf"
	echo ".include $T/iotsafe.cnf" >>"$T/system.cnf"
	cp "$CONF/openssl.cnf" "$T/iotsafe.cnf"
	before=$(exchanges sim)
	OPENSSL_CONF=$T/system.cnf run mod openssl list -providers || return 1
	matches "$OUT" '^  default$' && matches "$OUT" '^  iotsafe$' || return 1
	equal "$(grep -c 'status: active' "$OUT")" 2 'active providers' &&
		equal "$(exchanges sim)" "$before" 'exchanges with the SIM' || return 1
	OPENSSL_CONF=$T/system.cnf run mod openssl dgst -sha256 -sign "$key" -out "$T/sig" "$T/message" &&
		run openssl dgst -sha256 -verify "$T/software.pub" -signature "$T/sig" "$T/message" &&
		matches "$OUT" '^Verified OK$'
}

alone() {
	cp "$CONF/openssl.cnf" "$T/iotsafe.cnf"
	OPENSSL_CONF=$T/iotsafe.cnf run mod openssl dgst -sha256 -sign "$key" -out "$T/sig" "$T/message" &&
		run openssl dgst -sha256 -verify "$T/software.pub" -signature "$T/sig" "$T/message" &&
		matches "$OUT" '^Verified OK$'
}

no_card_needed() {
	IOTSAFE_TRANSPORT=socket:/nowhere run sim list -providers || return 1
	matches "$OUT" 'name: .*[iI]o[tT] ?SAFE|^  iotsafe$' &&
		IOTSAFE_TRANSPORT=socket:/nowhere run sim pkey -in "$T/pem/client-key.pem" -pubout -outform DER \
			-out "$T/pub.der" && equal "$(wc -c <"$T/pub.der")" 91 'bytes of the public key'
}

vpcd=()
it 'a SIM' prepare
transports=("$(socket_of sim)")
[ "${#vpcd[@]}" -eq 0 ] || transports+=(pcsc)
for transport in "${transports[@]}"; do
	export IOTSAFE_TRANSPORT=$transport
	via=${transport%%:*}
	it "$via: req -new, SHA-256" request sha256
	it "$via: req -new, SHA-384" request sha384
	it "$via: a self-signed certificate by req -x509" self_signed
	it "$via: a self-signed certificate by x509 -signkey" x509_signkey
	it "$via: x509 as a CA, SHA-384" x509_as_ca
	it "$via: dgst -sign, SHA-256" digest_sign sha256
	it "$via: dgst -sign, SHA-384" digest_sign sha384
	it "$via: dgst -sign with a key-reference file" digest_sign_by_reference
	it "$via: pkeyutl -sign" pkeyutl_sign
	it "$via: cms -sign" cms_sign
	it "$via: pkey -pubout gives 91 bytes, the right ones" public_key
	it "$via: pkey does not get the private key out" stays_on_sim
	it "$via: storeutl lists keys and certificates" list_everything
	it "$via: storeutl -certs lists certificates alone" list_certificates
	it "$via: the URIs that the tool lists work" listed_names_work
	it "$via: activation at the end of the system's openssl.cnf" included
	it "$via: activation by a file of its own" alone
done
it 'no card: the list of providers, the public key of a reference' no_card_needed
done_testing
