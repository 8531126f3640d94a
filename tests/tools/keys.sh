#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# The commands that put a SIM's keys to use or replace them, on software SIMs.
# shellcheck source=tests/tools/lib.sh
. "$(dirname "$0")/lib.sh"

PROFILES=(gsma-strict thales-mvp cira zariot m33mu)
MSG=$T/msg
SIG=$T/sig

# sim SIM COMMAND...: the tool on that SIM, and its settings.
sim() {
	local name=$1
	shift
	case $name in cira*) set -- env IOTSAFE_AID=A0000002480400 "$TOOL" --transport "$(socket_of "$name")" "$@" ;;
	*) set -- "$TOOL" --transport "$(socket_of "$name")" "$@" ;;
	esac
	mod "$@"
}

# generates SIM ARGUMENT...: keygen succeeds; its public key is in OUT.
generates() {
	local name=$1
	shift
	run sim "$name" keygen "$@" || return 1
	equal "$(wc -l <"$ERR")" 2 'lines on standard error' &&
		matches "$ERR" '^iotsafe: generating a key pair in iotsafe://' &&
		matches "$ERR" '^iotsafe: generated a [-A-Za-z0-9]+ key pair: iotsafe://.*;type=private$'
}

generated_uri() { sed -n 's/^iotsafe: generated a .* key pair: //p' "$ERR"; }

# sign_file SIM URI FILE [OPTION...]: the signature is in $SIG.
sign_file() {
	local name=$1 uri=$2 file=$3
	shift 3
	succeeds sim "$name" sign "$@" "$uri" "$file" && cp "$OUT" "$SIG"
}

# belongs KEY FILE SIGNATURE [DIGEST]: as openssl sees it.
belongs() { run openssl dgst "-${4:-sha256}" -verify "$1" -signature "$3" "$2"; }

# Exchanges of one kind: exchanged SIM INSTRUCTION.
exchanged() {
	admin "$1" counters >"$T/counters"
	json "d['instructions'].get('$2', 0) or '0'" "$T/counters"
}

# flip FILE BYTE TO: a copy with another bit in one byte, counted from 0 or, below
# it, from the end.
flip() {
	/usr/bin/python3 - "$@" <<-'END'
		import sys
		data = bytearray(open(sys.argv[1], "rb").read())
		data[int(sys.argv[2])] ^= 1
		open(sys.argv[3], "wb").write(data)
	END
}

new_key() { # NAME CURVE: $T/NAME.key, .pub
	openssl genpkey -algorithm EC -pkeyopt "ec_paramgen_curve:$2" -out "$T/$1.key" &&
		openssl pkey -in "$T/$1.key" -pubout -out "$T/$1.pub"
}

make_keys() {
	new_key p256 P-256 && new_key other P-256 && new_key p384 P-384 &&
		new_key bp brainpoolP256r1 &&
		openssl genpkey -algorithm RSA -pkeyopt rsa_keygen_bits:2048 -out "$T/rsa.key" &&
		openssl pkey -in "$T/rsa.key" -pubout -out "$T/rsa.pub" &&
		openssl genpkey -algorithm ED25519 -out "$T/ed.key" &&
		openssl pkey -in "$T/ed.key" -pubout -out "$T/ed.pub" &&
		openssl req -x509 -key "$T/p256.key" -subj /CN=peer -out "$T/p256.pem" &&
		openssl pkey -pubin -in "$T/p256.pub" -outform DER -out "$T/p256.der" &&
		openssl x509 -in "$T/p256.pem" -outform DER -out "$T/p256.crt" &&
		openssl ec -pubin -in "$T/p256.pub" -conv_form compressed -out "$T/short.pub" &&
		openssl ec -pubin -in "$T/p256.pub" -param_enc explicit -out "$T/explicit.pub" &&
		flip "$T/p256.der" -1 "$T/off.der" &&
		openssl dgst -sha256 -sign "$T/p256.key" -out "$T/p256.sig" "$MSG"
}

prepare() {
	local profile
	head -c 100000 /dev/zero | tr '\0' x >"$MSG"
	: >"$T/empty"
	run make_keys || return 1
	for profile in "${PROFILES[@]}"; do start_sim "$profile" "$profile" || return 1; done
	mkdir "$T/more" && "$SOFTSIM" init --store "$T/more/store" --with brainpool --with rsa &&
		start_sim more || return 1
	start_sim noverify gsma-strict --set verify=off && start_sim nolist gsma-strict --set getdata=off &&
		start_sim single kigen --set getdata=no-list --set info_file_tags=76+86 --at "$T/single/port"
}

