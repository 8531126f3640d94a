#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# Perl's IO::Socket::SSL as a client.
# shellcheck source=lib.sh
. "$(dirname "$0")/lib.sh"
program 'Perl, IO::Socket::SSL' libio-socket-ssl-perl perl
perl -MIO::Socket::SSL -e 1 2>/dev/null || skip_all 'libio-socket-ssl-perl is not installed'

client() {
	tls_server "$1" && configuration programs/perl-client.pl "s,server.example:443,localhost:$PORT," || return 1
	run mod perl "$T/perl-client.pl" || return 1
	matches "$OUT" '^Client certificate' && server_saw_us
}

runs client '1.2 1.3' trace client
done_with_program
