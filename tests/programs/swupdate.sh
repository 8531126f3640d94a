#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# An update for SWUpdate is signed, which takes it; docs/verify-software.md, its part of SWUpdate.
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

# Its status is 1 now and then although all went well: what it says counts.
successful() { matches "$OUT" 'SWUPDATE successful !' && lacks "$ERR" ERROR; }

# Beside another swupdate: its sockets have fixed names, but the folder can be chosen.
image() {
	rm -f gateway.swu sw-description.sig
	configuration programs/swupdate.sh && run mod sh "$T/swupdate.sh" && mkdir -p "$T/unpacked" &&
		{ run env TMPDIR="$T/unpacked" swupdate -c -H gateway:1.0 -i gateway.swu -k "$PEM/ca.pem" || successful; }
}

it 'something to sign' material
cd "$T" || exit 1
runs signer - 'standard error' image

swupdate_takes() {
	block 'swupdate' >"$T/look" && [ -s "$T/look" ] || return 1
	TMPDIR=$T/unpacked device_looks "$T/look" || successful
}
installs() {
	rm -f installed.img
	TMPDIR=$T/unpacked run swupdate -H gateway:1.0 -i gateway.swu -k "$T/run-update-ca.pem" || successful || return 1
	cmp installed.img rootfs.img
}
anchored() {
	anchors && image && swupdate_takes && installs || return 1
	cp gateway.swu good.swu && cp rootfs.img rootfs.good && printf x | dd of=rootfs.img bs=1 conv=notrunc 2>/dev/null &&
		printf '%s\n' sw-description sw-description.sig rootfs.img | cpio -o -H crc >gateway.swu || return 1
	rm -f installed.img && fails installs && [ ! -e installed.img ] && cp rootfs.good rootfs.img || return 1
	sed -i 's/"1"/"2"/' sw-description && printf '%s\n' sw-description sw-description.sig rootfs.img | cpio -o -H crc >gateway.swu &&
		fails swupdate_takes && cp good.swu gateway.swu && swupdate_takes && another_anchor && fails swupdate_takes
}
it 'the anchor is on the SIM: what was changed and another authority are refused' anchored
done_with_program
