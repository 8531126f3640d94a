# SPDX-License-Identifier: Apache-2.0
# The key on the SIM acts as a CA key.
openssl x509 -req -in gateway.csr -CA /etc/iotsafe/client.pem -CAkey 'iotsafe://label=client-key;type=private' -days 30 -out gateway.pem
