# SPDX-License-Identifier: Apache-2.0
# shellcheck shell=bash
# What these tests share: odd cards, and what is done with each key and certificate.
# shellcheck source=tests/e2e/lib.sh
. "$(dirname "$0")/../e2e/lib.sh"
need openssl setpriv /usr/bin/python3
configure
# shellcheck disable=SC2034 # for the scripts that read this file
MSG=$T/message
printf 'a message\n' >"$MSG"

# start_odd SCENARIO: a card in $T/SCENARIO, see odd_card.py; its keys are in $T.
start_odd() {
	mkdir -p "$T/$1"
	spawn "odd-$1" /usr/bin/python3 "$(dirname "$0")/odd_card.py" "$T/$1/sim.sock" "$T" "$1"
	started "$SPAWNED" test -S "$T/$1/sim.sock"
}

# ssl SIM ARGUMENT...: openssl with the module and that SIM.
ssl() {
	local sim=$1
	shift
	mod env "IOTSAFE_TRANSPORT=$(socket_of "$sim")" openssl "$@"
}

new_key() { # NAME: $T/NAME.pem and its public half $T/NAME.pub
	openssl genpkey -algorithm EC -pkeyopt ec_paramgen_curve:P-256 -out "$T/$1.pem" &&
		openssl pkey -in "$T/$1.pem" -pubout -out "$T/$1.pub"
}

# refused PATTERN COMMAND...: the iotsafe tool fails with one clear line, and prints nothing.
refused() {
	local pattern=$1
	shift
	fails "$@" || return 1
	equal "$(wc -c <"$OUT")" 0 'bytes on standard output' &&
		equal "$(wc -l <"$ERR")" 1 'lines on standard error' && matches "$ERR" "$pattern"
}

# signs_as SIM URI PUBLIC-KEY: openssl and the tool both sign with it, and give this
# public key.
signs_as() {
	run ssl "$1" dgst -sha256 -sign "$2" -out "$T/sig" "$MSG" || return 1
	run openssl dgst -sha256 -verify "$3" -signature "$T/sig" "$MSG" || return 1
	run tool "$1" sign "$2" "$MSG" && cp "$OUT" "$T/sig" || return 1
	run openssl dgst -sha256 -verify "$3" -signature "$T/sig" "$MSG" || return 1
	run tool "$1" pubkey "$2" && cmp "$OUT" "$3"
}

# certs_are SIM URI CERTIFICATE...: both give just these (PEM files), in this order.
certs_are() {
	local sim=$1 uri=$2
	shift 2
	run tool "$sim" cert "$uri" && only_certs "$OUT" >"$T/got" && cat "$@" | cmp - "$T/got" || return 1
	run ssl "$sim" storeutl -certs "$uri" || return 1
	only_certs "$OUT" >"$T/got"
	cat "$@" | cmp - "$T/got"
}

only_certs() { sed -n '/^-----BEGIN/,/^-----END/p' "$1"; }

# no_certs SIM URI PATTERN: neither gives any, and both say why.
no_certs() {
	refused "$3" tool "$1" cert "$2" || return 1
	fails ssl "$1" x509 -in "$2" -noout && one_clear_error "$ERR" "$3"
}
