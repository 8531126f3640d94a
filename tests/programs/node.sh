#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# Node.js as a client.
# shellcheck source=lib.sh
. "$(dirname "$0")/lib.sh"
program Node.js nodejs node

client() {
	tls_server "$1" && configuration programs/node-client.js "s,https://server.example/,https://localhost:$PORT/," || return 1
	run mod node --openssl-shared-config "--tls-min-v$1" "--tls-max-v$1" "$T/node-client.js" || return 1
	matches "$OUT" '^Client certificate' && server_saw_us
}

runs client '1.2 1.3' 'standard error' client
done_with_program