# --------------------------------------------------------------------- keygen

keygen_makes_a_key() { # SIM
	local uri=iotsafe://label=spare-1
	generates "$1" "$uri" && cp "$OUT" "$T/new.pub" || return 1
	equal "$(head -n 1 "$OUT")" '-----BEGIN PUBLIC KEY-----' || return 1
	uri=$(generated_uri)
	equal "${uri##*;label}" '=spare-1;type=private' 'end of the URI' || return 1
	succeeds sim "$1" pubkey "$uri" && cmp "$OUT" "$T/new.pub" || return 1
	sign_file "$1" "$uri" "$MSG" && belongs "$T/new.pub" "$MSG" "$SIG"
}

# As the manual has it: what comes after keygen.
keygen_then_request() {
	generates gsma-strict --force iotsafe://label=spare-1 && cp "$OUT" "$T/new.pub" || return 1
	configure
	run mod env "IOTSAFE_TRANSPORT=$(socket_of gsma-strict)" openssl req -new \
		-key 'iotsafe://label=spare-1;type=private' -subj /CN=gateway-17 -out "$T/new.csr" || return 1
	openssl req -in "$T/new.csr" -verify -noout >"$OUT" 2>&1 && openssl req -in "$T/new.csr" -noout -pubkey >"$OUT" &&
		cmp "$OUT" "$T/new.pub"
}

# The answer to GENERATE tells that the identifier is the old one. As many commands for the list
# as `iotsafe list` needs, one time.
keygen_lists_once() {
	local before after
	before=$(exchanged gsma-strict 'GET DATA OBJECT LIST')
	succeeds sim gsma-strict list || return 1
	after=$(exchanged gsma-strict 'GET DATA OBJECT LIST')
	[ "$after" -gt "$before" ] && generates gsma-strict --force iotsafe://label=spare-1 || return 1
	equal "$(($(exchanged gsma-strict 'GET DATA OBJECT LIST') - after))" "$((after - before))" 'commands for the list'
}

keygen_by_id() { # SIM
	local id
	id=$(sim "$1" --json list >"$T/list.json" &&
		json 'next(o["id"] for o in d if o["label"] == "spare-2" and o["type"] == "private")' "$T/list.json")
	generates "$1" "iotsafe://id=$id" && matches "$ERR" ";label=spare-2;type=private$"
}

keygen_spares_a_key() { # SIM
	local before
	before=$(exchanged "$1" 'GENERATE KEY PAIR')
	refused 1 'holds a key.*--force' sim "$1" keygen iotsafe://label=spare-1 &&
		refused 1 'holds a key.*--force' sim "$1" keygen --json iotsafe://label=client-key || return 1
	equal "$(exchanged "$1" 'GENERATE KEY PAIR')" "$before" 'generated' || return 1
	succeeds sim "$1" pubkey iotsafe://label=spare-1 && cmp "$OUT" "$T/new.pub" || return 1
	generates "$1" --force iotsafe://label=spare-1 && fails cmp "$OUT" "$T/new.pub"
}

keygen_json() { # SIM
	run sim "$1" --json keygen --force iotsafe://label=spare-2 || return 1
	json 'd["key_type"] == "P-256"' && equal "$(json 'd["uri"]')" "$(generated_uri)" || return 1
	json 'd["pem"]' >"$T/new.pub"
	succeeds sim "$1" pubkey "$(json 'd["public_uri"]')" && cmp "$OUT" "$T/new.pub"
}

keygen_elsewhere() {
	refused 1 'no private key label=nowhere.*spare-1' sim gsma-strict keygen iotsafe://label=nowhere &&
		refused 1 'no private key label=peer-key' sim gsma-strict keygen iotsafe://label=peer-key &&
		refused 2 'which key' sim gsma-strict keygen iotsafe:// &&
		refused 2 'for a private key' sim gsma-strict keygen 'iotsafe://id=0a;type=public' &&
		refused 2 'keygen: an argument is missing' sim gsma-strict keygen || return 1
	fails sim gsma-strict keygen --force iotsafe://label=client-key || return 1
	matches "$ERR" '6985.*it does not generate this key'
}

