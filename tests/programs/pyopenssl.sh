#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# pyOpenSSL as a client.
# shellcheck source=lib.sh
. "$(dirname "$0")/lib.sh"
program pyOpenSSL python3-openssl /usr/bin/python3
/usr/bin/python3 -c 'import OpenSSL' 2>/dev/null || skip_all 'python3-openssl is not installed'

client() {
	tls_server "$1" && configuration programs/pyopenssl.py "s/\"server.example\", 443/\"127.0.0.1\", $PORT/" || return 1
	run mod /usr/bin/python3 "$T/pyopenssl.py" || return 1
	matches "$OUT" '^Client certificate' && server_saw_us
}

runs client '1.2 1.3' 'standard error' client
done_with_program
