#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# Certificates as issuers store them: padded, longer or shorter than the container says,
# PEM, chains, large ones; empty and deactivated files; a card that lies about sizes.
# shellcheck source=tests/objects/lib.sh
. "$(dirname "$0")/lib.sh"

# big_certificate NAME BYTES: $T/NAME.crt and .der of about that size.
big_certificate() {
	local text
	text=$(head -c "$2" /dev/zero | tr '\0' 'x')
	printf '[req]\ndistinguished_name=dn\n[dn]\n[ext]\nnsComment=ASN1:UTF8String:%s\n' "$text" >"$T/$1.cnf"
	openssl req -x509 -new -key "$T/a.pem" -subj "/CN=$1" -days 2 -config "$T/$1.cnf" \
		-extensions ext -out "$T/$1.crt" && openssl x509 -in "$T/$1.crt" -outform DER -out "$T/$1.der"
}

prepare() {
	start_sim sim gsma-strict && start_sim zeros gsma-strict --set file_padding=zeros || return 1
	new_key a && new_key b && new_key c || return 1
	openssl req -x509 -new -key "$T/a.pem" -subj /CN=ca -days 2 -out "$T/ca.crt" &&
		openssl req -new -key "$T/b.pem" -subj /CN=middle -out "$T/csr" &&
		openssl x509 -req -in "$T/csr" -CA "$T/ca.crt" -CAkey "$T/a.pem" -set_serial 2 -out "$T/middle.crt" \
			-extfile <(echo basicConstraints=CA:TRUE) &&
		openssl req -new -key "$T/c.pem" -subj /CN=leaf -out "$T/csr" &&
		openssl x509 -req -in "$T/csr" -CA "$T/middle.crt" -CAkey "$T/b.pem" -set_serial 3 -out "$T/leaf.crt" || return 1
	local name
	for name in ca middle leaf; do openssl x509 -in "$T/$name.crt" -outform DER -out "$T/$name.der" || return 1; done
	head -c 100 /dev/zero >"$T/pad00"
	tr '\0' '\377' <"$T/pad00" >"$T/padff"
	big_certificate c700 420 && big_certificate c8k 7900 && ls -l "$T"/c*.der
}

# put SIM FILE [OPTION...]: the operator stores a file under the label "stored".
put() {
	local sim=$1 file=$2
	shift 2
	admin "$sim" put-file stored "$file" --usage cert "$@" && admin "$sim" list | grep stored
}
# again SIM: it is not there any more, if it was.
again() { admin "$1" delete file stored >"$T/deleted" 2>&1 || :; }

padded() { # SIM PADDING...
	local sim=$1 name
	shift
	for name in leaf c700 c8k; do
		again "$sim"
		cat "$T/$name.der" "$@" >"$T/content"
		put "$sim" "$T/content" && certs_are "$sim" iotsafe://label=stored "$T/$name.crt" || return 1
		# as a file of raw bytes it is what the operator stored
		run tool "$sim" file iotsafe://label=stored && cmp "$OUT" "$T/content" || return 1
	done
}

one_padding_byte() {
	local byte
	for byte in '\0' '\377'; do
		{ cat "$T/leaf.der" && printf "%b" "$byte"; } >"$T/content"
		again sim
		put sim "$T/content" && certs_are sim iotsafe://label=stored "$T/leaf.crt" || return 1
	done
}

announced_too_large() { # SIM
	again "$1"
	put "$1" "$T/leaf.der" --size 4096 && certs_are "$1" iotsafe://label=stored "$T/leaf.crt"
}

exact_pieces() { # a container that ends just where a piece of 256 bytes does, or beside it
	local size n
	for size in 512 768; do
		for n in -1 0 1; do
			again sim
			{ cat "$T/leaf.der" && cat "$T/pad00" "$T/pad00" "$T/pad00" "$T/pad00"; } |
				head -c $((size + n)) >"$T/content"
			put sim "$T/content" && certs_are sim iotsafe://label=stored "$T/leaf.crt" || return 1
		done
	done
}

pem_in_file() {
	local name
	for name in leaf c8k; do
		again sim
		put sim "$T/$name.crt" && certs_are sim iotsafe://label=stored "$T/$name.crt" || return 1
		again sim # with text around it, line ends of DOS and padding
		{ echo 'Bag Attributes' && sed 's/$/\r/' "$T/$name.crt" && cat "$T/padff"; } >"$T/content"
		put sim "$T/content" && certs_are sim iotsafe://label=stored "$T/$name.crt" || return 1
	done
	again sim
	openssl x509 -in "$T/leaf.crt" -text >"$T/content"
	put sim "$T/content" && certs_are sim iotsafe://label=stored "$T/leaf.crt"
}

chains() {
	local order
	local -a names
	for order in 'leaf middle ca' 'ca middle leaf' 'middle ca leaf'; do
		again sim
		read -r -a names <<<"$order"
		cat "$T/${names[0]}.der" "$T/${names[1]}.der" "$T/${names[2]}.der" "$T/pad00" >"$T/content"
		put sim "$T/content" &&
			certs_are sim iotsafe://label=stored "$T/leaf.crt" "$T/middle.crt" "$T/ca.crt" || return 1
		again sim
		cat "$T/${names[0]}.crt" "$T/${names[1]}.crt" "$T/${names[2]}.crt" >"$T/content"
		put sim "$T/content" &&
			certs_are sim iotsafe://label=stored "$T/leaf.crt" "$T/middle.crt" "$T/ca.crt" || return 1
	done
}

