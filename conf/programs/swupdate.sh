# SPDX-License-Identifier: Apache-2.0
# On the build machine: sign sw-description, then create the archive.
openssl cms -sign -in sw-description -out sw-description.sig -signer /etc/iotsafe/signer.pem -inkey /etc/iotsafe/client-key.pem -outform DER -nosmimecap -binary &&
	printf '%s\n' sw-description sw-description.sig rootfs.img | cpio -o -H crc >gateway.swu
