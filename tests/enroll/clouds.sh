#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# iotsafe-enroll aws and dps, against stand-ins for the services.
# shellcheck source=tests/enroll/lib.sh
. "$(dirname "$0")/lib.sh"
"$ENROLL" --help | grep -q '^  aws ' || skip_all 'built without libmosquitto'

cert=$T/device.pem

mode() { printf '%s\n' "$@" >"$T/$TWIN/mode"; }
asked() { tr '\n' ',' <"$T/$TWIN/requests"; }
forget() { : >"$T/$TWIN/requests"; }

# ------------------------------------------------------------------------- aws

start_aws() {
	have mosquitto && /usr/bin/python3 -c 'import paho.mqtt.client' 2>/dev/null || {
		WHY=${WHY:-python3-paho-mqtt is not installed}
		return 77
	}
	local tls plain address
	mkdir -p "$T/aws" && pick_port 2 && tls=$PORT plain=$((PORT + 1)) || return 1
	cat >"$T/broker.conf" <<-END
		$([ "$(id -u)" -ne 0 ] || echo 'user root')
		per_listener_settings true
		log_dest stderr
		listener $plain 127.0.0.1
		allow_anonymous true
	END
	for address in 127.0.0.1 127.0.0.2; do # the certificate does not name the second one
		cat >>"$T/broker.conf" <<-END
			listener $tls $address
			cafile $T/$CA/store/ca.pem
			certfile $T/server.pem
			keyfile $T/server.key
			require_certificate true
			use_identity_as_username true
			allow_anonymous false
		END
	done
	spawn broker mosquitto -c "$T/broker.conf"
	PID_OF[broker]=$SPAWNED
	started "$SPAWNED" listening "$plain" && await listening "$tls" || return 1
	spawn aws /usr/bin/python3 "$E2E_SOURCE/tests/enroll/aws_server.py" "$T/aws" "$plain" \
		"$T/$CA/store/ca.pem" "$T/$CA/store/ca.key" fleet
	PID_OF[aws]=$SPAWNED
	started "$SPAWNED" test -e "$T/aws/ready" && ENDPOINT=127.0.0.1:$tls BEHIND=$plain TWIN=aws
}

aws() {
	enroll aws --endpoint "$ENDPOINT" --template fleet --trust "$T/$CA/store/ca.pem" --subject /CN=device-1 \
		--key "$new" --cert-out "$cert" "$@"
}
by_first_key=(--bootstrap-key "$first_key" --bootstrap-cert "$first_cert")

fleet() {
	start_aws || return
	run aws --generate "${by_first_key[@]}" --parameter SerialNumber=4711 --chain-out "$T/chain.pem" --json || return 1
	equal "$(json 'd["status"], d["server"]')" "('done', '$ENDPOINT')" result && holds "$cert" "$new" &&
		matches "$ERR" 'registered as thing-4711' && equal "$(asked)" 'create accepted,register accepted,' requests &&
		run aws --parameter SerialNumber=4711 && holds "$cert" "$new"
}

fleet_refuses() {
	[ "${TWIN:-}" = aws ] || { WHY='see above' && return 77; }
	local before
	before=$(sha256sum "$cert")
	mode 'create 403'
	ends 4 'certificate: the server refuses: 403 Refused: as the test wants' aws --parameter SerialNumber=1 || return 1
	mode 'create 429'
	ends 1 'refuses: 429' aws --parameter SerialNumber=1 || return 1
	mode 'register 400'
	ends 4 'registration: the server refuses' aws --parameter SerialNumber=1 || return 1
	mode
	ends 4 'the parameter SerialNumber is missing' aws --parameter other=1 || return 1
	mode key
	ends 1 'no certificate for the key on the SIM' aws --parameter SerialNumber=1 || return 1
	mode junk
	ends 1 'the response is not a JSON object' aws --parameter SerialNumber=1 || return 1
	mode
	equal "$(sha256sum "$cert")" "$before" 'the certificate'
}

# Neither another authority nor another name; then no key is made.
fleet_imposters() {
	[ "${TWIN:-}" = aws ] || { WHY='see above' && return 77; }
	local made
	made=$(generated)
	openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -subj /CN=other -days 2 \
		-keyout "$T/other.key" -out "$T/other.pem" 2>"$T/openssl.err"
	local -a job=(enroll aws --template fleet --subject /CN=x --key iotsafe://label=spare-2 --generate --cert-out "$T/two.pem"
		"${by_first_key[@]}")
	ends 1 'certificate verify failed' "${job[@]}" --endpoint "$ENDPOINT" --trust "$T/other.pem" &&
		ends 1 'certificate verify failed' "${job[@]}" --endpoint "127.0.0.2:${ENDPOINT##*:}" --trust "$T/$CA/store/ca.pem" || return 1
	equal "$(generated)" "$made" 'keys made'
}

