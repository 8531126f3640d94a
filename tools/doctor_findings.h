/* SPDX-License-Identifier: Apache-2.0 */
/* All that `iotsafe doctor` can find: X(name, id, status, what to do next). The id is
 * promised by iotsafe(1); the cause is written where the thing is found. */
#ifndef DOCTOR_FINDINGS_H
#define DOCTOR_FINDINGS_H

/* clang-format off */
#define DOCTOR_FINDINGS(X) \
    X(CRASHED, "crashed", FAIL, "replace the library that this step loads, or report the crash") \
    X(AS_REFUSED, "user-refused", FAIL, "run it as root: sudo iotsafe doctor --as NAME") \
    X(SANDBOX_DEVICE, "sandbox-device", FAIL, \
      "set PrivateDevices=no and DeviceAllow= for the port, or use a bridge and its socket") \
    X(SANDBOX_FAMILY, "sandbox-family", FAIL, "add AF_UNIX to RestrictAddressFamilies=") \
    X(SANDBOX_NETWORK, "sandbox-network", FAIL, "allow that, or use socket:/path") \
    X(SANDBOX_PATH, "sandbox-path", FAIL, "put the socket elsewhere, below /run") \
    X(SANDBOX_ROOT, "sandbox-root", FAIL, "add BindPaths= for it, or use socket:HOST:PORT") \
    X(SANDBOX_LOCKS, "sandbox-locks", WARNING, "add ReadWritePaths=-/run/iotsafe (or your lock-dir)") \
    X(CONF_ABSENT, "conf-absent", FAIL, \
      "copy conf/openssl.cnf to that place, or correct OPENSSL_CONF") \
    X(CONF_CLOSED, "conf-closed", FAIL, "let this user read the file and enter its folders") \
    X(CONF_SYNTAX, "conf-syntax", FAIL, "correct that line, see config(5)") \
    X(CONF_NO_PROVIDERS, "conf-no-providers", FAIL, \
      "add the lines of conf/openssl.cnf, or include that file") \
    X(CONF_NO_SECTION, "conf-no-section", FAIL, "add the section, or correct its name") \
    X(NOT_LISTED, "provider-not-listed", FAIL, \
      "list iotsafe in that section as conf/openssl.cnf does") \
    X(NOT_ACTIVATED, "provider-not-activated", FAIL, "add activate = 1 to its section") \
    X(NO_DEFAULT, "default-not-activated", FAIL, \
      "list default = default_sect, and activate = 1 in [default_sect]") \
    X(ORDER, "provider-order", WARNING, "list default before iotsafe") \
    X(QUERY_PREFERS, "query-prefers", WARNING, \
      "leave the preference out: keys on the SIM are found without it") \
    X(QUERY_HIDES, "query-hides", FAIL, "change default_properties so that both providers fit") \
    X(QUERY_FIPS, "query-fips", FAIL, \
      "drop fips=yes, or set assume-fips = yes if your rules allow it, see provider-iotsafe(7)") \
    X(VALUE_IS_SECTION, "value-is-section", FAIL, "rename that section") \
    X(SETTING_UNKNOWN, "setting-unknown", WARNING, \
      "correct the name; provider-iotsafe(7) lists the settings") \
    X(SETTING_BAD, "setting-bad", FAIL, "correct the value; provider-iotsafe(7) lists the valid ones") \
    X(ENGINE_PKCS11, "engine-pkcs11", WARNING, \
      "remove the engine from openssl.cnf; it breaks the EC keys of all providers") \
    X(MODULE_ABSENT, "module-absent", FAIL, "install the module there, or correct module = in openssl.cnf") \
    X(MODULE_HIDDEN, "module-hidden", FAIL, "unset OPENSSL_MODULES, or give the whole path by module =") \
    X(MODULE_CLOSED, "module-closed", FAIL, "let this user read the file and enter its folders") \
    X(MODULE_MACHINE, "module-machine", FAIL, "install the package that was built for this machine") \
    X(MODULE_OPENSSL, "module-openssl", FAIL, \
      "install the module that was built for this OpenSSL, or the libraries that it names") \
    X(MODULE_BROKEN, "module-broken", FAIL, "install the module again") \
    X(SIM_UNKNOWN, "sim-unknown", FAIL, "add a setting sim.NAME, or correct the name in the URI") \
    X(SOCKET_ABSENT, "socket-absent", FAIL, \
      "start the bridge or the software SIM there; a chroot needs the socket inside, or socket:HOST:PORT") \
    X(SOCKET_CLOSED, "socket-closed", FAIL, "add the user to a group that may use it, and restart the program") \
    X(SOCKET_REFUSED, "socket-refused", FAIL, "start the bridge or the software SIM there") \
    X(PCSCD_ABSENT, "pcscd-absent", FAIL, \
      "install and start pcscd (systemctl enable --now pcscd.socket); a chroot needs its socket inside") \
    X(PCSCD_CLOSED, "pcscd-closed", FAIL, "give this user access to the socket of pcscd") \
    X(PCSCD_REFUSES, "pcscd-refuses", FAIL, \
      "allow this user in polkit, see conf/polkit/49-iotsafe-pcscd.rules; otherwise check the log of pcscd") \
    X(READER_ABSENT, "reader-absent", FAIL, "connect the reader, or correct its name in transport") \
    X(READER_TAKEN, "reader-taken", FAIL, "end that program, or have it share the reader") \
    X(CARD_ABSENT, "card-absent", FAIL, "insert the SIM, the right way round") \
    X(LOCK_CLOSED, "lock-closed", FAIL, \
      "add this user to the group of that folder (usermod -aG iotsafe USER), and restart the program") \
    X(MODEM_ABSENT, "modem-absent", FAIL, "connect the modem, or correct the name of its AT port") \
    X(MODEM_MUTE, "modem-mute", FAIL, "name the AT port of the modem, and its speed by ?baud=") \
    X(PORT_CLOSED, "port-closed", FAIL, "add the user to a group that may use it, and restart the program") \
    X(PORT_BUSY, "port-busy", FAIL, "end that program, or configure it not to use the port") \
    X(PORT_SHARED, "port-shared", WARNING, \
      "configure that program not to use the port: it may take responses that are not its own") \
    X(PIN_LOCKED, "pin-locked", FAIL, "enter the PIN (AT+CPIN), or disable it") \
    X(SIM_SILENT, "sim-silent", FAIL, "try again; if the error persists, reset the modem, reader or bridge") \
    X(SIM_UNREACHABLE, "sim-unreachable", FAIL, "look at the reader, modem or bridge, and its log") \
    X(CHANNEL_NONE, "channel-none", FAIL, \
      "end other programs that use the SIM, or reset it; a SIM without logical channels needs a reader") \
    X(APPLET_ABSENT, "applet-absent", FAIL, "ask the issuer for the AID, and set aid; or insert another SIM") \
    X(ADMIN_BUSY, "admin-busy", FAIL, "wait until the operator has finished, and try again") \
    X(CARD_ERROR, "card-error", FAIL, "set trace = file:PATH, try again, and ask the issuer of the SIM") \
    X(FILE_ABSENT, "file-absent", FAIL, "correct the name, or write the file by iotsafe key-ref") \
    X(FILE_CLOSED, "file-closed", FAIL, "let this user read the file and enter its folders") \
    X(FILE_BROKEN, "file-broken", FAIL, "write it again: iotsafe key-ref URI --out FILE") \
    X(FILE_STALE, "file-stale", FAIL, "write it again, or insert the SIM that it was written with") \
    X(KEY_NONE, "key-none", FAIL, "generate one (iotsafe keygen), or ask the issuer of the SIM") \
    X(KEY_ABSENT, "key-absent", FAIL, "name an existing one; iotsafe list shows them") \
    X(CERTIFICATE_ABSENT, "certificate-absent", WARNING, \
      "obtain one (openssl req -new -key URI makes the request), or give programs a file with it") \
    X(CERTIFICATE_UNREADABLE, "certificate-unreadable", FAIL, \
      "ask the issuer to make it readable, or give programs a file with it") \
    X(KEY_MISMATCH, "key-mismatch", FAIL, "use the certificate of this key, or the key of this certificate") \
    X(CLOCK_WRONG, "clock-wrong", FAIL, "set the clock: no certificate can be checked with it") \
    X(CERTIFICATE_EXPIRED, "certificate-expired", FAIL, "renew it; if it is new, set the clock") \
    X(CERTIFICATE_EARLY, "certificate-not-yet-valid", FAIL, "set the clock if it is wrong; otherwise wait") \
    X(CERTIFICATE_ENDS, "certificate-ends-soon", WARNING, "renew it") \
    X(CERTIFICATE_USAGE, "certificate-usage", FAIL, "have it issued with clientAuth or serverAuth, and digitalSignature") \
    X(CHAIN_INCOMPLETE, "chain-incomplete", WARNING, \
      "append the certificate of that issuer to the other, unless all peers have it") \
    X(SIGNATURE_FAILED, "signature-failed", FAIL, "iotsafe list shows what the key may do") \
    X(SIGNATURE_WRONG, "signature-wrong", FAIL, "have the key and its certificate written again") \
    X(SIM_SLOW, "sim-slow", WARNING, "keep connections open, and resume TLS sessions") \
    X(TLS_REFUSED, "tls-refused", FAIL, "have a certificate issued that the rules of this OpenSSL allow")
/* clang-format on */

#endif
