#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# An update for SWUpdate is signed, which takes it.
# shellcheck source=lib.sh
. "$(dirname "$0")/lib.sh"
need cpio
program SWUpdate swupdate swupdate

material() {
	cd "$T" && head -c 5000 /dev/urandom >rootfs.img && cat >sw-description <<-EOF || return 1
		software = {
			version = "1";
			hardware-compatibility: [ "1.0" ];
			files: ({ filename = "rootfs.img"; path = "$T/installed.img"; sha256 = "$(sha256sum <rootfs.img | cut -d ' ' -f 1)"; });
		}
	EOF
	mod openssl req -new -key "$PEM/client-key.pem" -subj /CN=signer -out signer.csr &&
		openssl x509 -req -in signer.csr -CA sim/store/ca.pem -CAkey sim/store/ca.key -CAcreateserial -days 2 -out "$PEM/signer.pem" \
			-extfile <(echo 'extendedKeyUsage=emailProtection')
}

# Beside another swupdate: its sockets have fixed names, but the folder can be chosen.
image() {
	rm -f gateway.swu sw-description.sig
	configuration programs/swupdate.sh && run mod sh "$T/swupdate.sh" && mkdir -p "$T/unpacked" &&
		run env TMPDIR="$T/unpacked" swupdate -c -H gateway:1.0 -i gateway.swu -k "$PEM/ca.pem"
}

it 'something to sign' material
cd "$T" || exit 1
runs signer - 'standard error' image
done_with_program
