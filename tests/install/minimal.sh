#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# `-Dprofile=minimal`: the small module builds, does mutual TLS, and says what it lacks.
# shellcheck source=../e2e/lib.sh
. "$(dirname "$0")/../e2e/lib.sh"
need meson ninja openssl
[ "$E2E_SANITIZE" = none ] || skip_all 'the small module is built without sanitizers'

providers=(-provider default -provider iotsafe)
SMALL=$T/small

# As docs/sizes.md says, the programs left out.
builds() {
	local part
	local -a off=()
	for part in softsim tools enroll clouds bridge docs; do off+=("-D$part=disabled"); done
	run env -u MESON_BUILD_ROOT -u MESON_SOURCE_ROOT meson setup "$SMALL" "$E2E_SOURCE" --werror \
		-Dprofile=minimal -Dbuildtype=minsize -Db_lto=true -Dtests=disabled "${off[@]}" &&
		run ninja -C "$SMALL" provider/iotsafe.so &&
		run strip -o "$MODULES/iotsafe.so" "$SMALL/provider/iotsafe.so" &&
		note "small module: $(stat -c %s "$MODULES/iotsafe.so") bytes"
}

# Neither a card reader's library nor anything else than OpenSSL and the C library.
needs_nothing_else() {
	run readelf -d "$MODULES/iotsafe.so" && matches "$OUT" 'Shared library: \[libcrypto' &&
		equal "$(grep NEEDED "$OUT" | grep -vcE '\[(libcrypto|libc|ld-linux[^ ]*)\.so')" 0
}

prepare() {
	start_sim sim gsma-strict && credentials sim "$T/pem" && server_certificate server &&
		start_s_server server -cert "$T/server.pem" -key "$T/server.key" || return 1
	IOTSAFE_TRANSPORT=$(socket_of sim)
	export IOTSAFE_TRANSPORT
}

# handshake VERSION [PROVIDER-OPTIONS...]
handshake() {
	local version=$1
	shift
	: >"$T/server.log"
	INPUT=$REQUEST run mod openssl s_client -ign_eof "$@" \
		-connect "127.0.0.1:${PORT_OF[server]}" "-tls1_${version#1.}" -key iotsafe://label=client-key \
		-cert iotsafe://label=client-cert -CAfile "$T/pem/ca.pem" -verify_return_error &&
		matches "$OUT" "Protocol *: TLSv$version" &&
		matches "$T/server.log" "^depth=0 $(subject_of "$T/pem/client.pem")\$"
}

no_trace() {
	IOTSAFE_TRACE=stderr fails mod openssl pkey "${providers[@]}" -pubout -in iotsafe://label=client-key &&
		matches "$ERR" 'trace "stderr" in IOTSAFE_TRACE: want nothing, as this build has no trace'
}

no_reader() {
	IOTSAFE_TRANSPORT=pcsc fails mod openssl pkey "${providers[@]}" -pubout -in iotsafe://label=client-key &&
		matches "$ERR" 'transport "pcsc": unknown kind of transport; this build has socket'
}

no_rsa() {
	mkdir "$T/rsa" && "$SOFTSIM" init --store "$T/rsa/store" --with rsa && start_sim rsa || return 1
	IOTSAFE_TRANSPORT=$(socket_of rsa) fails mod openssl pkey "${providers[@]}" -pubout \
		-in iotsafe://label=rsa-key &&
		matches "$ERR" 'which this provider does not know'
}

request() {
	run mod openssl req -new "${providers[@]}" -key "$T/pem/client-key.pem" -subj /CN=small -verify -noout &&
		{ matches "$ERR" 'verify OK' || matches "$OUT" 'verify OK'; }
}

no_generation() {
	fails mod openssl genpkey "${providers[@]}" -propquery provider=iotsafe -algorithm EC \
		-pkeyopt container:iotsafe://label=eph-key -out "$T/none.pem" &&
		matches "$ERR" 'this build makes no key pairs on a SIM'
}

# export_is_refused OPTION...
export_is_refused() {
	fails mod openssl pkey "${providers[@]}" -in iotsafe://label=client-key "$@" &&
		matches "$ERR" 'this build writes keys neither as text nor as key-reference files'
}
no_export() {
	export_is_refused -out "$T/none.pem" && export_is_refused -outform DER -out "$T/none.der" &&
		export_is_refused -noout -text && export_is_refused -noout -text_pub
}

# setting_is_refused NAME VALUE
setting_is_refused() {
	configure "$1 = $2"
	fails mod openssl pkey -pubout -in iotsafe://label=client-key &&
		matches "$ERR" "$1 \"$2\" in openssl.cnf: want no, as this build is without it"
}
no_settings() {
	setting_is_refused assume-fips yes && setting_is_refused card-verify yes &&
		setting_is_refused ephemeral-key iotsafe://label=eph-key &&
		configure 'assume-fips = no' 'card-verify = no' &&
		run mod openssl pkey -pubout -in iotsafe://label=client-key &&
		matches "$OUT" 'BEGIN PUBLIC KEY'
}

# The limit that docs/sizes.md names holds for this compiler.
fits() {
	[[ $(uname -m) == x86_64 && $(gcc -dumpversion) == 12 ]] || { WHY='another compiler or machine' && return 77; }
	[ "$(stat -c %s "$MODULES/iotsafe.so")" -le 120000 ]
}

not_offered() {
	run mod openssl list -provider iotsafe -signature-algorithms -key-exchange-algorithms \
		-kdf-algorithms -random-generators -key-managers &&
		matches "$OUT" 'ECDSA @ iotsafe' &&
		equal "$(grep '@ iotsafe' "$OUT" | grep -cE 'RSA|ECDH|IOTSAFE-')" 0
}

it 'the small module builds, without a warning' builds
it 'it needs OpenSSL and the C library alone' needs_nothing_else
it 'it has at most 120000 bytes' fits
it 'a SIM and a server that demands a certificate' prepare
for version in 1.2 1.3; do
	it "mutual TLS $version" handshake "$version" "${providers[@]}"
	it "mutual TLS $version, iotsafe before default" handshake "$version" -provider iotsafe -provider default
done
it 'what is left out is not offered' not_offered
it 'an RSA key is refused by name' no_rsa
it 'a trace is refused' no_trace
it 'a certificate request with a key-reference file' request
it 'a generation on the SIM is refused' no_generation
it 'text and key-reference files are refused' no_export
it 'a reader is refused' no_reader
it 'the settings of what is left out are refused' no_settings
done_testing
