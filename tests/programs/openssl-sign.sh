#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# The commands of openssl that sign.
# shellcheck source=lib.sh
. "$(dirname "$0")/lib.sh"
program 'openssl, signing commands' openssl openssl

# command NAME RESULT: runs it, with a result that was not there.
command_makes() {
	cd "$T" && rm -f "$2" && configuration "programs/openssl-$1.sh" 's,ca.example:80,127.0.0.1:'"$PORT"',' || return 1
	run mod sh "$T/openssl-$1.sh" && [ -s "$2" ]
}

material() {
	cd "$T" && echo report >report.txt && echo secret >secret &&
		openssl req -new -key "$PEM/peer-key.pem" -subj /CN=leaf -out leaf.csr &&
		openssl ts -query -data report.txt -sha256 -cert -out request.tsq || return 1
	printf '%s\n' '[tsa]' 'default_tsa = t' '[t]' 'serial = serial' 'default_policy = 1.2.3' 'digests = sha256' \
		'signer_digest = sha256' 'ess_cert_id_alg = sha256' >ts.cnf
	PORT=0 command_makes req gateway.csr || return 1
	openssl x509 -req -in gateway.csr -CA sim/store/ca.pem -CAkey sim/store/ca.key -CAcreateserial -days 2 -out tsa.pem \
		-extfile <(echo 'extendedKeyUsage=critical,timeStamping')
}

request() { command_makes req gateway.csr && openssl req -in gateway.csr -verify -noout; }
cms() { command_makes cms report.cms && openssl cms -verify -in report.cms -inform PEM -CAfile "$PEM/ca.pem" -content report.txt -purpose any; }
ca() { cp leaf.csr gateway.csr && command_makes ca gateway.pem && [ "$(openssl x509 -in gateway.pem -noout -issuer)" = "issuer=$(subject_of "$PEM/client.pem")" ]; }
stamp() { command_makes ts reply.tsr && openssl ts -verify -in reply.tsr -queryfile request.tsq -CAfile "$PEM/ca.pem"; }

cmp_server() {
	pick_port
	spawn cmp-server openssl cmp -port "$PORT" -srv_ref 1234 -srv_secret file:secret -srv_cert "$PEM/peer.pem" \
		-srv_key "$PEM/peer-key.pem" -rsp_cert "$PEM/client.pem" -srv_trusted "$PEM/ca.pem"
	started "$SPAWNED" listening "$PORT" && command_makes cmp gateway.pem
}

PORT=0
it 'something to sign' material
cd "$T" || exit 1
runs 'signer of a request' - 'standard error' request
runs 'signer (CMS)' - 'standard error' cms
runs CA - 'standard error' ca
runs 'signer of time stamps' - 'standard error' stamp
runs 'CMP client' - 'standard output' cmp_server
done_with_program
