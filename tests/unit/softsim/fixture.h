/* SPDX-License-Identifier: Apache-2.0 */
/* A card with the objects of the worked examples (test_traces.c), and a way to
 * write an exchange as two strings. */
#ifndef TEST_SOFTSIM_FIXTURE_H
#define TEST_SOFTSIM_FIXTURE_H

#include <criterion/criterion.h>
#include <criterion/parameterized.h>

#include "card.h"
#include "crypto.h"
#include "personalise.h"

struct fixture {
    struct store *store;
    struct card card;
    struct client client;
    char answer[2 * APDU_RSP_MAX + 1]; /* of the last exchange, in hexadecimal */
    struct exchange_info info;
};

/**
 * A card of this profile with more settings ("a=b;c=d", may be ""), the signing key of
 * RFC 6979 as 01 "tls-client", its certificate file 02 "cert", and all the other
 * objects of example 11.4 form B. Signatures are deterministic.
 */
void fixture_begin(struct fixture *f, const char *profile, const char *settings);
/** The same without objects. */
void fixture_begin_empty(struct fixture *f, const char *profile, const char *settings);
/** The objects that init makes, with all defaults; of these labels only (separated by
 *  spaces, "" for all). */
void fixture_begin_personalised(struct fixture *f, const char *profile, const char *only);
void fixture_end(struct fixture *f);

/** Keep only the objects with these labels (separated by spaces). */
void fixture_keep(struct fixture *f, const char *labels);
/** Give a volatile pair the published value of the examples' "ephemeral". */
void fixture_load_ephemeral(struct fixture *f, const char *label);

/** Send a command in hexadecimal (spaces allowed); returns f->answer. */
const char *send_hex(struct fixture *f, const char *cmd);
const char *send_as(struct fixture *f, struct client *client, const char *cmd);
/** The status word of the answer as a number. */
unsigned sw_of(struct fixture *f, const char *cmd);

/** Send and compare the whole answer. */
#define EXPECT(f, cmd, rsp)                                                                   \
    do {                                                                                      \
        cr_expect_str_eq(send_hex(f, cmd), rsp, "%s\n  gave %s\n  not  %s", cmd, (f)->answer, \
                         rsp);                                                                \
    } while (0)
/** Send and compare the status word. */
#define EXPECT_SW(f, cmd, sw)                                                                    \
    do {                                                                                         \
        unsigned got_ = sw_of(f, cmd);                                                           \
        cr_expect_eq(got_, (unsigned)(sw), "%s gave %04X, not %04X", cmd, got_, (unsigned)(sw)); \
    } while (0)

/** Open channel 1 and select the applet by this AID. */
void fixture_select(struct fixture *f, const char *aid);

/* Recurring parts of commands. */
#define AID_GSMA "A0000005590010"
#define AID_THALES "A00000003053F12401770101495341"
#define HASH_SAMPLE "AF2BDBE1AA9B6EC1E2ADE1D694F41FC71A831D0268E9891562113D8A62ADD1BF"
#define SIG_SAMPLE                                                     \
    "EFD48B2AACB6A8FD1140DD9CD45E81D69D2C877B56AAF991C34D0EA84EAF3716" \
    "F7CB1C942D657C41D436C7A1B6E29F65F3E900DBB9AFF4064DC4AB2F843ACDA8"
#define POINT_SIGN                                                       \
    "0460FED4BA255A9D31C961EB74C6356D68C049B8923B61FA6CE669622E60F29FB6" \
    "7903FE1008B8BC99A41AE9E95628BC64F2F1B20C2D7E9F5177A3C294D4462299"
#define POINT_EPHEMERAL                                                  \
    "04EAD218590119E8876B29146FF89CA61770C4EDBBF97D38CE385ED281D8A6B230" \
    "28AF61281FD35E2FA7002523ACC85A429CB06EE6648325389F59EDFCE1405141"
#define POINT_PEER                                                       \
    "04700C48F77F56584C5CC632CA65640DB91B6BACCE3A4DF6B42CE7CC838833D287" \
    "DB71E509E3FD9B060DDB20BA5C51DCC5948D46FBF640DFE0441782CAB85FA4AC"
#define ECDH_Z "46FC62106420FF012E54A434FBDD2D25CCC5852060561E68040DD7778997BD7B"

/** Bytes of a string literal of hexadecimal digits; returns how many. */
size_t unhex(const char *hex, uint8_t *out, size_t cap);
/** The 700-byte certificate of example 11.11. */
size_t example_certificate(uint8_t out[static 700]);

#endif
