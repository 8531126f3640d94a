# SPDX-License-Identifier: Apache-2.0
# On the build machine. `gateway/` contains the images and manifest.raucm.
rauc bundle --cert=/etc/iotsafe/signer.pem --key=/etc/iotsafe/client-key.pem gateway gateway.raucb
