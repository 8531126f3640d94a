# SPDX-License-Identifier: Apache-2.0
# An example: the image's openssl.cnf reads ours, which activates the provider. A distribution
# that has an openssl.cnf of its own puts the line there and masks this file with BBMASK.
do_install:append:class-target() {
    printf '\n.include %s/iotsafe/openssl.cnf\n' '${datadir}' >>'${D}${sysconfdir}/ssl/openssl.cnf'
}
