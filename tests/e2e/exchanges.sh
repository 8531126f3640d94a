#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# How many exchanges with the card a job takes: a signature on an open card, and all
# that a new process does, up to a TLS handshake. Counted by the software SIM.
# shellcheck source=lib.sh
. "$(dirname "$0")/lib.sh"
configure
key=iotsafe://label=client-key

figure() { echo "figure: $*" >>"$T/figures"; }

# counted SIM COMMAND...: runs it; the exchanges that it took in COUNT. What they were is
# shown if the test fails, so that a channel opened anew is told from wasted exchanges.
counted() {
	local sim=$1 log=$T/$1/exchanges.json before
	shift
	before=$(wc -l <"$log")
	run "$@" || return 1
	tail -n "+$((before + 1))" "$log" >"$T/counted"
	grep -oE '"(ins|event)":"[^"]*"' "$T/counted" | cut -d '"' -f 4 | uniq -c
	COUNT=$(grep -c '"cmd":' "$T/counted")
	lacks "$T/counted" '"event":"reset'
}

start() { # PROFILE
	local vpcd=()
	if start_pcscd "reader-$1" 1; then
		vpcd=(--vpcd "127.0.0.1:${VPCD[1]}")
	elif [ $? -ne 77 ]; then
		return 1
	fi
	start_sim "$1" "$1" "${vpcd[@]}" || return 1
	# else a slow machine would find the card switched off, and open a channel anew
	[ "${#vpcd[@]}" -eq 0 ] || keep_card "reader-$1" 1 || return 1
	[ "${#vpcd[@]}" -eq 0 ] || readers=yes
	CA=$1
	credentials "$1" "$T/$1/pem" && server_certificate "$1-server" &&
		start_s_server "$1-server" -cert "$T/$1-server.pem" -key "$T/$1-server.key"
}

# Ten signatures more in the same process take ten times as many exchanges as one. (The
# first process of all may open a channel that the others use, and leaves the session as
# the others do.)
warm() { # PROFILE WANTED
	local few
	hold -n 5 "$key" || return 1
	counted "$1" hold_key -n 5 "$key" || return 1
	few=$COUNT
	counted "$1" hold_key -n 15 "$key" || return 1
	figure "warm signature, $1, ${IOTSAFE_TRANSPORT%%:*}: $(((COUNT - few) / 10)) exchanges"
	equal $((COUNT - few)) $((10 * $2)) 'exchanges of ten warm signatures'
}

# cold PROFILE AT-MOST DESCRIPTION COMMAND...
cold() {
	counted "$1" "${@:4}" || return 1
	figure "$3, $1, ${IOTSAFE_TRANSPORT%%:*}: $COUNT exchanges"
	[ "$COUNT" -le "$2" ] && return
	echo "$3 took $COUNT exchanges, should be at most $2"
	return 1
}

s_client() { # PROFILE KEY CERTIFICATE
	INPUT=$REQUEST mod openssl s_client -ign_eof -tls1_3 -connect "127.0.0.1:${PORT_OF[$1-server]}" \
		-key "$2" -cert "$3" -CAfile "$T/$1/pem/ca.pem" -verify_return_error <"$REQUEST"
}

# Two processes: iotsafe keygen, and openssl req with the new key.
pair_and_request() {
	local new='iotsafe://label=spare-1;type=private'
	mod "$TOOL" keygen --force iotsafe://label=spare-1 >"$T/new.pub" &&
		mod openssl req -new -key "$new" -subj /CN=gateway-17 -out "$T/new.csr" &&
		openssl req -in "$T/new.csr" -noout -pubkey | cmp - "$T/new.pub"
}

profiles=(thales-mvp gsma-strict cira)
declare -A warm=([thales-mvp]=2 [gsma-strict]=3 [cira]=3)
# Over a socket each process opens a channel of its own; over a reader it takes the one
# that the process before it left: PROFILE-TRANSPORT.
declare -A reference=(
	[thales-mvp-socket]=5 [thales-mvp-pcsc]=2
	[gsma-strict-socket]=4 [gsma-strict-pcsc]=3
	[cira-socket]=6 [cira-pcsc]=3
)
declare -A by_label=(
	[thales-mvp-socket]=6 [thales-mvp-pcsc]=3
	[gsma-strict-socket]=5 [gsma-strict-pcsc]=4
	[cira-socket]=8 [cira-pcsc]=5
)
# (Two more than were seen: the length of a certificate varies, and the reads with it.)
declare -A by_uri=(
	[thales-mvp-socket]=16 [thales-mvp-pcsc]=13
	[gsma-strict-socket]=15 [gsma-strict-pcsc]=14
	[cira-socket]=28 [cira-pcsc]=25
)
declare -A request=(
	[thales-mvp-socket]=14 [thales-mvp-pcsc]=9
	[gsma-strict-socket]=12 [gsma-strict-pcsc]=10
	[cira-socket]=22 [cira-pcsc]=16
)
readers=no
for profile in "${profiles[@]}"; do
	: >"$T/figures"
	readers=no
	# An AID that is tried only where it is configured.
	[ "$profile" != cira ] || export IOTSAFE_AID=A0000002480400
	it "$profile: a SIM and a server" start "$profile"
	transports=("$(socket_of "$profile")")
	[ "$readers" = no ] || transports+=(pcsc)
	for transport in "${transports[@]}"; do
		export IOTSAFE_TRANSPORT=$transport
		via=${transport%%:*}
		it "$profile, $via: a warm signature takes ${warm[$profile]} exchanges" \
			warm "$profile" "${warm[$profile]}"
		it "$profile, $via: a new process that signs once with a key reference" \
			cold "$profile" "${reference[$profile-$via]}" 'new process, one signature, key reference' hold_key -n 1 "$T/$profile/pem/client-key.pem"
		it "$profile, $via: a new process that signs once with a key by label" \
			cold "$profile" "${by_label[$profile-$via]}" 'new process, one signature, key by label' hold_key -n 1 "$key"
		it "$profile, $via: s_client with key reference and certificate file" \
			cold "$profile" "${reference[$profile-$via]}" 's_client, key reference and certificate file' \
			s_client "$profile" "$T/$profile/pem/client-key.pem" "$T/$profile/pem/client.pem"
		it "$profile, $via: s_client with key and certificate by URI" \
			cold "$profile" "${by_uri[$profile-$via]}" 's_client, key and certificate by URI' \
			s_client "$profile" "$key" 'iotsafe://label=client-key;type=cert'
		it "$profile, $via: a key pair and its certificate request" \
			cold "$profile" "${request[$profile-$via]}" 'key pair and certificate request' pair_and_request
	done
	unset IOTSAFE_AID
	sed 's/^/# /' "$T/figures"
	stop "$profile-server"
	[ "$readers" = no ] || stop "keeper-reader-$profile-1"
done
done_testing
