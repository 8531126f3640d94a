# SPDX-License-Identifier: Apache-2.0
# The agent's certificate must be signed by `ca` and contain this name.
snmpget -v3 -T their_hostname=agent.example dtlsudp:agent.example:10161 .1.3.6.1.2.1.1.5.0 "$@"
