#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# iotsafe doctor: each finding is provoked, alone; and none is there when all is well.
# shellcheck source=tests/tools/lib.sh
. "$(dirname "$0")/lib.sh"

doctor() { iotsafe --json doctor "$@"; }

# well COMMAND...: nothing is found.
well() {
	run "$@" || return 1
	json 'all(i["status"] == "ok" and i["id"] is None and i["next"] is None for i in d)' >/dev/null ||
		return 1
	equal "$(wc -c <"$ERR")" 0 'bytes on standard error'
}

# finds IDS PATTERN COMMAND...: these findings, no others, and a cause that matches; what to
# do next is said; the exit status is that of the worst.
finds() {
	local ids=$1 pattern=$2
	shift 2
	run "$@"
	equal "$(json '" ".join(i["id"] for i in d if i["id"])')" "$ids" findings || return 1
	json 'all(i["next"] for i in d if i["id"])' >/dev/null || return 1
	json '[i["cause"] for i in d if i["id"]]' >"$T/causes" && matches "$T/causes" "$pattern" || return 1
	equal "$RC" "$(json 'str(int(any(i["status"] == "fail" for i in d)))')" 'exit status' || return 1
	equal "$(wc -c <"$ERR")" 0 'bytes on standard error'
}

# root [mounts]: for tests with other users, and with mounts of their own.
root() {
	WHY='only root can try this'
	[ "$(id -u)" -eq 0 ] || return 77
	WHY='no mount name space here'
	[ $# -eq 0 ] || unshare -m true 2>/dev/null || return 77
	WHY=
}

conf=$T/openssl.cnf
# change SED-EXPRESSION...: openssl.cnf as it should be, but for that.
change() {
	local expression
	configure "transport = $(socket_of sim)"
	for expression; do sed -i -e "$expression" "$conf" || return 1; done
}

# -------------------------------------------------------------- configuration

all_is_well() { change && well doctor; }

text_output() {
	change && run iotsafe doctor || return 1
	matches "$OUT" '^ok       configuration: .* activates default and iotsafe$' &&
		matches "$OUT" '^ok       module: .*iotsafe\.so is loaded by OpenSSL [34]' || return 1
	change 's/^activate = 1/#&/' && fails iotsafe doctor || return 1
	equal "$RC" 1 && matches "$OUT" '^fail     configuration: .*\. Next: add activate = 1'
}

file_absent() {
	change
	rm "$conf"
	finds conf-absent "OPENSSL_CONF names $conf" doctor --transport "$(socket_of sim)"
}

file_closed() {
	root || return
	change && chmod 640 "$conf" || return 1
	finds conf-closed "mode 0640, owner root \\(0\\).*user nobody" \
		setpriv --reuid nobody --regid nogroup --clear-groups env "${module_env[@]}" \
		"IOTSAFE_TRANSPORT=socket:127.0.0.1:$SIM_PORT" "${PRELOAD[@]}" "$TOOL" --json doctor
}

file_bad() {
	change '$a [' && finds conf-syntax "$conf, line [0-9]+" doctor --transport "$(socket_of sim)"
}

# the rest of the file is then not read: the transport comes by the option
elsewhere() { change "$3" && finds "$1" "$2" doctor --transport "$(socket_of sim)"; }

# Where the SIM is, the section would say: no word of a reader that nobody has.
nothing_guessed() {
	change 's/^activate = 1/#&/' && finds 'provider-not-activated default-not-activated' 'not activate' doctor || return 1
	json 'all(i["step"] in ("configuration", "module") for i in d)'
}

# libcrypto gives up over a section that is in itself.
endless() {
	change '$a trace = iotsafe_sect' &&
		finds value-is-section 'trace = iotsafe_sect' doctor --transport "$(socket_of sim)" || return 1
	json 'any("keeps from loading it" in i["cause"] for i in d)'
}

settings() {
	change '$a transprot = pcsc' &&
		finds setting-unknown 'no setting "transprot" in openssl.cnf; is "transport" meant' doctor &&
		change '$a frobnicate = 1' && finds setting-unknown 'no setting "frobnicate" in openssl.cnf$' doctor &&
		change && finds setting-unknown '"IOTSAFE_TIMEOUT" in the environment; is "IOTSAFE_TIMEOUT_MS"' \
		env IOTSAFE_TIMEOUT=5 "${module_env[@]}" "${PRELOAD[@]}" "$TOOL" --json doctor &&
		change '$a sim.other = pcsc' && well doctor
}

values() {
	change 's/^transport = .*/transport = carrier-pigeon:7/' &&
		finds setting-bad carrier-pigeon doctor &&
		change '$a timeout-ms = soon' && finds setting-bad 'timeout-ms "soon" in openssl.cnf' doctor &&
		change '$a trace = reader' '$a [reader]' &&
		finds value-is-section 'trace = reader is not read.*section \[reader\]' doctor
}

query() { # PROPERTIES
	change 's/^providers = .*/&\nalg_section = alg/' "\$a [alg]\\ndefault_properties = $1"
}

queries() {
	query '?provider=iotsafe' && finds query-prefers 'provider=iotsafe in \[alg\]' doctor &&
		query 'provider=default' && finds query-hides 'provider=default hides' doctor &&
		query 'provider=iotsafe' && finds query-hides 'provider=iotsafe hides' doctor &&
		query 'fips=yes' && finds query-fips 'demands fips=yes' doctor &&
		query '?fips=yes' && well doctor
}

engine() {
	change 's/^providers = .*/&\nengines = eng/' '$a [eng]\npkcs11 = p11\n[p11]\ninit = 0' &&
		finds engine-pkcs11 'engine pkcs11 in \[eng\]' doctor
}

configurations() {
	it 'nothing is found when all is well' all_is_well
	it 'text: a line a step' text_output
	it 'openssl.cnf absent' file_absent
	it 'openssl.cnf closed to the user' file_closed
	it 'openssl.cnf with a bad line' file_bad
	it 'no line openssl_conf' elsewhere conf-no-providers 'no line openssl_conf' '/^openssl_conf/d'
	it 'no line providers' elsewhere conf-no-providers 'no line providers' '/^providers/d'
	it 'a section that is not there' elsewhere conf-no-section 'no section \[openssl_init\]' 's/^\[openssl_init\]/[other]/'
	it 'the section of the provider is not there' elsewhere conf-no-section \
		'no section \[iotsafe_sect\]' 's/^\[iotsafe_sect\]/[other]/'
	it 'provider not listed' elsewhere provider-not-listed 'not among the providers' '/^iotsafe = /d'
	it 'provider not listed, as Debian has it' elsewhere provider-not-listed 'not among the providers' \
		'/^iotsafe = /d;s/^activate/#&/'
	it 'provider not activated' elsewhere provider-not-activated 'does not activate iotsafe' \
		'/^\[iotsafe_sect\]/,$s/^activate/#&/'
	it 'default not activated' elsewhere default-not-activated 'not activate OpenSSL.s own' '/^default = /d'
	it 'another provider activated alone' elsewhere 'provider-not-listed default-not-activated' \
		'not activate OpenSSL.s own' '/^default = /d;s/^iotsafe = /legacy = /'
	it 'iotsafe in front of default' elsewhere provider-order 'before default' \
		'/^default = /d;s/^iotsafe = .*/&\ndefault = default_sect/'
	it 'nothing is guessed about the SIM without settings' nothing_guessed
	it 'a section that names itself' endless
	it 'settings that are none, and the nearest name' settings
	it 'bad values, and one that names a section' values
	it 'property queries' queries
	it 'the engine pkcs11 beside' engine
}

# --------------------------------------------------------------------- module

# patched FROM TO: the module with other bytes, as many, in a folder of its own.
patched() {
	mkdir -p "$T/patched" &&
		/usr/bin/python3 - "$MODULES/iotsafe.so" "$T/patched/iotsafe.so" "$1" "$2" <<-'END'
			import sys
			data = open(sys.argv[1], "rb").read()
			old, new = (a.encode().decode("unicode_escape").encode("latin1") for a in sys.argv[3:])
			assert old in data and len(old) == len(new)
			open(sys.argv[2], "wb").write(data.replace(old, new, 1))
		END
}

no_module() {
	change "\$a module = $T/none/iotsafe.so" &&
		finds module-absent "not at $T/none/iotsafe.so: No such file" doctor
}

closed_module() {
	root || return
	mkdir -p "$T/closed" && cp "$MODULES/iotsafe.so" "$T/closed/" && chmod 700 "$T/closed" || return 1
	change "s/^transport = .*/transport = socket:127.0.0.1:$SIM_PORT/" "\$a module = $T/closed/iotsafe.so" || return 1
	chmod 644 "$conf"
	finds module-closed "$T/closed has mode 0700, owner root" \
		setpriv --reuid nobody --regid nogroup --clear-groups env "${module_env[@]}" "${PRELOAD[@]}" "$TOOL" --json doctor
}

# The usual folder is OpenSSL's own: only root can put the module there, for a moment.
hidden_module() {
	local usual
	usual=$(openssl version -m | sed 's/.*"\(.*\)"/\1/')/iotsafe.so
	root mounts || return
	change && mkdir -p "$T/empty" || return 1
	# in a name space of this test alone
	finds module-hidden "look for $T/empty/iotsafe.so, and the module is $usual" \
		patiently unshare -m sh -c 'mount -t tmpfs none "$1" && cp "$2" "$1" && shift 2 && exec "$@"' sh \
		"${usual%/*}" "$MODULES/iotsafe.so" \
		env "${module_env[@]}" "OPENSSL_MODULES=$T/empty" "${PRELOAD[@]}" "$TOOL" --json doctor
}

other_module() { # ID PATTERN FROM TO
	patched "$3" "$4" && change "\$a module = $T/patched/iotsafe.so" && finds "$1" "$2" doctor
}

machine=$(od -An -j18 -N2 -tu1 "$MODULES/iotsafe.so" | awk '{ printf "\\x%02x\\x%02x", $1, $2 }')

broken_module() {
	echo text >"$T/text.so" && change "\$a module = $T/text.so" &&
		finds module-broken 'is no shared library' doctor &&
		cp "$(ldd "$MODULES/iotsafe.so" | grep -oE '/[^ ]*libc\.so[^ ]*')" "$T/libc.so" &&
		change "\$a module = $T/libc.so" && finds module-broken 'is no provider of OpenSSL' doctor
}

crashing_module() {
	change "\$a module = $E2E_BUILD/tests/tools/crash.so" && finds crashed 'killed by signal 9' doctor || return 1
	json 'd[0]["step"] == "module"'
}

modules() {
	it 'module not there' no_module
	it 'module closed to the user' closed_module
	it 'module hidden by OPENSSL_MODULES' hidden_module
	it 'module for another machine' other_module module-machine 'another machine.*this one is' \
		'\x03\x00'"$machine" '\x03\x00\xf7\x00'
	local major
	major=$(libcrypto_of "$MODULES/iotsafe.so")
	major=${major##*.}
	it 'module for another OpenSSL' other_module module-openssl "does not fit OpenSSL $major.*libcrypto.so" \
		"libcrypto.so.$major\x00" 'libcrypto.so.9\x00'
	it 'module for a later version of this OpenSSL' other_module module-openssl "OPENSSL_$major.9.9.* not found" \
		"OPENSSL_$major.0.0\x00" "OPENSSL_$major.9.9\x00"
	it 'module damaged, or not ours' broken_module
	it 'module that crashes' crashing_module
}

# --------------------------------------------------------------------- access

# A socket that somebody has left, and one whose program takes a connection and ends it.
listeners() {
	/usr/bin/python3 - "$T/left.sock" <<-'END'
		import socket, sys
		socket.socket(socket.AF_UNIX).bind(sys.argv[1])
	END
}

# through TRANSPORT well|finds IDS PATTERN [OPERAND]
through() {
	local transport=$1 n=1
	shift
	[ "$1" = well ] || n=3
	change && "${@:1:n}" doctor --transport "$transport" "${@:n+1}"
}

no_socket() {
	through "socket:$T/none.sock" finds socket-absent "$T/none.sock: No such file" &&
		listeners && through "socket:$T/left.sock" finds socket-refused 'Connection refused; the program' || return 1
	pick_port
	through "socket:127.0.0.1:$PORT" finds socket-refused "127.0.0.1:$PORT"
}

# as_nobody [VARIABLE=VALUE...]
as_nobody() {
	patiently setpriv --reuid nobody --regid nogroup --clear-groups env "${module_env[@]}" "${PRELOAD[@]}" \
		"IOTSAFE_LOCK_DIR=$T/nobody" "$@" "$TOOL" --json doctor
}

closed_socket() {
	root || return
	change && chmod 644 "$conf" && chmod 755 "$T/sim" && chmod 660 "$T/sim/sim.sock" || return 1
	finds socket-closed "sim.sock has mode 0660, owner root \\(0\\), group root \\(0\\); user nobody \\([0-9]+\\) is not" \
		as_nobody
}

unknown_sim() { change && finds sim-unknown nosuch doctor 'iotsafe://label=client-key;sim=nosuch'; }

pcsc() { # EXPRESSION...
	change 's/^transport = .*/transport = pcsc/' "$@"
}

# spawn_ready NAME COMMAND...: waits for its first line
spawn_ready() {
	: >"$T/$1.log"
	spawn "$@"
	PID_OF[$1]=$SPAWNED
	started "$SPAWNED" grep -qE 'ready|connected' "$T/$1.log"
}

no_pcscd() {
	local -x PCSCLITE_CSOCK_NAME=$T/none.sock
	pcsc && finds pcscd-absent "$T/none.sock: No such file" doctor &&
		PCSCLITE_CSOCK_NAME=$T/left.sock && finds pcscd-absent 'Connection refused' doctor
}

# start_refusing NAME: somebody who ends each connection, at $T/NAME.sock.
start_refusing() {
	spawn_ready "$1" /usr/bin/python3 -u -c 'if True:
		import socket, sys
		listener = socket.socket(socket.AF_UNIX)
		listener.bind(sys.argv[1])
		listener.listen()
		print("ready")
		while True: listener.accept()[0].close()
	' "$T/$1.sock"
}

# What a pcscd does that polkit does not let a user use: it ends the connection.
pcscd_refuses() {
	local -x PCSCLITE_CSOCK_NAME=$T/refusing.sock
	start_refusing refusing && pcsc && finds pcscd-refuses 'reach pcscd' doctor || return 1
	stop refusing
	[ "$(id -u)" -eq 0 ] || return 0
	chmod 600 "$PCSCLITE_CSOCK_NAME" && chmod 644 "$conf" || return 1
	finds pcscd-closed 'refusing.sock has mode 0600.*user nobody' as_nobody
}

lost_connection() {
	start_refusing ending && IOTSAFE_TIMEOUT_MS=3000 through "socket:$T/ending.sock" \
		finds sim-unreachable "$T/ending.sock"
	local status=$?
	stop ending
	return $status
}

no_reader() {
	start_pcscd bare 0 || return
	pcsc && finds reader-absent 'connect a card reader' doctor
	local status=$?
	stop bare
	return $status
}

readers() {
	start_pcscd pcscd 1 || return
	pcsc && finds card-absent 'insert the SIM' doctor || return 1
	start_sim card gsma-strict --vpcd "127.0.0.1:${VPCD[1]}" && card_in pcscd 1 || return 1
	pcsc && well doctor && pcsc 's/^transport = pcsc/&:Nosuch/' &&
		finds reader-absent 'no reader.s name contains "Nosuch"; there are: "pcscd reader 1' doctor
}

# Needs the pcscd of `readers`.
taken_reader() {
	[ -n "${PCSCLITE_CSOCK_NAME:-}" ] || return 77
	spawn_ready exclusive "$HELPERS/wait_card" 'pcscd reader 1' exclusive || return 1
	pcsc && finds reader-taken 'another program has exclusive access to the reader' doctor
	local status=$?
	stop exclusive
	return $status
}

closed_locks() {
	root && [ -n "${PCSCLITE_CSOCK_NAME:-}" ] || return 77
	pcsc && chmod 644 "$conf" && mkdir -p "$T/nobody" && group_locks || return 1
	finds lock-closed "lock folder $T/lock is closed to this user: it must be in group .*4242" \
		as_nobody "IOTSAFE_LOCK_DIR=$T/lock"
	local status=$?
	chmod 700 "$T/lock"
	return $status
}

# A modem with a SIM of its own.
at=at:$T/modem/port
modem() { # QUIRK...
	admin modem modem-set "$@" >/dev/null
}

start_modem() {
	start_sim modem gsma-strict --at "$T/modem/port" --at-mode 0666 || return 1
	through "$at" well
}

no_modem() { through "at:$T/none" finds modem-absent "port $T/none: No such file" &&
	through "at:$conf" finds modem-mute 'not a serial port: nothing was written'; }

locked_pin() {
	modem sim=pin && through "$at" finds pin-locked 'it wants its PIN'
	local status=$?
	modem sim=none && through "$at" finds card-absent 'no SIM in the modem' && modem sim=ready && return $status
}

no_channel() {
	modem no_channels=on && admin modem reset && through "$at" finds channel-none 'no logical channel'
	local status=$?
	modem no_channels=off && return $status
}

# holder CODE: a program that has the port and does so with its descriptor.
holder() {
	spawn_ready holder /usr/bin/python3 -u -c "import fcntl, os, sys, termios, time
port = os.open(sys.argv[1], os.O_RDWR | os.O_NOCTTY)
$1
print('ready')
while True: time.sleep(1000)" "$T/modem/port"
}

busy_port() {
	local status=0
	holder 'pass' && through "$at" finds port-shared "process ${PID_OF[holder]} \\(python3\\) has the modem.s port"
	status=$((status + $?))
	stop holder
	local -x IOTSAFE_TIMEOUT_MS=1000
	holder 'fcntl.flock(port, fcntl.LOCK_EX)' &&
		through "$at" finds port-busy "process ${PID_OF[holder]} \\(python3\\) has the modem.s port"
	status=$((status + $?))
	stop holder
	return $status
}

# A line on which nobody answers.
mute_modem() {
	spawn_ready mute /usr/bin/python3 -u -c 'if True:
		import os, sys, time
		_, port = os.openpty()
		os.symlink(os.ttyname(port), sys.argv[1])
		print("ready")
		while True: time.sleep(1000)
	' "$T/mute" && IOTSAFE_TIMEOUT_MS=3000 through "at:$T/mute" finds modem-mute 'does not answer AT'
	local status=$?
	stop mute
	return $status
}

closed_port() {
	root || return
	change "s,^transport = .*,transport = $at," && chmod 644 "$conf" && chmod 755 "$T/modem" || return 1
	chmod 660 "$T/modem/port" || return 1
	finds port-closed 'has mode 0660, owner root.*user nobody \([0-9]+\) is not in that group' as_nobody
	local status=$?
	chmod 666 "$T/modem/port"
	return $status
}

silent() {
	start_sim silent || return 1
	admin silent fault mute --count 1000 &&
		IOTSAFE_TIMEOUT_MS=1000 through "$(socket_of silent)" finds "$1" "$2"
}

no_applet() {
	change '$a aid = A00000000101,A00000000102' &&
		finds applet-absent 'tried AID A00000000101 A00000000102' doctor
}

# 93XX: the toolkit is busy, as over-the-air administration makes it.
administration() {
	start_sim busy || return 1
	admin busy fault sw=9300 --count 100000 &&
		IOTSAFE_TIMEOUT_MS=3000 through "$(socket_of busy)" finds admin-busy '9300.*SIM toolkit is busy'
}

broken_card() {
	start_sim broken || return 1
	admin broken fault sw=6f00 --count 1000 &&
		IOTSAFE_TIMEOUT_MS=3000 through "$(socket_of broken)" finds card-error '6F00'
}

accesses() {
	it 'no SIM with that name' unknown_sim
	it 'socket: nobody there' no_socket
	it 'socket: closed to the user' closed_socket
	it 'socket: the connection ends' lost_connection
	it 'pcscd not there' no_pcscd
	it 'pcscd refuses the user' pcscd_refuses
	it 'pcscd without a reader' no_reader
	it 'no card, then all is well with pcsc, then a wrong name' readers
	it 'reader taken by another program' taken_reader
	it 'lock folder closed to the user' closed_locks
	unset PCSCLITE_CSOCK_NAME
	it 'all is well with at' start_modem
	it 'modem not there' no_modem
	it 'SIM locked by its PIN, or not in the modem' locked_pin
	it 'no channel free' no_channel
	it 'port used by another program' busy_port
	it 'nobody answers at the port' mute_modem
	it 'port closed to the user' closed_port
	it 'SIM does not answer' silent sim-silent '[Tt]ime'
	it 'applet not on the card' no_applet
	it 'remote administration at work' administration
	it 'the card reports errors' broken_card
}

# ---------------------------------------------------------- key, certificate

no_key() {
	mkdir -p "$T/empty-sim" && "$SOFTSIM" init --store "$T/empty-sim/store" --only notes &&
		start_sim empty-sim && through "$(socket_of empty-sim)" finds key-none 'no active private key' &&
		change && finds key-absent 'nosuch' doctor iotsafe://label=nosuch
}

no_certificate() {
	mkdir -p "$T/bare-sim" && "$SOFTSIM" init --store "$T/bare-sim/store" --only client-key &&
		start_sim bare-sim && through "$(socket_of bare-sim)" finds certificate-absent 'certificate' || return 1
	equal "$RC" 0 'exit status' || return 1
	start_sim closed-sim && admin closed-sim fault sw=6982 --ins 'READ FILE' --count 1000 &&
		through "$(socket_of closed-sim)" finds certificate-unreadable '6982' "$key"
}

# issue OUT PUBLIC-KEY ISSUER [SETTING...], see issue.py.
issue() {
	/usr/bin/python3 -c 'import cryptography' 2>/dev/null || {
		WHY='python3-cryptography is not installed'
		return 77
	}
	/usr/bin/python3 "$E2E_SOURCE/tests/tools/issue.py" "$@"
}

# bundle NAME [SETTING...]: a key reference and a certificate made for it, in $T/NAME.pem.
bundle() {
	local name=$1
	shift
	issue "$T/$name.cert" "$T/client.pub" "${issuer:-$T/sim/store/ca}" "$@" &&
		cat "$T/reference.pem" "$T/$name.cert" >"$T/$name.pem"
}

files() {
	change && iotsafe key-ref "$key" >"$T/reference.pem" && iotsafe pubkey "$key" >"$T/client.pub" &&
		well doctor "$T/reference.pem" && well doctor "$key" && iotsafe cert "$key" >"$T/client.pem" &&
		well doctor "$T/client.pem" && bundle good && well doctor "$T/good.pem" || return
	json 'any(i["step"] == "file" and "a key reference; certificates in it: 1" in i["cause"] for i in d)' || return 1
	finds file-absent 'No such file' doctor "$T/none.pem" &&
		sed 5d "$T/reference.pem" >"$T/cut.pem" && finds file-broken "$T/cut.pem" doctor "$T/cut.pem" &&
		finds file-broken 'neither a key reference nor' doctor "$conf"
}

closed_file() {
	root || return
	cp "$T/reference.pem" "$T/closed.pem" && chmod 600 "$T/closed.pem" || return 1
	change "s/^transport = .*/transport = socket:127.0.0.1:$SIM_PORT/" && chmod 644 "$conf" || return 1
	finds file-closed 'closed.pem has mode 0600, owner root' \
		setpriv --reuid nobody --regid nogroup --clear-groups env "${module_env[@]}" "${PRELOAD[@]}" \
		"$TOOL" --json doctor "$T/closed.pem"
}

stale_file() {
	start_sim other && through "$(socket_of other)" finds file-stale 'does not match the key on this SIM' "$T/reference.pem"
}

with_file() { # IDS PATTERN FILE
	change && finds "$1" "$2" doctor "$3"
}

mismatches() {
	cat "$T/reference.pem" "$T/sim/store/ca.pem" >"$T/mismatch.pem"
	with_file 'key-mismatch' 'CN=iotsafe-softsim test CA is for another key' "$T/mismatch.pem" &&
		with_file key-mismatch 'no key on the SIM belongs' "$T/sim/store/ca.pem"
}

wrong_certificate() { # IDS PATTERN SETTING...
	local ids=$1 pattern=$2
	shift 2
	bundle wrong "$@" && with_file "$ids" "$pattern" "$T/wrong.pem"
}

# That it is for one side alone is said, but for one key it may be meant so.
one_sided() {
	bundle server eku=1.3.6.1.5.5.7.3.1 && change && well doctor "$T/server.pem" || return
	json 'any("for TLS servers only" in i["cause"] for i in d)'
}

on_sim() {
	start_sim dated && local -x IOTSAFE_TRANSPORT && IOTSAFE_TRANSPORT=$(socket_of dated) &&
		iotsafe pubkey "$key" >"$T/dated.pub" &&
		issue "$T/dated.pem" "$T/dated.pub" "$T/dated/store/ca" from=-9 to=-2 &&
		openssl x509 -in "$T/dated.pem" -outform DER -out "$T/dated.der" &&
		admin dated delete file client-cert && admin dated put-file client-cert "$T/dated.der" --usage cert &&
		change && finds certificate-expired 'was valid until' doctor
}

clock() {
	local preload=${PRELOAD[*]}
	change && finds clock-wrong 'the clock says 1970-01-02' \
		env "LD_PRELOAD=${preload#LD_PRELOAD=} $E2E_BUILD/tests/tools/libset_clock.so" SET_CLOCK=90000 \
		"${module_env[@]}" "$TOOL" --json doctor
}

# An issuer between the device and the root, which nobody sends.
chains() {
	local issuer
	openssl ecparam -name prime256v1 -genkey -noout -out "$T/middle.key" &&
		openssl pkey -in "$T/middle.key" -pubout -out "$T/middle.pub" &&
		issue "$T/middle.pem" "$T/middle.pub" "$T/sim/store/ca" name=middle ca=yes || return
	issuer=$T/middle
	bundle chain && with_file chain-incomplete 'issuer CN=middle does not follow$' "$T/chain.pem" || return 1
	cat "$T/middle.pem" >>"$T/chain.pem" && well doctor "$T/chain.pem"
}

refused_tls() {
	case $(openssl version) in
	'OpenSSL 3.0.'*) ;;
	*) WHY='later versions of OpenSSL take a signature with SHA-1 that nobody checks' && return 77 ;;
	esac
	openssl x509 -req -in <(openssl req -new -key "$T/middle.key" -subj /CN=old) -force_pubkey "$T/client.pub" -sha1 \
		-CA "$T/sim/store/ca.pem" -CAkey "$T/sim/store/ca.key" -set_serial 7 -days 100 -out "$T/sha1.pem" &&
		cat "$T/reference.pem" "$T/sha1.pem" >"$T/old.pem" &&
		with_file tls-refused 'md too weak' "$T/old.pem"
}

