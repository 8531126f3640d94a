#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# What a user does with the Debian packages, from the installation to the purge, on a machine
# of its own with systemd as its first process. scripts/package_test.sh makes it, copies this
# file there, and starts it; it changes users, services and configuration: nowhere else.
#
# In the folder of this file: 1/ and 2/ packages of an older and a newer version,
# est_server.py. What the packages depend on lies in apt's cache: there is no network.
# shellcheck disable=SC2317 # functions are called by `it`
set -u
here=$(dirname "$0")
packages=(iotsafe-bridge iotsafe-enroll iotsafe-softsim openssl-provider-iotsafe)
T=/srv/test
export LC_ALL=C.UTF-8 DEBIAN_FRONTEND=noninteractive

count=0
failed=0
# it NAME COMMAND...: what it prints is told only when it fails.
it() {
	local name=$1
	shift
	count=$((count + 1))
	if "$@" >"$here/output" 2>&1; then
		echo "ok $count - $name"
	else
		failed=$((failed + 1))
		echo "not ok $count - $name"
		tail -n 30 "$here/output" | sed 's/^/# /'
	fi
}

# await COMMAND...: what does not come is a failure only after very long.
await() {
	local end=$((SECONDS + 300))
	until "$@"; do
		[ "$SECONDS" -lt "$end" ] || { echo "in vain: $*" && return 1; }
		sleep 0.2
	done
}

equal() { # FOUND EXPECTED WHAT
	[ "$1" = "$2" ] || { printf '%s: %s\nexpected: %s\n' "$3" "$1" "$2" && return 1; }
}

as() { # USER COMMAND...: with the groups that a service of that user has
	local user=$1
	shift
	setpriv --reuid "$user" --regid "$(id -g "$user")" --init-groups --inh-caps=-all --bounding-set=-all "$@"
}

# Files, without what changes by itself; users and groups.
all_files() {
	find / -xdev \( -path /proc -o -path /sys -o -path /dev -o -path /run -o -path /tmp -o -path /srv -o -path "$here" \
		-o -path /root -o -path /var/log -o -path /var/cache -o -path /var/tmp -o -path /var/lib/apt -o -path /var/lib/dpkg \
		-o -path /var/lib/mosquitto -o -path /var/lib/systemd \) -prune -o -print | sort
}
all_packages() { dpkg-query -W -f '${db:Status-Status} ${Package}\n' | sed -n 's/^installed //p' | sort; }
all_users() { { getent passwd && getent group; } | cut -d : -f 1,4 | sort; }

