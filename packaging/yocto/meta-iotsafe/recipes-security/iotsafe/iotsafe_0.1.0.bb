# SPDX-License-Identifier: Apache-2.0
SUMMARY = "OpenSSL provider for keys in a SIM (GSMA IoT SAFE)"
LICENSE = "Apache-2.0"
LIC_FILES_CHKSUM = "file://LICENSE;md5=3b83ef96387f14655fc854ddc3c6bd57"

# Where the tarball of scripts/release.sh lies; its checksum is in the release's .sha256 file:
#     SRC_URI[sha256sum] = "..."
IOTSAFE_MIRROR ?= "file://"
SRC_URI = "${IOTSAFE_MIRROR}${BP}.tar.gz"

DEPENDS = "openssl"

inherit meson pkgconfig useradd

PACKAGECONFIG ??= "at bridge ${@bb.utils.filter('DISTRO_FEATURES', 'systemd', d)}"
PACKAGECONFIG[at] = "-Dat=enabled,-Dat=disabled"
PACKAGECONFIG[pcsc] = "-Dpcsc=enabled,-Dpcsc=disabled,pcsc-lite"
PACKAGECONFIG[bridge] = "-Dbridge=enabled,-Dbridge=disabled"
PACKAGECONFIG[mbim] = "-Dmbim=enabled,-Dmbim=disabled,libmbim"
PACKAGECONFIG[qmi] = "-Dqmi=enabled,-Dqmi=disabled,libqmi"
PACKAGECONFIG[tools] = "-Dtools=enabled,-Dtools=disabled,jansson"
PACKAGECONFIG[enroll] = "-Denroll=enabled,-Denroll=disabled,curl jansson"
PACKAGECONFIG[clouds] = "-Dclouds=enabled,-Dclouds=disabled,mosquitto"
PACKAGECONFIG[softsim] = "-Dsoftsim=enabled,-Dsoftsim=disabled,jansson"
PACKAGECONFIG[systemd] = "-Dsystemd=enabled,-Dsystemd=disabled,systemd"

EXTRA_OEMESON = "-Dtests=disabled -Ddocs=disabled -Dudev=disabled -Dpolkit=disabled \
    -Dapparmor=disabled -Dwireshark=disabled"

# As conf/sysusers.d/iotsafe.conf has them.
USERADD_PACKAGES = "${PN}-bridge"
GROUPADD_PARAM:${PN}-bridge = "--system iotsafe; --system iotsafe-bridge"
USERADD_PARAM:${PN}-bridge = "--system --no-create-home --shell /sbin/nologin \
    --gid iotsafe-bridge --groups iotsafe iotsafe-bridge"

PACKAGES =+ "${PN}-bridge ${PN}-enroll ${PN}-softsim ${PN}-tools"
FILES:${PN} += "${libdir}/ossl-modules/iotsafe.so ${datadir}/iotsafe"
FILES:${PN}-bridge = "${bindir}/iotsafe-bridge ${systemd_system_unitdir}/iotsafe-bridge@.* \
    ${nonarch_libdir}/sysusers.d ${nonarch_libdir}/tmpfiles.d"
FILES:${PN}-enroll = "${bindir}/iotsafe-enroll ${systemd_system_unitdir}/iotsafe-enroll@.*"
FILES:${PN}-softsim = "${bindir}/iotsafe-softsim"
FILES:${PN}-tools = "${bindir}/iotsafe ${systemd_system_unitdir}/iotsafe-watch@.service \
    ${datadir}/bash-completion ${datadir}/zsh"
