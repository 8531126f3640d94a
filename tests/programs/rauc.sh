#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# RAUC signs an update; docs/verify-software.md, its part of RAUC.
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

rauc_takes() { block 'rauc' >"$T/look" && device_looks "$T/look"; }
anchored() {
	anchors && bundle && rauc_takes || return 1
	cp gateway.raucb good.raucb && printf x | dd of=gateway.raucb bs=1 seek=100 conv=notrunc 2>/dev/null || return 1
	# of this format the images are checked when they are read, the signature and the manifest here
	tail -c +200 good.raucb | head -c -200 >gateway.raucb
	fails rauc_takes && cp good.raucb gateway.raucb && rauc_takes && another_anchor && fails rauc_takes
}
it 'the anchor is on the SIM: a changed bundle and another authority are refused' anchored
done_with_program
