#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# What newer TLS has beside the plain handshake, with the SIM's key: hybrid groups, raw
# public keys, authentication after the handshake, resumption, DTLS with a SIM that is
# slower than its timer, HTTP/3; and settings given by -provparam.
# shellcheck source=lib.sh
. "$(dirname "$0")/lib.sh"
need openssl
configure

knows() { # COMMAND OPTION: whether this openssl has it, else why not in WHY
	openssl "$1" -help 2>&1 | grep -q -- "^ *-$2 " && return
	WHY="openssl $1 has no -$2 here ($(openssl version | cut -d ' ' -f 1,2))"
	return 1
}

prepare() {
	start_sim sim && credentials sim "$T/pem" && server_certificate server &&
		start_s_server server -cert "$T/server.pem" -key "$T/server.key" || return 1
	openssl x509 -in "$T/pem/client.pem" -noout -pubkey >"$T/client.pub"
	export IOTSAFE_TRANSPORT
	IOTSAFE_TRANSPORT=$(socket_of sim)
}

client_key=(-key "$T/pem/client-key.pem" -cert "$T/pem/client.pem")
sim_key=("${client_key[@]}" -CAfile "$T/sim/store/ca.pem")

# get SERVER OPTION...: its page by s_client with the SIM's key.
get() {
	INPUT=$REQUEST run mod openssl s_client -ign_eof -connect "127.0.0.1:${PORT_OF[$1]}" \
		"${sim_key[@]}" -verify_return_error "${@:2}"
}

# talk NAME COMMAND...: a process with the pipe $T/NAME.in, which never ends, as its input.
talk() {
	rm -f "$T/$1.in"
	mkfifo "$T/$1.in" && : >"$T/$1.log" || return 1
	# shellcheck disable=SC2016 # expanded in there
	spawn "$1" env "${module_env[@]}" "${PRELOAD[@]}" sh -c 'in=$1; shift; exec "$@" <>"$in"' sh "$T/$1.in" "${@:2}"
	PID_OF[$1]=$SPAWNED
}

say() { printf '%s' "$2" >"$T/$1.in"; } # NAME TEXT

logged() { grep -qE -e "$2" "$T/$1.log"; } # NAME PATTERN

# talking_server OPTION...: an s_server that takes commands.
talking_server() {
	pick_port
	talk talker openssl s_server -accept "127.0.0.1:$PORT" -CAfile "$T/sim/store/ca.pem" "$@" &&
		started "$SPAWNED" logged talker ACCEPT
}

# talking_client OPTION...: an s_client with it, for as long as we want.
talking_client() {
	talk caller openssl s_client -connect "127.0.0.1:$PORT" -CAfile "$T/sim/store/ca.pem" "$@"
}

hybrid_group() {
	openssl list -kem-algorithms 2>/dev/null | grep -q X25519MLKEM768 || {
		WHY='this OpenSSL has no X25519MLKEM768'
		return 77
	}
	: >"$T/server.log"
	get server -tls1_3 || return 1
	matches "$OUT" 'Negotiated TLS1.3 group: X25519MLKEM768' &&
		matches "$OUT" 'Verify return code: 0 \(ok\)' &&
		matches "$T/server.log" "^depth=0 $(subject_of "$T/pem/client.pem")\$" || return 1
	# and with the server's key on the SIM
	talking_server "${client_key[@]}" || return 1
	INPUT=/dev/null run openssl s_client -tls1_3 -connect "127.0.0.1:$PORT" -CAfile "$T/sim/store/ca.pem" -verify_return_error &&
		matches "$OUT" 'Negotiated TLS1.3 group: X25519MLKEM768'
	local status=$?
	end "${PID_OF[talker]}"
	return $status
}

# The first handshake signs, the second takes up its session.
resumption() { # VERSION
	local before
	get server "-tls1_$1" -sess_out "$T/session" || return 1
	matches "$OUT" "^New, TLSv1.$1" || return 1
	before=$(exchanges sim)
	get server "-tls1_$1" -sess_in "$T/session" || return 1
	matches "$OUT" "^Reused, TLSv1.$1" &&
		matches "$OUT" 'Verify return code: 0 \(ok\)' &&
		equal "$(exchanges sim)" "$before" 'exchanges after the resumed handshake'
}

