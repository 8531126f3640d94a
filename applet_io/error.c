/* SPDX-License-Identifier: Apache-2.0 */
/* see error.h */
#include "error.h"

#include "util.h"

static const struct {
    uint16_t sw;
    uint16_t mask;
    enum iotsafe_err err;
    const char *meaning;
} sw_map[] = {
    { SW_OK, 0xffff, IOTSAFE_OK, "success" },
    { SW_PROACTIVE, 0xff00, IOTSAFE_OK, "success, a proactive command is pending" },
    { SW_ADMIN_ENDED, 0xffff, IOTSAFE_OK, "success, remote administration has ended" },
    { SW_MORE_TIME, 0xff00, IOTSAFE_ERR_BUSY, "the card wants more time" },
    { SW_NO_INFORMATION, 0xffff, IOTSAFE_ERR_CARD, "warning without information" },
    { SW_END_OF_FILE, 0xffff, IOTSAFE_ERR_CARD, "warning: end of file" },
    { SW_SELECTED_DEACTIVATED, 0xffff, IOTSAFE_ERR_NO_APPLET, "applet is deactivated" },
    { SW_MORE_DATA, 0xffff, IOTSAFE_ERR_CARD, "more data follows" },
    { SW_DATA_CORRUPT, 0xffff, IOTSAFE_ERR_CARD, "the applet found its stored data corrupt" },
    { SW_MEMORY_FAILURE, 0xffff, IOTSAFE_ERR_CARD, "memory failure in the card" },
    { SW_WRONG_LENGTH, 0xffff, IOTSAFE_ERR_LENGTH, "wrong length" },
    { SW_CHANNEL_UNSUPPORTED, 0xffff, IOTSAFE_ERR_CHANNEL_LOST, "logical channel is not open" },
    { SW_SECURE_MESSAGING, 0xffff, IOTSAFE_ERR_CLASS, "secure messaging not supported" },
    { SW_INCOMPATIBLE_FILE, 0xffff, IOTSAFE_ERR_DATA,
      "incompatible with the file, or offset out of range" },
    { SW_SECURITY_STATUS, 0xffff, IOTSAFE_ERR_ACCESS, "security status not satisfied" },
    { SW_BUSY_ADMIN, 0xffff, IOTSAFE_ERR_BUSY, "object in use by remote administration" },
    { SW_CONDITIONS, 0xffff, IOTSAFE_ERR_CONDITIONS,
      "conditions of use not satisfied: object deactivated, function not granted, or session "
      "state" },
    { SW_LIMIT_OR_CHANGED, 0xffff, IOTSAFE_ERR_CHANGED,
      "object changed by remote administration, or limit of sessions reached" },
    { SW_APPLET_SELECT_FAILED, 0xffff, IOTSAFE_ERR_CHANNEL_LOST, "no applet is selected" },
    { SW_WRONG_DATA, 0xffff, IOTSAFE_ERR_DATA,
      "command data refused: no such key, wrong encoding, or algorithm not supported" },
    { SW_FUNCTION_UNSUPPORTED, 0xffff, IOTSAFE_ERR_UNSUPPORTED, "function not supported" },
    { SW_NOT_FOUND, 0xffff, IOTSAFE_ERR_NOT_FOUND, "file or object not found" },
    { SW_RECORD_NOT_FOUND, 0xffff, IOTSAFE_ERR_NOT_FOUND, "record not found" },
    { SW_NO_SPACE, 0xffff, IOTSAFE_ERR_CARD, "not enough memory in the card" },
    { SW_WRONG_P1P2, 0xffff, IOTSAFE_ERR_CONDITIONS, "wrong parameters, or the session is open" },
    { SW_REFERENCE_NOT_FOUND, 0xffff, IOTSAFE_ERR_NOT_FOUND, "referenced data not found" },
    { SW_WRONG_OFFSET, 0xffff, IOTSAFE_ERR_CONDITIONS, "wrong parameters" },
    { SW_SIGNATURE_WRONG, 0xffff, IOTSAFE_ERR_SIGNATURE, "signature does not match" },
    { SW_INS_UNKNOWN, 0xffff, IOTSAFE_ERR_UNSUPPORTED, "instruction not supported" },
    { SW_CLA_UNKNOWN, 0xffff, IOTSAFE_ERR_CLASS, "class byte not supported" },
    { SW_UNKNOWN_ERROR, 0xff00, IOTSAFE_ERR_CARD, "internal error of the card" },
    { SW_TOOLKIT_BUSY, 0xff00, IOTSAFE_ERR_BUSY, "SIM toolkit is busy" },
    { SW_WRONG_LE, 0xff00, IOTSAFE_ERR_LENGTH, "wrong expected length" },
};

enum iotsafe_err error_from_sw(uint16_t sw)
{
    for (size_t i = 0; i < ARRAY_LEN(sw_map); i++)
        if ((sw & sw_map[i].mask) == sw_map[i].sw)
            return sw_map[i].err;
    return IOTSAFE_ERR_CARD;
}

const char *error_sw_meaning(uint16_t sw)
{
    for (size_t i = 0; i < ARRAY_LEN(sw_map); i++)
        if ((sw & sw_map[i].mask) == sw_map[i].sw)
            return sw_map[i].meaning;
    return "unknown status word";
}

