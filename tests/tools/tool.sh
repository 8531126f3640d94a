#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# The command line tool, as people and scripts use it, on software SIMs.
# shellcheck source=tests/tools/lib.sh
. "$(dirname "$0")/lib.sh"

# ------------------------------------------------------------ without a SIM

help_and_version() {
	local command
	succeeds iotsafe --version && matches "$OUT" '^iotsafe [0-9]+\.[0-9]+' || return 1
	succeeds iotsafe --help && matches "$OUT" '^Usage: iotsafe' || return 1
	for command in "${COMMANDS[@]}"; do
		matches "$OUT" "^  $command " || return 1
	done
	for command in "${COMMANDS[@]}"; do
		succeeds iotsafe "$command" --help && matches "$OUT" "^Usage: iotsafe $command" || return 1
		succeeds iotsafe --help "$command" && matches "$OUT" "^Usage: iotsafe $command" || return 1
	done
}

wrong_usage() {
	refused 2 'a command is missing' iotsafe &&
		refused 2 "unknown command 'lst'" iotsafe lst &&
		refused 2 "unknown option '--bogus'" iotsafe --bogus list &&
		refused 2 "unknown option '--bogus'.*iotsafe list --help" iotsafe list --bogus &&
		refused 2 "unknown option '-x'" iotsafe list -xyz &&
		refused 2 "value is missing after '--transport'" iotsafe --transport &&
		refused 2 "value is missing after '--sim'" iotsafe list --sim &&
		refused 2 'list: too many arguments' iotsafe list all &&
		refused 2 'cert: an argument is missing; usage: iotsafe cert URI' iotsafe cert &&
		refused 2 'pubkey: too many' iotsafe pubkey "$key" "$key" &&
		refused 2 'exclude each other' iotsafe key-ref --no-pubkey --cert x "$key" &&
		refused 2 'raw bytes' iotsafe --json random 5 &&
		refused 2 'raw bytes' iotsafe file 01 --json
}

bad_uris() {
	local command
	for command in cert pubkey key-ref file; do
		refused 2 'id=0' iotsafe "$command" 'iotsafe://id=0' &&
			refused 2 '"color"' iotsafe "$command" 'iotsafe://id=01;color=red' &&
			refused 2 'label.*twice' iotsafe "$command" 'iotsafe:label=a;label=b' &&
			refused 2 'type=banana' iotsafe "$command" 'iotsafe://type=banana' &&
			refused 2 'label=%zz' iotsafe "$command" 'iotsafe://label=%zz' || return 1
	done
	refused 2 'foo.pem: not a URI.*iotsafe://' iotsafe cert foo.pem &&
		refused 2 '[Gg]ive an id or a label' iotsafe pubkey 'iotsafe://type=private' &&
		refused 2 '[Gg]ive an id or a label' iotsafe key-ref 'iotsafe://' &&
		refused 2 'private key' iotsafe key-ref 'iotsafe://id=01;type=cert' &&
		refused 2 'names a key' iotsafe file 'iotsafe://id=01;type=private' &&
		refused 2 "'notes' is neither" iotsafe file notes &&
		refused 2 'give an id or a label' iotsafe file 'iotsafe://'
}

bad_numbers() {
	local n
	for n in 0 -1 +5 5x ' 5' '' 1048577 99999999999999999999999 1e3; do
		refused 2 'number of bytes from 1 to 1048576' iotsafe random -- "$n" || return 1
	done
}

no_sim_there() {
	local -a command
	while read -r -a command; do
		refused 1 "$T/nowhere/sim.sock" nocard "${command[@]}" || return 1
	done <<-'END'
		info
		list
		list --json
		cert iotsafe://id=01
		pubkey iotsafe://id=01
		key-ref iotsafe://id=01
		file iotsafe://id=01
		random 16
		keygen iotsafe://id=01
		sign iotsafe://id=01 /dev/null
		verify iotsafe://id=01 /dev/null /dev/null
	END
	matches "$ERR" . && refused 1 'cert FILE.*pubkey FILE.*no-pubkey' nocard key-ref "$key"
}

