# SPDX-License-Identifier: Apache-2.0
openssl req -new -key /etc/iotsafe/client-key.pem -subj /CN=gateway -out gateway.csr
