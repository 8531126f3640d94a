#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# swaks (Net::SSLeay) sends a mail.
# shellcheck source=lib.sh
. "$(dirname "$0")/lib.sh"
need socat
program swaks swaks swaks

client() {
	pick_port
	mail_server "$1" "$PORT" || return 1
	configuration programs/swaks.sh 's/mail.example --port 587 --tls /localhost --port '"$PORT"' --tls-on-connect /' || return 1
	run mod sh "$T/swaks.sh" --timeout 50 || return 1
	matches "$OUT" '250 taken'
}

runs client '1.2 1.3' 'standard error' client
done_with_program
