#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# wait-cert and wait-file: operator's changes are seen, and servers get to know of them.
# shellcheck source=tests/tools/lib.sh
. "$(dirname "$0")/lib.sh"

cert='iotsafe://label=client-cert'

# waits NAME ARGUMENT...: the tool in the background, looking every second; what it says
# goes to $T/NAME.log.
waits() {
	spawn_mod "$1" "$TOOL" --transport "$(socket_of sim)" "${@:2}" --interval 1
	PID_OF[$1]=$SPAWNED
}
says() { await grep -qE -- "$2" "$T/$1.log" || { cat "$T/$1.log" && return 1; }; }

# looks NAME: the one in the background has looked at the SIM twice more.
looks() {
	local before
	before=$(exchanges sim)
	await more_exchanges "$before"
}
more_exchanges() { [ "$(exchanges sim)" -gt $(($1 + 8)) ]; }

new_certificate() { # CN: a new key on the SIM, and its certificate in $T/new.der
	admin sim generate-key client-key >/dev/null &&
		mod env IOTSAFE_TRANSPORT="$(socket_of sim)" openssl req -new -key "$key" \
			-provider default -provider iotsafe -subj "/CN=$1" -out "$T/new.csr" &&
		ca_sign "$T/new.csr" "$T/new.pem" &&
		openssl x509 -in "$T/new.pem" -outform DER -out "$T/new.der"
}
write_certificate() { admin sim put-file client-cert "$T/new.der" --usage cert; }

there() {
	local digest
	tool sim cert "$key" >"$T/cert.pem" || return 1
	digest=$(openssl x509 -in "$T/cert.pem" -outform DER | sha256sum | cut -d' ' -f1)
	succeeds tool sim wait-cert "$key" &&
		equal "$(cat "$OUT")" "$key;type=cert: present, SHA-256 $digest" output || return 1
	succeeds tool sim --json wait-cert "$cert" || return 1
	equal "$(json 'd["event"], d["sha256"]')" $'present\t'"$digest" 'event and digest'
	succeeds tool sim wait-file iotsafe://label=notes --exec 'echo "$PPID is the parent" >&3' 3>"$T/exec" &&
		matches "$T/exec" 'is the parent'
}

wrong_waits() {
	refused 2 'names no certificate' tool sim wait-cert iotsafe:// &&
		refused 2 'names a key' tool sim wait-file "$key;type=private" &&
		refused 2 'neither a URI nor an identifier' tool sim wait-file notes &&
		refused 2 'not a URI' tool sim wait-cert notes &&
		refused 2 'interval 0: not a number of seconds' tool sim wait-cert --interval 0 "$cert" &&
		refused 2 'timeout 1s: not a number' tool sim wait-file --timeout 1s iotsafe://label=notes &&
		refused 2 'command of --exec is empty' tool sim wait-cert --exec '' "$cert" &&
		refused 1 'nonsense' mod "$TOOL" --transport nonsense wait-cert "$cert"
}

# Its reason once, however often it looks.
gives_up() {
	run tool sim wait-file --interval 1 --timeout 2 iotsafe://label=none-such
	equal "$RC" 1 'exit status' || return 1
	equal "$(wc -l <"$ERR")" 2 'lines on standard error' &&
		matches "$ERR" 'waiting for iotsafe://label=none-such: no file label=none-such' &&
		matches "$ERR" 'label=none-such: not there after 2 seconds'
}

comes() {
	waits comer wait-file iotsafe://label=later --json
	says comer 'waiting for iotsafe://label=later' || return 1
	echo 'now' >"$T/later" && admin sim put-file later "$T/later" || return 1
	ended "$SPAWNED" && says comer '"event": "present"' && says comer "$(sha256sum "$T/later" | cut -d' ' -f1)"
}