# ------------------------------------------------------------------ signature

signatures() {
	start_sim refusing-sim && admin refusing-sim deactivate private client-key &&
		through "$(socket_of refusing-sim)" finds signature-failed '6985' "$key" || return 1
	well_but_no_signature "$(socket_of refusing-sim)" && admin refusing-sim activate private client-key || return 1
	admin refusing-sim fault flip=77 --ins 'COMPUTE SIGNATURE UPDATE' --count 1000 &&
		change '$a verify-signature = no' &&
		finds signature-wrong 'does not match' doctor --transport "$(socket_of refusing-sim)"
}

well_but_no_signature() {
	change && well doctor --no-sign --transport "$1" "$key" && json 'all(i["step"] != "signature" for i in d)'
}

administration_of_the_key() {
	admin sim busy 36000 || return 1
	change '$a timeout-ms = 5000' && finds admin-busy 'remote administration' doctor
	local status=$?
	admin sim busy 0 && return $status
}

slow_sim() {
	start_sim slow gsma-strict --latency-set sign=1200 &&
		through "$(socket_of slow)" finds sim-slow 'takes 1[0-9]{3} ms: at most [0-9]{2} TLS'
}

keys_and_certificates() {
	it 'no key, or none of that name' no_key
	it 'no certificate, or one that cannot be read' no_certificate
	it 'key references and certificates in files' files
	it 'file closed to the user' closed_file
	it 'key reference of another SIM' stale_file
	it 'certificate of another key' mismatches
	it 'certificate expired' wrong_certificate certificate-expired 'was valid until' from=-9 to=-2
	it 'certificate on the SIM expired' on_sim
	it 'certificate not yet valid' wrong_certificate certificate-not-yet-valid 'is valid from' from=5
	it 'certificate ends soon' wrong_certificate certificate-ends-soon 'until .* only' to=9
	it 'certificate for another use' wrong_certificate certificate-usage 'neither a TLS client nor' eku=1.3.6.1.5.5.7.3.3
	it 'certificate for TLS servers alone' one_sided
	it 'clock wrong' clock
	it 'chain incomplete' chains
	it 'certificate that TLS refuses' refused_tls
	it 'signature refused, or wrong' signatures
	it 'key in the hands of remote administration' administration_of_the_key
	it 'slow SIM' slow_sim
}

