# SPDX-License-Identifier: Apache-2.0
openssl cmp -cmd ir -server ca.example:80 -path pkix/ -ref 1234 -secret file:secret -recipient /CN=ca \
	-newkey /etc/iotsafe/client-key.pem -subject /CN=gateway -certout gateway.pem -implicit_confirm
