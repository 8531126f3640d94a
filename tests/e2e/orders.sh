#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# The order of the providers and property queries change nothing, and software keys
# work as ever beside the SIM's.
# shellcheck source=lib.sh
. "$(dirname "$0")/lib.sh"
need openssl

key=iotsafe://label=client-key
cert=iotsafe://label=client-cert
declare -A ORDER=(
	['default first']='-provider default -provider iotsafe'
	['iotsafe first']='-provider iotsafe -provider default'
	['?provider=iotsafe']='-provider default -provider iotsafe -propquery ?provider=iotsafe'
)

prepare() {
	start_sim sim && credentials sim "$T/pem" &&
		server_certificate ec && server_certificate rsa RSA &&
		start_s_server ec -cert "$T/ec.pem" -key "$T/ec.key" &&
		start_s_server rsa -cert "$T/rsa.pem" -key "$T/rsa.key" || return 1
	export IOTSAFE_TRANSPORT
	IOTSAFE_TRANSPORT=$(socket_of sim)
}

# handshake ORDER SERVER VERSION [OPTION...]
handshake() {
	local -a order
	read -ra order <<<"${ORDER[$1]}"
	: >"$T/$2.log"
	INPUT=$REQUEST run mod openssl s_client -ign_eof "${order[@]}" \
		-connect "127.0.0.1:${PORT_OF[$2]}" "-tls1_${3#1.}" -key "$key" -cert "$cert" \
		-CAfile "$T/pem/ca.pem" -verify_return_error "${@:4}" || return 1
	matches "$OUT" 'Verify return code: 0 \(ok\)' && matches "$OUT" "Protocol *: TLSv$3" &&
		matches "$T/$2.log" "^depth=0 $(subject_of "$T/pem/client.pem")\$"
}

sim_as_server() { # ORDER
	local -a order
	local version
	read -ra order <<<"${ORDER[$1]}"
	pick_port
	spawn_mod sim-server openssl s_server "${order[@]}" -accept "127.0.0.1:$PORT" -www \
		-key "$key" -cert "$T/pem/client.pem"
	started "$SPAWNED" listening "$PORT" || return 1
	for version in 2 3; do
		INPUT=$REQUEST run openssl s_client -ign_eof -connect "127.0.0.1:$PORT" "-tls1_$version" \
			-CAfile "$T/pem/ca.pem" && matches "$OUT" 'Verify return code: 0 \(ok\)' || return 1
	done
	end "$SPAWNED"
}

# activate PROVIDERS ALGORITHM-SETTING: an openssl.cnf with these providers in this order.
# The module by its path: OPENSSL_MODULES would hide OpenSSL's own ones, which Python wants.
activate() {
	local lines='' provider
	for provider in $1; do lines+=$provider' = on-'$provider$'\n'; done
	cat >"$T/openssl.cnf" <<-END
		openssl_conf = init
		[init]
		providers = list
		alg_section = algorithms
		[algorithms]
		$2
		[list]
		$lines
		[on-iotsafe]
		module = $MODULES/iotsafe.so
		activate = 1
		[on-default]
		activate = 1
	END
}

software_keys() { # PROVIDERS [ALGORITHM-SETTING]
	activate "$1" "${2:-}"
	OPENSSL_CONF=$T/openssl.cnf run "$HELPERS/mixed" "$key" || return 1
	matches "$OUT" '^all OK$' && lacks "$OUT" 'FAILED'
}

# The same by a program in Python, which makes keys of numbers and legacy objects.
python_keys() { # PROVIDERS [ALGORITHM-SETTING]
	local python=/usr/bin/python3
	have "$python" || return 77
	if [ "$E2E_SANITIZE" != none ]; then
		WHY='Python is no program of ours to look for errors in'
		return 77
	fi
	if ! "$python" -c 'import cryptography' 2>/dev/null; then
		WHY='python3-cryptography is not installed'
		return 77
	fi
	activate "$1" "${2:-}"
	OPENSSL_CONF=$T/openssl.cnf run patiently "$python" "$(dirname "$0")/software_keys.py" &&
		matches "$OUT" '^all OK$'
}

# A client whose key is in software, while our module is active.
software_client() { # ALGORITHM OPTION...
	activate 'default iotsafe' ''
	openssl genpkey -algorithm "$1" "${@:2}" -out "$T/soft.key" &&
		openssl req -new -key "$T/soft.key" -subj "/CN=soft $1" -out "$T/soft.csr" &&
		ca_sign "$T/soft.csr" "$T/soft.pem" || return 1
	local version
	for version in 2 3; do
		: >"$T/ec.log"
		INPUT=$REQUEST OPENSSL_CONF=$T/openssl.cnf run mod openssl s_client -ign_eof \
			-connect "127.0.0.1:${PORT_OF[ec]}" "-tls1_$version" -key "$T/soft.key" -cert "$T/soft.pem" \
			-CAfile "$T/pem/ca.pem" || return 1
		matches "$OUT" 'Verify return code: 0 \(ok\)' &&
			matches "$T/ec.log" "^depth=0 CN ?= ?soft $1\$" || return 1
	done
}

it 'a SIM and two servers' prepare
for order in 'default first' 'iotsafe first' '?provider=iotsafe'; do
	for version in 1.2 1.3; do
		it "$order, TLS $version, server with EC" handshake "$order" ec "$version"
		it "$order, TLS $version, server with RSA" handshake "$order" rsa "$version"
		it "$order, TLS $version, only P-256" handshake "$order" ec "$version" -groups P-256
	done
	it "$order, the server's key on the SIM" sim_as_server "$order"
done
it 'software keys in the same process, default first' software_keys 'default iotsafe'
it 'software keys in the same process, iotsafe first' software_keys 'iotsafe default'
it 'software keys in the same process, default_properties ?provider=iotsafe' \
	software_keys 'default iotsafe' 'default_properties = ?provider=iotsafe'
it 'software keys in Python, default first' python_keys 'default iotsafe'
it 'software keys in Python, iotsafe first' python_keys 'iotsafe default'
it 'software keys in Python, default_properties ?provider=iotsafe' \
	python_keys 'default iotsafe' 'default_properties = ?provider=iotsafe'
it 'a TLS client with a software P-256 key' software_client EC -pkeyopt ec_paramgen_curve:P-256
it 'a TLS client with a software P-384 key' software_client EC -pkeyopt ec_paramgen_curve:P-384
it 'a TLS client with a software RSA key' software_client RSA
it 'a TLS client with a software Ed25519 key' software_client ED25519
done_testing