keygen_other_types() {
	generates more --force iotsafe://label=bp-key && matches "$ERR" 'a brainpoolP256r1 key pair' || return 1
	openssl pkey -pubin -in "$OUT" -noout -text | grep -q brainpoolP256r1 || return 1
	refused 1 'this container is for RSA-2048' sim more keygen --force iotsafe://label=rsa-key
}

# An ephemeral key: its container is empty until somebody generates.
keygen_volatile() {
	generates more iotsafe://label=eph-key && refused 1 'holds a key' sim more keygen iotsafe://label=eph-key
}

keygen_named_sim() {
	configure "sim.two = $(socket_of zariot)"
	run mod "$TOOL" keygen --force 'iotsafe://label=spare-1;sim=two' || return 1
	equal "$(generated_uri)" 'iotsafe://id=303031;label=spare-1;type=private;sim=two' || return 1
	succeeds mod "$TOOL" pubkey "$(generated_uri)"
}

# A bit of the answer turned over on its way: the point is none of the curve.
keygen_off_curve() {
	admin gsma-strict fault flip=500 --ins 'GENERATE KEY PAIR' || return 1
	fails sim gsma-strict keygen --force iotsafe://label=spare-2 || return 1
	matches "$ERR" 'was generated, but.*not on its curve' && equal "$(wc -c <"$OUT")" 0 bytes
}

keygen_refusals() {
	local word
	for word in 6982 6984 6985 6A80 6A82 6A84 6D00; do
		admin gsma-strict fault "sw=$word" --ins 'GENERATE KEY PAIR' --count 999 || return 1
		fails sim_briefly gsma-strict keygen --force iotsafe://label=spare-2 || return 1
		equal "$(wc -c <"$OUT")" 0 bytes && matches "$ERR" "$word|no longer|busy" || return 1
		admin gsma-strict fault clear
	done
}

sim_briefly() { IOTSAFE_TIMEOUT_MS=3000 sim "$@"; }

# -------------------------------------------------------------------- put-key

put_key_files() { # SIM
	local file
	for file in p256.pub p256.pem p256.der p256.crt short.pub explicit.pub; do
		succeeds sim "$1" put-key iotsafe://label=verify-key "$T/$file" || return 1
		matches "$OUT" '^P-256 key stored and read back: iotsafe://id=.*;label=verify-key;type=public$' || return 1
		succeeds sim "$1" pubkey 'iotsafe://label=verify-key;type=public' && cmp "$OUT" "$T/p256.pub" || return 1
		succeeds sim "$1" put-key iotsafe://label=verify-key "$T/other.pub" || return 1
	done
	INPUT=$T/p256.pub succeeds sim "$1" put-key 'iotsafe://label=verify-key;type=public' - &&
		succeeds sim "$1" pubkey iotsafe://label=verify-key && cmp "$OUT" "$T/p256.pub"
}

put_key_unreadable() { # SIM
	succeeds sim "$1" put-key iotsafe://label=peer-key "$T/p256.pub" || return 1
	matches "$OUT" '^P-256 key stored, but not to be read back: iotsafe://.*;label=peer-key;type=public$' || return 1
	succeeds sim "$1" --json put-key iotsafe://label=peer-key "$T/p256.pub" &&
		json 'd["confirmed"] is False and d["key_type"] == "P-256" and d["uri"].endswith("type=public")' &&
		succeeds sim "$1" --json put-key iotsafe://label=verify-key "$T/p256.pub" && json 'd["confirmed"] is True'
}

