# SPDX-License-Identifier: Apache-2.0
# shellcheck shell=bash
# What the scripts that need another Debian share. The script that reads this file is run by
# root, and sets:
#   root      the folder of the chroot
#   release   which Debian
#   ldflags   LDFLAGS inside, if any
# shellcheck disable=SC2154

fail() {
	echo "$(basename "$0" .sh): $*" >&2
	exit 1
}

# logged WHAT COMMAND...: its output only when it fails, which ends the script.
logged() {
	local what=$1
	shift
	"$@" >"$root.log" 2>&1 || {
		tail -n 20 "$root.log"
		fail "$what failed"
	}
}

[ "$(id -u)" -eq 0 ] || fail 'only root can make a chroot'
command -v debootstrap >/dev/null || fail 'the package debootstrap is missing'

# Where this machine has its own Debian from.
mirror() {
	# shellcheck disable=SC2016 # apt's own variables
	apt-get indextargets --format '$(LABEL) $(REPO_URI)' 'Created-By: Packages' |
		sed -n '/^Debian /{s///p;q}'
}

# debootstrap learns names of releases later than the mirror.
bootstrap() {
	local script=/usr/share/debootstrap/scripts/$release
	[ -e "$script" ] || script=${script%/*}/sid
	rm -rf "$root"
	mkdir -p "$root"
	logged "debootstrap $release" debootstrap --variant=minbase "$release" "$root" "$(mirror)" "$script"
	# A mirror that stands still is as good there as it is for this machine.
	apt-config dump | grep '^Acquire::Check-' >"$root/etc/apt/apt.conf.d/as-outside"
}

# In a mount namespace of its own, so that nothing stays mounted.
inside() {
	# shellcheck disable=SC2016 # expanded inside
	LDFLAGS=${ldflags-} unshare --mount --propagation private /bin/bash -c '
		root=$1
		shift
		mount -t proc proc "$root/proc" && mount --rbind /dev "$root/dev" &&
			mount --rbind /sys "$root/sys" && cp /etc/resolv.conf "$root/etc/resolv.conf" &&
			exec chroot "$root" /usr/bin/env -i PATH=/usr/sbin:/usr/bin:/sbin:/bin HOME=/root LC_ALL=C.UTF-8 LDFLAGS="$LDFLAGS" \
				DEBIAN_FRONTEND=noninteractive IOTSAFE_VECTORS=/vectors "$@"
	' inside "$root" "$@"
}
