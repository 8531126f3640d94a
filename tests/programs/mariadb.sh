#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# MariaDB: the server and its command line client.
# shellcheck source=lib.sh
. "$(dirname "$0")/lib.sh"
program MariaDB mariadb-server mariadbd mariadb mariadb-install-db

# The server does not run as root.
as=--skip-symbolic-links
[ "$(id -u)" -ne 0 ] || as=--user=mysql

install_db() {
	mkdir "$T/data" && { [ "$(id -u)" -ne 0 ] || chown mysql "$T/data"; } || return 1
	echo "CREATE OR REPLACE USER device@localhost REQUIRE X509;" >"$T/init.sql"
	run patiently mariadb-install-db --no-defaults "$as" --datadir="$T/data" --auth-root-authentication-method=normal --skip-test-db
}

# query VERSION CLIENT-PAIR SERVER-PAIR
query() {
	local server=(daemon server) client=(mod)
	[ "$3" = server ] || server=(spawn server)
	[ "$2" = client ] || client=(patiently)
	pick_port
	configuration programs/mariadb-server.cnf "s,/server,/$3,g" "s,TLSv1.2.*,TLSv$1," &&
		configuration programs/mariadb-client.cnf "s,/client,/$2,g" || return 1
	"${server[@]}" mariadbd --defaults-file="$T/mariadb-server.cnf" "$as" --datadir="$T/data" --port="$PORT" \
		--bind-address=127.0.0.1 --socket="$T/data/sock" --pid-file="$T/data/pid" --init-file="$T/init.sql" \
		--log-warnings=4
	started "$SPAWNED" listening "$PORT" || return 1
	run "${client[@]}" mariadb --defaults-file="$T/mariadb-client.cnf" -h localhost --protocol=tcp -P "$PORT" \
		-u device -e "SHOW STATUS LIKE 'Ssl_version'" || return 1
	matches "$OUT" "TLSv$1"
}

client() { query "$1" client peer; }
server() { query "$1" peer server; }

it 'a new database' install_db
runs client '1.2 1.3' trace client
runs server '1.2 1.3' trace server
done_with_program
