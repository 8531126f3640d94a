#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# The rules for udev, by `udevadm test` on a terminal of this machine that pretends to be a modem's
# port, as the comment in the rules tells how to mark one. In a /dev, a /run and an /etc/group
# of our own.
# shellcheck source=../e2e/lib.sh
. "$(dirname "$0")/../e2e/lib.sh"
need udevadm unshare
[ "$E2E_SANITIZE" = none ] || skip_all 'has nothing to do with sanitizers'
RULES=$CONF/udev/70-iotsafe-modem.rules
TTY=tty10
[ -d /sys/class/tty/$TTY ] || skip_all "this machine has no $TTY"
unshare -m mount -t tmpfs none /run 2>/dev/null || skip_all 'mounts of our own are not permitted here'

# in_our_dev COMMAND...: where udev finds the rules, the line of the comment and our modem.
mkdir "$T/dev" "$T/rules"
echo "$(cat /etc/group)
iotsafe:x:4242:" >"$T/group"
cp "$RULES" "$T/rules/"
sed -n 's/^#     \(SUBSYSTEM=="tty".*\)/\1/p' "$RULES" >"$T/rules/69-iotsafe-port.rules"
# what udev knows of that modem's ports, and of another port of it
modem() { # INTERFACE
	sed -n 's/^#     \(SUBSYSTEM=="tty".*\), ENV{IOTSAFE_AT_PORT}.*/\1/p' "$RULES" |
		sed -e "s,==,=,g;s,SUBSYSTEM=,SUBSYSTEM==,;s,ENV{ID_USB_INTERFACE_NUM}=\"[0-9]*\",ENV{ID_USB_INTERFACE_NUM}=\"$1\"," >"$T/rules/10-modem.rules"
}
in_our_dev() {
	run patiently unshare -m sh -ec 'mount -t tmpfs none /run && mkdir /run/udev && cp -r "$0/rules" /run/udev/rules.d
		mount --bind "$0/group" /etc/group
		mount -t tmpfs none "$0/dev" && mknod "$0/dev/$1" c 4 10 && mount --bind "$0/dev" /dev
		exec sh -ec "$2"' "$T" "$TTY" "$1"
}

marked() {
	modem 03
	in_our_dev "udevadm test --action=add /sys/class/tty/$TTY; readlink /dev/iotsafe-modem; stat -c '%a %g' /dev/$TTY
		udevadm info --query=property --name=/dev/$TTY" || return 1
	matches "$OUT" "^$TTY\$" && matches "$OUT" '^660 4242$' && matches "$OUT" '^ID_MM_PORT_IGNORE=1$'
}
as_the_comment_says() {
	local name
	for name in ID_VENDOR_ID ID_MODEL_ID ID_USB_INTERFACE_NUM; do
		matches "$RULES" "^#.*$name" && matches "$OUT" "^$name=" || return 1
	done
}
another() {
	modem 02
	in_our_dev "udevadm test --action=add /sys/class/tty/$TTY; test ! -e /dev/iotsafe-modem; stat -c '%a %g' /dev/$TTY" || return 1
	matches "$OUT" '^ID_USB_INTERFACE_NUM=02$' && lacks "$OUT" '4242|ID_MM_PORT_IGNORE'
}

it 'the port that is marked has the name and the group, and ModemManager leaves it alone' marked
it 'what the comment lets the reader look for is what udev shows' as_the_comment_says
it 'another port of the modem has nothing of it' another
done_testing