apt_install() { apt-get -q -y --no-install-recommends -o Dpkg::Options::=--force-confold install "$here/$1"/*.deb; }

# ------------------------------------------------------- installation and README's steps

install() {
	apt_install 1 && equal "$(stat -c '%a %U %G' /run/iotsafe)" '2770 root iotsafe' 'the lock folder' &&
		id iotsafe-bridge && equal "$(id -Gn iotsafe-bridge | tr ' ' '\n' | grep -x iotsafe)" iotsafe 'its group'
}

harmless() {
	openssl list -providers >"$T/providers" && ! grep -q iotsafe "$T/providers"
}

one_line() {
	echo '.include /usr/share/iotsafe/openssl.cnf' >>/etc/ssl/openssl.cnf
	usermod -aG iotsafe mosquitto
	openssl list -providers >"$T/providers" && grep -q '^  iotsafe' "$T/providers"
}

a_sim() {
	# That of Debian ends when it has no work, and vpcd with it.
	mkdir -p /run/systemd/system/pcscd.service.d
	printf '[Service]\nExecStart=\nExecStart=/usr/sbin/pcscd --foreground\n' >/run/systemd/system/pcscd.service.d/stay.conf
	systemctl daemon-reload && systemctl restart pcscd.service || return 1
	iotsafe-softsim init --store "$T/sim" || return 1
	systemd-run --quiet --unit=sim -p Restart=always -p RestartSec=1 iotsafe-softsim run --store "$T/sim" \
		--vpcd 127.0.0.1:35963 --admin "unix:$T/admin" || return 1
	await iotsafe list
}

broker() {
	openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -subj /CN=localhost -days 30 \
		-addext subjectAltName=DNS:localhost -keyout "$T/server.key" -out "$T/server.pem" &&
		chown mosquitto "$T/server.key" || return 1
	cat >/etc/mosquitto/conf.d/sim.conf <<-END
		listener 8883
		cafile $T/sim-ca.pem
		certfile $T/server.pem
		keyfile $T/server.key
		require_certificate true
		use_identity_as_username true
		allow_anonymous false
	END
	cp "$T/sim/ca.pem" "$T/sim-ca.pem" && chmod 644 "$T/sim-ca.pem" && systemctl restart mosquitto.service || return 1
	iotsafe cert iotsafe://label=client-key >"$T/client.pem" &&
		iotsafe key-ref --out "$T/client-key.pem" iotsafe://label=client-key && chmod 644 "$T/client-key.pem"
}

# mqtt USER SIM MESSAGE: mutual TLS with the key on the SIM, there and back; SIM is a transport.
mqtt() {
	local -a tls=(-h localhost -p 8883 -t sim -q 1 --cafile "$T/server.pem" --cert "$T/client.pem" --key "$T/client-key.pem")
	as "$1" env "IOTSAFE_TRANSPORT=$2" mosquitto_pub "${tls[@]}" --retain -m "$3" &&
		equal "$(as "$1" env "IOTSAFE_TRANSPORT=$2" mosquitto_sub "${tls[@]}" -C 1 -W 300)" "$3" 'the message'
}

# The broker asks for it: without the SIM nobody gets in.
outsider() {
	! mqtt nobody pcsc intruder >"$T/outsider" 2>&1 && ! grep -q '^intruder' "$T/outsider" || return 1
	! as nobody iotsafe list >"$T/outsider" 2>&1 && cat "$T/outsider" && grep -qE 'group iotsafe|may not use pcscd' "$T/outsider"
}

# --------------------------------------------------------------------------- services

pid_of() { systemctl show --property MainPID --value "$1"; }

# confined UNIT USER: runs as that user, and without any capability.
confined() {
	local pid
	pid=$(pid_of "$1")
	grep ^Cap "/proc/$pid/status"
	equal "$(ps -o user:32= -p "$pid")" "$2" 'user' && equal "$(awk '/^Cap/ { print $2 }' "/proc/$pid/status" | sort -u)" \
		0000000000000000 'capabilities' && equal "$(awk '/^NoNewPrivs:/ { print $2 }' "/proc/$pid/status")" 1 'no new privileges'
}

bridge() {
	echo IOTSAFE_TRANSPORT=pcsc >/etc/iotsafe/bridge-sim.conf
	systemctl enable --now iotsafe-bridge@sim.socket || return 1
	mqtt mosquitto socket:/run/iotsafe-bridge/sim.sock 'by the bridge' || { journalctl -u iotsafe-bridge@sim && return 1; }
	confined iotsafe-bridge@sim.service iotsafe-bridge
}

# Looks each second, else by the words of the unit.
watch() {
	printf '%s\n' URI=iotsafe://label=client-cert "COMMAND=iotsafe cert iotsafe://label=client-cert >/etc/iotsafe/seen.pem" \
		>/etc/iotsafe/watch-sim.conf
	mkdir -p /run/systemd/system/iotsafe-watch@sim.service.d
	{
		printf '[Service]\nExecStart=\n'
		systemctl cat iotsafe-watch@sim.service | sed -n '/^ExecStart=/s/--interval 60/--interval 1/p'
	} >/run/systemd/system/iotsafe-watch@sim.service.d/often.conf
	systemctl daemon-reload && systemctl enable --now iotsafe-watch@sim.service && await watching &&
		confined iotsafe-watch@sim.service root || return 1
	openssl req -new -key iotsafe://label=client-key -subj /CN=another -out "$T/another.csr" &&
		openssl x509 -req -in "$T/another.csr" -CA "$T/sim/ca.pem" -CAkey "$T/sim/ca.key" -set_serial 7 -days 30 \
			-outform DER -out "$T/another.der" &&
		iotsafe-softsim admin "$T/admin" put-file client-cert "$T/another.der" --usage cert &&
		await seen || { journalctl -u iotsafe-watch@sim && return 1; }
}
watching() { journalctl -u iotsafe-watch@sim.service | grep -q watching; }
seen() { openssl x509 -in /etc/iotsafe/seen.pem -noout -subject 2>/dev/null | grep -q another; }

enroll() {
	mkdir "$T/est" && iotsafe cert iotsafe://label=client-key >"$T/client.pem" || return 1
	cat "$T/server.pem" "$T/sim-ca.pem" >"$T/trust.pem"
	systemd-run --quiet --unit=est /usr/bin/python3 "$here/est_server.py" "$T/est" "$T/sim/ca.pem" "$T/sim/ca.key" \
		"$T/server.pem" "$T/server.key" && await test -e "$T/est/ready" || return 1
	cat >/etc/iotsafe/enroll-sim.conf <<-END
		METHOD="est --server https://localhost:$(cat "$T/est/port")/.well-known/est --trust $T/trust.pem"
		KEY="--key iotsafe://label=spare-1 --generate --subject /CN=device-1 --bootstrap-key iotsafe://label=client-key --bootstrap-cert iotsafe://label=client-cert"
		FILES="--cert-out /var/lib/iotsafe/device.pem --chain-out /var/lib/iotsafe/chain.pem"
		RELOAD="systemctl try-reload-or-restart mosquitto.service"
	END
	systemctl enable iotsafe-enroll@sim.timer && systemctl start iotsafe-enroll@sim.service ||
		{ journalctl -u iotsafe-enroll@sim -u est && return 1; }
	openssl verify -CAfile "$T/sim/ca.pem" /var/lib/iotsafe/device.pem &&
		equal "$(openssl x509 -in /var/lib/iotsafe/device.pem -noout -pubkey)" "$(iotsafe pubkey iotsafe://label=spare-1)" 'its key'
}

# ---------------------------------------------------------------- upgrade, removal, purge

# Debian 12's libqmi-glib has no commands for APDUs; later ones have, and the bridge its part.
qmi() {
	local pid status
	iotsafe-bridge --transport qmi:/dev/none --listen "unix:$T/qmi.sock" >"$T/qmi.log" 2>&1 &
	pid=$!
	await grep -q qmi: "$T/qmi.log"
	status=$?
	kill "$pid" 2>/dev/null
	wait "$pid" 2>/dev/null
	cat "$T/qmi.log"
	[ "$status" -eq 0 ] || return 1
	if dpkg --compare-versions "$(. /etc/os-release && echo "$VERSION_ID")" ge 13; then
		grep -q 'serving qmi:/dev/none' "$T/qmi.log" && ldd /usr/bin/iotsafe-bridge | grep libqmi-glib
	else
		grep 'qmi:/dev/none": unknown kind of transport' "$T/qmi.log"
	fi
}

upgrade() {
	local before package expected
	before=$(pid_of iotsafe-bridge@sim.service)
	apt_install 2 || return 1
	for package in "${packages[@]}"; do
		expected=$(dpkg-deb -f "$here/2/$package"_*.deb Version)
		equal "$(dpkg-query -W -f '${db:Status-Status} ${Version}' "$package")" "installed $expected" "$package" || return 1
	done
	[ "$(pid_of iotsafe-bridge@sim.service)" != "$before" ] || { echo 'the bridge runs on' && return 1; }
	confined iotsafe-bridge@sim.service iotsafe-bridge && mqtt mosquitto socket:/run/iotsafe-bridge/sim.sock 'upgraded' &&
		mqtt mosquitto pcsc 'upgraded too'
}

# The line in openssl.cnf may stay: OpenSSL works on.
remove() {
	systemctl stop sim.service est.service
	apt-get -q -y remove "${packages[@]}" || return 1
	openssl list -providers >"$T/providers" && grep -q '^  default' "$T/providers" && ! grep -q iotsafe "$T/providers" &&
		systemctl restart mosquitto.service || return 1
	! systemctl is-active iotsafe-bridge@sim.socket iotsafe-bridge@sim.service iotsafe-watch@sim.service iotsafe-enroll@sim.timer
}

purge() {
	local -a libraries
	# what we wrote ourselves
	rm /etc/iotsafe/*-sim.conf /etc/iotsafe/seen.pem /etc/mosquitto/conf.d/sim.conf
	# autoremove would keep what others merely recommend
	mapfile -t libraries < <(all_packages | comm -13 "$here/packages-before" -)
	apt-get -q -y purge "${packages[@]}" "${libraries[@]}" || return 1
	all_files >"$here/files-after" && diff "$here/files-before" "$here/files-after" || return 1
	equal "$(ls -d /run/iotsafe* 2>/dev/null)" '' 'left in /run' &&
		equal "$(dpkg-query -W -f '${Package}\n' 2>/dev/null | grep iotsafe)" '' 'known to dpkg'
}

# As docs/packaging.md says.
users_stay() {
	all_users >"$here/users-after"
	equal "$(comm -13 "$here/users-before" "$here/users-after" | cut -d : -f 1 | sort -u | tr '\n' ' ')" \
		'iotsafe iotsafe-bridge ' 'users and groups'
}

mkdir -p "$T"
chmod 755 "$T"
all_files >"$here/files-before"
all_users >"$here/users-before"
all_packages >"$here/packages-before"
echo "# $(. /etc/os-release && echo "$PRETTY_NAME"), $(openssl version | cut -d ' ' -f 1-2), first process: $(ps -o comm= -p 1)"
it 'the packages are installed; group, user and lock folder are there' install
it 'OpenSSL is as it was' harmless
it 'one line in openssl.cnf: all programs have the provider' one_line
it 'a SIM in a card reader' a_sim
it 'a broker that demands a certificate' broker
it 'mosquitto_pub and mosquitto_sub as a service user, by pcscd' mqtt mosquitto pcsc 'by the reader'
it 'the same as a user who is not in the group: refused' outsider
it 'iotsafe doctor --as mosquitto has nothing to say' iotsafe doctor --as mosquitto
it 'the bridge as its own user, without capabilities: mutual TLS through it' bridge
it 'the watch without capabilities: a new certificate, and the command runs' watch
it 'the enrolment without capabilities: a certificate for a new key' enroll
it 'the bridge has its QMI part where the release has it' qmi
it 'upgrade: the bridge is started anew, all works' upgrade
it 'removal: no unit runs, and OpenSSL works on' remove
it 'purge leaves no file' purge
it 'purge leaves the users that the page says' users_stay
echo "1..$count"
[ "$failed" -eq 0 ]
