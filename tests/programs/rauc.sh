#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# RAUC signs an update.
# shellcheck source=lib.sh
. "$(dirname "$0")/lib.sh"
need mksquashfs
program RAUC rauc rauc

material() {
	cd "$T" && mkdir gateway && head -c 5000 /dev/urandom >gateway/rootfs.img && cat >gateway/manifest.raucm <<-EOF || return 1
		[update]
		compatible=gateway
		version=1
		[bundle]
		format=verity
		[image.rootfs]
		filename=rootfs.img
	EOF
	mod openssl req -new -key "$PEM/client-key.pem" -subj /CN=signer -out signer.csr &&
		openssl x509 -req -in signer.csr -CA sim/store/ca.pem -CAkey sim/store/ca.key -CAcreateserial -days 2 -out "$PEM/signer.pem"
}

bundle() {
	rm -f gateway.raucb
	configuration programs/rauc.sh && run mod sh "$T/rauc.sh" && run rauc info --keyring="$PEM/ca.pem" gateway.raucb
}

it 'something to sign' material
cd "$T" || exit 1
runs signer - 'standard error' bundle
done_with_program
