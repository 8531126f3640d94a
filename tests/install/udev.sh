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
unshare -m sh -c 'mount -t tmpfs none /run && mknod /run/null c 1 3' 2>/dev/null ||
	skip_all 'mounts and devices of our own are not permitted here'

mkdir "$T/dev" "$T/rules" && cp "$RULES" "$T/rules/" || exit 1
{ grep -v '^iotsafe:' /etc/group && echo iotsafe:x:4242:; } >"$T/group"
sed -n 's/^#     \(SUBSYSTEM=="tty".*\)/\1/p' "$RULES" >"$T/rules/69-iotsafe-port.rules"

# port INTERFACE: what becomes of that port of the comment's modem. Properties are in OUT then, and
# in ERR which rule set what. Older ones change /dev as well, newer ones do not.
port() {
	sed -e 's/, ENV{IOTSAFE_AT_PORT}.*//' -e 's,==,=,g' -e 's,SUBSYSTEM=,&=,' \
		-e "s,\(INTERFACE_NUM}=\).*,\1\"$1\"," "$T/rules/69-iotsafe-port.rules" >"$T/rules/10-modem.rules"
	run patiently unshare -m sh -ec 'mount -t tmpfs none /run && mkdir /run/udev && cp -r "$0/rules" /run/udev/rules.d
		mount --bind "$0/group" /etc/group
		mount -t tmpfs none "$0/dev" && mknod "$0/dev/$1" c 4 10 && mount --bind "$0/dev" /dev
		exec udevadm test --action=add "/sys/class/tty/$1"' "$T" "$TTY"
}
last_word() { grep -oE " $1 [0-9]+\$" "$ERR" | tail -n 1; } # GROUP or MODE

marked() {
	port 03 || return 1
	matches "$OUT" '^ *DEVLINKS=(.* )?/dev/iotsafe-modem( |$)' && matches "$OUT" '^ *ID_MM_PORT_IGNORE=1$' &&
		equal "$(last_word GROUP)" ' GROUP 4242' 'the group' && equal "$(last_word MODE)" ' MODE 0660' 'the mode'
}
another() {
	port 02 || return 1
	matches "$OUT" '^ *ID_VENDOR_ID=2c7c$' && matches "$OUT" '^ *ID_USB_INTERFACE_NUM=02$' &&
		lacks "$OUT" 'iotsafe-modem|ID_MM_PORT_IGNORE' && lacks "$ERR" ' GROUP 4242'
}

it 'the port that is marked has the name and the group, and ModemManager leaves it alone' marked
it 'another port of the modem has nothing of it' another
done_testing
