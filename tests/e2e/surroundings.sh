#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# Odd surroundings, as initramfs, containers and careless daemons are: nothing that can be
# written, no /run, no /proc, no environment, a user without a name, standard descriptors
# closed. Signing works there, or one clear error says what is missing; and a trace never
# gets into a file that is not for it.
# shellcheck source=lib.sh
. "$(dirname "$0")/lib.sh"
need openssl
key=iotsafe://label=client-key
openssl=$(command -v openssl)
unset XDG_RUNTIME_DIR # a second choice for the lock folder

prepare() {
	start_sim sim gsma-strict || return 1
	configure "transport = $(socket_of sim)"
	credentials sim "$T/pem" &&
		openssl x509 -in "$T/pem/client.pem" -noout -pubkey >"$T/software.pub" &&
		printf 'to be signed\n' >"$T/message" && chmod 777 "$T/sim/sim.sock"
}

# verified FILE: it holds a signature and nothing else.
verified() {
	openssl dgst -sha256 -verify "$T/software.pub" -signature "$1" "$T/message"
}

# The command that signs; the signature is its standard output.
sign=("$openssl" dgst -sha256 -sign "$key" "$T/message")

# signs COMMAND...: the signature is good, and nothing is said.
signs() {
	run "$@" && verified "$OUT" && equal "$(cat "$ERR")" '' 'standard error'
}

# ------------------------------------------------------------------ what is mounted

# within COMMANDS PROGRAM...: with mounts of its own, which the commands have changed.
within() { mod unshare -m sh -ec "$1"$'\nexec "$@"' sh "${@:2}"; }

own_mounts() {
	unshare -m mount -t tmpfs none /run 2>/dev/null && return
	WHY='mounts of our own are not permitted here'
	return 77
}

# The folder of the test by itself, since / of a chroot cannot be mounted anew. The reports of
# sanitizers keep their place.
read_only="mount --bind '$T' '$T'
mount --bind '$T/san' '$T/san'
mount -t tmpfs -o ro none /run
for place in / /tmp '$T'; do
	! mountpoint -q \$place || mount -o remount,bind,ro \$place
done
if touch '$T/written' 2>/dev/null; then exit 99; fi"

nothing_to_write() {
	own_mounts || return
	signs within "$read_only" "${sign[@]}"
}

# A trace that has no place says so, and costs no signature.
no_place_for_a_trace() {
	own_mounts || return
	IOTSAFE_TRACE=file:$T/no-trace run within "$read_only" "${sign[@]}" && verified "$OUT" &&
		matches "$ERR" "no trace is written to $T/no-trace: Read-only file system"
}

# Readers have to be locked: the error names the folder, whether it is there or not.
no_place_for_locks() {
	own_mounts || return
	start_pcscd pcscd 1 || return
	local folder
	for folder in /run/iotsafe "$T/lock"; do
		IOTSAFE_TRANSPORT=pcsc IOTSAFE_LOCK_DIR=$folder fails within "$read_only" "${sign[@]}" &&
			one_clear_error "$ERR" "$folder.*Read-only file system" || return 1
	done
}

no_proc() {
	own_mounts || return
	if [ "$E2E_SANITIZE" != none ]; then
		WHY='the sanitizers need /proc'
		return 77
	fi
	signs within 'mount -t tmpfs none /proc' "${sign[@]}"
}

# ------------------------------------------------------------------- who and where

no_environment() {
	local -a kept=("${module_env[@]}" "${PRELOAD[@]}") name
	for name in ASAN_OPTIONS LSAN_OPTIONS UBSAN_OPTIONS; do
		[ -z "${!name:-}" ] || kept+=("$name=${!name}")
	done
	signs patiently env -i "${kept[@]}" "${sign[@]}"
}

no_name() {
	if [ "$(id -u)" -ne 0 ]; then
		WHY='only root can be another user'
		return 77
	fi
	! getent passwd 12345 || return 1
	signs mod setpriv --reuid 12345 --regid 12345 --clear-groups "${sign[@]}"
}

# As DynamicUser= of systemd: a number of the moment, in the group that may use readers.
dynamic_user() {
	if [ "$(id -u)" -ne 0 ]; then
		WHY='only root can be another user'
		return 77
	fi
	local -a as=(setpriv --reuid 61234 --regid 61234)
	start_pcscd dynamic 1 || return
	mkdir "$T/in-reader" && cp -r "$T/sim/store" "$T/in-reader/store" &&
		start_sim in-reader gsma-strict --vpcd "127.0.0.1:${VPCD[1]}" && card_in dynamic 1 && group_locks || return 1
	IOTSAFE_TRANSPORT=pcsc signs mod "${as[@]}" --groups "$LOCK_GROUP" "${sign[@]}" || return 1
	IOTSAFE_TRANSPORT=pcsc fails mod "${as[@]}" --clear-groups "${sign[@]}" &&
		one_clear_error "$ERR" "lock folder $T/lock is closed.*$LOCK_GROUP"
}

# ------------------------------------------------------------- standard descriptors

# without REDIRECTIONS TRACE: the signature goes to a file that openssl opens, which so
# gets the lowest number that is free.
without() {
	rm -f "$T/sig" "$T/trace"
	IOTSAFE_TRACE=$2 run mod bash -c "exec \"\$@\" $1" bash \
		"$openssl" dgst -sha256 -sign "$key" -out "$T/sig" "$T/message" && verified "$T/sig"
}

exchange='^[0-9:.]+ [0-9]+ socket:.*COMPUTE SIGNATURE'

traced_to_file() {
	without "$1" "file:$T/trace" && matches "$T/trace" "$exchange" || return 1
	equal "$(cat "$OUT" "$ERR")" '' 'what is said' &&
		equal "$(grep -cvaE '^[0-9:.]+ [0-9]+ ' "$T/trace")" 0 'other lines in the trace'
}

traced_to_stderr() {
	without "$1" stderr && equal "$(cat "$OUT")" '' 'standard output' || return 1
	case $1 in
	*'2>&-'*) equal "$(cat "$ERR")" '' 'standard error' ;;
	*) matches "$ERR" "$exchange" ;;
	esac
}

it 'a SIM' prepare
it 'nothing can be written, /run is empty' nothing_to_write
it 'nothing can be written, not even a trace' no_place_for_a_trace
it 'nothing can be written, and a reader is to be locked' no_place_for_locks
it 'no /proc' no_proc
it 'no environment' no_environment
it 'a user and a group without a name' no_name
it 'such a user in the group of the locks, with a reader' dynamic_user
for closed in '<&-' '>&-' '2>&-' '<&- >&- 2>&-'; do
	it "$closed and a trace in a file" traced_to_file "$closed"
	it "$closed and a trace on standard error" traced_to_stderr "$closed"
done
done_testing