bad_settings() {
	refused 1 'carrier-pigeon' iotsafe --transport carrier-pigeon:7 list &&
		refused 1 'nosuch' iotsafe list --sim nosuch &&
		refused 1 'nosuch' iotsafe cert 'iotsafe://id=01;sim=nosuch' &&
		refused 1 'IOTSAFE_TIMEOUT_MS' mod env IOTSAFE_TIMEOUT_MS=soon "$TOOL" list
}

# ------------------------------------------------------------------ key-ref

reference_without_sim() {
	succeeds nocard key-ref --no-pubkey "$key" || return 1
	equal "$(sed -n 3p "$OUT")" '-----BEGIN IOTSAFE KEY REFERENCE-----' || return 1
	head -n 2 "$OUT" | grep -q 'provider iotsafe.*provider-iotsafe(7)' || return 1
	equal "$(tail -n 1 "$OUT")" '-----END IOTSAFE KEY REFERENCE-----' || return 1
	cp "$OUT" "$T/bare.pem"
	run openssl asn1parse -in "$T/bare.pem" || return 1
	matches "$OUT" 'VISIBLESTRING *:iotsafe-key-reference-v1$' &&
		matches "$OUT" 'UTF8STRING *:iotsafe://label=client-key;type=private$' && lacks "$OUT" 'cont'
}

reference_has_one_form() {
	succeeds nocard key-ref --no-pubkey 'IOTSAFE:sim=b.1;label=a%62%63%20d;id=0A' || return 1
	cp "$OUT" "$T/ref.pem"
	run openssl asn1parse -in "$T/ref.pem" || return 1
	matches "$OUT" 'iotsafe://id=0a;label=abc%20d;type=private;sim=b.1$'
}

make_files() {
	openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -subj /CN=x \
		-keyout /dev/null -out "$T/x.pem" &&
		openssl x509 -in "$T/x.pem" -outform DER -out "$T/x.der" &&
		openssl x509 -in "$T/x.pem" -noout -pubkey -out "$T/x.pub" &&
		openssl pkey -pubin -in "$T/x.pub" -outform DER -out "$T/xpub.der" &&
		openssl genpkey -algorithm EC -pkeyopt ec_paramgen_curve:P-384 -out "$T/p384" &&
		openssl pkey -in "$T/p384" -pubout -out "$T/p384.pub"
}

reference_from_files() {
	local option
	run make_files || return 1
	for option in "--cert $T/x.pem" "--cert $T/x.der" "--pubkey $T/x.pub" "--pubkey $T/xpub.der"; do
		# shellcheck disable=SC2086
		succeeds nocard key-ref $option iotsafe://id=01 || return 1
		cp "$OUT" "$T/ref.pem"
		run openssl asn1parse -in "$T/ref.pem" || return 1
		matches "$OUT" 'cont \[ 0 \]' && matches "$OUT" 'prime256v1' || return 1
		openssl asn1parse -in "$T/ref.pem" -strparse "$(reference_key_offset)" -noout -out "$T/spki"
		cmp "$T/spki" "$T/xpub.der" || return 1
		[ ! -e "$T/first.pem" ] || cmp "$T/first.pem" "$T/ref.pem" || return 1
		cp "$T/ref.pem" "$T/first.pem"
	done
}

reference_key_offset() { # of the SubjectPublicKeyInfo in the asn1parse in OUT
	grep -A 1 'cont \[ 0 \]' "$OUT" | tail -n 1 | sed 's/^ *\([0-9]*\):.*/\1/'
}

reference_from_bad_files() {
	refused 1 "$T/none: No such file" nocard key-ref --cert "$T/none" "$key" &&
		refused 1 "$T/x.pub: no certificate" nocard key-ref --cert "$T/x.pub" "$key" &&
		refused 1 "$T/x.pem: no public key" nocard key-ref --pubkey "$T/x.pem" "$key" &&
		refused 1 "$T/p384: no public key" nocard key-ref --pubkey "$T/p384" "$key" &&
		refused 1 'no certificate' nocard key-ref --cert /dev/null "$key" &&
		refused 1 'no certificate' nocard key-ref --cert /dev/zero "$key" &&
		refused 1 'directory' nocard key-ref --cert "$T" "$key" &&
		refused 1 'secp384r1' nocard key-ref --pubkey "$T/p384.pub" "$key"
}