# ----------------------------------------------------------------- other users

# unit LINE...: $T/units/gateway.service, run by nobody, with the configuration in its
# environment.
unit() {
	mkdir -p "$T/units" "$T/nobody" && chown nobody "$T/nobody" && chmod 755 "$T/units" || return 1
	rm -rf "$T/units/"*
	local line
	{
		printf '%s\n' '[Unit]' 'User=root' '# a comment' '[Service]' 'User=nobody' \
			"Environment=OPENSSL_CONF=$conf \\" "    \"OPENSSL_MODULES=$MODULES\"" \
			"EnvironmentFile=-$T/units/none" "EnvironmentFile=$T/units/environment"
		for line; do echo "$line"; done
	} >"$T/units/gateway.service"
	printf '%s\n' '# locks' "IOTSAFE_LOCK_DIR=\"$T/nobody\"" >"$T/units/environment"
}

# as NAME: from an environment of root's that a service does not have.
as() {
	local -x SYSTEMD_UNIT_PATH=$T/units
	iotsafe --json doctor --as "$@"
}

served() { change "s,^transport = .*,transport = socket:127.0.0.1:$SIM_PORT," && chmod 644 "$conf"; }

as_service() {
	root || return
	unit && served && IOTSAFE_TRANSPORT=pcsc well as gateway || return 1
	json 'd[0]["step"] == "user" and d[0]["cause"].startswith("gateway.service, as user nobody")' || return 1
	chmod 600 "$conf"
	finds conf-closed 'mode 0600.*user nobody' as gateway.service --transport "socket:127.0.0.1:$SIM_PORT" || return 1
	served && unit 'SupplementaryGroups=4242' && chmod 660 "$T/sim/sim.sock" && chgrp 4242 "$T/sim/sim.sock" &&
		well as gateway --transport "$(socket_of sim)" || return 1
	mkdir "$T/units/gateway.service.d" &&
		printf '[Service]\nSupplementaryGroups=\n' >"$T/units/gateway.service.d/no-groups.conf" &&
		finds socket-closed 'group without name \(4242\); user nobody \([0-9]+\) is not in' \
			as gateway --transport "$(socket_of sim)"
}

