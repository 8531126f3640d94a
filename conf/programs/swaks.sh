# SPDX-License-Identifier: Apache-2.0
swaks --server mail.example --port 587 --tls --tls-verify \
	--tls-ca-path /etc/iotsafe/ca.pem --tls-cert /etc/iotsafe/client.pem --tls-key /etc/iotsafe/client-key.pem \
	--from device@mail.example --to reports@mail.example "$@"