reference_json() {
	succeeds nocard key-ref --no-pubkey "$key" --json &&
		equal "$(json 'd["uri"]')" "$key;type=private" &&
		succeeds nocard --json key-ref --cert "$T/x.pem" iotsafe://id=01 &&
		json 'd["has_public_key"]' && json 'd["pem"]' | cmp - "$T/first.pem"
}

# --out: a file for its owner alone, whole or not at all; what is no file is left alone.
reference_in_file() {
	mkdir "$T/ref" && echo old >"$T/ref/old.pem" && chmod 644 "$T/ref/old.pem" &&
		ln -s old.pem "$T/ref/link.pem" && mkfifo "$T/ref/pipe" || return 1
	succeeds nocard key-ref --no-pubkey "$key" && cp "$OUT" "$T/ref.pem" || return 1
	local file
	for file in new.pem old.pem link.pem; do
		succeeds nocard key-ref --no-pubkey --out "$T/ref/$file" "$key" &&
			equal "$(wc -c <"$OUT")" 0 'bytes on standard output' && cmp "$T/ref/$file" "$T/ref.pem" &&
			equal "$(stat -Lc %a "$T/ref/$file")" 600 mode || return 1
	done
	[ -L "$T/ref/link.pem" ] || return 1
	succeeds nocard key-ref --no-pubkey --json --out "$T/ref/new.pem" "$key" && json 'd["pem"]' | cmp - "$T/ref.pem" &&
		refused 1 'ref/pipe: not a regular file' nocard key-ref --no-pubkey --out "$T/ref/pipe" "$key" &&
		refused 1 'cannot write .*nodir/x: No such file' nocard key-ref --no-pubkey --out "$T/nodir/x" "$key" &&
		refused 1 'ref/old.pem/x: Not a directory' nocard key-ref --no-pubkey --out "$T/ref/old.pem/x" "$key" &&
		refused 1 'nowhere' nocard key-ref --out "$T/ref/never.pem" "$key" || return 1
	equal "$(ls "$T/ref" | tr '\n' ' ')" 'link.pem new.pem old.pem pipe ' 'files' || return 1
	[ "$(id -u)" -ne 0 ] || { # a service's file stays its own
		chown nobody "$T/ref/old.pem" && succeeds nocard key-ref --no-pubkey --out "$T/ref/old.pem" "$key" &&
			equal "$(stat -c %U "$T/ref/old.pem")" nobody owner
	}
}

reference_from_sim() {
	local before
	succeeds tool sim key-ref "$key" || return 1
	cp "$OUT" "$T/ref.pem"
	before=$(exchanges sim)
	succeeds tool sim key-ref --cert "$T/sim/client.pem" "$key" || return 1
	cmp "$OUT" "$T/ref.pem" || return 1
	succeeds tool sim key-ref --no-pubkey "$key" || return 1
	equal "$(exchanges sim)" "$before" 'exchanges with the SIM' || return 1
	configure
	succeeds mod openssl pkey -in "$T/ref.pem" -pubout || return 1
	cmp "$OUT" "$T/sim/client.pub"
}

# -------------------------------------------------------------- with a SIM

prepare() {
	start_sim sim gsma-strict && socket=$(socket_of sim) || return 1
	# What the SIM holds, by other means: the first certificate is the device's.
	succeeds tool sim cert iotsafe://label=client-cert || return 1
	openssl x509 -in "$OUT" -out "$T/sim/client.pem" || return 1
	openssl x509 -in "$T/sim/client.pem" -noout -pubkey >"$T/sim/client.pub"
}

