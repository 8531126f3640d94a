#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# ncat as a client.
# shellcheck source=lib.sh
. "$(dirname "$0")/lib.sh"
program ncat ncat ncat

client() {
	tls_server "$1" && configuration programs/ncat.sh "s,server.example 443,localhost $PORT," || return 1
	INPUT=$REQUEST run mod sh "$T/ncat.sh" -4
	matches "$OUT" '^Client certificate' && server_saw_us
}

runs client '1.2 1.3' trace client
done_with_program
