#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# One SIM for many: threads, children of fork, processes at once, users, processes
# that are killed while they hold the key or in the middle of a signature.
# shellcheck source=lib.sh
. "$(dirname "$0")/lib.sh"
configure
key=iotsafe://label=client-key

prepare() {
	start_pcscd shared 1
	case $? in
	0) vpcd=(--vpcd "127.0.0.1:${VPCD[1]}") ;;
	77) ;;
	*) return 1 ;;
	esac
	start_sim sim gsma-strict "${vpcd[@]}" && credentials sim "$T/pem" || return 1
	[ "${#vpcd[@]}" -eq 0 ] || card_in shared 1
}

threads() {
	hold -t 16 -n 4 "$key" && matches "$OUT" '4 signatures in each of 16 threads: verified OK'
}

forked() { # OPTION... KEY
	hold -p 6 "$@" || return 1
	equal "$(grep -c 'verified OK$' "$OUT")" 7 'processes that signed' &&
		equal "$(grep -o '^process [0-9]*' "$OUT" | sort -u | wc -l)" 7 'different processes'
}

processes() {
	local i status=0
	local -a pids=()
	for i in 1 2 3 4 5 6 7 8; do
		: >"$T/holder$i.log"
		spawn_hold "holder$i" -n 5 "$key"
		pids+=("$SPAWNED")
	done
	for i in "${pids[@]}"; do ended "$i" || status=1; done
	[ "$status" -eq 0 ] || return 1
	equal "$(cat "$T"/holder?.log | grep -c 'verified OK$')" 8 'processes that signed'
}

# The next signature waits for nothing that the dead have left: it would wait until a
# deadline so far away that our patience ends before.
at_once() { # OPTION... KEY
	local -a module_env=("${module_env[@]}" "$FAR_DEADLINE")
	hold "$@"
}

killed_holders() {
	local i
	local -a pids=()
	for i in 1 2 3 4 5; do
		: >"$T/idle$i.log"
		spawn_hold "idle$i" -w "$key"
		pids+=("$SPAWNED")
	done
	for i in 1 2 3 4 5; do started "${pids[i - 1]}" grep -q '^ready' "$T/idle$i.log" || return 1; done
	for i in 0 1 2 3; do end "${pids[i]}" KILL; done
	at_once -n 1 "$key" || return 1
	alive "${pids[4]}" || {
		echo 'the fifth holder has ended'
		return 1
	}
	end "${pids[4]}"
	at_once -n 1 "$key"
}

# A signature needs INIT and UPDATE: whoever dies between them leaves a session open.
killed_at_work() {
	local i before
	for i in 1 2 3 4 5; do
		before=$(exchanges sim)
		spawn_hold worker -u "$key"
		await busy_since "$((before + 9 + $(chance "killed-$i-$via" 20)))" || return 1
		end "$SPAWNED" KILL
		at_once -n 2 "$key" || return 1
	done
}
busy_since() { [ "$(exchanges sim)" -ge "$1" ]; }

killed_children() {
	local before
	before=$(exchanges sim)
	spawn_hold family -p 4 -u "$key"
	await busy_since "$((before + 30))" || return 1
	local children
	children=$(cat "/proc/$SPAWNED/task/$SPAWNED/children")
	# shellcheck disable=SC2086 # several pids
	kill -KILL $children
	end "$SPAWNED" KILL
	at_once -n 2 "$key"
}

contexts() {
	hold -c 40 -n 1 "$key" && matches "$OUT" '^40 library contexts, one after another: verified OK'
}

# All processes of a reader use one logical channel, which stays open: further ones do
# not open one more, unless the card was reset (pcscd switches it off when nobody uses it).
one_channel() {
	local from
	from=$(($(wc -l <"$T/sim/exchanges.json") + 1))
	processes || return 1
	tail -n "+$from" "$T/sim/exchanges.json" | grep -E '"cmd":"00700000|"event":"reset' >"$T/channels"
	cut -c 1-120 "$T/channels"
	[ "$(grep -c '"cmd":"00700000' "$T/channels")" -le "$(grep -c '"event":"reset' "$T/channels")" ] ||
		{
			echo 'more channels were opened than resets closed'
			return 1
		}
}

# A reset that the reader does not notice: the processes that use the card open one
# channel in its place, not one each.
silent_resets() {
	local i from n
	local -a pids=()
	from=$(($(wc -l <"$T/sim/exchanges.json") + 1))
	for i in 1 2 3 4 5 6; do
		: >"$T/holder$i.log"
		spawn_hold "holder$i" -u "$key"
		pids+=("$SPAWNED")
	done
	for i in 1 2 3; do
		n=$(exchanges sim)
		await busy_since "$((n + 60))" && admin sim reset || return 1
	done
	n=$(exchanges sim)
	await busy_since "$((n + 60))" || return 1
	kill -TERM "${pids[@]}"
	for i in "${pids[@]}"; do ended "$i" || return 1; done
	equal "$(cat "$T"/holder[1-6].log | grep -c 'verified OK$')" 6 'processes that signed' || return 1
	tail -n "+$from" "$T/sim/exchanges.json" | grep -E '"cmd":"00700000|"event":"reset' >"$T/channels"
	cut -c 1-120 "$T/channels"
	# One at the beginning, if pcscd had switched the card off.
	[ "$(grep -c '"cmd":"00700000' "$T/channels")" -le 4 ] || {
		echo 'more than one channel was opened for each reset'
		return 1
	}
}