info_tells() {
	succeeds tool sim info || return 1
	matches "$OUT" "^Transport +socket:$T/sim/sim.sock$" &&
		matches "$OUT" '^Application \(AID\) +a0000005590010$' &&
		matches "$OUT" '^Interface version +1\.0$' && matches "$OUT" '^Signatures .*ECDSA' &&
		matches "$OUT" '^Hashes .*SHA-256' || return 1
	succeeds tool sim info --json || return 1
	json 'd["described"] is True and d["version"] == "1.0" and d["limits"]["private_keys"] > 0' &&
		json '"sign" in d["functions"] and "SHA-256" in d["hashes"] and "ECDH" in d["agreement"]' &&
		json 'all(isinstance(d[k], str) for k in
			("device", "channel", "aid", "transport", "applet_id"))'
}

list_shows() {
	succeeds tool sim list || return 1
	matches "$OUT" '^TYPE +ID +LABEL +KEY/SIZE +STATE +ACCESS +USE +URI$' &&
		matches "$OUT" '^private +01 +client-key +P-256 +active +- .*sign.* iotsafe://id=01;label=client-key;type=private$' &&
		matches "$OUT" '^cert +02 +client-cert +until [0-9-]+ .* iotsafe://id=02;label=client-cert;type=cert$' &&
		matches "$OUT" '^public .* peer-key ' && matches "$OUT" '^secret .* psk ' &&
		matches "$OUT" '^file .* notes ' || return 1
	equal "$(grep -c '^private' "$OUT")" "$(admin sim list | grep -c private)" 'private keys'
}

list_json() {
	succeeds tool sim --json list || return 1
	json 'isinstance(d, list) and len(d) > 5' &&
		json 'all(o["uri"].startswith("iotsafe://") for o in d)' &&
		json '{o["type"] for o in d} == {"private", "public", "cert", "file", "secret"}' &&
		json 'all("id" in o and "label" in o for o in d)' &&
		json '"sign" in next(o for o in d if o["uri"].endswith("label=client-key;type=private"))["functions"]' &&
		json 'next(o for o in d if o["label"] == "client-cert")["size"] > 100' &&
		json 'len({o["uri"] for o in d}) == len(d)'
}

# Validity and subject of certificates; of one that the SIM does not give, the reason.
list_tells_validity() {
	local end rc=0
	end=$(date -u -d "$(openssl x509 -in "$T/sim/client.pem" -noout -enddate | sed 's/.*=//')" +%Y-%m-%dT%H:%M:%SZ)
	succeeds tool sim list && matches "$OUT" "^cert +02 +client-cert +until ${end%T*} +active +r +CN=.* iotsafe://id=02;" || return 1
	succeeds tool sim --json list || return 1
	equal "$(json 'next(o for o in d if o["label"] == "client-cert")["not_after"]')" "$end" &&
		equal "$(json 'next(o for o in d if o["label"] == "client-cert")["subject"]')" \
			"$(openssl x509 -in "$T/sim/client.pem" -noout -subject -nameopt RFC2253 | sed 's/^subject=//')" &&
		json 'all("subject" not in o and "unread" not in o for o in d if o["type"] != "cert")' || return 1
	admin sim fault sw=6985 --ins 'READ FILE' --count 99 || return 1
	succeeds tool sim list && cp "$OUT" "$T/list" && succeeds tool sim --json list
	rc=$?
	admin sim fault clear
	[ "$rc" -eq 0 ] && matches "$T/list" '^cert +02 +client-cert +[0-9]+ bytes .* certificate +iotsafe://id=02;' &&
		json 'all("6985" in o["unread"] and "subject" not in o for o in d if o["type"] == "cert")'
}

# Each URI that `list` prints leads to the object again: keys and certificates through
# OpenSSL, files by their content.
listed_uris_find() {
	local uri type label n=0
	tool sim --json list >"$T/list.json" || return 1
	while IFS=$'\t' read -r type uri label; do
		n=$((n + 1))
		case $type in
		private | public)
			run tool sim --json pubkey "$uri"
			if [ "$RC" -ne 0 ]; then # an empty container: it was found, but holds no key yet
				matches "$ERR" "$label" && lacks "$ERR" 'not found|no such' || return 1
				continue
			fi
			equal "$(json 'd["uri"]')" "$uri"
			;;
		cert)
			succeeds tool sim --json cert "$uri" && equal "$(json 'd["uri"]')" "$uri" &&
				json 'len(d["certificates"]) > 0'
			;;
		file) succeeds tool sim file "$uri" ;;
		secret) continue ;;
		esac || return 1
	done < <(json '[(o["type"], o["uri"], o["label"]) for o in d]' "$T/list.json")
	[ "$n" -gt 5 ]
}

