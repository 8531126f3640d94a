#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# `iotsafe report`: what helps is in it, and nothing that tells whose SIM it is.
# shellcheck source=tests/tools/lib.sh
. "$(dirname "$0")/lib.sh"
need /usr/bin/python3 xxd

ICCID=8988247012345678905
IMSI=901700987654321
IMEI=356938035643809
SERIAL='Reader 77 (50026B7782A1) 00 00'
TRACE=$T/private-folder/trace

on_sim() { IOTSAFE_TRANSPORT=$(socket_of sim) iotsafe "$@"; }
find_values() { /usr/bin/python3 "$(dirname "$0")/find_values.py" "$1" <"$T/values"; }

personalise() {
	mkdir "$T/sim" "${TRACE%/*}" &&
		"$SOFTSIM" init --store "$T/sim/store" --cn 'Recognisable Subject 42' >>"$T/sim.log" 2>&1 &&
		start_sim sim && openssl genpkey -algorithm EC -pkeyopt ec_paramgen_curve:P-256 -out "$T/key" &&
		openssl pkey -in "$T/key" -pubout -out "$T/key.pub" && admin sim put-key recognisable-label "$T/key.pub" &&
		echo 'recognisable contents' >"$T/notes" && admin sim put-file recognisable-file "$T/notes"
}

# A trace of what fails and of what does not, and what could have got into one otherwise.
trace_all() {
	local swapped
	swapped=$(sed -E 's/(.)(.)/\2\1/g' <<<"${ICCID}F")
	on_sim list >"$T/list" && on_sim cert "$key" >"$T/cert.pem" || return 1
	export IOTSAFE_TRACE=file:$TRACE
	on_sim list >/dev/null && on_sim sign "$key" "$T/notes" >"$T/signature" && on_sim random 16 >"$T/random" &&
		on_sim file iotsafe://label=recognisable-file >/dev/null && fails on_sim pubkey iotsafe://label=recognisable-other
	unset IOTSAFE_TRACE
	cat >>"$TRACE" <<-END
		10:00:00.001 7 $SERIAL >> 00A40004022FE2  SELECT
		10:00:00.002 7 $SERIAL << 9000  success (3 ms)
		10:00:00.003 7 $SERIAL >> 00B000000A  READ FILE, offset=0
		10:00:00.004 7 $SERIAL << $swapped 9000  success (4 ms), 10 bytes
		10:00:00.005 7 /dev/serial/by-id/usb-modem_$IMEI-if02 >> 80CA000F08$IMSI  unknown instruction
		10:00:00.006 7 at -- IMSI $IMSI
		$IMSI
		10:00:00.007 7 error -- $IMSI at $IMEI
		10:00:00.008 7 at << $IMSI$IMSI
	END
	grep -q "$swapped" "$TRACE" && grep -qi "$(printf recognisable-label | xxd -p)" "$TRACE"
}

# What must not be in a report. The subject's key is in its signature's stead.
values() {
	local hex
	cat >"$T/values" <<-END
		Recognisable Subject 42
		Recognisable
		recognisable-label
		recognisable-file
		recognisable-other
		recognisable contents
		client-key
		$(openssl x509 -in "$T/cert.pem" -noout -issuer -nameopt multiline | sed -n 's/ *commonName *= //p')
		hex:$(openssl x509 -in "$T/cert.pem" -noout -serial | cut -d= -f2)
		hex:$(openssl x509 -in "$T/cert.pem" -noout -pubkey | openssl pkey -pubin -outform DER | tail -c 32 | xxd -p -c 64)
		hex:$(openssl asn1parse -inform DER -in "$T/signature" | awk -F: '/INTEGER/ { print $4; exit }')
		hex:$(xxd -p -c 64 "$T/random")
		$ICCID
		$IMSI
		$IMEI
		50026B7782A1
		$T
		private-folder
		$(uname -n)
	END
	for hex in $(sed -n 's/^hex://p' "$T/values"); do
		[ "${#hex}" -ge 32 ] || return 1
	done
}

# A check that finds nothing in what has everything would be none.
check_finds() {
	cat "$TRACE" "$T/list" "$T/cert.pem" "$T/notes" >"$T/everything"
	! find_values "$T/everything" >"$T/found" && matches "$T/found" 'swapped nibbles' && matches "$T/found" ': hex$' &&
		matches "$T/found" ': base64' && matches "$T/found" ': as it is'
}