# What no card may get does not reach it.
put_key_bad_files() {
	local before uri=iotsafe://label=verify-key
	before=$(exchanges gsma-strict)
	refused 1 'off.der: .*not a point on its curve' sim gsma-strict put-key "$uri" "$T/off.der" &&
		refused 1 'secp384r1' sim gsma-strict put-key "$uri" "$T/p384.pub" &&
		refused 1 'RSA-2048' sim gsma-strict put-key "$uri" "$T/rsa.pub" &&
		refused 1 'ED25519' sim gsma-strict put-key "$uri" "$T/ed.pub" &&
		refused 1 'p256.key: no public key or certificate' sim gsma-strict put-key "$uri" "$T/p256.key" &&
		refused 1 'No such file' sim gsma-strict put-key "$uri" "$T/none" &&
		refused 1 'directory' sim gsma-strict put-key "$uri" "$T" &&
		refused 1 'no public key or certificate' sim gsma-strict put-key "$uri" /dev/zero &&
		refused 1 'standard input|-: no public key' sim gsma-strict put-key "$uri" - &&
		refused 2 'for a public key' sim gsma-strict put-key "$uri;type=private" "$T/p256.pub" &&
		refused 2 'which key' sim gsma-strict put-key iotsafe:// "$T/p256.pub" &&
		refused 2 'an argument is missing' sim gsma-strict put-key "$uri" || return 1
	equal "$(exchanges gsma-strict)" "$before" 'exchanges with the SIM'
}

put_key_other_curve() {
	local before
	before=$(exchanged more 'PUT PUBLIC KEY INIT')
	refused 1 'for a key of type P-256.*brainpoolP256r1' sim more put-key iotsafe://label=verify-key "$T/bp.pub" || return 1
	equal "$(exchanged more 'PUT PUBLIC KEY INIT')" "$before" 'keys put'
}

put_key_elsewhere() {
	refused 1 'no public key label=nowhere.*peer-key' sim gsma-strict put-key iotsafe://label=nowhere "$T/p256.pub" &&
		refused 1 '6985.*may not write this key' sim gsma-strict put-key iotsafe://label=client-key "$T/p256.pub" || return 1
	succeeds sim gsma-strict cert iotsafe://label=client-key
}

put_key_contradicted() {
	admin gsma-strict fault flip=300 --ins 'READ PUBLIC KEY' || return 1
	refused 1 'accepted the key, but returns another' sim gsma-strict put-key iotsafe://label=verify-key "$T/p256.pub"
}

# ----------------------------------------------------------------------- sign

sign_digests() { # SIM
	local digest
	succeeds sim "$1" pubkey "$key" && cp "$OUT" "$T/client.pub" || return 1
	for digest in SHA256 sha-384 SHA2-512; do
		sign_file "$1" "$key" "$MSG" --digest "$digest" &&
			belongs "$T/client.pub" "$MSG" "$SIG" "sha${digest: -3}" || return 1
	done
	sign_file "$1" "$key" "$T/empty" && belongs "$T/client.pub" "$T/empty" "$SIG"
}

sign_input() {
	INPUT=$MSG succeeds sim gsma-strict sign "$key" - && cp "$OUT" "$SIG" || return 1
	succeeds sim gsma-strict pubkey "$key" && cp "$OUT" "$T/client.pub" &&
		belongs "$T/client.pub" "$MSG" "$SIG"
}

sign_json() {
	succeeds sim gsma-strict --json sign "$key" "$MSG" --digest sha512 || return 1
	equal "$(json 'd["uri"]')" "$key;type=private" && equal "$(json 'd["digest"]')" SHA-512 || return 1
	/usr/bin/python3 -c 'import json, sys
sys.stdout.buffer.write(bytes.fromhex(json.load(sys.stdin)["signature"]))' <"$OUT" >"$SIG" || return 1
	belongs "$T/client.pub" "$MSG" "$SIG" sha512
}

sign_refusals() {
	refused 2 '--digest MD5: an applet signs SHA-256' sim gsma-strict sign "$key" "$MSG" --digest MD5 &&
		refused 2 '--digest sha512-256: ' sim gsma-strict sign "$key" "$MSG" --digest sha512-256 &&
		refused 2 '--digest nonsense: ' sim gsma-strict sign "$key" "$MSG" --digest nonsense &&
		refused 2 'for a private key' sim gsma-strict sign "$key;type=cert" "$MSG" &&
		refused 2 'which key' sim gsma-strict sign iotsafe: "$MSG" &&
		refused 2 'an argument is missing' sim gsma-strict sign "$key" &&
		refused 1 "$T/none: No such file" sim gsma-strict sign "$key" "$T/none" &&
		refused 1 'directory' sim gsma-strict sign "$key" "$T" &&
		refused 1 'lost' sim gsma-strict sign iotsafe://label=lost "$MSG" &&
		refused 1 'eph-key' sim gsma-strict sign iotsafe://label=eph-key "$MSG" &&
		refused 1 'peer-key' sim gsma-strict sign iotsafe://label=peer-key "$MSG"
}

