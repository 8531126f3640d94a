# SPDX-License-Identifier: Apache-2.0
# What a container runtime does, in short: the container has its own mounts, no device, and
# nothing of /run but the bridge's socket. Outside, iotsafe-bridge owns the SIM:
#
#     iotsafe-bridge --transport pcsc --listen unix:/run/sim/socket
#
# Inside, openssl.cnf contains `transport = socket:/run/sim/socket`. With a container engine
# use `--volume /run/sim:/run/sim`; whoever may enter that folder can use the socket.
exec unshare --mount --pid --fork --kill-child sh -ec '
	mount --bind /run/sim /mnt
	mount -t tmpfs none /run
	mkdir /run/sim
	mount --bind /mnt /run/sim
	umount /mnt
	mount -t tmpfs none /dev
	exec setpriv --reuid nobody --regid nogroup --clear-groups --bounding-set=-all "$@"' sh \
	curl --cacert /etc/iotsafe/ca.pem --cert /etc/iotsafe/client.pem --key /etc/iotsafe/client-key.pem https://server.example/ "$@"