as_user() {
	root || return
	unit && served && IOTSAFE_LOCK_DIR=$T/nobody well as nobody || return 1
	json 'd[0]["cause"].startswith("user nobody")' && refused 2 'neither a service nor a user called nosuch' as nosuch &&
		refused 2 'gateway.service: there is no user nosuch' as_unit 'User=nosuch' &&
		refused 2 'gateway.service: there is no group nosuch' as_unit 'Group=nosuch' || return 1
	finds user-refused 'cannot become root' setpriv --reuid nobody --regid nogroup --clear-groups \
		env "${module_env[@]}" "${PRELOAD[@]}" "$TOOL" --json doctor --as root
}

as_unit() { unit "$@" && as gateway; }

# A unit comes before a user of that name, who has a number as well.
as_both() {
	root || return
	unit 'User=root' && served && mv "$T/units/gateway.service" "$T/units/nobody.service" || return 1
	IOTSAFE_LOCK_DIR=$T/nobody run as nobody
	json 'd[0]["cause"].startswith("nobody.service, as user root")' || return 1
	IOTSAFE_LOCK_DIR=$T/nobody well as "$(id -u nobody)" && json 'd[0]["cause"].startswith("user nobody")'
}

# What systemd says counts where it runs.
as_systemd_says() {
	root mounts || return
	served && mkdir -p "$T/bin" || return 1
	cat >"$T/bin/systemctl" <<-END
		#!/bin/sh
		case \$* in
		'show --property=LoadState -- gateway.service') echo LoadState=loaded ;;
		'show -- gateway.service')
			echo User=nobody
			echo 'Environment=OPENSSL_CONF=$conf OPENSSL_MODULES=$MODULES'
			echo 'EnvironmentFiles=$T/units/environment (ignore_errors=no)'
			echo PrivateNetwork=yes ;;
		*) exit 1 ;;
		esac
	END
	chmod 755 "$T/bin/systemctl"
	finds sandbox-network 'PrivateNetwork=yes keeps the address' \
		patiently unshare -m sh -c 'mkdir -p /run/systemd && mount -t tmpfs none /run/systemd && mkdir /run/systemd/system && exec "$@"' sh \
		env "PATH=$T/bin:$PATH" "${PRELOAD[@]}" "$TOOL" --json doctor --as gateway
}