openssl_finds_the_same() {
	local uri
	configure
	for uri in $(json '[o["uri"] for o in d if o["label"] == "client-key"]' "$T/list.json"); do
		case $uri in
		*type=private) succeeds mod env IOTSAFE_TRANSPORT="$socket" openssl pkey -in "$uri" -pubout ;;
		*) succeeds mod env IOTSAFE_TRANSPORT="$socket" openssl pkey -pubin -in "$uri" -pubout ;;
		esac || return 1
		cmp "$OUT" "$T/sim/client.pub" || return 1
	done
	uri=$(uri_of sim client-cert cert)
	succeeds mod env IOTSAFE_TRANSPORT="$socket" openssl x509 -in "$uri" || return 1
	cmp "$OUT" "$T/sim/client.pem"
}

fingerprint() { # CERTIFICATE
	openssl x509 -in "$1" -noout -fingerprint -sha256 | sed 's/.*=//; s/://g' | tr A-F a-f
}

cert_variants() {
	succeeds tool sim cert "$key" || return 1
	openssl x509 -in "$OUT" | cmp - "$T/sim/client.pem" || return 1
	succeeds tool sim cert "$(uri_of sim client-key private)" || return 1
	openssl x509 -in "$OUT" | cmp - "$T/sim/client.pem" || return 1
	succeeds tool sim cert iotsafe:label=ca-cert || return 1
	openssl x509 -in "$OUT" -outform DER >"$T/ca1"
	openssl x509 -in "$T/sim/store/ca.pem" -outform DER >"$T/ca2"
	cmp "$T/ca1" "$T/ca2" || return 1
	succeeds tool sim cert iotsafe:// || return 1
	[ "$(grep -c 'BEGIN CERT' "$OUT")" -ge 2 ] || return 1
	succeeds tool sim cert --json "$key" || return 1
	json 'all(isinstance(d["certificates"][0][k], str) for k in
		("subject", "issuer", "serial", "not_before", "not_after", "sha256", "pem"))' &&
		json 'd["certificates"][0]["not_after"]' | grep -qE '^20[0-9]{2}(-[0-9]{2}){2}T[0-9:]{8}Z$' &&
		equal "$(json 'd["certificates"][0]["sha256"]')" "$(fingerprint "$T/sim/client.pem")"
}

pubkey_variants() {
	local uri
	for uri in "$key" "$key;type=private" "$key;type=public" 'iotsafe://label=client-cert' \
		'iotsafe://label=client-cert;type=cert'; do
		succeeds tool sim pubkey "$uri" || return 1
		cmp "$OUT" "$T/sim/client.pub" || return 1
	done
	succeeds tool sim --json pubkey "$key" &&
		json 'd["key_type"] == "P-256" and d["uri"].endswith(";type=private")
			and d["pem"].startswith("-----BEGIN PUBLIC KEY")'
}

nothing_of_that_name() {
	local command
	for command in cert pubkey key-ref file; do
		refused 1 'lost' tool sim "$command" 'iotsafe://label=lost' || return 1
	done
	refused 1 'psk' tool sim pubkey iotsafe://label=psk &&
		refused 1 'no certificate' tool sim cert iotsafe://label=notes &&
		refused 1 'no public key for it.*no-pubkey' tool sim key-ref iotsafe://label=eph-key
}

file_variants() {
	local uri id
	uri=$(uri_of sim client-cert cert)
	id=$(id_of sim client-cert cert)
	succeeds tool sim file "$uri" && cp "$OUT" "$T/file" || return 1
	openssl x509 -in "$T/file" -inform DER | cmp - "$T/sim/client.pem" || return 1
	succeeds tool sim file "${id#id=}" && cmp "$OUT" "$T/file" || return 1
	succeeds tool sim file iotsafe://label=notes && [ -s "$OUT" ]
}

