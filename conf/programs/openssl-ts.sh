# SPDX-License-Identifier: Apache-2.0
# A file with the key's reference, not its URI. The certificate must be for time stamps.
openssl ts -reply -config ts.cnf -queryfile request.tsq -signer tsa.pem -inkey /etc/iotsafe/client-key.pem -out reply.tsr
