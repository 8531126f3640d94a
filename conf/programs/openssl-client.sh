# SPDX-License-Identifier: Apache-2.0
# With a URI, no key-reference file is needed. Quote it: in a shell, `;` ends a command.
openssl s_client -connect server.example:8883 -CAfile /etc/iotsafe/ca.pem -verify_return_error \
	-cert 'iotsafe://label=client-cert;type=cert' -key 'iotsafe://label=client-key;type=private' "$@"