masked() {
	IOTSAFE_TRACE=file:$TRACE succeeds on_sim report || return 1
	cp "$OUT" "$T/report.json"
	find_values "$T/report.json" || return 1
	json 'd["format"] == "iotsafe-report-1" and d["versions"]["iotsafe"] and d["versions"]["openssl"].startswith("OpenSSL ")' &&
		json 'd["settings"]["trace"] == {"value": "file", "from": "environment"} and d["settings"]["transport"]["value"] == "socket"' &&
		json 'd["applet"]["aid"] == "a0000005590010" and d["applet"]["version"]' &&
		json 'len(d["conformance"]) > 30 and all(i["seen"] for i in d["conformance"])' &&
		json '[i["copes"] for i in d["conformance"] if i["rule"] == "generate"] == [None]' &&
		json '[i["status"] for i in d["doctor"] if i["step"] == "signature"] == ["ok"]' &&
		json 'any(o.get("certificates", [{}])[0:1] and o["certificates"][0]["key"] == "EC" for o in d["objects"] if o["kind"] == "file" and o.get("certificates"))' &&
		json 'any(i.get("command") == "81CB0100" for i in d["trace"]) and any(i.get("tags", "").startswith("83:") or "9E:20" in i.get("tags", "") for i in d["trace"])' &&
		json 'any("no such object" in i.get("error", "") for i in d["trace"])' &&
		json 'd["trace"][-1] == {"at": "10:00:00.008", "status": None}'
}

labels() {
	succeeds on_sim report --with-labels || return 1
	sed -E '/ecognisable|client-key/d' "$T/values" >"$T/fewer" && cp "$T/fewer" "$T/values"
	find_values "$OUT" && json 'any(o.get("label") == "client-key" and o["id"] for o in d["objects"])'
}

# What was asked of the SIM is taken back; a trace that is not there is said to be none.
quiet() {
	sha256sum <"$T/sim/store/sim.json" >"$T/before" || return 1
	succeeds on_sim report --no-sign --out "$T/r.json" || {
		matches "$ERR" '^iotsafe: the report is in .*/r\.json; review it before you send it$' && [ "$RC" -eq 0 ] || return 1
	}
	equal "$(stat -c %a "$T/r.json")" 600 mode && sha256sum <"$T/sim/store/sim.json" | cmp - "$T/before" &&
		json 'd["trace"] is None and "IOTSAFE_TRACE" in d["no_trace"]' "$T/r.json" &&
		json '[i["seen"] for i in d["conformance"] if i["rule"] == "signature"] == ["not asked: --no-sign"]' "$T/r.json"
}

# It is wanted most where nothing works. Settings may be anything.
no_sim() {
	IOTSAFE_QUIRKS="$IMSI" IOTSAFE_AID="my $IMSI" IOTSAFE_VERIFY_SIGNATURE="$IMSI" succeeds nocard report || return 1
	find_values "$OUT" && json 'd["applet"] is None and d["objects"] is None and d["error"]' &&
		json 'd["settings"]["quirks"]["value"] == d["settings"]["aid"]["value"] == "not as it should be"' &&
		json 'any(i["status"] == "fail" for i in d["doctor"])' || return 1
	# digits are what these settings have as well
	IOTSAFE_QUIRKS="session=$IMSI" IOTSAFE_AID="A0000005590010,${ICCID}0" IOTSAFE_TIMEOUT_MS="$IMEI" \
		succeeds mod "$TOOL" --transport "$nowhere" report && find_values "$OUT" &&
		json '{d["settings"][i]["value"] for i in ("quirks", "aid", "timeout-ms")} == {"not as it should be"}' || return 1
	IOTSAFE_QUIRKS=close=always,session=255 IOTSAFE_AID=A0000005590010,A0000001157000000000000049534102 succeeds nocard report &&
		json 'd["settings"]["quirks"]["value"] == "close=always,session=255"' &&
		json 'd["settings"]["aid"]["value"].startswith("A0000005590010,") and d["settings"]["timeout-ms"]["value"] == "300"'
}

it 'a SIM with values that can be recognised' personalise
it 'a trace with them, and with what else could be in one' trace_all
it 'what must not be in a report' values
it 'all of it is found in what was traced and read' check_finds
it 'the report helps, and none of it is in it' masked
it 'labels only if so wanted' labels
it 'a file, nothing signed; the SIM is as before' quiet
it 'a report without a SIM, with settings that are none' no_sim
done_testing