# A signature that does not belong to the key is not given out.
sign_is_checked() {
	admin gsma-strict fault flip=100 --ins 'COMPUTE SIGNATURE UPDATE' --count 9 || return 1
	refused 1 'client-key' sim gsma-strict sign "$key" "$MSG"
	local status=$?
	admin gsma-strict fault clear
	return "$status"
}

terminal() {
	local before
	have script || return 77
	before=$(exchanges gsma-strict)
	script -qec "'$TOOL' --transport '$(socket_of gsma-strict)' sign '$key' '$MSG'" "$T/typescript" >/dev/null </dev/null
	equal $? 2 'exit status' && matches "$T/typescript" 'not written to a terminal.*--json' || return 1
	equal "$(exchanges gsma-strict)" "$before" 'exchanges with the SIM' || return 1
	script -qec "'$TOOL' --json --transport '$(socket_of gsma-strict)' sign '$key' '$MSG'" "$T/typescript" >/dev/null </dev/null
	equal $? 0 'exit status'
}

peak() { # FILE: kilobytes of memory that signing and verifying it takes at most
	local kb most=0 n
	/usr/bin/time -f %M -o "$T/time1" "$TOOL" --transport "$(socket_of gsma-strict)" sign "$key" "$1" >"$SIG" || return 1
	/usr/bin/time -f %M -o "$T/time2" "$TOOL" --transport "$(socket_of gsma-strict)" verify "$key" "$1" "$SIG" >"$OUT" || return 1
	for n in 1 2; do
		kb=$(tail -n 1 "$T/time$n")
		[ "$kb" -le "$most" ] || most=$kb
	done
	echo "$most"
}

big_file() {
	local small big
	have /usr/bin/time || return 77
	truncate -s 100M "$T/big" || return 1
	small=$(peak "$MSG") && big=$(peak "$T/big") || return 1
	rm "$T/big"
	echo "$small kB for a small file, $big kB for 100 MB"
	[ $((big - small)) -lt 16384 ] && matches "$OUT" '^signature OK'
}

# --------------------------------------------------------------------- verify

verify_by_applet() { # SIM
	succeeds sim "$1" put-key iotsafe://label=verify-key "$T/p256.pub" &&
		succeeds sim "$1" verify iotsafe://label=verify-key "$MSG" "$T/p256.sig" || return 1
	matches "$OUT" '^signature OK: verified by the applet, iotsafe://id=.*;label=verify-key;type=public$' &&
		matches "$OUT" '^this device can replace that public key' || return 1
	sign_file "$1" "$key" "$MSG" || return 1
	succeeds sim "$1" verify --applet "$key" "$MSG" "$SIG" || return 1
	matches "$OUT" '^signature OK: verified by the applet, iotsafe://.*;label=client-key;type=public$' &&
		lacks "$OUT" 'replace' || return 1
	sign_file "$1" "$key" "$MSG" --digest sha384 &&
		succeeds sim "$1" verify "$key;type=private" "$MSG" "$SIG" --digest SHA384 &&
		succeeds sim "$1" --json verify "$key;type=public" "$MSG" "$SIG" --digest SHA384 || return 1
	json 'd["valid"] is True and d["by"] == "applet" and d["replaceable"] is False and d["digest"] == "SHA-384"' &&
		equal "$(json 'd["uri"]' | sed 's/.*;label/label/')" 'label=client-key;type=public'
}

# mismatch COMMAND...: a result on standard output, and exit status 1.
mismatch() {
	run "$@"
	equal "$RC" 1 'exit status' && equal "$(wc -c <"$ERR")" 0 'bytes on standard error' &&
		matches "$OUT" '^signature does NOT match: |"valid": false'
}

