# SPDX-License-Identifier: Apache-2.0
# The SIM's key as that of a CA.
openssl x509 -req -in gateway.csr -CA /etc/iotsafe/client.pem -CAkey 'iotsafe://label=client-key;type=private' -days 30 -out gateway.pem
