#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# Shows the provider at work without a card: builds it, starts a software SIM, connects
# with `openssl s_client`, whose key is on the SIM, to a server that demands a client
# certificate, has mosquitto do the same with MQTT, shows what happened, and cleans up.
# Exit status 0 only when both servers saw the SIM's certificate.
set -u
cd "$(dirname "$0")/.." || exit 1

usage='usage: scripts/demo.sh [--keep]
  --keep  leave a software SIM running, and print the settings to copy into a shell'
keep=no
case $# in
0) ;;
*)
	case $1 in
	--keep) keep=yes ;;
	--help | -h) echo "$usage" && exit 0 ;;
	*) echo "$usage" >&2 && exit 2 ;;
	esac
	;;
esac
# shellcheck source=scripts/scene.sh
. scripts/scene.sh
install_packages demo

# ------------------------------------------------------------------ 1. build

step '1. Build (less than a minute on most machines)'
build_or_give_up
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

step '3. A TLS server that requires a client certificate'
ca=(-CA "$work/sim/ca.pem" -CAkey "$work/sim/ca.key")
{
	openssl req -new -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -subj '/CN=localhost' \
		-keyout "$work/server.key" -out "$work/server.csr" &&
		echo 'subjectAltName=DNS:localhost,IP:127.0.0.1' >"$work/extensions" &&
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

step '4. openssl s_client, with its key on the SIM'
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

step '5. What the server knows about the client'
sed -n 's/^depth=0 /subject: /p' "$work/server.log" | sort -u | indent
grep -m 1 -A 40 '^Client certificate' "$work/client.out" |
	sed -n 's/^ *\(Issuer: .*\)/\1/p; s/^ *\(ASN1 OID: .*\)/\1/p' | indent

step '6. What went to the SIM and came back (long data shortened)'
[ -s "$work/trace" ] || give_up 'the SIM was not used'
# Without time, process and transport, which are the same in all lines.
sed -E 's/^[^ ]+ +[^ ]+ +[^ ]+ +//; s/([0-9A-F]{40})[0-9A-F]+([0-9A-F]{8})/\1...\2/
	/^>>.*COMPUTE SIGNATURE UPDATE/s/$/   <=== here the SIM signs the handshake/' "$work/trace" | indent

# The tool warns that no openssl.cnf activates the provider; the demo does it by options.
subject=$("$tool" cert "$key" 2>"$work/cert.err" | openssl x509 -noout -subject | sed 's/^subject=//')
{ [ -n "$subject" ] && grep -qxF "depth=0 $subject" "$work/server.log" &&
	grep -q 'New, TLSv1.3' "$work/client.out" &&
	grep -q 'Verify return code: 0 (ok)' "$work/client.out"; } ||
	give_up "the server did not see the SIM's certificate" "$work/server.log" "$work/client.err"

# -------------------------------------------------------------- 7. mosquitto

# Its clients read PEM files: a key-reference file stands for the key there.
mqtt() {
	export OPENSSL_CONF=$PWD/conf/openssl.cnf
	"$tool" key-ref "$key" >"$work/client-key.pem" && "$tool" cert "$key" >"$work/client.pem" ||
		give_up 'no files for mosquitto'
	local name
	cat >"$work/mosquitto.conf" <<-END
		user $(id -un)
		listener 1883 127.0.0.1
		cafile $work/sim/ca.pem
		certfile $work/server.pem
		keyfile $work/server.key
		require_certificate true
		use_identity_as_username true
		log_dest stderr
	END
	start_broker || give_up 'the broker does not start' "$work/broker.log"
	echo "    mosquitto_pub --cafile ca.pem --cert client.pem --key client-key.pem -p $port -t demo -m hello"
	timeout 30 mosquitto_pub -h 127.0.0.1 -p "$port" --cafile "$work/sim/ca.pem" \
		--cert "$work/client.pem" --key "$work/client-key.pem" -t demo -m hello >"$work/pub.log" 2>&1 ||
		give_up 'mosquitto_pub failed' "$work/pub.log" "$work/broker.log"
	name=$(openssl x509 -in "$work/client.pem" -noout -subject -nameopt multiline | sed -n 's/ *commonName *= //p')
	wait_for grep -q "New client connected.*u'$name'" "$work/broker.log" ||
		give_up "the broker did not see the SIM's certificate" "$work/broker.log"
	echo '    What the broker logged:'
	grep -m 1 'New client connected' "$work/broker.log" | sed 's/^[0-9]*: //' | indent | indent
}

# mosquitto takes no port 0: another one, until one is free.
start_broker() {
	local tries
	for tries in 1 2 3 4 5 6 7 8; do
		port=$((20000 + (RANDOM + tries) % 10000))
		sed -i "s/^listener .* 127/listener $port 127/" "$work/mosquitto.conf"
		mosquitto -c "$work/mosquitto.conf" >"$work/broker.log" 2>&1 </dev/null &
		pids+=($!)
		wait_for grep -qE ' running$|Error' "$work/broker.log"
		! grep -q ' running$' "$work/broker.log" || return 0
	done
	return 1
}

if command -v mosquitto >/dev/null && command -v mosquitto_pub >/dev/null; then
	step '7. mosquitto_pub, with a key-reference file instead of a key file'
	mqtt
else
	step '7. mosquitto'
	echo '    skipped: the packages mosquitto and mosquitto-clients are not installed'
fi

# --------------------------------------------------------------- 8. verdict

step "OK: mutual TLS, and the client's private key never left the SIM."
if [ "$keep" = no ]; then
	cat <<-END

		Next:
		    scripts/demo.sh --keep   leaves a software SIM running, for programs of your own
		    README.md                with a card reader or a modem, from installing to the first signature
		    docs/applications.md     how to configure mosquitto, nginx, curl, OpenVPN and many others
	END
	exit 0
fi
kept=$(mktemp -d /tmp/iotsafe-sim.XXXXXX) && "$softsim" init --store "$kept/store" >"$kept/log" 2>&1 ||
	give_up 'no SIM to keep'
setsid "$softsim" run --store "$kept/store" --listen "unix:$kept/sim.sock" --admin "unix:$kept/admin.sock" \
	>>"$kept/log" 2>&1 </dev/null &
echo $! >"$kept/pid"
wait_for "$softsim" admin "$kept/admin.sock" list || give_up 'the SIM does not answer' "$kept/log"
sed "\$a module = $PWD/build/provider/iotsafe.so\ntransport = socket:$kept/sim.sock" \
	conf/openssl.cnf >"$kept/openssl.cnf"
cat <<-END

	A software SIM runs now. Its key works in every program of a shell that has these settings:

	    export OPENSSL_CONF=$kept/openssl.cnf PATH=$PWD/build/tools:$PWD/build/softsim:\$PATH

	    iotsafe list
	    openssl req -new -key iotsafe://label=client-key -subj /CN=gateway
	    iotsafe key-ref iotsafe://label=client-key >key.pem && iotsafe cert iotsafe://label=client-key >cert.pem
	    iotsafe-softsim admin $kept/admin.sock list

	Its test CA is $kept/store/ca.pem. To end it:

	    kill \$(cat $kept/pid) && rm -r $kept
END
