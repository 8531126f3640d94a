#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# Shows the provider at work without a card: builds it, starts a software SIM and a
# TLS server that demands a client certificate, connects with `openssl s_client` whose
# key is on the SIM, shows what happened, and cleans up. Exit status 0 only when the
# server saw the SIM's certificate.
set -u
cd "$(dirname "$0")/.." || exit 1
export LC_ALL=C
unset OPENSSL_CONF OPENSSL_MODULES
for name in "${!IOTSAFE_@}"; do unset "$name"; done

scripts/deps.sh demo

work=$(mktemp -d /tmp/iotsafe-demo.XXXXXX) || exit 1
pids=()
clean_up() {
	local status=$?
	trap - EXIT
	for pid in "${pids[@]}"; do
		kill "$pid" && wait "$pid"
	done 2>/dev/null
	rm -rf "$work"
	exit "$status"
}
trap clean_up EXIT
trap 'exit 143' TERM INT HUP

step() { printf '\n\033[1m%s\033[0m\n' "$*"; }
[ -t 1 ] || step() { printf '\n%s\n' "$*"; }
indent() { sed 's/^/    /'; }

give_up() { # WHAT [FILE...]: the ends of files that explain it
	local what=$1 file
	shift
	printf '\nThe demo failed: %s\n' "$what"
	for file; do [ -s "$file" ] && tail -n 20 "$file" | indent; done
	exit 1
}

# wait_for COMMAND...: for 10 seconds at most.
wait_for() {
	local end=$((SECONDS + 10))
	until "$@" >/dev/null 2>&1; do
		[ "$SECONDS" -lt "$end" ] || return 1
		sleep 0.05
	done
}

# ------------------------------------------------------------------ 1. build

step '1. Build'
build() {
	[ -f build/build.ninja ] ||
		meson setup build -Dtests=disabled -Dsoftsim=enabled -Dtools=enabled || return 1
	ninja -C build
}
build >"$work/build.log" 2>&1 || give_up 'it does not build' "$work/build.log"
echo '    build/provider/iotsafe.so, build/softsim/iotsafe-softsim, build/tools/iotsafe'

softsim=build/softsim/iotsafe-softsim
tool=build/tools/iotsafe
export OPENSSL_MODULES=$PWD/build/provider
export IOTSAFE_TRANSPORT=socket:$work/sim.sock
export IOTSAFE_LOCK_DIR=$work

# -------------------------------------------------------- 2. the software SIM

step '2. A software SIM, personalised with a key pair and a certificate'
"$softsim" init --store "$work/sim" >"$work/sim.log" 2>&1 || give_up 'no SIM' "$work/sim.log"
"$softsim" run --store "$work/sim" --listen "unix:$work/sim.sock" --admin "unix:$work/admin.sock" \
	--log "$work/exchanges.json" >>"$work/sim.log" 2>&1 </dev/null &
pids+=($!)
wait_for "$softsim" admin "$work/admin.sock" list || give_up 'the SIM does not answer' "$work/sim.log"
"$tool" list >"$work/list" 2>"$work/list.err" || give_up 'the SIM has no list' "$work/list.err"
grep -E '^TYPE|^(private|cert) .* active ' "$work/list" | indent

# -------------------------------------------------------------- 3. the server

step '3. A TLS server that demands a client certificate'
ca=(-CA "$work/sim/ca.pem" -CAkey "$work/sim/ca.key")
{
	openssl req -new -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -subj '/CN=localhost' \
		-keyout "$work/server.key" -out "$work/server.csr" &&
		echo 'subjectAltName=DNS:localhost' >"$work/extensions" &&
		openssl x509 -req -in "$work/server.csr" "${ca[@]}" -set_serial 1 -days 1 \
			-extfile "$work/extensions" -out "$work/server.pem"
} >"$work/server.log" 2>&1 || give_up 'no certificate for the server' "$work/server.log"
# Port 0: the server takes any that is free and says which.
openssl s_server -accept 127.0.0.1:0 -www -Verify 1 -verify_return_error -CAfile "$work/sim/ca.pem" \
	-cert "$work/server.pem" -key "$work/server.key" >"$work/server.log" 2>&1 </dev/null &
pids+=($!)
wait_for grep -qE '^ACCEPT .*:[0-9]+' "$work/server.log" || give_up 'the server does not start' "$work/server.log"
port=$(sed -n 's/^ACCEPT .*:\([0-9]*\)$/\1/p' "$work/server.log")
echo "    openssl s_server -Verify 1 -CAfile ca.pem, on port $port"

# -------------------------------------------------------------- 4. the client

step '4. openssl s_client, its key on the SIM'
key=iotsafe://label=client-key
cert=iotsafe://label=client-cert
echo "    openssl s_client -provider default -provider iotsafe -tls1_3 -key $key -cert $cert"
printf 'GET / HTTP/1.0\r\n\r\n' | IOTSAFE_TRACE=file:$work/trace timeout 30 openssl s_client \
	-provider default -provider iotsafe -tls1_3 -connect "127.0.0.1:$port" -servername localhost \
	-key "$key" -cert "$cert" -CAfile "$work/sim/ca.pem" -verify_return_error -ign_eof \
	>"$work/client.out" 2>"$work/client.err"
status=$?
grep -E '^(New, TLS|Verification: |Verify return code)' "$work/client.out" | sort -u | indent
[ "$status" -eq 0 ] || give_up 's_client failed' "$work/client.err" "$work/server.log"

step '5. What the server saw of the client'
sed -n 's/^depth=0 /subject: /p' "$work/server.log" | sort -u | indent
grep -m 1 -A 40 '^Client certificate' "$work/client.out" |
	sed -n 's/^ *\(Issuer: .*\)/\1/p; s/^ *\(ASN1 OID: .*\)/\1/p' | indent

step '6. What went to the SIM and came back (long data shortened)'
[ -s "$work/trace" ] || give_up 'the SIM was not used'
# Without time, process and transport, which are the same in all lines.
sed -E 's/^[^ ]+ +[^ ]+ +[^ ]+ +//; s/([0-9A-F]{40})[0-9A-F]+([0-9A-F]{8})/\1...\2/' "$work/trace" | indent

# ----------------------------------------------------------------- 7. verdict

# The tool warns that no openssl.cnf activates the provider; the demo does it by options.
subject=$("$tool" cert "$key" 2>"$work/cert.err" | openssl x509 -noout -subject | sed 's/^subject=//')
if [ -n "$subject" ] && grep -qxF "depth=0 $subject" "$work/server.log" &&
	grep -q 'New, TLSv1.3' "$work/client.out" &&
	grep -q 'Verify return code: 0 (ok)' "$work/client.out"; then
	step "OK: mutual TLS 1.3, the client's private key never left the SIM."
else
	give_up "the server did not see the SIM's certificate" "$work/server.log" "$work/client.err"
fi
