# SPDX-License-Identifier: Apache-2.0
# The tarball is that of scripts/release.sh; IOTSAFE_SITE is the folder or address of it.
IOTSAFE_VERSION = 0.1.0
IOTSAFE_SOURCE = iotsafe-$(IOTSAFE_VERSION).tar.gz
IOTSAFE_LICENSE = Apache-2.0
IOTSAFE_LICENSE_FILES = LICENSE
IOTSAFE_DEPENDENCIES = host-pkgconf openssl
IOTSAFE_CONF_OPTS = \
	-Dat=enabled -Dmbim=disabled -Dqmi=disabled -Dsoftsim=disabled \
	-Denroll=disabled -Dclouds=disabled -Dtests=disabled -Ddocs=disabled \
	-Dsystemd=disabled -Dudev=disabled -Dpolkit=disabled \
	-Dapparmor=disabled -Dwireshark=disabled

ifeq ($(BR2_PACKAGE_IOTSAFE_PCSC),y)
IOTSAFE_CONF_OPTS += -Dpcsc=enabled
IOTSAFE_DEPENDENCIES += pcsc-lite
else
IOTSAFE_CONF_OPTS += -Dpcsc=disabled
endif

ifeq ($(BR2_PACKAGE_IOTSAFE_BRIDGE),y)
IOTSAFE_CONF_OPTS += -Dbridge=enabled
else
IOTSAFE_CONF_OPTS += -Dbridge=disabled
endif

ifeq ($(BR2_PACKAGE_IOTSAFE_TOOLS),y)
IOTSAFE_CONF_OPTS += -Dtools=enabled
IOTSAFE_DEPENDENCIES += jansson
else
IOTSAFE_CONF_OPTS += -Dtools=disabled
endif

$(eval $(meson-package))