sandboxed() { # IDS PATTERN TRANSPORT LINE...
	root || return
	local ids=$1 pattern=$2 transport=$3
	shift 3
	served && chmod 666 "$T/sim/sim.sock" && unit "$@" || return 1
	if [ -n "$ids" ]; then
		finds "$ids" "$pattern" as gateway --transport "$transport"
	else
		well as gateway --transport "$transport"
	fi
}

sandboxes() {
	local sim inet=socket:127.0.0.1:$SIM_PORT
	sim=$(socket_of sim)
	sandboxed sandbox-device "PrivateDevices=yes keeps the modem's port" "$at" PrivateDevices=yes &&
		sandboxed sandbox-device 'DeviceAllow= keeps' "$at" DevicePolicy=closed 'DeviceAllow=char-ttyUSB rw' &&
		sandboxed '' '' "$at" DevicePolicy=closed 'DeviceAllow=char-ttyUSB rw' 'DeviceAllow=char-pts rw' &&
		sandboxed '' '' "$at" DevicePolicy=closed "DeviceAllow=$T/modem/port rw" PrivateNetwork=yes &&
		sandboxed sandbox-family 'without AF_UNIX keeps the socket' "$sim" 'RestrictAddressFamilies=AF_INET AF_INET6' &&
		sandboxed sandbox-family 'without AF_UNIX' "$sim" 'RestrictAddressFamilies=~AF_NETLINK AF_UNIX' &&
		sandboxed '' '' "$sim" 'RestrictAddressFamilies=AF_UNIX' PrivateDevices=yes PrivateNetwork=yes &&
		sandboxed sandbox-network 'without AF_INET and' "$inet" 'RestrictAddressFamilies=AF_UNIX' &&
		sandboxed sandbox-network 'PrivateNetwork=yes' "$inet" PrivateNetwork=yes &&
		sandboxed '' '' "$inet" 'RestrictAddressFamilies=AF_UNIX AF_INET' PrivateTmp=yes &&
		sandboxed sandbox-path 'PrivateTmp=yes keeps the path /tmp/' "$sim" PrivateTmp=yes || return
	mkdir -p "$T/root"
	sandboxed sandbox-root "RootDirectory= keeps .*$T/sim/sim.sock from gateway.service" "$sim" "RootDirectory=$T/root" &&
		sandboxed '' '' "$sim" "RootDirectory=$T/root" "BindPaths=$T/sim:$T/sim" &&
		sandboxed '' '' "$inet" "RootDirectory=$T/root"
}

