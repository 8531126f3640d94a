#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# PostgreSQL: psql (libpq) as a client, and the server, which demand certificates.
# shellcheck source=lib.sh
. "$(dirname "$0")/lib.sh"
BIN=$(printf '%s\n' /usr/lib/postgresql/*/bin | tail -n 1)
program PostgreSQL "postgresql-$(basename "$(dirname "$BIN")")" psql "$BIN/initdb"

# The server does not run as root.
USERS=()
[ "$(id -u)" -ne 0 ] || USERS=(setpriv --reuid postgres --regid postgres --clear-groups)

cluster() {
	mkdir -p "$T/cluster" || return 1
	[ "$(id -u)" -ne 0 ] || chown postgres "$T/cluster"
	run patiently "${USERS[@]}" "$BIN/initdb" -D "$T/cluster" -U device --no-sync -A trust
}

# start_server PAIR VERSION: in a copy of the cluster, with an account `device`, for certificates only.
start_server() {
	local data=$T/data socket=$T/pg pair=$1
	rm -rf "$data" && cp -a "$T/cluster" "$data" && mkdir -p "$socket" "$T/keys" || return 1
	cp "$PEM/$pair.pem" "$T/keys/server.pem" && cp "$PEM/$pair-key.pem" "$T/keys/server-key.pem" &&
		cp "$PEM/ca.pem" "$T/keys/" && chmod 600 "$T/keys/server-key.pem" || return 1
	[ "$(id -u)" -ne 0 ] || chown -R postgres "$socket" "$T/keys"
	pick_port
	configuration programs/postgresql.conf "s,$PEM,$T/keys," || return 1
	{
		cat "$T/postgresql.conf"
		echo "ssl_max_protocol_version = 'TLSv$2'"
		echo "ssl_min_protocol_version = 'TLSv$2'"
		echo "listen_addresses = '127.0.0.1'"
		echo "port = $PORT"
		echo "unix_socket_directories = '$socket'"
	} >>"$data/postgresql.conf"
	echo 'hostssl all all 127.0.0.1/32 cert map=any' >"$data/pg_hba.conf"
	echo 'any /^.*$ device' >"$data/pg_ident.conf"
	local prefix=spawn
	[ "$pair" = peer ] || prefix=spawn_mod
	"$prefix" "$pair-server" "${USERS[@]}" "$BIN/postgres" -D "$data"
	started "$SPAWNED" grep -q 'ready to accept connections' "$T/$pair-server.log"
}

QUERY='select version, client_dn from pg_stat_ssl where pid = pg_backend_pid()'

client() {
	start_server peer "$1" || return 1
	configuration programs/psql.sh 's,db.example,localhost,' "s,5432,$PORT," &&
		chmod 600 "$PEM/client-key.pem" || return 1
	run mod sh "$T/psql.sh" -At -c "$QUERY" || return 1
	equal "$(cat "$OUT")" "TLSv$1|/CN=$(common_name_of "$PEM/client.pem")"
}

server() {
	start_server server "$1" || return 1
	configuration programs/psql.sh 's,db.example,localhost,' "s,5432,$PORT," 's,/client,/peer,g' &&
		chmod 600 "$PEM/peer-key.pem" || return 1
	run patiently sh "$T/psql.sh" -At -c "$QUERY" || return 1
	equal "$(cat "$OUT")" "TLSv$1|/CN=peer"
}

it 'a new cluster' cluster
runs 'client (libpq)' '1.2 1.3' trace client
runs server '1.2 1.3' 'its log' server "$T/server-server.log"
done_with_program
