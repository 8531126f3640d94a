#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# PHP's streams as a client.
# shellcheck source=lib.sh
. "$(dirname "$0")/lib.sh"
program PHP php-cli php

client() {
	tls_server "$1" && configuration programs/php-client.php "s,server.example,localhost:$PORT," || return 1
	run mod php "$T/php-client.php" || return 1
	matches "$OUT" '^Client certificate' && server_saw_us
}

runs client '1.2 1.3' trace client
done_with_program