sandboxed_locks() {
	root || return
	start_pcscd locks 1 || return
	local variable="Environment=PCSCLITE_CSOCK_NAME=$PCSCLITE_CSOCK_NAME"
	start_sim locked gsma-strict --vpcd "127.0.0.1:${VPCD[1]}" && card_in locks 1 && mkdir -p "$T/nobody" &&
		chown nobody "$T/nobody" && chmod 666 "$PCSCLITE_CSOCK_NAME" &&
		sandboxed sandbox-locks "ProtectSystem=strict without .* keeps the lock folder $T/nobody" pcsc \
			"$variable" ProtectSystem=strict &&
		sandboxed '' '' pcsc "$variable" ProtectSystem=strict "ReadWritePaths=-$T/nobody" &&
		sandboxed '' '' pcsc "$variable" ProtectSystem=full
	local status=$?
	stop locks
	unset PCSCLITE_CSOCK_NAME
	return $status
}

other_users() {
	it '--as a service: its user, groups and environment' as_service
	it '--as a user; and names of nobody' as_user
	it '--as a name that a service and a user have, and as that user by number' as_both
	it '--as a service that systemd knows' as_systemd_says
	it 'what a unit keeps from its service' sandboxes
	it 'a unit that cannot lock' sandboxed_locks
}

