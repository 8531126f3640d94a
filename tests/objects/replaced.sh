#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# The operator replaces, deletes or switches off what a running program holds: no
# signature is given out that does not fit the program's public key, and the error says
# what happened.
# shellcheck source=tests/objects/lib.sh
. "$(dirname "$0")/lib.sh"
key=iotsafe://label=client-key

prepare() {
	openssl genpkey -algorithm EC -pkeyopt ec_paramgen_curve:P-256 -out "$T/old.pem" &&
		openssl pkey -in "$T/old.pem" -pubout -out "$T/old.pub" && new_key new &&
		start_sim sim gsma-strict && start_sim auto thales-mvp
}

# holder SIM NAME [KEY]: a program that holds the key until no_holder; ask it by ASK.
holder() {
	local log=$T/$2.out
	rm -f "$T/$2.fifo" "$log"
	mkfifo "$T/$2.fifo" && : >"$T/$2.log" || return 1
	# shellcheck disable=SC2016
	spawn "$2" env "${module_env[@]}" "${PRELOAD[@]}" "IOTSAFE_TRANSPORT=$(socket_of "$1")" \
		sh -c 'exec "$1" "$2" <"$3" >"$4"' sh "$E2E_BUILD/tests/objects/ask_key" "${3:-$key}" "$T/$2.fifo" "$log"
	HOLDER=$SPAWNED
	NAME=$2
	exec {ASK}>"$T/$2.fifo"
	started "$HOLDER" grep -q '^loaded' "$log"
}

no_holder() {
	exec {ASK}>&-
	ended "$HOLDER"
	equal $? 0 'exit status of the holder'
}

# ask: one signature; the answer in ANSWER, the errors that came with it in ERR.
ask() {
	local n before
	n=$(wc -l <"$T/$NAME.out")
	before=$(wc -c <"$T/$NAME.log")
	echo >&"$ASK"
	answered() { [ "$(wc -l <"$T/$NAME.out")" -gt "$n" ]; }
	await answered || return 1
	ANSWER=$(tail -n 1 "$T/$NAME.out")
	tail -c "+$((before + 1))" "$T/$NAME.log" >"$ERR"
	echo "answer: $ANSWER" && cat "$ERR"
}

gives() { ask && equal "$ANSWER" good answer; }
refuses() { # PATTERN...
	ask && equal "$ANSWER" none answer && one_clear_error "$ERR" 'client-key' "$@"
}

# The signature belongs to another key now.
MISFIT='was not returned.*replaced'

generated() { # SIM
	holder "$1" generated && gives || return 1
	admin "$1" generate-key client-key || return 1
	refuses "$MISFIT" && refuses "$MISFIT" && no_holder || return 1
	# a program that starts now has the new key
	holder "$1" anew && gives && no_holder
}

put_back() {
	admin sim put-key client-key "$T/old.pem" && holder sim back && gives || return 1
	admin sim put-key client-key "$T/new.pem" && refuses "$MISFIT" || return 1
	admin sim put-key client-key "$T/old.pem" && gives && no_holder
}

only_public_replaced() {
	admin sim put-key client-key "$T/old.pem" && holder sim half && gives || return 1
	admin sim delete public client-key && admin sim put-key client-key "$T/new.pub" || return 1
	gives && no_holder || return 1 # the program's key still fits the private one
	# a new program sees two halves that do not belong together
	fails ssl sim dgst -sha256 -sign "$key" -out "$T/sig" "$MSG" && one_clear_error "$ERR" client-key
	local status=$?
	admin sim delete public client-key && admin sim put-key client-key "$T/old.pem"
	return $status
}

deactivated() { # SIM
	holder "$1" "off-$1" && gives && admin "$1" deactivate private client-key || return 1
	refuses '6985.*deactivated' && admin "$1" activate private client-key && gives && no_holder
}

# A certificate request loads the key by its URI, and needs its public key: both are switched
# off. The error has the card's own words, and what to do.
deactivated_pair() {
	local said='gives no public key for it: .*READ PUBLIC KEY answered 6985.*activated by the operator'
	admin sim deactivate client-key || return 1
	fails ssl sim req -new -key "$key" -subj /CN=x -out "$T/req" &&
		one_clear_error "$ERR" 'conditions of use not satisfied' client-key "$said" || return 1
	# port 1: nothing is sent before there is a request
	fails ssl sim cmp -cmd ir -server 127.0.0.1:1 -newkey "$key" -subject /CN=x -ref x -secret pass:x -certout "$T/x"
	cat "$OUT" "$ERR" >"$T/cmp"
	matches "$T/cmp" "conditions of use not satisfied.*client-key.*$said" || return 1
	# no public key at all is another matter
	admin sim activate client-key && admin sim delete public client-key || return 1
	fails ssl sim req -new -key "$key" -subj /CN=x -out "$T/req" && one_clear_error "$ERR" 'gives no public key for it; use a key-reference' &&
		lacks "$ERR" 6985 || return 1
	admin sim delete client-key && admin sim put-key client-key "$T/old.pem"
}

