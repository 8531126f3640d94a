#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# wpa_supplicant's EAP-TLS (as eapol_test, which is its code without the radio) and
# hostapd as the server of it.
# shellcheck source=lib.sh
. "$(dirname "$0")/lib.sh"
program 'wpa_supplicant, hostapd' eapoltest eapol_test hostapd

# authenticate VERSION CLIENT-PAIR SERVER-PAIR
authenticate() {
	local flags='[ENABLE-TLSv1.3][DISABLE-TLSv1.2]' phase=0 server=(daemon hostapd) client=(patiently)
	[ "$1" = 1.3 ] || flags='' phase=1
	[ "$3" = server ] || server=(spawn hostapd)
	[ "$2" = peer ] || client=(mod)
	pick_port
	echo '127.0.0.1 secret' >"$T/clients"
	echo '* TLS' >"$T/eap_user"
	configuration programs/hostapd.conf "s,/etc/hostapd,$T," "s,1812,$PORT," "s,/server,/$3," \
		"s,^tls_flags=.*,tls_flags=$flags," && sed -i '/^tls_flags=$/d' "$T/hostapd.conf" &&
		configuration programs/wpa_supplicant.conf "s,/client,/$2," "s,tlsv1_3=0,tlsv1_3=$phase," || return 1
	"${server[@]}" hostapd "$T/hostapd.conf"
	started "$SPAWNED" grep -q AP-ENABLED "$T/hostapd.log" || return 1
	run "${client[@]}" eapol_test -c "$T/wpa_supplicant.conf" -a 127.0.0.1 -p "$PORT" -s secret -t 50 || return 1
	tail -n 1 "$OUT" | grep -qx SUCCESS && matches "$OUT" "Using TLS version TLSv$1"
}

supplicant() { authenticate "$1" client peer; }
server() { authenticate "$1" peer server; }

runs 'supplicant (EAP-TLS)' '1.2 1.3' 'standard output' supplicant
runs 'EAP server (hostapd)' '1.2 1.3' 'its log' server "$T/hostapd.log"
done_with_program