# The chain serves the key: its certificate first, found by the key.
chain_of_key() {
	again sim
	admin sim delete file client-cert && admin sim put-key my-key "$T/c.pem" || return 1
	cat "$T/ca.der" "$T/middle.der" "$T/leaf.der" >"$T/content"
	put sim "$T/content" && certs_are sim iotsafe://label=my-key "$T/leaf.crt" "$T/middle.crt" "$T/ca.crt"
}

# OpenSSL asks for each issuer by its subject, and ends at the first thing that is no certificate.
ca_store() {
	again sim
	cat "$T/middle.der" "$T/ca.der" >"$T/content"
	put sim "$T/content" || return 1
	run ssl sim verify -CAstore iotsafe:// "$T/leaf.crt" && run ssl sim verify -CAstore iotsafe://type=cert "$T/leaf.crt"
}

chain_with_rubbish() {
	again sim
	{ cat "$T/leaf.der" && printf '\x30\x82\x01\x00rubbish'; } >"$T/content"
	put sim "$T/content" && certs_are sim iotsafe://label=stored "$T/leaf.crt" || return 1
	again sim
	{ cat "$T/leaf.der" && echo 'some text'; } >"$T/content"
	put sim "$T/content" && certs_are sim iotsafe://label=stored "$T/leaf.crt"
}

no_certificate() {
	local content
	for content in pad00 padff message a.pem; do
		again sim
		put sim "$T/$content" && no_certs sim iotsafe://label=stored 'holds no certificate|no certificate' || return 1
	done
	again sim
	head -c 200 "$T/leaf.der" >"$T/content"
	put sim "$T/content" && no_certs sim iotsafe://label=stored 'no certificate'
}

empty_file() {
	again sim
	: >"$T/content"
	put sim "$T/content" --size 700 && no_certs sim iotsafe://label=stored 'no certificate|6985|6A86|empty' || return 1
	matches "$ERR" 'label=stored'
}

deactivated_file() {
	again sim
	put sim "$T/leaf.der" && admin sim deactivate file stored || return 1
	no_certs sim iotsafe://label=stored '6985.*deactivated' || return 1
	refused '6985.*deactivated' tool sim file iotsafe://label=stored || return 1
	# others are not hidden by it
	run tool sim cert iotsafe:// && only_certs "$OUT" | grep -q BEGIN || return 1
	run ssl sim storeutl -noout -certs iotsafe:// || return 1
	matches "$OUT" '^Total found: [1-9]' || return 1
	admin sim activate file stored && certs_are sim iotsafe://label=stored "$T/leaf.crt"
}

# ------------------------------------------------------- a card that lies about sizes

lying() { # CARD
	local name
	start_odd "$1" || return 1
	for name in short long zero untold huge; do
		echo "--- $name" && certs_are "$1" "iotsafe://label=$name" "$T/middle.crt" || return 1
		run tool "$1" file "iotsafe://label=$name" && cmp -n 100 "$OUT" "$T/middle.der" || return 1
	done
}

# Where the announced size ends within the second one, the first is there at least.
lying_chain() { # CARD
	run tool "$1" cert iotsafe://label=short-chain || return 1
	only_certs "$OUT" >"$T/got"
	cat "$T/middle.crt" "$T/ca.crt" | cmp - "$T/got"
}

broken_off() { # CARD
	local name
	for name in cut cut-early nothing endless; do
		echo "--- $name" && no_certs "$1" "iotsafe://label=$name" "label=$name.*(no certificate|6A86)" || return 1
	done
}

it 'a SIM, certificates and a chain of our own' prepare
it 'DER with padding of 00' padded sim "$T/pad00"
it 'DER with padding of FF' padded sim "$T/padff"
it 'DER with padding of FF and 00, and of a card that adds zeros itself' padded zeros "$T/padff" "$T/pad00"
it 'a single byte of padding' one_padding_byte
it 'a container larger than its content' announced_too_large sim
it 'the same, where the card fills up with zeros' announced_too_large zeros
it 'sizes at the edges of a piece' exact_pieces
it 'certificates of 700 bytes and 8 KiB, nothing behind them' padded sim
it 'PEM in a file, with text, CR LF and padding around it' pem_in_file
it 'a chain in a file, DER and PEM, in any order: leaf first' chains
it 'a chain is found by its key' chain_of_key
it 'the whole SIM is a store of CA certificates' ca_store
it 'rubbish behind a certificate does not hide it' chain_with_rubbish
it 'a file that holds no certificate says so' no_certificate
it 'an empty file' empty_file
it 'a deactivated file says so and hides no other' deactivated_file
for card in sizes sizes_zeros sizes_empty; do
	it "$card: announced size too small, too large, zero, absent: the certificate all the same" lying "$card"
	it "$card: a chain longer than the announced size" lying_chain "$card"
	it "$card: a certificate that is cut, or has no end: a clear error" broken_off "$card"
done
done_testing