deleted() { # SIM
	holder "$1" "deleted-$1" && gives && admin "$1" delete client-key || return 1
	refuses 'no private key label=client-key .*there are' && no_holder
}

created_anew() {
	admin sim put-key client-key "$T/old.pem" && holder sim created && gives || return 1
	admin sim delete client-key && refuses 'no private key label=client-key .*there are' || return 1
	admin sim put-key client-key "$T/new.pem" && refuses "$MISFIT" || return 1
	admin sim delete client-key && admin sim put-key client-key "$T/old.pem" && gives && no_holder
}

# By label and by id: the key-reference file holds the old public key.
reference_of_old_key() {
	admin sim put-key client-key "$T/old.pem" || return 1
	run tool sim key-ref "$key" && cp "$OUT" "$T/old-ref.pem" || return 1
	run ssl sim dgst -sha256 -sign "$T/old-ref.pem" -out "$T/sig" "$MSG" || return 1
	admin sim put-key client-key "$T/new.pem" || return 1
	rm -f "$T/sig"
	fails ssl sim dgst -sha256 -sign "$T/old-ref.pem" -out "$T/sig" "$MSG" || return 1
	one_clear_error "$ERR" client-key "$MISFIT" || return 1
	[ ! -s "$T/sig" ]
}

# While threads sign: each signature that comes out fits, and it ends with an error.
under_load() {
	admin sim put-key client-key "$T/old.pem" || return 1
	: >"$T/load.log"
	spawn load env "${module_env[@]}" "IOTSAFE_TRANSPORT=$(socket_of sim)" "${PRELOAD[@]}" \
		"$HELPERS/hold" -t 4 -u "$key"
	local pid=$SPAWNED i before
	before=$(exchanges sim)
	busy() { [ "$(exchanges sim)" -gt $((before + 40)) ]; }
	started "$pid" busy || return 1
	for i in 1 2 3; do admin sim generate-key client-key || return 1; done
	ended "$pid"
	equal $? 1 'exit status of the program' || return 1
	matches "$T/load.log" "iotsafe:.*client-key.*$MISFIT" && lacks "$T/load.log" 'bad signature|invalid digest'
}

certificate_replaced() {
	admin sim put-key client-key "$T/old.pem" || return 1
	openssl req -x509 -new -key "$T/old.pem" -subj /CN=old -outform DER -out "$T/old.der" &&
		openssl req -x509 -new -key "$T/new.pem" -subj /CN=new -outform DER -out "$T/new.der" || return 1
	admin sim delete file client-cert
	admin sim put-file client-cert "$T/old.der" --id 02 --usage cert || return 1
	openssl x509 -inform DER -in "$T/old.der" -out "$T/old.crt" && openssl x509 -inform DER -in "$T/new.der" -out "$T/new.crt"
	certs_are sim "$key" "$T/old.crt" || return 1
	# another key's certificate is not this key's
	admin sim put-file client-cert "$T/new.der" --usage cert || return 1
	refused 'client-key.*no file.*certificate for this private key' tool sim cert "$key" || return 1
	certs_are sim iotsafe://label=client-cert "$T/new.crt" || return 1
	# with its key, it is
	admin sim put-key client-key "$T/new.pem" && certs_are sim "$key" "$T/new.crt" || return 1
	admin sim delete file client-cert && refused 'client-cert' tool sim cert iotsafe://label=client-cert
}

it 'two SIMs' prepare
it 'a new key for a program that runs: refused, and said' generated sim
it 'the same where sessions end by themselves' generated auto
it 'the old key comes back: the program goes on' put_back
it 'only the public half is replaced' only_public_replaced
it 'a key is switched off and on' deactivated sim
it 'the same where sessions end by themselves' deactivated auto
it 'a request with a pair that is switched off says so' deactivated_pair
it 'a key is deleted' deleted auto
it 'a key is deleted and made anew' created_anew
it 'a key-reference file with the old public key' reference_of_old_key
it 'threads that sign while the key changes' under_load
it 'a certificate is replaced and deleted' certificate_replaced
done_testing
