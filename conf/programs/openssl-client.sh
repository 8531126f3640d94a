# SPDX-License-Identifier: Apache-2.0
# By URI, no file with a key reference is needed. Mind the quotes: in a shell, `;` ends a command.
openssl s_client -connect server.example:8883 -CAfile /etc/iotsafe/ca.pem -verify_return_error \
	-cert 'iotsafe://label=client-cert;type=cert' -key 'iotsafe://label=client-key;type=private' "$@"