# A device that the service does not know is not let in: its certificate is one for the right
# key, by another authority. Then no key is made.
fleet_strangers() {
	[ "${TWIN:-}" = aws ] || { WHY='see above' && return 77; }
	local made
	made=$(generated)
	forget
	certificate_of_another "$T/stranger.pem" /CN=stranger || return 1
	fails aws --bootstrap-key "$first_key" --bootstrap-cert "$T/stranger.pem" --parameter SerialNumber=1 \
		--key iotsafe://label=spare-2 --generate --cert-out "$T/two.pem" || return 1
	[ ! -e "$T/two.pem" ] && equal "$(generated)" "$made" 'keys made' && equal "$(asked)" '' requests
}
# certificate_of_another FILE SUBJECT: for the first key on the SIM, by the authority `other`.
certificate_of_another() {
	[ -e "$T/other.key" ] || openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -subj /CN=other -days 2 \
		-keyout "$T/other.key" -out "$T/other.pem" 2>"$T/openssl.err" || return 1
	tool sim pubkey "$first_key" >"$T/key.pub" && openssl x509 -new -force_pubkey "$T/key.pub" -subj "$2" -days 2 \
		-set_serial 1 -CA "$T/other.pem" -CAkey "$T/other.key" -out "$1" 2>"$T/openssl.err"
}

# says accepted|rejected TOPIC PAYLOAD PATTERN: what the stand-in answers to anybody.
says() {
	run timeout 60 mosquitto_rr -h 127.0.0.1 -p "$BEHIND" -q 1 -t "$2" -e "$2/$1" -m "$3" && matches "$OUT" "$4"
}

# The stand-in is as strict as it has to be: else the tests above would show nothing.
strict_fleet() {
	[ "${TWIN:-}" = aws ] && have mosquitto_rr || { WHY=${WHY:-see above} && return 77; }
	local create='$aws/certificates/create-from-csr/json' register='$aws/provisioning-templates/fleet/provision/json'
	local good wrong token
	openssl req -new -key "$T/server.key" -subj /CN=device-1 -outform DER -out "$T/good.der" &&
		sed s/device-1/device-2/ "$T/good.der" >"$T/wrong.der" || return 1
	good=$(in_json "$T/good.der") wrong=$(in_json "$T/wrong.der")
	says rejected "$create" "{$wrong}" 'wrong signature' &&
		says rejected "$create" "{$good, \"more\": 1}" 'other members' &&
		says rejected "$create" '{"certificateSigningRequest": "junk"}' 'InvalidPayload' &&
		says rejected "$register" '{"certificateOwnershipToken": "0123", "parameters": {"SerialNumber": "1"}}' 'unknown token' &&
		says accepted "$create" "{$good}" certificateOwnershipToken || return 1
	token=$(json 'd["certificateOwnershipToken"]')
	register_with() { says "$1" "$register" "{\"certificateOwnershipToken\": \"$token\", \"parameters\": {\"SerialNumber\": \"1\"}}" "$2"; }
	register_with accepted thing-1 && register_with rejected 'unknown token'
}
in_json() { # DER: as a member of an object
	echo "\"certificateSigningRequest\": \"-----BEGIN CERTIFICATE REQUEST-----\\n$(base64 -w 64 "$1" | sed 's/$/\\n/' | tr -d '\n')-----END CERTIFICATE REQUEST-----\\n\""
}

# ------------------------------------------------------------------------- dps

DEVICE=device-7
start_dps() {
	mkdir -p "$T/dps"
	spawn dps /usr/bin/python3 "$E2E_SOURCE/tests/enroll/dps_server.py" "$T/dps" "$T/$CA/store/ca.pem" \
		"$T/server.pem" "$T/server.key" 0ne00000001
	PID_OF[dps]=$SPAWNED
	started "$SPAWNED" test -e "$T/dps/ready" && ENDPOINT=127.0.0.1:$(cat "$T/dps/port") TWIN=dps
}

dps() {
	enroll dps --endpoint "$ENDPOINT" --trust "$T/$CA/store/ca.pem" --scope 0ne00000001 --key "$first_key" --cert-out "$T/first.pem" "$@"
}

hub() {
	tool sim pubkey "$first_key" >"$T/key.pub" && openssl req -new -key "$T/server.key" -subj "/CN=$DEVICE" -out "$T/first.csr" &&
		openssl x509 -req -in "$T/first.csr" -force_pubkey "$T/key.pub" -CA "$T/$CA/store/ca.pem" -CAkey "$T/$CA/store/ca.key" \
			-CAcreateserial -CAserial "$T/ca.srl" -days 2 -out "$T/first.pem" 2>"$T/openssl.err" && start_dps || return 1
	run dps --registration-id "$DEVICE" && equal "$(cat "$OUT")" hub.example hub && equal "$(asked)" 'PUT 200,' requests || return 1
	mode 'assigning 2'
	forget
	ends 3 'the server is assigning' dps --registration-id "$DEVICE" && forget || return 1
	run dps --registration-id "$DEVICE" --retry --json || return 1
	equal "$(json 'd["status"], d["hub"], d["certificate"]')" "('done', 'hub.example', '$T/first.pem')" result &&
		equal "$(asked)" 'PUT 202,GET 202,GET 200,' requests
}