# Nothing is signed until the server asks.
post_handshake() {
	local status=0 before
	talking_server -cert "$T/server.pem" -key "$T/server.key" -tls1_3 || return 1
	before=$(exchanges sim)
	talking_client -tls1_3 -enable_pha "${client_key[@]}" &&
		started "$SPAWNED" logged talker '^CIPHER is' &&
		equal "$(exchanges sim)" "$before" 'exchanges before the server asks' &&
		say talker $'c\n' &&
		await logged talker "^depth=0 $(subject_of "$T/pem/client.pem")\$" &&
		say caller $'authenticated\n' && await logged talker '^authenticated' &&
		lacks "$T/talker.log" 'verify error' || status=1
	[ "$(exchanges sim)" -gt "$before" ] || status=1
	end "${PID_OF[caller]}"
	end "${PID_OF[talker]}"
	return $status
}

# has_key NAME WHAT: the log shows the raw public key of the SIM.
has_key() {
	local hex
	hex=$(openssl pkey -pubin -in "$T/client.pub" -outform DER | tail -c 65 | od -An -v -tx1 | tr -d ' \n')
	await logged "$1" "$2 raw public key" &&
		await key_shown "$1" "$hex"
}

key_shown() { tr -d ' :\n' <"$T/$1.log" | grep -q "pub$2"; }

raw_public_keys() {
	local status=0
	knows s_client enable_client_rpk || return 77
	talking_server -cert "$T/server.pem" -key "$T/server.key" -enable_client_rpk -Verify 1 || return 1
	talking_client -enable_client_rpk "${client_key[@]}" && has_key talker Client &&
		say caller $'good morning\n' && await logged talker '^good morning' || status=1
	end "${PID_OF[caller]}"
	end "${PID_OF[talker]}"
	[ "$status" -eq 0 ] || return 1
	talking_server "${client_key[@]}" -enable_server_rpk || return 1
	talking_client -enable_server_rpk && has_key caller Server &&
		say caller $'good evening\n' && await logged talker '^good evening' || status=1
	end "${PID_OF[caller]}"
	end "${PID_OF[talker]}"
	return $status
}

# The SIM takes longer for a signature than DTLS waits (1 s) before it repeats a flight.
start_slow_sim() {
	end "${PID_OF[sim]}"
	start_sim sim gsma-strict --latency slow --latency-set sign=2500
}

# sent_more NAME TYPE N: a handshake message of that type (hex) went out more than N times.
# A message begins behind its headline, and with its type.
sent_more() {
	local n
	n=$(awk -v type="$2" 'sent && $1 == type { n++ } { sent = /^>>>.* \[length 00/ } END { print n + 0 }' "$T/$1.log")
	[ "$n" -gt "$3" ] && return
	echo "$1 has sent its flight only $n times"
	return 1
}

dtls_client() {
	local status=0
	talking_server -dtls1_2 -msg -cert "$T/server.pem" -key "$T/server.key" -Verify 1 -verify_return_error || return 1
	talking_client -dtls1_2 "${client_key[@]}" &&
		await logged talker '^CIPHER is' && say caller $'by datagrams\n' &&
		await logged talker '^by datagrams' &&
		matches "$T/talker.log" "^depth=0 $(subject_of "$T/pem/client.pem")\$" || status=1
	sent_more talker 0e 1 || status=1 # ServerHelloDone
	end "${PID_OF[caller]}"
	end "${PID_OF[talker]}"
	return $status
}

dtls_server() {
	local status=0
	talking_server -dtls1_2 "${client_key[@]}" || return 1
	talking_client -dtls1_2 -msg && await logged talker '^CIPHER is' &&
		say caller $'by datagrams\n' && await logged talker '^by datagrams' || status=1
	sent_more caller 01 2 || status=1 # ClientHello, without and with a cookie
	end "${PID_OF[caller]}"
	end "${PID_OF[talker]}"
	return $status
}