verify_mismatch() { # SIM
	local n
	sign_file "$1" "$key" "$MSG" && flip "$MSG" 77777 "$T/msg2" || return 1
	mismatch sim "$1" verify "$key" "$T/msg2" "$SIG" && mismatch sim "$1" verify "$key" "$T/empty" "$SIG" &&
		mismatch sim "$1" verify "$key" "$MSG" "$SIG" --digest SHA512 &&
		mismatch sim "$1" verify "$key" "$MSG" "$T/p256.sig" &&
		mismatch sim "$1" verify --applet "$key" "$MSG" "$T/p256.sig" &&
		mismatch sim "$1" verify "$key;type=cert" "$T/msg2" "$SIG" || return 1
	for n in 20 -1; do # inside of r, and of s
		flip "$SIG" "$n" "$T/sig2" && mismatch sim "$1" --json verify "$key" "$MSG" "$T/sig2" || return 1
		json 'd["valid"] is False and d["by"] == "applet"' || return 1
	done
}

verify_no_signature() {
	local n uri
	for uri in "$key" "$key;type=cert"; do
		for n in 0 1 2; do # the tags, and the length
			flip "$SIG" "$n" "$T/sig2" && refused 1 'sig2: not a signature' sim gsma-strict verify "$uri" "$MSG" "$T/sig2" || return 1
		done
		{ cat "$SIG" && echo; } >"$T/sig2"
		refused 1 'sig2: not a signature' sim gsma-strict verify "$uri" "$MSG" "$T/sig2" &&
			refused 1 'not a signature' sim gsma-strict verify "$uri" "$MSG" /dev/null &&
			refused 1 'not a signature' sim gsma-strict verify "$uri" "$MSG" /dev/zero || return 1
	done
	refused 1 'none: No such file' sim gsma-strict verify "$key" "$MSG" "$T/none" &&
		refused 1 'none: No such file' sim gsma-strict verify "$key" "$T/none" "$SIG" &&
		refused 1 'directory' sim gsma-strict verify "$key" "$T" "$SIG" &&
		refused 1 'lost' sim gsma-strict verify iotsafe://label=lost "$MSG" "$SIG" &&
		refused 2 'cannot be both' sim gsma-strict verify "$key" - - &&
		refused 2 '--digest' sim gsma-strict verify "$key" "$MSG" "$SIG" --digest sha1 &&
		refused 2 'an argument is missing' sim gsma-strict verify "$key" "$MSG"
}

verify_inputs() {
	sign_file gsma-strict "$key" "$MSG" || return 1
	INPUT=$MSG succeeds sim gsma-strict verify "$key" - "$SIG" &&
		INPUT=$SIG succeeds sim gsma-strict verify "$key" "$MSG" -
}

verify_in_software() {
	sign_file noverify "$key" "$MSG" || return 1
	succeeds sim noverify verify "$key" "$MSG" "$SIG" || return 1
	matches "$OUT" '^signature OK: verified in software with the public key read from the SIM, iotsafe://' || return 1
	succeeds sim noverify --json verify "$key" "$MSG" "$SIG" && json 'd["by"] == "software" and d["valid"]' || return 1
	mismatch sim noverify verify "$key" "$T/msg2" "$SIG" &&
		mismatch sim noverify verify "$key" "$MSG" "$T/p256.sig" &&
		refused 1 'applet cannot verify it.*6D00' sim noverify verify --applet "$key" "$MSG" "$SIG" || return 1
	sign_file gsma-strict "$key" "$MSG" || return 1
	succeeds sim gsma-strict verify iotsafe://label=client-cert "$MSG" "$SIG" || return 1
	matches "$OUT" 'in software .*label=client-cert;type=cert$' &&
		refused 1 'names a certificate' sim gsma-strict verify --applet 'iotsafe://label=client-cert;type=cert' "$MSG" "$SIG"
}

verify_only_applet() {
	local before
	succeeds sim gsma-strict put-key iotsafe://label=verify-key "$T/p256.pub" || return 1
	before=$(exchanged gsma-strict 'VERIFY SIGNATURE INIT')
	refused 1 'can replace the public key' sim gsma-strict verify --applet iotsafe://label=verify-key "$MSG" "$T/p256.sig" &&
		refused 1 'can replace the public key' sim gsma-strict verify --applet iotsafe://label=spare-1 "$MSG" "$T/p256.sig" || return 1
	equal "$(exchanged gsma-strict 'VERIFY SIGNATURE INIT')" "$before" 'verified'
}