random_bytes() {
	local n
	for n in 1 256 257 5000; do
		succeeds tool sim random "$n" && equal "$(wc -c <"$OUT")" "$n" bytes || return 1
	done
	cp "$OUT" "$T/random1"
	succeeds tool sim random 5000 && fails cmp "$OUT" "$T/random1"
}

terminal() {
	have script || return 77
	script -qec "'$TOOL' --transport '$socket' random 8" "$T/typescript" >/dev/null </dev/null
	equal $? 2 'exit status' && matches "$T/typescript" 'not written to a terminal' || return 1
	script -qec "'$TOOL' --transport '$socket' file iotsafe://label=client-cert" "$T/typescript" \
		>/dev/null </dev/null
	equal $? 2 'exit status' && matches "$T/typescript" 'redirect' || return 1
	script -qec "'$TOOL' --transport '$socket' file iotsafe://label=notes" "$T/typescript" \
		>/dev/null </dev/null
	equal $? 0 'exit status'
}

# ------------------------------------------------------------- a hostile card

odd_labels() {
	spawn odd /usr/bin/python3 "$(dirname "$0")/odd_card.py" "$T/odd.sock"
	await test -S "$T/odd.sock" || return 1
	local escape=$'\e' odd=socket:$T/odd.sock
	succeeds iotsafe --transport "$odd" list || return 1
	lacks "$OUT" "$escape" && matches "$OUT" '^file +33 +we;ird% \\x1b\[31m\\xe2\\x80\\xae +3 bytes ' &&
		matches "$OUT" '^file +34 +- .* iotsafe://id=34$' || return 1
	succeeds iotsafe --transport "$odd" --json list || return 1
	cp "$OUT" "$T/odd.json"
	lacks "$T/odd.json" "$escape" || return 1
	json 'd[0]["label"] == "we;ird% \x1b[31m\u202e"' "$T/odd.json" &&
		json 'd[1]["label"] is None and d[1]["uri"] == "iotsafe://id=34"' "$T/odd.json" || return 1
	succeeds iotsafe --transport "$odd" file "$(json 'd[0]["uri"]' "$T/odd.json")" &&
		equal "$(od -An -tx1 "$OUT")" ' 33 1b 0a' content
}

# --------------------------------------------------------------- the output

write_failures() {
	local rc
	iotsafe --help >&- 2>"$ERR"
	equal $? 1 'exit status, stdout closed' && matches "$ERR" 'cannot write to standard output' || return 1
	iotsafe --help >/dev/full 2>"$ERR"
	equal $? 1 'exit status, disk full' && matches "$ERR" 'No space left' || return 1
	tool sim list >&- 2>"$ERR"
	equal $? 1 'exit status of list, stdout closed' && matches "$ERR" 'cannot write' || return 1
	tool sim random 5000 >/dev/full 2>"$ERR"
	equal $? 1 'exit status of random, disk full' || return 1
	local pipe
	exec {pipe}> >(exec true)
	wait $! # nobody reads it any more
	tool sim --json list 1>&"$pipe" 2>"$ERR"
	rc=$?
	exec {pipe}>&-
	equal "$rc" 1 'exit status, pipe closed' && matches "$ERR" 'Broken pipe'
}

all_descriptors_closed() {
	tool sim list <&- >&- 2>&-
	equal $? 1 'exit status'
}

# ------------------------------------------------------------ configuration

settings_from_openssl_cnf() {
	configure "transport = $socket" "sim.two = $socket" "sim.dead = $nowhere" 'timeout-ms = 400'
	succeeds iotsafe list && matches "$OUT" client-key || return 1
	succeeds iotsafe list --sim two && matches "$OUT" ';type=private;sim=two$' || return 1
	succeeds iotsafe info --sim two && succeeds iotsafe random 4 --sim two || return 1
	succeeds iotsafe pubkey "$key;sim=two" || return 1
	cmp "$OUT" "$T/sim/client.pub" || return 1
	succeeds iotsafe --json list --sim two || return 1
	succeeds iotsafe pubkey "$(json 'd[0]["uri"]')" &&
		refused 1 "$nowhere" iotsafe list --sim dead &&
		refused 1 "$nowhere" iotsafe --transport "$nowhere" list &&
		refused 2 'twice' iotsafe file --sim two 'iotsafe://id=01;sim=two'
}