http3() {
	have nginx curl || return 77
	curl --version | grep -qw HTTP3 || WHY='curl has no HTTP/3 here'
	nginx -V 2>&1 | grep -q http_v3_module || WHY='nginx has no HTTP/3 here'
	[ -z "$WHY" ] || return 77
	same_openssl nginx && same_openssl curl || return 77
	pick_port
	cat >"$T/nginx.conf" <<-END
		daemon off;
		master_process off;
		pid $T/nginx.pid;
		events { }
		http {
			access_log off;
			client_body_temp_path $T/nginx-body;
			proxy_temp_path $T/nginx-proxy;
			fastcgi_temp_path $T/nginx-fastcgi;
			uwsgi_temp_path $T/nginx-uwsgi;
			scgi_temp_path $T/nginx-scgi;
			server {
				listen 127.0.0.1:$PORT quic;
				listen 127.0.0.1:$PORT ssl;
				ssl_certificate $T/server.pem;
				ssl_certificate_key $T/server.key;
				ssl_client_certificate $T/pem/ca.pem;
				ssl_verify_client on;
				location / { return 200 "\$ssl_client_verify by \$server_protocol\n"; }
			}
		}
	END
	spawn nginx nginx -c "$T/nginx.conf" -e "$T/nginx-errors.log"
	started "$SPAWNED" listening "$PORT" || return 1
	run mod curl --silent --show-error --http3-only --cacert "$T/pem/ca.pem" --cert "$T/pem/client.pem" \
		--key "$T/pem/client-key.pem" "https://localhost:$PORT/" &&
		matches "$OUT" '^SUCCESS by HTTP/3'
	local status=$?
	end "$SPAWNED"
	return $status
}

# The option stands behind -provider, so the setting comes after the module was loaded.
provparam() {
	knows storeutl provparam || return 77
	run objects_at "socket:$T/nobody"
	matches "$ERR" "cannot connect to socket:$T/nobody" || return 1
	run objects_at "$(socket_of sim)" && matches "$OUT" 'Total found: [1-9]'
}

objects_at() { # TRANSPORT
	mod env -u IOTSAFE_TRANSPORT openssl storeutl -provider default -provider iotsafe \
		-provparam "iotsafe:transport=$1" -noout iotsafe:
}

# OpenSSL's own validated module does all the rest; the SIM's key is found under fips=yes
# on the administrator's word only.
fips_module() {
	local module
	module=$(openssl version -m | sed 's/^MODULESDIR: "\(.*\)"$/\1/')/fips.so
	[ -e "$module" ] || {
		WHY="OpenSSL's fips.so is not installed"
		return 77
	}
	openssl fipsinstall -quiet -module "$module" -out "$T/fipsmodule.cnf" || return 1
	cat >"$T/fips.cnf" <<-END
		openssl_conf = openssl_init
		.include $T/fipsmodule.cnf
		[openssl_init]
		providers = provider_sect
		alg_section = algorithm_sect
		[algorithm_sect]
		default_properties = fips=yes
		[provider_sect]
		fips = fips_sect
		base = base_sect
		iotsafe = iotsafe_sect
		[base_sect]
		activate = 1
		[iotsafe_sect]
		activate = 1
	END
	local -a module_env=("OPENSSL_MODULES=$MODULES" "OPENSSL_CONF=$T/fips.cnf")
	sed -i "s,^\[fips_sect\],&\nmodule = $module," "$T/fipsmodule.cnf"
	fails mod openssl pkey -in iotsafe://label=client-key -noout || return 1
	echo 'assume-fips = yes' >>"$T/fips.cnf"
	get server && matches "$OUT" 'Cipher is TLS_AES' && fails mod openssl dgst -md5 "$T/fips.cnf"
}

it 'a SIM and a server that demands a certificate' prepare
it 'settings by -provparam' provparam
it 'the default groups agree on X25519MLKEM768' hybrid_group
it 'a resumed handshake costs no exchange, TLS 1.2' resumption 2
it 'a resumed handshake costs no exchange, TLS 1.3' resumption 3
it 'authentication after the handshake' post_handshake
it 'raw public keys, of client and of server' raw_public_keys
it 'HTTP/3' http3
it 'beside the FIPS provider, with assume-fips' fips_module
it 'the SIM is slow from here on' start_slow_sim
it 'DTLS 1.2, client: the server repeats its flight while the SIM signs' dtls_client
it 'DTLS 1.2, server: the client repeats its flight while the SIM signs' dtls_server
done_testing
