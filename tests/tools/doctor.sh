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
		matches "$OUT" '^ok       module: .*iotsafe\.so is loaded by OpenSSL 3' || return 1
	change 's/^activate = 1/#&/' && fails iotsafe doctor || return 1
	equal "$RC" 1 && matches "$OUT" '^fail     configuration: .*\. Next: add activate = 1'
}

file_absent() {
	change
	rm "$conf"
	finds conf-absent "OPENSSL_CONF names $conf" doctor --transport "$(socket_of sim)"
}

file_closed() {
	[ "$(id -u)" -eq 0 ] || return 77
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
	it 'provider not activated' elsewhere provider-not-activated 'does not activate iotsafe' \
		'/^\[iotsafe_sect\]/,$s/^activate/#&/'
	it 'default not activated' elsewhere default-not-activated 'not OpenSSL.s own' '/^default = /d'
	it 'iotsafe in front of default' elsewhere provider-order 'before default' \
		'/^default = /d;s/^iotsafe = .*/&\ndefault = default_sect/'
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
	[ "$(id -u)" -eq 0 ] || return 77
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
	[ "$(id -u)" -eq 0 ] && unshare -m true 2>/dev/null || return 77
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

modules() {
	it 'module not there' no_module
	it 'module closed to the user' closed_module
	it 'module hidden by OPENSSL_MODULES' hidden_module
	it 'module for another machine' other_module module-machine 'another machine.*this one is' \
		'\x03\x00'"$machine" '\x03\x00\xf7\x00'
	it 'module for another OpenSSL' other_module module-openssl 'does not fit OpenSSL 3.*libcrypto.so' \
		'libcrypto.so.3\x00' 'libcrypto.so.9\x00'
	it 'module for a newer OpenSSL 3' other_module module-openssl 'OPENSSL_3.9.9.* not found' \
		'OPENSSL_3.0.0\x00' 'OPENSSL_3.9.9\x00'
	it 'module damaged, or not ours' broken_module
}

pick_port
SIM_PORT=$PORT
it 'a software SIM starts' start_sim sim gsma-strict --listen "tcp:127.0.0.1:$SIM_PORT"
configurations
modules

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
