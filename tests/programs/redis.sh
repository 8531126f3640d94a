#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# Redis: the server, which demands certificates, and redis-cli.
# shellcheck source=lib.sh
. "$(dirname "$0")/lib.sh"
program Redis redis-server redis-server redis-cli

# ping VERSION CLIENT-PAIR SERVER-PAIR
ping_redis() {
	local server=(daemon server) client=(mod)
	[ "$3" = server ] || server=(spawn server)
	[ "$2" = client ] || client=(patiently)
	pick_port
	configuration programs/redis.conf "s,6379,$PORT\nbind 127.0.0.1\nsave \"\"," "s,/server,/$3,g" \
		"s,TLSv1.2 TLSv1.3,TLSv$1," &&
		configuration programs/redis-cli.sh "s,-h redis.example -p 6379,-h localhost -p $PORT," "s,/client,/$2,g" || return 1
	"${server[@]}" redis-server "$T/redis.conf"
	started "$SPAWNED" listening "$PORT" || return 1
	run "${client[@]}" sh "$T/redis-cli.sh" PING
	matches "$OUT" '^PONG'
}

client() { ping_redis "$1" client peer; }
server() { ping_redis "$1" peer server; }

runs 'client (redis-cli)' '1.2 1.3' trace client
runs server '1.2 1.3' trace server
done_with_program
