/* SPDX-License-Identifier: Apache-2.0 */
/* All that `iotsafe doctor` can find: X(name, id, status, what to do next). The id is
 * promised by iotsafe(1); the cause is written where the thing is found. */
#ifndef DOCTOR_FINDINGS_H
#define DOCTOR_FINDINGS_H

/* clang-format off */
#define DOCTOR_FINDINGS(X) \
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
    X(SETTING_BAD, "setting-bad", FAIL, "correct the value; provider-iotsafe(7) tells what is possible") \
    X(ENGINE_PKCS11, "engine-pkcs11", WARNING, \
      "remove the engine from openssl.cnf; it breaks the EC keys of all providers") \
    X(MODULE_ABSENT, "module-absent", FAIL, "install the module there, or correct module = in openssl.cnf") \
    X(MODULE_HIDDEN, "module-hidden", FAIL, "unset OPENSSL_MODULES, or give the whole path by module =") \
    X(MODULE_CLOSED, "module-closed", FAIL, "let this user read the file and enter its folders") \
    X(MODULE_MACHINE, "module-machine", FAIL, "install the package that was built for this machine") \
    X(MODULE_OPENSSL, "module-openssl", FAIL, \
      "install the module that was built for this OpenSSL, or the libraries that it names") \
    X(MODULE_BROKEN, "module-broken", FAIL, "install the module again")
/* clang-format on */

#endif
