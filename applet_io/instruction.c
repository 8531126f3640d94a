/* SPDX-License-Identifier: Apache-2.0 */
/* see instruction.h */
#include "instruction.h"

#include "util.h"

static const struct instruction instructions[] = {
    { ISO_INS_MANAGE_CHANNEL, INS_ISO | INS_ONCE, SEQUENCE_NONE, 0, 0, "MANAGE CHANNEL" },
    { ISO_INS_SELECT, INS_ISO, SEQUENCE_NONE, 0, 0, "SELECT" },
    { ISO_INS_GET_RESPONSE, INS_ISO | INS_RESPONDS | INS_RESPONSE_SECRET, SEQUENCE_NONE, 0, 0,
      "GET RESPONSE" },
    { IOTSAFE_INS_GET_DATA, INS_RESPONDS | INS_IN_PIECES | INS_PROVES, SEQUENCE_LIST, 0, 0,
      "GET DATA" },
    { IOTSAFE_INS_GET_RANDOM, INS_RESPONDS | INS_RESPONSE_SECRET, SEQUENCE_NONE, 0, 0,
      "GET RANDOM" },
    { IOTSAFE_INS_READ_FILE, INS_RESPONDS | INS_IN_PIECES, SEQUENCE_NONE, 0, 0, "READ FILE" },
    { IOTSAFE_INS_READ_PUBLIC_KEY, INS_RESPONDS | INS_PROVES, SEQUENCE_GENERATE, 0, 0,
      "READ PUBLIC KEY" },
    { IOTSAFE_INS_PUT_PUBLIC_KEY_INIT, INS_OK_ALONE | INS_PIN_ELSEWHERE | INS_CHANGES, SEQUENCE_PUT,
      IOTSAFE_INS_PUT_PUBLIC_KEY_INIT, IOTSAFE_INS_PUT_PUBLIC_KEY_UPDATE, "PUT PUBLIC KEY INIT" },
    { IOTSAFE_INS_PUT_PUBLIC_KEY_UPDATE, INS_CHANGES, SEQUENCE_PUT, IOTSAFE_INS_PUT_PUBLIC_KEY_INIT,
      0, "PUT PUBLIC KEY UPDATE" },
    { IOTSAFE_INS_GENERATE_KEY_PAIR, INS_RESPONDS | INS_ONCE | INS_LONG | INS_PROVES | INS_CHANGES,
      SEQUENCE_GENERATE, 0, 0, "GENERATE KEY PAIR" },
    { IOTSAFE_INS_COMPUTE_SIGNATURE_INIT, INS_OK_ALONE | INS_PROVES, SEQUENCE_SIGN,
      IOTSAFE_INS_COMPUTE_SIGNATURE_INIT, IOTSAFE_INS_COMPUTE_SIGNATURE_UPDATE,
      "COMPUTE SIGNATURE INIT" },
    { IOTSAFE_INS_COMPUTE_SIGNATURE_UPDATE, INS_RESPONDS, SEQUENCE_SIGN,
      IOTSAFE_INS_COMPUTE_SIGNATURE_INIT, 0, "COMPUTE SIGNATURE UPDATE" },
    { IOTSAFE_INS_VERIFY_SIGNATURE_INIT, INS_OK_ALONE | INS_PIN_ELSEWHERE, SEQUENCE_VERIFY,
      IOTSAFE_INS_VERIFY_SIGNATURE_INIT, IOTSAFE_INS_VERIFY_SIGNATURE_UPDATE,
      "VERIFY SIGNATURE INIT" },
    { IOTSAFE_INS_VERIFY_SIGNATURE_UPDATE, 0, SEQUENCE_VERIFY, IOTSAFE_INS_VERIFY_SIGNATURE_INIT, 0,
      "VERIFY SIGNATURE UPDATE" },
    { IOTSAFE_INS_COMPUTE_DH, INS_RESPONDS | INS_RESPONSE_SECRET, SEQUENCE_PUT, 0, 0,
      "COMPUTE DH" },
    { IOTSAFE_INS_COMPUTE_PRF, INS_RESPONDS | INS_DATA_SECRET | INS_RESPONSE_SECRET, SEQUENCE_NONE,
      0, 0, "COMPUTE PRF" },
    { IOTSAFE_INS_COMPUTE_HKDF, INS_RESPONDS | INS_DATA_SECRET | INS_RESPONSE_SECRET, SEQUENCE_NONE,
      0, 0, "COMPUTE HKDF" },
};

static const struct instruction unknown = {
    .flags = INS_DATA_SECRET | INS_RESPONSE_SECRET | INS_ONCE | INS_PIN_ELSEWHERE | INS_CHANGES,
    .name = "unknown instruction",
};

bool instruction_is_known(const struct instruction *in)
{
    return in != &unknown;
}

const struct instruction *instruction_of(uint8_t ins)
{
    for (size_t i = 0; i < ARRAY_LEN(instructions); i++)
        if (instructions[i].ins == ins)
            return &instructions[i];
    return &unknown;
}

bool instruction_proves_applet(const struct instruction *in, bool plain_class, const uint8_t *data,
                               size_t len)
{
    if (in == &unknown || (in->flags & INS_ISO) != 0)
        return false;
    if (plain_class && (in->flags & INS_PROVES) == 0)
        return false;
    if (!plain_class && in->ins != IOTSAFE_INS_GET_DATA)
        return true;
    switch (in->ins) {
    case IOTSAFE_INS_GET_DATA: /* 8NCB is RETRIEVE DATA too; a version, a template or a name */
        return len >= 3
               && (data[0] == IOTSAFE_TAG_VERSION
                   || (data[0] >= IOTSAFE_TAG_PRIVATE_KEY_TEMPLATE
                       && data[0] <= IOTSAFE_TAG_SECRET_TEMPLATE)
                   || (data[0] >= IOTSAFE_TAG_FILE_LABEL && data[0] <= IOTSAFE_TAG_SECRET_LABEL)
                   || (data[0] >= IOTSAFE_TAG_FILE_ID && data[0] <= IOTSAFE_TAG_SECRET_ID));
    case IOTSAFE_INS_READ_PUBLIC_KEY:
    case IOTSAFE_INS_GENERATE_KEY_PAIR:
        return len >= 3
               && (data[0] == IOTSAFE_TAG_PUBLIC_KEY_DATA || data[0] == IOTSAFE_TAG_PRIVATE_KEY_ID);
    default: /* by its success alone */
        return true;
    }
}

const uint8_t instruction_inits[N_SESSION_INITS] = { IOTSAFE_INS_COMPUTE_SIGNATURE_INIT,
                                                     IOTSAFE_INS_VERIFY_SIGNATURE_INIT,
                                                     IOTSAFE_INS_PUT_PUBLIC_KEY_INIT };

const struct question instruction_questions[N_QUESTIONS] = {
    { { .ins = IOTSAFE_INS_GET_DATA, .p1 = IOTSAFE_P1_APPLICATION, .ne = IOTSAFE_APP_INFO_SIZE },
      false },
    { { .ins = IOTSAFE_INS_GET_DATA, .p1 = IOTSAFE_P1_OBJECT_LIST, .ne = APDU_NE_MAX }, false },
    /* for an applet without GET DATA */
    { { .ins = IOTSAFE_INS_GET_RANDOM, .ne = 1 }, true },
};
