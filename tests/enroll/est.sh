#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# iotsafe-enroll est: certificates are issued and renewed, and what is wrong is refused.
# shellcheck source=tests/enroll/lib.sh
. "$(dirname "$0")/lib.sh"

cert=$T/device.pem

# Nine exchanges for the key pair and the request; a TLS signature is none of them here.
first() {
	local before
	admin sim counters --reset >/dev/null
	before=$(exchanges sim)
	run est --key "$new" --generate --san device-1.example --san IP:192.0.2.1 --cert-out "$cert" \
		--chain-out "$T/chain.pem" "${by_password[@]}" --json || return 1
	before=$(($(exchanges sim) - before))
	[ "$before" -le 9 ] || { echo "$before exchanges" && return 1; }
	equal "$(json 'd["status"], d["certificate"], d["server"], d["exchanges"], sorted(d)')" \
		"('done', '$cert', '$EST', $before, ['certificate', 'exchanges', 'not_after', 'server', 'status'])" result &&
		equal "$(json 'd["not_after"]')" "$(date -u -d "$(openssl x509 -in "$cert" -noout -enddate | cut -d= -f2)" +%FT%TZ)" 'end' &&
		holds "$cert" "$new" && equal "$(stat -c %a "$cert")" 644 mode &&
		equal "$(common_name_of "$cert")" device-1 subject &&
		openssl x509 -in "$cert" -noout -ext subjectAltName >"$T/names" &&
		matches "$T/names" 'DNS:device-1.example, IP Address:192.0.2.1' &&
		run openssl verify -CAfile "$T/chain.pem" "$cert"
}

untouched() { # COMMAND...: afterwards the file and the keys are what they were
	local before made
	before=$(sha256sum "$cert")
	made=$(generated)
	"$@" || return 1
	equal "$(sha256sum "$cert")" "$before" 'the certificate' && equal "$(generated)" "$made" 'keys made' &&
		equal "$(find "$T" -maxdepth 1 -name '.*.new')" '' 'files left behind'
}

in_use() {
	untouched ends 1 'spare-1: the key is in use; --replace' est --key "$new" --generate --cert-out "$cert" "${by_password[@]}" &&
		untouched ends 1 'client-key: the key is in use' est --key "$first_key" --generate --cert-out "$T/none.pem" "${by_password[@]}" &&
		untouched ends 1 'the request would destroy this key' est --key "$first_key" --generate --replace --cert-out "$T/none.pem" \
			--bootstrap-key "$first_key" --bootstrap-cert "$first_cert"
}

# It shows the old certificate, keeps the names, and no option makes another key.
renewal() {
	local key
	key=$(tool sim pubkey "$new")
	forget_requests
	run enroll est --server "$EST" --trust "$T/$CA/store/ca.pem" --subject /CN=other --san other.example \
		--key "$new" --cert-out "$cert" --renew 91d --generate || return 1
	equal "$(served)" 'GET cacerts 200,GET csrattrs 204,POST simplereenroll 200,' requests &&
		equal "$(common_name_of "$cert")" device-1 subject && holds "$cert" "$new" &&
		equal "$(tool sim pubkey "$new")" "$key" 'the key' && forget_requests &&
		run est --key "$new" --cert-out "$cert" && equal "$(served | grep -c simplereenroll)" 1 renewals
}

not_due() {
	forget_requests
	untouched run est --key "$new" --cert-out "$cert" --renew 30d --json || return 1
	equal "$(json 'd["status"], d["exchanges"]')" "('not-due', 0)" result && equal "$(served)" '' requests &&
		untouched run enroll est --transport socket:/nowhere --server https://127.0.0.1:1/ --subject /CN=x \
			--key "$new" --cert-out "$cert" --renew 12h
}