# Settings that no program could use do not stop the tool.
odd_openssl_cnf() {
	configure "transport = $socket" 'module = /nowhere/iotsafe.so'
	succeeds iotsafe list || return 1
	printf 'openssl_conf = init\n[init\n' >"$T/odd.cnf"
	module_env=("OPENSSL_CONF=$T/odd.cnf")
	run tool sim list || return 1
	matches "$ERR" "^iotsafe: warning: $T/odd.cnf: missing close square bracket" || return 1
	printf 'openssl_conf = init\n[init]\nproviders = p\n[p]\niotsafe = nosection\n' >"$T/odd.cnf"
	run tool sim list || return 1
	matches "$ERR" "^iotsafe: warning: $T/odd.cnf: .*nosection" || return 1
	printf 'openssl_conf = init\n[init]\nproviders = p\n[p]\niotsafe = s\n[s]\nactivate = 1\ntransport = %s\n' \
		"$socket" >"$T/odd.cnf" # without default, which programs would miss
	succeeds iotsafe key-ref "$key" || return 1
	cmp "$OUT" "$T/ref.pem" || return 1
	module_env=("OPENSSL_CONF=$T/missing.cnf")
	run tool sim list || return 1
	matches "$ERR" "warning: OPENSSL_CONF names $T/missing.cnf" || return 1
	equal "$(wc -l <"$ERR")" 1 'lines on standard error' || return 1
	configure
}

# The tool works without, other programs do not.
not_activated() {
	local cnf=$T/without.cnf
	printf 'openssl_conf = init\n[init]\nproviders = p\n[p]\ndefault = d\n[d]\nactivate = 1\n' >"$cnf"
	for cnf in "$cnf" /dev/null; do
		module_env=("OPENSSL_CONF=$cnf")
		run tool sim --json list && equal "$(wc -l <"$ERR")" 1 'lines on standard error' &&
			matches "$ERR" "^iotsafe: warning: $cnf does not activate iotsafe: " && json 'len(d) > 5' || return 1
		succeeds iotsafe --version && succeeds iotsafe list --help || return 1
	done
	configure
}

# --------------------------------------------------------------- completion

# completed WORD...: what bash offers for the last of these words of a command line.
completed() {
	bash -c '. "$1" && shift && COMP_WORDS=("$@") && COMP_CWORD=$(($# - 1)) && _iotsafe && printf "%s\n" "${COMPREPLY[@]}"' \
		- "$E2E_SOURCE/conf/completions/iotsafe.bash" "$TOOL" "$@"
}

completes_in_bash() {
	local command
	equal "$(completed '' | grep -v '^--')" "$("$TOOL" --help | sed -n '/^Commands:/,/^$/s/^  \([a-z-]*\) .*/\1/p')" 'commands' ||
		return 1
	for command in "${COMMANDS[@]}"; do
		completed '' | grep -qxF "$command" || return 1
		equal "$(completed "$command" --)" "$("$TOOL" "$command" --help | grep -oE '^  --[a-z-]+' | tr -d ' ')" options ||
			return 1
	done
	equal "$(completed key-ref --n)" --no-pubkey && equal "$(completed --transport at: --json ver)" verify &&
		equal "$(completed sign --digest SHA-3)" SHA-384 && equal "$(completed list --sim '')" '' &&
		equal "$(completed cert iots)" iotsafe:// || return 1
	[ ! -x "$TOOL-enroll" ] || { equal "$(completed enroll es)" est && equal "$(completed enroll est --bootstrap-k)" --bootstrap-key; } ||
		return 1
	mkdir "$T/words" && : >"$T/words/cert.pem" &&
		equal "$(completed key-ref --cert "$T/words/c")" "$T/words/cert.pem" &&
		equal "$(completed sign iotsafe://id=01 "$T/words/")" "$T/words/cert.pem"
}

