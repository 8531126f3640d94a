# SPDX-License-Identifier: Apache-2.0
# This needs a key-reference file, not a URI. The certificate must allow time stamping.
openssl ts -reply -config ts.cnf -queryfile request.tsq -signer tsa.pem -inkey /etc/iotsafe/client-key.pem -out reply.tsr
