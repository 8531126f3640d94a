#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# Identifiers and labels of every kind, keys without label or public half, and two keys
# with one label.
# shellcheck source=tests/objects/lib.sh
. "$(dirname "$0")/lib.sh"

prepare() { start_sim sim gsma-strict && start_sim pem gsma-strict && new_key a && new_key b; }

ids_of_all_lengths() {
	local n hex='' half
	start_odd identifiers || return 1
	run tool identifiers list || return 1
	for ((n = 1; n <= 20; n++)); do
		hex+=$(printf %02x "$n")
		half=$([ $((n % 2)) -eq 1 ] && echo b || echo a)
		matches "$OUT" "iotsafe://id=$hex;type=private\$" || return 1
		case $n in
		1 | 2 | 8 | 19 | 20) ;;
		*) continue ;;
		esac
		signs_as identifiers "iotsafe://id=$hex;type=private" "$T/$half.pub" || return 1
		run tool identifiers list || return 1
	done
}

ids_beyond() {
	refused 'no private key id=02' tool identifiers sign iotsafe://id=02 "$MSG" &&
		refused 'id=.*1 to 20 bytes' tool identifiers sign "iotsafe://id=$(printf '%042d' 1)" "$MSG" &&
		refused 'no private key id=0001' tool identifiers sign iotsafe://id=0001 "$MSG"
}

# The same on the software SIM, which the operator gives such identifiers.
ids_on_sim() {
	local id
	for id in 7F FFFF 00 000000 0102030405060708090A0B0C0D0E0F1011121314 FFFEFDFCFBFAF9F8F7F6F5F4F3F2F1F0EFEEEDEC; do
		admin sim put-key temp "$T/a.pem" --id "$id" || return 1
		signs_as sim "iotsafe://id=$id" "$T/a.pub" && signs_as sim "iotsafe://id=${id,,};label=temp" "$T/a.pub" || return 1
		admin sim delete temp || return 1
	done
}

# uri_listed SIM ID: as `list` prints it for the private key of that identifier.
uri_listed() { tool "$1" list | grep -oE "iotsafe://id=$2;.*type=private\$"; }

LABELS=(
	'semi;colon' ';' '%' '100%;type=cert' 'a b  c ' ' leading' '%41%zz' 'id=01;label=x' 'quo"te'\''s' "back\\slash"
	'Schlüssel' '钥匙' '🔑 key' '/slash/../x?y#z' '+plus&amp=1' '-dash' 'type=public' 'ÄÖÜ;%20 é'
	'sixty bytes of UTF-8 are here: ääääääääää;%20 60' '123456789012345678901234567890123456789012345678901234567890'
)

labels() {
	local label n=0 uri
	# exactly 60 bytes with all of it
	LABELS+=("$(printf '%s' 'ü;% €🔑')$(printf 'x%.0s' {1..48})")
	equal "$(printf %s "${LABELS[-1]}" | wc -c)" 60 'bytes of the longest label' || return 1
	for label in "${LABELS[@]}"; do
		n=$((n + 1))
		echo "--- $label"
		admin sim put-key -- "$label" "$T/a.pem" --id F1 || admin sim put-key "$label" "$T/a.pem" --id F1 || return 1
		uri=$(uri_listed sim f1)
		equal "$(percent "$label")" "$(sed -n 's/.*label=\([^;]*\);type.*/\1/p' <<<"$uri")" 'label in the URI' || return 1
		signs_as sim "iotsafe://label=$(percent "$label");type=private" "$T/a.pub" || return 1
		run tool sim sign "$uri" "$MSG" || return 1
		admin sim delete F1 || admin sim delete "$label" || return 1
	done
}

percent() { # TEXT: percent-encoded as our programs do
	/usr/bin/python3 -c 'import sys, urllib.parse; sys.stdout.write(urllib.parse.quote(sys.argv[1], safe="-._~"))' "$1"
}

labels_in_references() {
	local label='ü;% €🔑 in a file' reference=$T/ref.pem
	admin sim put-key "$label" "$T/a.pem" --id F1 || return 1
	run tool sim key-ref "iotsafe://label=$(percent "$label")" && cp "$OUT" "$reference" || return 1
	run ssl sim dgst -sha256 -sign "$reference" -out "$T/sig" "$MSG" &&
		run openssl dgst -sha256 -verify "$T/a.pub" -signature "$T/sig" "$MSG" || return 1
	admin sim delete F1 || return 1
	# unescaped, but for the two bytes that must be
	admin sim put-key "$label" "$T/a.pem" --id F1 && signs_as sim 'iotsafe://label=ü%3B%25 €🔑 in a file' "$T/a.pub" &&
		admin sim delete F1
}

labels_refused() {
	refused 'label' tool sim sign "iotsafe://label=$(printf 'x%.0s' {1..61})" "$MSG" &&
		refused 'label=%FF' tool sim sign 'iotsafe://label=%FF' "$MSG" &&
		refused 'label' tool sim sign 'iotsafe://label=a%00b' "$MSG" &&
		refused 'label=%f' tool sim sign 'iotsafe://label=%f' "$MSG"
}

