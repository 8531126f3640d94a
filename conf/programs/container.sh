# SPDX-License-Identifier: Apache-2.0
# What a container runtime does, in a few words: the container has mounts of its own, no
# device, and of /run no more than the bridge's socket. Outside, iotsafe-bridge holds the SIM:
#
#     iotsafe-bridge --transport pcsc --listen unix:/run/sim/socket
#
# Inside, openssl.cnf has `transport = socket:/run/sim/socket`. With a container engine it is
# `--volume /run/sim:/run/sim`; the users of the bridge's socket are those of its folder.
exec unshare --mount --pid --fork --kill-child sh -ec '
	mount --bind /run/sim /mnt
	mount -t tmpfs none /run
	mkdir /run/sim
	mount --bind /mnt /run/sim
	umount /mnt
	mount -t tmpfs none /dev
	exec setpriv --reuid nobody --regid nogroup --clear-groups --bounding-set=-all "$@"' sh \
	curl --cacert /etc/iotsafe/ca.pem --cert /etc/iotsafe/client.pem --key /etc/iotsafe/client-key.pem https://server.example/ "$@"
