#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# curl; tests/e2e/curl.sh looks at more of it.
# shellcheck source=lib.sh
. "$(dirname "$0")/lib.sh"
program curl curl curl

client() {
	tls_server "$1" && configuration curlrc || return 1
	run mod curl --config "$T/curlrc" --silent --show-error "--tlsv$1" --tls-max "$1" \
		"https://localhost:$PORT/" || return 1
	matches "$OUT" '^Client certificate' && server_saw_us
}

runs client '1.2 1.3' 'standard error' client
done_with_program