no_hub() {
	mode
	ends 4 'refuses .HTTP status 401' dps --registration-id another || return 1
	mode 'status disabled'
	ends 4 'does not assign the device .disabled.: as the test wants' dps --registration-id "$DEVICE" || return 1
	mode 'http 500'
	ends 1 'the server has failed' dps --registration-id "$DEVICE" || return 1
	mode junk
	ends 1 'does not assign the device .no status.' dps --registration-id "$DEVICE" || return 1
	mode
	ends 2 'the server cannot recognise this device' enroll dps --endpoint "$ENDPOINT" --trust "$T/$CA/store/ca.pem" --scope 0ne00000001 \
		--registration-id x --key "$first_key" --cert-out "$T/none.pem"
}

# By another authority: it is refused before it says anything.
unknown_to_dps() {
	forget
	certificate_of_another "$T/stranger.pem" "/CN=$DEVICE" || return 1
	fails enroll dps --endpoint "$ENDPOINT" --trust "$T/$CA/store/ca.pem" --scope 0ne00000001 --key "$first_key" \
		--cert-out "$T/stranger.pem" --registration-id "$DEVICE" && equal "$(asked)" '' requests
}

# answers STATUS DEVICE METHOD PATH [BODY]: the stand-in, asked with the certificate of $DEVICE or `other-device`.
answers() {
	local body=("${@:5}")
	run curl -sS -w '%{stderr}%{http_code}' --cacert "$T/$CA/store/ca.pem" --cert "$T/$2.pem" --key "$T/server.key" \
		-X "$3" -H 'Content-Type: application/json' "${body[@]/#/-d}" "https://$ENDPOINT/$4" && equal "$(cat "$ERR")" "$1" "$3 $4"
}
strict_dps() {
	have curl || return 77
	local name operation at=0ne00000001/registrations/$DEVICE version='?api-version=2021-10-01'
	for name in "$DEVICE" other-device; do
		openssl req -new -key "$T/server.key" -subj "/CN=$name" -out "$T/$name.csr" && ca_sign "$T/$name.csr" "$T/$name.pem" 2>"$T/openssl.err" || return 1
	done
	mode 'assigning 1'
	answers 400 "$DEVICE" PUT "$at/register$version" '{"registrationId": "other-device"}' &&
		answers 400 "$DEVICE" PUT "$at/register?api-version=2017-01-01" "{\"registrationId\": \"$DEVICE\"}" &&
		answers 404 "$DEVICE" PUT "0ne99999999/registrations/$DEVICE/register$version" "{\"registrationId\": \"$DEVICE\"}" &&
		answers 401 other-device PUT "$at/register$version" "{\"registrationId\": \"$DEVICE\"}" &&
		answers 202 "$DEVICE" PUT "$at/register$version" "{\"registrationId\": \"$DEVICE\"}" || return 1
	# What one device has begun is nothing that another may ask for.
	operation=$(json 'd["operationId"]')
	answers 404 other-device GET "0ne00000001/registrations/other-device/operations/$operation$version" &&
		answers 200 "$DEVICE" GET "$at/operations/$operation$version" && mode
}

wrong_usage() {
	local args pattern
	while IFS='|' read -r args pattern; do
		# shellcheck disable=SC2086 # several arguments
		ends 2 "$pattern" enroll $args || return 1
	done <<-END
		aws --key $new --cert-out c --subject /CN=x --endpoint h|aws: --template is missing
		aws --key $new --cert-out c --subject /CN=x --endpoint h:0 --template t|--endpoint: expected
		aws --key $new --cert-out c --subject /CN=x --endpoint [::1 --template t|--endpoint: expected
		aws --key $new --cert-out c --subject /CN=x --endpoint h --template a/b|--template: the name
		aws --key $new --cert-out c --subject /CN=x --endpoint h --template t --parameter x|--parameter x: expected
		dps --key $new --cert-out c --endpoint h --scope a/b --registration-id x|--scope: letters
		dps --key $new --cert-out c --endpoint h/ --scope a --registration-id x|--endpoint: expected
		dps --key $new --cert-out c --endpoint h --scope a --registration-id x%20|--registration-id: letters
		dps --key $new --cert-out c --endpoint h --scope a --registration-id x --generate|unknown option '--generate'
	END
}

start_sim sim && server_certificate server 2>"$T/openssl.err" || exit 1
it 'aws: a certificate, and the registration with it' fleet
it 'aws: the service refuses, or answers what makes no sense' fleet_refuses
it 'aws: another server' fleet_imposters
it 'aws: a device of another authority' fleet_strangers
it 'aws: the stand-in refuses wrong requests and what it was shown before' strict_fleet
it 'dps: the hub of a device' hub
it 'dps: the service does not assign the device' no_hub
it 'dps: a device of another authority' unknown_to_dps
it 'dps: the stand-in refuses wrong requests and other devices' strict_dps
it 'wrong usage' wrong_usage
done_testing