# Supplementary groups of other users: `--groups LIST` or `--clear-groups`.
groups=()
as_user() { # USER COMMAND...
	local user=$1
	shift
	patiently env "${module_env[@]}" setpriv --reuid "$user" --regid "$(id -g "$user")" \
		"${groups[@]}" "$@"
}

root_only() {
	[ "$(id -u)" -eq 0 ] || {
		WHY='only root can become another user'
		return 77
	}
	chmod a+rx "$T"
	cp "$HELPERS/hold" "$T/hold-copy" && chmod 755 "$T/hold-copy"
}

# Whoever comes first makes the lock file; all of them can take the lock.
take_turns() {
	local order user
	for order in 'nobody root daemon' 'root daemon nobody'; do
		rm -rf "${IOTSAFE_LOCK_DIR:?}"/*
		admin sim reset || return 1 # the record of the channel is gone as well
		for user in $order; do
			run as_user "$user" "$T/hold-copy" -n 2 "$key" || return 1
		done
		for user in $order; do
			: >"$T/user-$user.log"
			spawn "user-$user" env "${module_env[@]}" setpriv --reuid "$user" \
				--regid "$(id -g "$user")" "${groups[@]}" "$T/hold-copy" -n 5 "$key"
		done
		for user in $order; do await grep -q 'verified OK$' "$T/user-$user.log" || return 1; done
	done
}

opened() { sed -n "$1,\$p" "$T/sim/exchanges.json" | grep -c '"cmd":"00700000'; }

# In a folder of their group users believe each other's records: one channel for all.
group_of_users() {
	root_only || return
	local from
	group_locks && groups=(--groups "$LOCK_GROUP")
	take_turns || return 1
	from=$(($(wc -l <"$T/sim/exchanges.json") + 1))
	for user in nobody daemon root; do
		run as_user "$user" "$T/hold-copy" -n 2 "$key" || return 1
	done
	equal "$(opened "$from")" 0 'further channels'
}

# In one that is open to everybody they do not: each closes its channel after use, and a
# neighbour's record is not looked at, nor what it has laid under our names.
public_folder() {
	root_only || return
	local record
	public_locks && groups=(--clear-groups)
	take_turns || return 1
	for record in "$T"/lock/*.lock; do
		record=${record%.lock}
		printf 'iotsafe-channel-2 18446744073709551000 3 A0000005590010 - 0 1,1,0,0,1,0,0,0,0,0,0 -\n' |
			tee "$record.channel2" "$record.channel2.1" >"$record.channel2.0"
		chown daemon "$record".channel2*
	done
	run as_user root "$T/hold-copy" -n 5 "$key" && run as_user nobody "$T/hold-copy" -n 5 "$key"
}

# Who is not in the group is told which one it is.
outside_the_group() {
	root_only || return
	group_locks && groups=(--clear-groups)
	fails as_user nobody "$T/hold-copy" -n 1 "$key" || return 1
	matches "$ERR" "lock folder $T/lock is closed.*$LOCK_GROUP"
}

locks_are_free() {
	local file
	for file in "$T"/lock/* "$T"/iotsafe/*; do
		[ -f "$file" ] || continue
		flock --nonblock "$file" true || {
			echo "$file is still locked"
			return 1
		}
	done
}

vpcd=()
it 'a SIM' prepare
transports=("$(socket_of sim)")
[ "${#vpcd[@]}" -eq 0 ] || transports+=(pcsc)
for transport in "${transports[@]}"; do
	export IOTSAFE_TRANSPORT=$transport
	via=${transport%%:*}
	it "$via: 16 threads on one key" threads
	it "$via: a key loaded before fork, used by parent and 6 children" forked -n 5 "$key"
	it "$via: the same with 3 threads in each" forked -n 2 -t 3 "$key"
	it "$via: the same with a key-reference file" forked -n 2 "$T/pem/client-key.pem"
	it "$via: 8 processes at once" processes
	it "$via: 5 idle holders, 4 killed: the next process signs at once" killed_holders
	it "$via: killed in the middle of signatures: the next process signs at once" killed_at_work
	it "$via: a family killed in the middle: the next process signs at once" killed_children
	it "$via: 40 library contexts loaded and freed" contexts
	it "$via: no lock is left" locks_are_free
done
[ "${#vpcd[@]}" -eq 0 ] || it 'pcsc: 8 further processes open no further channel' one_channel
[ "${#vpcd[@]}" -eq 0 ] || it 'pcsc: resets unnoticed by the reader cost one channel each' silent_resets
if [ "${#vpcd[@]}" -ne 0 ]; then
	it 'pcsc: different users of a group, whoever comes first' group_of_users
	it 'pcsc: a user outside the group is told of it' outside_the_group
	it 'pcsc: a lock folder for everybody, with a hostile neighbour' public_folder
fi
done_testing
