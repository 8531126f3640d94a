# SPDX-License-Identifier: Apache-2.0
openssl s_server -accept 8883 -CAfile /etc/iotsafe/ca.pem -Verify 2 -verify_return_error \
	-cert /etc/iotsafe/server.pem -key 'iotsafe://label=server-key;type=private' "$@"
