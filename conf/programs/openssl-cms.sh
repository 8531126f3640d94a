# SPDX-License-Identifier: Apache-2.0
openssl cms -sign -in report.txt -signer /etc/iotsafe/client.pem -inkey 'iotsafe://label=client-key;type=private' -outform PEM -out report.cms