# ------------------------------------------------------------------- profiles

# The same SIM in turn behind the socket, in a reader and in a modem.
profile_is_well() { # PROFILE
	local -x IOTSAFE_AID=
	[ "$1" != cira ] || IOTSAFE_AID=A0000002480400 # no document has it
	"$SOFTSIM" init --store "$T/store-$1" --profile "$1" || return 1
	admin profiled remove || return 1
	[ -z "${VPCD[1]:-}" ] || card_out profiles 1 || return 1
	admin profiled insert "$T/store-$1" && through "$(socket_of profiled)" well || return 1
	# a card with its basic channel alone cannot be used beside a modem
	case $1 in m33mu | wolfssl) ;; *) through "at:$T/profiled/port" well || return 1 ;; esac
	[ -z "${VPCD[1]:-}" ] || { card_in profiles 1 && through 'pcsc:profiles reader 1' well; }
}

profiles() {
	local profile status
	local -a vpcd=()
	VPCD=()
	start_pcscd profiles
	status=$?
	[ $status -ne 1 ] || return 1
	[ $status -ne 0 ] || vpcd=(--vpcd "127.0.0.1:${VPCD[1]}")
	start_sim profiled gsma-strict --at "$T/profiled/port" "${vpcd[@]}" || return 1
	[ $status -ne 0 ] || card_in profiles 1 || return 1
	for profile in "${PROFILES[@]}"; do profile_is_well "$profile" || return 1; done
	[ $status -eq 0 ] || return 77
}

PROFILES=(gsma-strict orange thales-mvp thales-p11 zariot cira quantag-1.4 ntt m33mu kigen wolfssl)

pick_port
SIM_PORT=$PORT
it 'a software SIM starts' start_sim sim gsma-strict --listen "tcp:127.0.0.1:$SIM_PORT"
configurations
modules
accesses
keys_and_certificates
other_users
it 'all is well with every profile, by socket, at and pcsc' profiles

# --------------------------------------------------------------------- names

# Each finding of the source is in iotsafe(1), and provoked here.
names() {
	local id
	for id in $(grep -oE ', "[a-z0-9-]+", (FAIL|WARNING)' "$E2E_SOURCE/tools/doctor_findings.h" | cut -d'"' -f2); do
		matches "$E2E_SOURCE/docs/iotsafe.1" "^\\.Li $id( ,)?\$" && matches "$0" "$id " || return 1
	done
}

it 'each finding is documented, and provoked here' names
done_testing