# What is deleted and comes back as it was is no change; neither is a SIM that was away.
changes() {
	local wrote="$T/changes.out"
	waits changer wait-file --changed --exec "echo changed >>$wrote" iotsafe://label=later
	says changer 'watching iotsafe://label=later, which is there' || return 1
	admin sim delete file later && says changer 'waiting for iotsafe://label=later: no file' &&
		admin sim put-file later "$T/later" && looks || return 1
	stop sim && says changer 'waiting for .*(sim.sock|socket)' && start_sim sim && looks || return 1
	equal "$(cat "$wrote" 2>/dev/null)" '' 'changes so far' || return 1
	echo 'another' >"$T/later" && admin sim put-file later "$T/later" && await grep -q changed "$wrote" &&
		echo 'a third' >"$T/later" && admin sim put-file later "$T/later" || return 1
	await more_lines "$wrote" 2
	end "${PID_OF[changer]}"
	equal "$(wc -l <"$wrote")" 2 changes && equal "$(grep -c ': changed, SHA-256' "$T/changer.log")" 2 'lines'
}
more_lines() { [ "$(wc -l <"$1")" -ge "$2" ]; }

command_fails() {
	waits failer wait-file --changed --exec "test -e $T/may || { echo no; exit 3; }; echo yes" iotsafe://label=later
	says failer 'watching' && echo 'a fourth' >"$T/later" && admin sim put-file later "$T/later" || return 1
	says failer 'the command ended with status 3' || return 1
	: >"$T/may"
	says failer '^yes' && alive "${PID_OF[failer]}" && end "${PID_OF[failer]}"
}

served() { openssl s_client -connect "127.0.0.1:$HTTPS" </dev/null 2>/dev/null | openssl x509 -noout -subject; }
serves() { served | grep -q "$1"; }

# A server whose key and certificate are the SIM's, both exchanged by the operator while it runs.
nginx_is_told() {
	have nginx && same_openssl nginx || return 77
	mkdir -p "$T/web/temp" && pick_port && HTTPS=$PORT || return 1
	cat >"$T/refresh" <<-END
		"$TOOL" key-ref "$key" >"$T/web/key.new" && "$TOOL" cert "$cert" >"$T/web/cert.new" &&
			mv "$T/web/key.new" "$T/web/key.pem" && mv "$T/web/cert.new" "$T/web/cert.pem"
	END
	cat >"$T/web/nginx.conf" <<-END
		pid $T/web/nginx.pid;
		events {}
		http {
			access_log off;
			client_body_temp_path $T/web/temp; proxy_temp_path $T/web/temp; fastcgi_temp_path $T/web/temp;
			uwsgi_temp_path $T/web/temp; scgi_temp_path $T/web/temp;
			server {
				listen 127.0.0.1:$HTTPS ssl;
				ssl_certificate $T/web/cert.pem;
				ssl_certificate_key $T/web/key.pem;
				return 200;
			}
		}
	END
	chmod a+rx "$T" "$T/web"
	configure "transport = $(socket_of sim)"
	new_certificate first-name && write_certificate && run mod sh "$T/refresh" && chmod a+r "$T"/web/*.pem || return 1
	spawn_mod web nginx -c "$T/web/nginx.conf" -e "$T/web/error.log" -g 'daemon off;'
	PID_OF[web]=$SPAWNED
	started "$SPAWNED" serves first-name || { cat "$T/web/error.log" && return 1; }
	waits teller wait-cert --changed --exec "sh $T/refresh && kill -s HUP ${PID_OF[web]}" "$cert"
	says teller watching && new_certificate second-name && write_certificate || return 1
	await serves second-name || { cat "$T/teller.log" "$T/web/error.log" && return 1; }
	end "${PID_OF[teller]}"
	end "${PID_OF[web]}"
}

unit() {
	have systemd-analyze || return 77
	mkdir -p "$T/units" && sed "s|/usr/bin/iotsafe|$TOOL|" "$CONF/iotsafe-watch@.service" >"$T/units/iotsafe-watch@x.service"
	run systemd-analyze verify --man=no "$T/units/iotsafe-watch@x.service" || return 1
	lacks "$ERR" 'iotsafe-watch@x'
}

start_sim sim || exit 1
it 'what is there ends the wait at once' there
it 'wrong usage' wrong_waits
it 'the time is over' gives_up
it 'wait-file: a file comes' comes
it 'wait-file --changed: only another content is a change' changes
it 'a command that fails is run again' command_fails
it 'wait-cert --changed: nginx takes a new key and certificate' nginx_is_told
it 'systemd takes the unit' unit
done_testing
