#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# swaks (Net::SSLeay) sends a mail.
# shellcheck source=lib.sh
. "$(dirname "$0")/lib.sh"
need socat
program swaks swaks swaks

# Just enough of a mail server behind TLS.
SMTP='echo "220 test"; while read -r line; do case $line in
DATA*) echo "354 go on" ;; .*) echo "250 taken" ;; QUIT*) echo "221 bye"; exit ;;
EHLO*|MAIL*|RCPT*) echo "250 ok" ;; esac; done'

client() {
	pick_port
	echo "$SMTP" >"$T/smtp.sh"
	spawn peer-server socat -d -d "OPENSSL-LISTEN:$PORT,pf=ip4,fork,cert=$PEM/peer.pem,key=$PEM/peer-key.pem,cafile=$PEM/ca.pem,openssl-min-proto-version=TLS$1,openssl-max-proto-version=TLS$1,crlf" "SYSTEM:sh $T/smtp.sh"
	started "$SPAWNED" listening "$PORT" || return 1
	configuration programs/swaks.sh 's/mail.example --port 587 --tls /localhost --port '"$PORT"' --tls-on-connect /' || return 1
	run mod sh "$T/swaks.sh" --timeout 50 || return 1
	matches "$OUT" '250 taken'
}

runs client '1.2 1.3' 'standard error' client
done_testing
