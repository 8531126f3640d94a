# SPDX-License-Identifier: Apache-2.0
SUMMARY = "The module for keys in a SIM, and the bridge that shares the SIM"
LICENSE = "Apache-2.0"

inherit packagegroup

RDEPENDS:${PN} = "iotsafe iotsafe-bridge openssl-conf"