/* Many programs show nothing but this: what is wrong, then the way out, if there is one. No
 * colon: OpenSSL puts them between the parts of an error. */
static const char *const err_text[IOTSAFE_ERR_MAX] = {
    [IOTSAFE_OK] = "success",
    [IOTSAFE_ERR_ARGUMENT] = "invalid argument",
    [IOTSAFE_ERR_MEMORY] = "out of memory",
    [IOTSAFE_ERR_CONFIG] = "bad configuration value; correct it in openssl.cnf or the environment",
    [IOTSAFE_ERR_URI] = "malformed object URI; iotsafe-uri(7) describes its syntax",
    [IOTSAFE_ERR_TIMEOUT] = "timeout; the SIM is dead, busy or slow, or timeout-ms too short",
    [IOTSAFE_ERR_LOCK] =
        "device lock not available; join the group iotsafe, or see who uses the SIM",
    [IOTSAFE_ERR_NO_SERVICE] = "pcscd, modem port or SIM socket not reachable; start it, and make "
                               "sure that this user may open it",
    [IOTSAFE_ERR_NO_READER] = "no card reader; connect one, or set transport",
    [IOTSAFE_ERR_NO_CARD] = "no SIM in the reader; insert the SIM",
    [IOTSAFE_ERR_NO_CHANNEL] =
        "no logical channel free; end other programs that use the SIM, or reset it",
    [IOTSAFE_ERR_NO_APPLET] = "no IoT SAFE applet on the card; insert another SIM, or set aid",
    [IOTSAFE_ERR_TRANSPORT] = "SIM unreachable; check the reader, the modem or the bridge",
    [IOTSAFE_ERR_PROTOCOL] = "malformed response from the card; set trace to see it",
    [IOTSAFE_ERR_SPACE] = "response from the card too large; set trace to see it",
    [IOTSAFE_ERR_NOT_FOUND] = "no such object on the SIM; 'iotsafe list' shows all",
    [IOTSAFE_ERR_AMBIGUOUS] =
        "several objects match; select one by its id, which 'iotsafe list' shows",
    [IOTSAFE_ERR_ACCESS] = "access refused by the card; only the issuer of the SIM can grant it",
    [IOTSAFE_ERR_CONDITIONS] = "conditions of use not satisfied; 'iotsafe list' shows what the key "
                               "may do and whether it is active",
    [IOTSAFE_ERR_BUSY] = "applet busy with remote administration; try again later",
    [IOTSAFE_ERR_CHANGED] = "object changed by remote administration; load it again",
    [IOTSAFE_ERR_DATA] = "command data refused by the card",
    [IOTSAFE_ERR_UNSUPPORTED] = "not supported by the applet; 'iotsafe info' shows what is",
    [IOTSAFE_ERR_LENGTH] = "wrong length",
    [IOTSAFE_ERR_CLASS] = "class byte not supported",
    [IOTSAFE_ERR_CHANNEL_LOST] = "logical channel lost; try again",
    [IOTSAFE_ERR_SIGNATURE] = "signature does not match the public key; after a change of SIM or "
                              "key, renew key reference and certificate",
    [IOTSAFE_ERR_CARD] = "the SIM reports an error",
    [IOTSAFE_ERR_KEY] = "unusable key; wrong type, or not the key that was loaded",
    [IOTSAFE_ERR_CERTIFICATE] = "no certificate in the file; 'iotsafe list' shows the files",
    [IOTSAFE_ERR_DIGEST] = "digest not supported; use SHA-256, SHA-384 or SHA-512",
    [IOTSAFE_ERR_DAMAGED] =
        "response damaged in transit; check the line to the modem, and try again",
    [IOTSAFE_ERR_REFERENCE] = "damaged key-reference file; write it again with 'iotsafe key-ref'",
    [IOTSAFE_ERR_OUTCOME] = "the outcome of a key generation is not known; check with 'iotsafe "
                            "pubkey' what the container holds",
    [IOTSAFE_ERR_NOT_REACHED] =
        "card or modem refuses access to the applet; 'iotsafe doctor' shows which step fails",
};

bool iotsafe_err_is_refusal(enum iotsafe_err err)
{
    switch (err) {
    case IOTSAFE_ERR_PROTOCOL:
    case IOTSAFE_ERR_SPACE:
    case IOTSAFE_ERR_NOT_FOUND:
    case IOTSAFE_ERR_AMBIGUOUS:
    case IOTSAFE_ERR_ACCESS:
    case IOTSAFE_ERR_CONDITIONS:
    case IOTSAFE_ERR_DATA:
    case IOTSAFE_ERR_UNSUPPORTED:
    case IOTSAFE_ERR_LENGTH:
    case IOTSAFE_ERR_CARD:
    case IOTSAFE_ERR_KEY:
    case IOTSAFE_ERR_CERTIFICATE:
        return true;
    default:
        return false;
    }
}

const char *iotsafe_strerror(enum iotsafe_err err)
{
    return (unsigned)err < IOTSAFE_ERR_MAX ? err_text[err] : "unknown error";
}