bootstrap() {
	tool sim cert "$first_cert" >"$T/first.pem" || return 1
	run est --key iotsafe://label=spare-2 --generate --cert-out "$T/two.pem" \
		--bootstrap-key "$first_key" --bootstrap-cert "$first_cert" && holds "$T/two.pem" iotsafe://label=spare-2 || return 1
	rm "$T/two.pem"
	run est --key iotsafe://label=spare-2 --generate --cert-out "$T/two.pem" \
		--bootstrap-key "$first_key" --bootstrap-cert "$T/first.pem" || return 1
	matches "$ERR" 'holds a key that no certificate names: it is used' &&
		untouched ends 1 'is not the certificate of' est --key "$new" --cert-out "$T/none.pem" \
			--bootstrap-key "$first_key" --bootstrap-cert "$cert" &&
		untouched ends 2 'the server cannot recognise this device' est --key "$new" --cert-out "$T/none.pem"
}

replace() {
	local key
	key=$(tool sim pubkey iotsafe://label=spare-2)
	run est --key iotsafe://label=spare-2 --generate --replace --cert-out "$T/two.pem" "${by_password[@]}" || return 1
	holds "$T/two.pem" iotsafe://label=spare-2 && [ "$(tool sim pubkey iotsafe://label=spare-2)" != "$key" ]
}

# What the server does, the exit status, and what is said. The renewal is due each time.
bad_answers() {
	local how status pattern
	while IFS='|' read -r how status pattern; do
		mode "$how"
		untouched ends "$status" "$pattern" est --key "$new" --cert-out "$cert" || {
			echo "the server: $how"
			return 1
		}
	done <<-'END'
		ca|1|does not chain to what is trusted
		key|1|no certificate for the key on the SIM
		expired|1|not accepted: it is not valid now
		early|1|not accepted: it is not valid now
		usage|1|not accepted: it is not for TLS clients
		cut|1|est/simplereenroll: 
		junk|1|not a list of certificates
		empty|1|not a list of certificates
		huge|1|the response is too long
		type|1|sent 'text/html' instead
		away|1|est/simplereenroll: 
		status 400|4|the server refuses .HTTP status 400: as the test wants
		status 401|4|the server refuses
		status 403|4|the server refuses
		status 404|1|no such address
		status 302|1|response is invalid
		status 429|1|too many requests
		rate 0|1|too many requests
		status 503|1|the server has failed
		pending 1|3|the server decides later
	END
	mode
	run est --key "$new" --cert-out "$cert"
}

refused_json() {
	mode 'status 403'
	ends 4 refuses est --key "$new" --cert-out "$cert" --json || return 1
	equal "$(json 'd["status"], d["certificate"], d["not_after"]')" "('refused', None, None)" result || return 1
	mode 'pending 1'
	ends 3 later est --key "$new" --cert-out "$cert" --json && equal "$(json 'd["status"]')" pending result
	mode
}

wrong_password() {
	echo wrong >"$T/wrong"
	untouched ends 4 'refuses .HTTP status 401' est --key "$new" --cert-out "$T/none.pem" --ref device --secret-file "$T/wrong"
}

# Nothing is made on the SIM before the server has shown who it is.
other_server() {
	openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -subj /CN=other -days 2 \
		-keyout "$T/other.key" -out "$T/other.pem" 2>/dev/null
	untouched ends 1 'certificate' enroll est --server "$EST" --trust "$T/other.pem" --subject /CN=x --key iotsafe://label=client-key \
		--cert-out "$T/none.pem" "${by_password[@]}" --retry || return 1
	world || return 1
	untouched ends 1 'certificate' enroll est --server "$EST" --trust "$T/other.pem" --subject /CN=x --key "$new" \
		--generate --cert-out "$T/none.pem" "${by_password[@]}"
	equal "$(generated)" 0 'keys made'
}

later() {
	mode 'pending 2'
	forget_requests
	run est --key "$new" --cert-out "$cert" --retry --retry-max 600 || return 1
	equal "$(served | grep -o 'simplereenroll [0-9]*' | tr '\n' ' ')" 'simplereenroll 202 simplereenroll 202 simplereenroll 200 ' answers
	mode
	lacks "$ERR" 'error'
}

# It waits for a server that is away, and for a SIM that is.
comes_back() {
	stop est
	spawn_mod waiter "$ENROLL" --transport "$(socket_of sim)" est --server "$EST" --trust "$T/$CA/store/ca.pem" \
		--subject /CN=device-1 --key "$new" --cert-out "$cert" --retry
	PID_OF[waiter]=$SPAWNED
	await grep -q 'the next attempt is in' "$T/waiter.log" || return 1
	start_est est || return 1
	ended "${PID_OF[waiter]}" || { cat "$T/waiter.log" && return 1; }
	stop sim
	spawn_mod waiter2 "$ENROLL" --transport "$(socket_of sim)" est --server "$EST" --trust "$T/$CA/store/ca.pem" \
		--subject /CN=device-1 --key "$new" --cert-out "$cert" --retry
	PID_OF[waiter2]=$SPAWNED
	await grep -q 'the next attempt is in' "$T/waiter2.log" && start_sim sim && ended "${PID_OF[waiter2]}" ||
		{ cat "$T/waiter2.log" && return 1; }
}

# A bootstrap certificate that has ended: the server is not even asked.
expired_bootstrap() {
	tool sim pubkey "$first_key" >"$T/first.pub" || return 1
	/usr/bin/python3 - "$T/$CA/store" "$T/first.pub" >"$T/expired.pem" <<-'END' || return 1
		import datetime, pathlib, sys
		from cryptography import x509
		from cryptography.hazmat.primitives import hashes, serialization
		store = pathlib.Path(sys.argv[1])
		ca = x509.load_pem_x509_certificate((store / "ca.pem").read_bytes())
		key = serialization.load_pem_private_key((store / "ca.key").read_bytes(), None)
		ago = lambda days: datetime.datetime.utcnow() - datetime.timedelta(days=days)
		cert = (x509.CertificateBuilder().subject_name(ca.subject).issuer_name(ca.subject).serial_number(7)
		        .public_key(serialization.load_pem_public_key(pathlib.Path(sys.argv[2]).read_bytes()))
		        .not_valid_before(ago(3)).not_valid_after(ago(1)).sign(key, hashes.SHA256()))
		print(cert.public_bytes(serialization.Encoding.PEM).decode())
	END
	forget_requests
	untouched ends 1 'expired.pem: is not valid now' est --key "$new" --generate --cert-out "$T/none.pem" \
		--bootstrap-key "$first_key" --bootstrap-cert "$T/expired.pem" && equal "$(served)" '' requests
}

# The SIM goes away when another key was made: the next run takes that one.
sim_away() {
	local made
	admin sim fault mute --ins compute-signature --count 1000 || return 1
	made=$(generated)
	ends 1 spare-2 mod env IOTSAFE_TIMEOUT_MS=8000 "$ENROLL" --transport "$(socket_of sim)" est --server "$EST" \
		--trust "$T/$CA/store/ca.pem" --subject /CN=device-2 --key iotsafe://label=spare-2 --generate --replace \
		--cert-out "$T/two.pem" "${by_password[@]}"
	equal "$(generated)" $((made + 1)) 'keys made' || return 1
	admin sim fault clear || return 1
	run est --key iotsafe://label=spare-2 --generate --replace --cert-out "$T/two.pem" "${by_password[@]}" &&
		equal "$(generated)" $((made + 1)) 'keys made' && holds "$T/two.pem" iotsafe://label=spare-2
}

# Responses of the SIM are cut short from each exchange on in turn: a reason, and the old
# files stay.
cut_short() {
	local n least=$1
	shift
	for ((n = 0;; n++)); do
		admin sim fault truncate=1 --skip "$n" --count 1000 || return 1
		run est "$@"
		admin sim fault clear && admin sim reset || return 1
		[ "$RC" -ne 0 ] || break
		matches "$ERR" '^iotsafe-enroll: ' && lacks "$ERR" 'a password' &&
			equal "$(find "$T" -maxdepth 1 -name '.*.new')" '' 'files left behind' || return 1
	done
	[ "$n" -ge "$least" ] || {
		echo "no more than $n exchanges"
		return 1
	}
}

cut_short_anywhere() {
	cut_short 4 --key "$new" --cert-out "$cert" && holds "$cert" "$new" &&
		rm -f "$T/three.pem" && cut_short 12 --key iotsafe://label=spare-2 --generate --replace --cert-out "$T/three.pem" \
		--bootstrap-key "$first_key" --bootstrap-cert "$first_cert" && holds "$T/three.pem" iotsafe://label=spare-2
}

wishes() {
	mode 'csrattrs junk'
	run est --key "$new" --cert-out "$cert" && matches "$ERR" 'response is invalid and is ignored' || return 1
	mode 'csrattrs challenge'
	run est --key "$new" --cert-out "$cert" && matches "$ERR" 'bound to the connection' || return 1
	mode csrattrs 'digest sha384'
	run est --key "$new" --cert-out "$cert" || return 1
	mode 'digest sha384'
	ends 4 'another digest' est --key "$new" --cert-out "$cert"
	mode
	return 0
}

hook() {
	run est --key "$new" --cert-out "$cert" --exec "echo ran >>$T/hook" && equal "$(cat "$T/hook")" ran 'the command' &&
		run est --key "$new" --cert-out "$cert" --exec "echo ran >>$T/hook" --renew 1d || return 1
	mode 'status 403'
	ends 4 refuses est --key "$new" --cert-out "$cert" --exec "echo ran >>$T/hook"
	mode
	equal "$(cat "$T/hook")" ran 'the command' &&
		ends 1 'the command was ended by signal 9' est --key "$new" --cert-out "$cert" --exec 'kill -9 $$' &&
		ends 1 'the command ended with status 3' est --key "$new" --cert-out "$cert" --exec 'exit 3' --json &&
		equal "$(json 'd["status"], d["certificate"]')" "('failed', '$cert')" result
}

# What the certificate would be written over, or cannot be written to.
other_files() {
	cp "$T/server.key" "$T/precious"
	ends 1 'precious: is not overwritten' est --key "$new" --cert-out "$T/precious" "${by_password[@]}" || return 1
	equal "$(cat "$T/precious")" "$(cat "$T/server.key")" 'the file' || return 1
	ends 1 'cannot create a file in its folder' est --key "$new" --cert-out "$T/no/where" "${by_password[@]}" &&
		ends 1 'cannot create a file.*directory' est --key "$new" --cert-out "$T/no/" "${by_password[@]}" &&
		ends 1 'not a regular file' est --key "$new" --cert-out /dev/null "${by_password[@]}" &&
		ends 1 'none.pem: No such file' enroll est --server "$EST" --trust "$T/none.pem" --subject /CN=x --key "$new" \
			--cert-out "$T/two.pem" "${by_password[@]}" || return 1
	: >"$T/empty"
	ends 1 'empty: its first line is empty' est --key "$new" --cert-out "$T/one.pem" --ref x --secret-file "$T/empty" || return 1
	ln -sf "$cert" "$T/link.pem"
	run est --key "$new" --cert-out "$T/link.pem" && [ -L "$T/link.pem" ] && holds "$cert" "$new"
}

# iotsafe(1) runs it, also where it lies in PATH alone, and says so where it is not there.
by_the_tool() {
	run tool sim --json enroll est --server "$EST" --trust "$T/$CA/store/ca.pem" --subject /CN=x --key "$new" --cert-out "$cert" \
		--renew 1d && equal "$(json 'd["status"]')" not-due result || return 1
	run mod "$TOOL" enroll --help && matches "$OUT" '^Usage: iotsafe-enroll' || return 1
	mkdir -p "$T/bin" "$T/path" && cp "$TOOL" "$T/bin/iotsafe" || return 1
	ends 1 'iotsafe: enroll: iotsafe-enroll is not installed' mod "$T/bin/iotsafe" enroll est || return 1
	ln -sf "$ENROLL" "$T/path/iotsafe-enroll"
	ends 2 'iotsafe-enroll: est: --key is missing' mod env "PATH=$T/path:$PATH" "$T/bin/iotsafe" enroll est
}

# The server issues with an intermediate authority, and trusts the root alone: the renewal
# shows what was written to --chain-out.
intermediate() {
	openssl req -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -keyout "$T/middle.key" -subj /CN=middle -out "$T/middle.csr" &&
		openssl x509 -req -in "$T/middle.csr" -CA "$T/$CA/store/ca.pem" -CAkey "$T/$CA/store/ca.key" -CAcreateserial \
			-CAserial "$T/ca.srl" -days 90 -out "$T/middle.pem" -extfile <(echo 'basicConstraints=critical,CA:TRUE') || return 1
	mkdir -p "$T/middle" && cp "$T/user" "$T/middle/user" || return 1
	spawn middle /usr/bin/python3 "$E2E_SOURCE/tests/enroll/est_server.py" "$T/middle" "$T/middle.pem" "$T/middle.key" \
		"$T/server.pem" "$T/server.key" "$T/$CA/store/ca.pem"
	PID_OF[middle]=$SPAWNED
	started "$SPAWNED" test -e "$T/middle/ready" || return 1
	local -a job=(enroll est --server "https://127.0.0.1:$(cat "$T/middle/port")/.well-known/est" --trust "$T/$CA/store/ca.pem"
		--subject /CN=device-3 --key "$first_key" --cert-out "$T/three.pem")
	run "${job[@]}" "${by_password[@]}" --chain-out "$T/three-chain.pem" || return 1
	equal "$(grep -c BEGIN "$T/three-chain.pem")" 2 'certificates in the chain' &&
		run openssl verify -CAfile "$T/$CA/store/ca.pem" -untrusted "$T/three-chain.pem" "$T/three.pem" || return 1
	run "${job[@]}" --chain-out "$T/three-chain.pem" || return 1
	matches "$T/middle/requests" 'POST simplereenroll 200' || return 1
	fails "${job[@]}"
	stop middle
}

# What systemd says of the units, and a run by the words of the service.
units() {
	have systemd-analyze || return 77
	local unit
	mkdir -p "$T/units"
	for unit in service timer; do
		sed "s|/usr/bin/iotsafe-enroll|$ENROLL|" "$CONF/iotsafe-enroll@.$unit" >"$T/units/iotsafe-enroll@x.$unit"
		run systemd-analyze verify --man=no "$T/units/iotsafe-enroll@x.$unit" || return 1
		lacks "$ERR" 'iotsafe-enroll@x' || return 1
	done
	run systemd-analyze security --offline=true "$T/units/iotsafe-enroll@x.service"
	matches "$OUT" 'exposure level for iotsafe-enroll@x.service: [0-3]\.' || return 1
	# shellcheck disable=SC2034 # the words of the unit use them
	local METHOD="est --server $EST --trust $T/$CA/store/ca.pem" KEY="--key $new --subject /CN=device-1" FILES="--cert-out $cert"
	# shellcheck disable=SC2034
	local RENEW=91d RELOAD="echo reloaded >>$T/reloaded" words
	words=$(sed -n 's|^ExecStart=/usr/bin/iotsafe-enroll ||p' "$CONF/iotsafe-enroll@.service")
	words=${words//'${RENEW}'/'"$RENEW"'} words=${words//'${RELOAD}'/'"$RELOAD"'}
	eval "run enroll $words" && equal "$(cat "$T/reloaded")" reloaded 'the command' && RENEW=1d eval "run enroll $words" &&
		equal "$(cat "$T/reloaded")" reloaded 'the command'
}

wrong_usage() {
	local args pattern
	while IFS='|' read -r args pattern; do
		# shellcheck disable=SC2086 # several arguments
		ends 2 "$pattern" enroll $args && equal "$(wc -c <"$OUT")" 0 'bytes of output' || return 1
	done <<-END
		|a method is missing
		--key x|unknown option '--key'
		nonsense|unknown method
		est|est: --key is missing
		est --key $new --cert-out c --subject /CN=x|est: --server is missing
		est --key $new --cert-out c --server https://h/|est: --subject is missing
		est --key $new --cert-out c --subject /CN=x --server http://h/|--server http://h/: expected
		est --key $new --cert-out c --subject /CN=x --server https://u:p@h/|expected
		est --key $new --cert-out c --subject /CN=x --server https://h/?a|expected
		est --key /key.pem --cert-out c --subject /CN=x --server https://h/|not a URI
		est --key $new --cert-out c --subject CN=x --server https://h/|--subject CN=x: not a name
		est --key $new --cert-out c --subject /CN= --server https://h/|--subject /CN=: not a name
		est --key $new --cert-out c --subject /NO=x --server https://h/|--subject /NO=x: not a name
		est --key $new --cert-out c --subject /CN=x --server https://h/ --san IP:x|--san IP:x: not a name
		est --key $new --cert-out c --subject /CN=x --server https://h/ --replace|--replace needs --generate
		est --key $new --cert-out c --subject /CN=x --server https://h/ --ref x|--ref needs --secret-file
		est --key $new --cert-out c --subject /CN=x --server https://h/ --bootstrap-cert c|needs --bootstrap-key
		est --key $new --cert-out c --subject /CN=x --server https://h/ --renew 3w|--renew 3w: not a time
		est --key $new --cert-out c --subject /CN=x --server https://h/ --renew 99999999999d|not a time
		est --key $new --key $new --cert-out c|--key is given too many times
		est --key $new --cert-out c --subject /CN=x --server https://h/ --ref x --secret-file s --bootstrap-key $first_key --bootstrap-cert c|--bootstrap-key or --ref, not both
		est --key $new --cert-out c --subject /CN=x --server https://h/ more|unexpected argument 'more'
		est --key|a value is missing after '--key'
	END
	run enroll --version && matches "$OUT" '^iotsafe-enroll [0-9]' || return 1
	ends 2 '--trust: the value is empty' enroll est --key "$new" --cert-out c --subject /CN=x --server https://h/ --trust ''
}

# The parts of a subject: escaped characters, two attributes in one RDN.
subject() {
	rm -f "$T/two.pem"
	run enroll est --server "$EST" --trust "$T/$CA/store/ca.pem" --subject '/O=a\/b\+c/CN=x+serialNumber=7/OU=é' --key "$first_key" \
		--cert-out "$T/two.pem" "${by_password[@]}" || return 1
	equal "$(openssl x509 -in "$T/two.pem" -noout -subject -nameopt RFC2253,-esc_msb | sed 's/^subject=//')" \
		'OU=é,serialNumber=7+CN=x,O=a/b\+c' subject
}

world || exit 1
it 'first certificate, new key: at most 9 exchanges' first
it 'a key in use is not replaced' in_use
it 'renewal: the old certificate is shown, the key stays' renewal
it 'nothing is due' not_due
it 'the first key and certificate of the SIM vouch for another' bootstrap
it 'a key in use is replaced where that is wanted' replace
it 'what the server should not answer: the old file stays' bad_answers
it 'the result in JSON where there is none' refused_json
it 'a wrong password' wrong_password
it 'the server asks for another digest' wishes
it '202: asked again' later
it 'server and SIM that come back' comes_back
it 'an expired bootstrap certificate' expired_bootstrap
it 'the SIM goes away in the middle' sim_away
it 'responses of the SIM that are cut short, anywhere' cut_short_anywhere
it 'a command after a new certificate' hook
it 'other files are left alone' other_files
it 'subjects' subject
it 'iotsafe enroll' by_the_tool
it 'an intermediate authority' intermediate
it 'systemd takes the units' units
it 'wrong usage' wrong_usage
it 'a server that is not trusted: no key is made' other_server
done_testing