verify_other_types() {
	openssl dgst -sha256 -sign "$T/bp.key" -out "$T/bp.sig" "$MSG" || return 1
	mismatch sim more verify iotsafe://label=bp-key "$MSG" "$T/bp.sig" || return 1
	succeeds sim more cert iotsafe://label=rsa-cert || return 1
	openssl dgst -sha256 -sign "$T/rsa.key" -out "$T/rsa.sig" "$MSG" &&
		mismatch sim more verify 'iotsafe://label=rsa-cert;type=cert' "$MSG" "$T/rsa.sig" &&
		matches "$OUT" 'in software'
}

# The SIM fails while it is asked: no word about the signature.
verify_faults() {
	admin gsma-strict fault mute --ins 'VERIFY SIGNATURE UPDATE' --count 99 || return 1
	fails sim_briefly gsma-strict verify "$key" "$MSG" "$SIG" || return 1
	admin gsma-strict fault clear
	equal "$(wc -c <"$OUT")" 0 bytes || return 1
	admin gsma-strict fault sw=6985 --ins 'VERIFY SIGNATURE INIT' --count 9 || return 1
	run sim gsma-strict verify "$key" "$MSG" "$SIG" || return 1
	admin gsma-strict fault clear
	matches "$OUT" 'OK: verified in software'
}

# ----------------------------------------------------------------- all of them

# An applet that keeps no list: names are all there is.
without_list() {
	generates nolist iotsafe://id=0a && equal "$(generated_uri)" 'iotsafe://id=0a;type=private' || return 1
	refused 1 'holds a key' sim nolist keygen iotsafe://id=0a &&
		succeeds sim nolist put-key iotsafe://label=verify-key "$T/p256.pub" &&
		succeeds sim nolist --json verify 'iotsafe://label=verify-key;type=public' "$MSG" "$T/p256.sig" || return 1
	json 'd["by"] == "applet" and d["replaceable"] is None' &&
		refused 1 'does not say' sim nolist verify --applet 'iotsafe://id=0e;type=public' "$MSG" "$T/p256.sig" || return 1
	run sim nolist file iotsafe://label=notes && equal "$(wc -c <"$OUT")" 64 'bytes of the file' || return 1
	refused 1 'file label="?absent' sim nolist file iotsafe://label=absent
}

# It tells of one object at a time, of files by the tags of secrets only.
one_object_at_a_time() {
	run sim single file iotsafe://label=notes && grep -q . "$OUT" || return 1
	run sim single file 07 && grep -q . "$OUT" || return 1
	refused 1 'no file label="?absent.*no list' sim single file iotsafe://label=absent &&
		succeeds sim single pubkey iotsafe://label=client-key && sign_file single iotsafe://label=client-key "$MSG" || return 1
	refused 1 'no object list' sim single list
}

# A key agreement needs a container that no list tells of.
agreement_without_list() {
	local -a derive=(mod env "IOTSAFE_TRANSPORT=$(socket_of single)" openssl pkeyutl -derive
		-inkey 'iotsafe://label=spare-1;type=private' -peerkey "$T/p256.pub" -out "$T/secret")
	configure
	generates single iotsafe://label=spare-1 && fails "${derive[@]}" &&
		matches "$ERR" 'no object list.*peer-key in openssl.cnf' || return 1
	configure 'peer-key = iotsafe://label=peer-key'
	run "${derive[@]}" && equal "$(wc -c <"$T/secret")" 32 'bytes of the secret'
}

# What one process has learned of the tags, the next one knows: by the record of a channel.
learned_tags() {
	local port=at:$T/single/port before
	have_at || return 77
	run mod "$TOOL" --transport "$port" file iotsafe://label=notes || return 1
	before=$(exchanged single 'GET DATA OBJECT')
	run mod "$TOOL" --transport "$port" file iotsafe://label=notes || return 1
	equal "$(($(exchanged single 'GET DATA OBJECT') - before))" 1 'questions about the file'
}
have_at() {
	mod "$TOOL" --transport none: info >"$OUT" 2>&1
	grep -q 'build has.* at:' "$OUT" || {
		WHY='built without at'
		return 1
	}
}

# The provider before `default`, and properties that only a FIPS module has.
odd_settings() {
	configure
	sed -i '/^default = default_sect/d; s/^iotsafe = .*/&\ndefault = default_sect/' "$T/openssl.cnf"
	use_all_commands || return 1
	configure
	printf '%s\n' '[openssl_init]' 'alg_section = properties' '[properties]' \
		'default_properties = ?fips=yes' >>"$T/openssl.cnf"
	use_all_commands || return 1
	configure
}