no_label() {
	admin sim put-key '' "$T/b.pem" --id 79 || return 1
	run tool sim list && matches "$OUT" '^private +79 +- .*iotsafe://id=79;type=private$' || return 1
	signs_as sim 'iotsafe://id=79' "$T/b.pub" && signs_as sim 'iotsafe://id=79;type=private' "$T/b.pub" || return 1
	refused 'no private key id=79;label=x' tool sim sign 'iotsafe://id=79;label=x' "$MSG"
}

without_public() {
	admin sim put-key alone "$T/a.pem" --id 7A && admin sim delete public alone || return 1
	refused 'label=alone.*no public key for it' tool sim pubkey iotsafe://label=alone || return 1
	# a signature is given out unchecked, and may be checked elsewhere
	run ssl sim dgst -sha256 -sign iotsafe://label=alone -out "$T/sig" "$MSG" &&
		run openssl dgst -sha256 -verify "$T/a.pub" -signature "$T/sig" "$MSG" || return 1
	refused 'public key' tool sim pubkey iotsafe://label=alone || return 1
	# a reference with the public key inside takes its place
	run tool sim key-ref --pubkey "$T/a.pub" iotsafe://label=alone && cp "$OUT" "$T/ref.pem" || return 1
	run ssl sim dgst -sha256 -sign "$T/ref.pem" -out "$T/sig" "$MSG" &&
		run openssl dgst -sha256 -verify "$T/a.pub" -signature "$T/sig" "$MSG"
}

certificate_for_public() {
	openssl req -x509 -new -key "$T/a.pem" -subj /CN=alone -out "$T/alone.crt" &&
		openssl x509 -in "$T/alone.crt" -outform DER -out "$T/alone.der" &&
		admin sim put-file alone "$T/alone.der" --id 7A --usage cert || return 1
	signs_as sim iotsafe://label=alone "$T/a.pub"
}

# The half with the private key's identifier is another pair's: a signature tells.
wrong_public() {
	admin sim put-key mixed "$T/a.pem" --id 7B && admin sim delete public mixed &&
		admin sim put-key mixed "$T/b.pub" --id 7B || return 1
	fails ssl sim dgst -sha256 -sign iotsafe://label=mixed -out "$T/sig" "$MSG" || return 1
	one_clear_error "$ERR" 'label=mixed' || return 1
	[ ! -s "$T/sig" ] || {
		echo 'a signature was given out'
		return 1
	}
	refused 'label=mixed' tool sim sign iotsafe://label=mixed "$MSG"
}

twins() {
	start_odd twins || return 1
	refused 'id=11.*id=12' tool twins sign iotsafe://label=twin "$MSG" &&
		refused 'id=11.*id=12' tool twins pubkey 'iotsafe://label=twin;type=private' || return 1
	fails ssl twins dgst -sha256 -sign iotsafe://label=twin -out "$T/sig" "$MSG" &&
		one_clear_error "$ERR" 'label=twin' 'id=11' 'id=12' || return 1
	# (pkey -pubin of OpenSSL 3.5 tries again as a private key, and shows that failure only)
	fails ssl twins pkey -pubin -in 'iotsafe://label=twin;type=public' -noout &&
		one_clear_error "$ERR" 'id=11|another type' 'id=12|another type'
}

twins_by_id() {
	signs_as twins iotsafe://id=12 "$T/b.pub" && signs_as twins 'iotsafe://id=11;label=twin' "$T/a.pub"
}

# A card that lets nobody to its applet has not said that there is no public key.
applet_closed() {
	local sw
	admin sim put-key shut "$T/a.pem" --id F0 || return 1
	for sw in 6982 6985 6F00; do
		admin sim fault "sw=$sw" --ins SELECT --count 99999 || return 1
		IOTSAFE_TIMEOUT_MS=3000 fails ssl sim pkey -in iotsafe://label=client-key -noout &&
			matches "$ERR" "SELECT of the applet answered $sw" || return 1
		refused "SELECT of the applet answered $sw" tool sim pubkey iotsafe://label=nosuch || return 1
		admin sim fault clear && signs_as sim iotsafe://id=F0 "$T/a.pub" || return 1
	done
}

it 'a software SIM' prepare
it 'identifiers of 1 to 20 bytes, each the beginning of the next' ids_of_all_lengths
it 'identifiers that nobody has, or that are too long' ids_beyond
it 'identifiers of the operator, by id and by both' ids_on_sim
it 'labels up to 60 bytes with UTF-8, semicolon, percent and spaces' labels
it 'the same in key-reference files, and hardly escaped' labels_in_references
it 'labels that no object can have' labels_refused
it 'a key without label' no_label
it 'a key without public half: it signs, a reference knows the other half' without_public
it 'a certificate in the place of the public half' certificate_for_public
it 'a public half of another pair: no signature' wrong_public
it 'two keys with one label: an error that lists both' twins
it 'each of them by its identifier' twins_by_id
it 'the card lets nobody to its applet: keys are not loaded, the error says so' applet_closed
done_testing