# Its own words, called without the machinery of an interactive zsh.
completes_in_zsh() {
	have zsh || return 77
	zsh -fc 'compadd() { shift; print -l -- "$@"; }; _files() { print FILES; }
		complete_words() { local -a words=("$@"); local CURRENT=$#; . '"$E2E_SOURCE"'/conf/completions/_iotsafe; }
		for line in "" "key-ref --" "sign --digest " "key-ref --cert " "cert "; do
			print "[$line]"; complete_words '"$TOOL"' "${(@s: :)line}"
		done' >"$OUT" 2>"$ERR" || return 1
	equal "$(wc -c <"$ERR")" 0 'bytes on standard error' || return 1
	equal "$(sed -n '/^\[\]/,/^\[key-ref --\]/p' "$OUT" | grep -v '^[[-]')" \
		"$("$TOOL" --help | sed -n '/^Commands:/,/^$/s/^  \([a-z-]*\) .*/\1/p')" commands &&
		matches "$OUT" '^--no-pubkey$' && matches "$OUT" '^SHA-384$' && matches "$OUT" '^FILES$' &&
		matches "$OUT" '^iotsafe://$'
}

# -------------------------------------------------------------- the manuals

pages_agree_with_programs() { run "$E2E_SOURCE/scripts/check_pages.py" "$E2E_BUILD" || { cat "$OUT"; return 1; }; }

page_of_compatibility() {
	run "$E2E_SOURCE/scripts/compatibility.py" --check "$E2E_BUILD" || { cat "$ERR"; return 1; }
}

manuals_are_clean() {
	local page
	have mandoc || return 77
	for page in "$E2E_SOURCE"/docs/*.[1-8]; do
		mandoc -T lint -W style "$page" >"$OUT" || true
		# Whether the other pages are installed is no concern of the page.
		grep -v -e 'referenced manual not found' -e 'outdated mandoc.db' "$OUT" >"$T/lint" || continue
		cat "$T/lint"
		return 1
	done
}

it 'help and version' help_and_version
it 'wrong usage: exit status 2 and a hint' wrong_usage
it 'malformed URIs: exit status 2, the attribute is named' bad_uris
it 'random: wrong numbers' bad_numbers
it 'no SIM: exit status 1, the transport is named' no_sim_there
it 'bad settings are named' bad_settings
it 'key-ref: without public key, without SIM' reference_without_sim
it 'key-ref: the URI in the file is canonical' reference_has_one_form
it 'key-ref: public key from a file, without SIM' reference_from_files
it 'key-ref: files of no use' reference_from_bad_files
it 'key-ref: JSON' reference_json
it 'key-ref: to a file' reference_in_file
it 'a software SIM runs' prepare
it 'info' info_tells
it 'list' list_shows
it 'list: JSON' list_json
it 'list: validity and subject of certificates' list_tells_validity
it 'list: each URI finds its object' listed_uris_find
it 'list: each URI finds its object in openssl' openssl_finds_the_same
it 'cert: by file, by key, all' cert_variants
it 'pubkey: by private key, public key, certificate' pubkey_variants
it 'key-ref: with the public key from the SIM, and as openssl reads it' reference_from_sim
it 'objects that are not there' nothing_of_that_name
it 'file' file_variants
it 'random' random_bytes
it 'raw bytes do not reach a terminal' terminal
it 'labels that a terminal or a URI cannot take' odd_labels
it 'output that cannot be written: exit status 1' write_failures
it 'no device becomes standard output' all_descriptors_closed
it 'settings come from openssl.cnf' settings_from_openssl_cnf
it 'an odd openssl.cnf does not stop it' odd_openssl_cnf
it 'openssl.cnf without the provider is warned about' not_activated
it 'manual pages have all commands, options and settings, and no others' pages_agree_with_programs
it 'the page of compatibility is of these profiles, modems and results' page_of_compatibility
it 'completion in bash' completes_in_bash
it 'completion in zsh' completes_in_zsh
it 'manual pages are clean' manuals_are_clean
done_testing