use_all_commands() {
	generates more --force iotsafe://label=spare-1 && sign_file more iotsafe://label=spare-1 "$MSG" &&
		succeeds sim more verify iotsafe://label=spare-1 "$MSG" "$SIG" &&
		sign_file more "$key" "$MSG" && succeeds sim more verify 'iotsafe://label=client-cert' "$MSG" "$SIG" &&
		matches "$OUT" 'in software' &&
		succeeds sim more put-key iotsafe://label=verify-key "$T/short.pub" &&
		refused 1 'off.der' sim more put-key iotsafe://label=verify-key "$T/off.der"
}

write_failures() {
	local -a command
	while read -r -a command; do
		sim gsma-strict "${command[@]}" >&- 2>"$ERR"
		equal $? 1 "exit status of ${command[0]}, stdout closed" &&
			matches "$ERR" 'cannot write to standard output' || return 1
		sim gsma-strict "${command[@]}" >/dev/full 2>"$ERR"
		equal $? 1 "exit status of ${command[0]}, disk full" && matches "$ERR" 'No space left' || return 1
	done <<-END
		keygen --force iotsafe://label=spare-1
		put-key iotsafe://label=verify-key $T/p256.pub
		sign $key $MSG
		verify $key $MSG $SIG
		--json sign $key $MSG
	END
}

no_sim_there() {
	refused 1 "$nowhere" nocard keygen "$key" &&
		refused 1 "$nowhere" nocard put-key "$key" "$T/p256.pub" &&
		refused 1 "$nowhere" nocard sign "$key" "$MSG" &&
		refused 1 "$nowhere" nocard verify "$key" "$MSG" "$SIG" &&
		refused 1 "$nowhere" nocard verify "$key;type=cert" "$MSG" "$SIG"
}

it 'software SIMs run' prepare
for profile in "${PROFILES[@]}"; do
	it "$profile: keygen: the key signs" keygen_makes_a_key "$profile"
	it "$profile: keygen: by identifier" keygen_by_id "$profile"
	it "$profile: keygen: a key that is there stays, without --force" keygen_spares_a_key "$profile"
	it "$profile: keygen: JSON" keygen_json "$profile"
	it "$profile: put-key: PEM, DER, certificates, standard input" put_key_files "$profile"
	it "$profile: put-key: a container that is not readable" put_key_unreadable "$profile"
	it "$profile: sign: all digests" sign_digests "$profile"
	it "$profile: verify: by the applet" verify_by_applet "$profile"
	it "$profile: verify: what does not match" verify_mismatch "$profile"
done
it 'keygen: openssl makes a request for a certificate' keygen_then_request
it 'keygen: the list is read once' keygen_lists_once
it 'keygen: containers that are none' keygen_elsewhere
it 'keygen: other types of keys' keygen_other_types
it 'keygen: a volatile key' keygen_volatile
it 'keygen: a SIM by its name' keygen_named_sim
it 'keygen: a point off the curve' keygen_off_curve
it 'keygen: the applet refuses' keygen_refusals
it 'put-key: bad keys do not reach the SIM' put_key_bad_files
it 'put-key: a key of another curve is not sent' put_key_other_curve
it 'put-key: containers that are none' put_key_elsewhere
it 'put-key: another key is read back' put_key_contradicted
it 'sign: standard input' sign_input
it 'sign: JSON' sign_json
it 'sign: what cannot be signed' sign_refusals
it 'sign: a wrong signature is not given out' sign_is_checked
it 'sign: not to a terminal' terminal
it 'sign, verify: 100 MB in constant memory' big_file
it 'verify: what is no signature' verify_no_signature
it 'verify: standard input' verify_inputs
it 'verify: in software' verify_in_software
it 'verify: --applet wants a key that the device cannot replace' verify_only_applet
it 'verify: other types of keys' verify_other_types
it 'verify: a SIM that fails' verify_faults
it 'an applet without object list' without_list
it 'an applet that tells of one object at a time' one_object_at_a_time
it 'the tags that it takes are learned once' learned_tags
it 'an agreement without a list: peer-key names the container' agreement_without_list
it 'odd openssl.cnf' odd_settings
it 'output that cannot be written' write_failures
it 'no SIM' no_sim_there
done_testing
