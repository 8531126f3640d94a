/* SPDX-License-Identifier: Apache-2.0 */
/* How the keys of a card sign: per key and hash, the form of COMPUTE SIGNATURE that
 * worked last. It only orders the tries; nothing here says that a form is refused. */
#ifndef APPLET_IO_KEY_FORMS_H
#define APPLET_IO_KEY_FORMS_H

#include "iotsafe.h"

/** What the applet is given, from the cheapest to the dearest (IoT.05 2.5.14). */
enum sign_form {
    FORM_DIGEST = 0,   /* the finished digest */
    FORM_SHORT_DIGEST, /* its leftmost 256 bits as one of SHA-256 (ECDSA on 256-bit curves) */
    FORM_LAST_BLOCK,   /* the intermediate hash and the last block */
    FORM_TEXT,         /* all of the text */
    N_SIGN_FORMS
};

#define KEY_FORMS_MAX 6
#define KEY_FORMS_TEXT_MAX (KEY_FORMS_MAX * (2 * (1 + IOTSAFE_LABEL_MAX) + 12) + 2)

struct key_forms {
    struct key_form {
        uint8_t key[1 + IOTSAFE_LABEL_MAX]; /* 'i' and the identifier, or 'l' and the label */
        size_t key_len;                     /* 0: free */
        uint16_t hash;                      /* IOTSAFE_HASH_... that was asked for */
        enum sign_form form;                /* that is tried first */
        enum sign_form dearer;              /* that worked once in its stead; else == form */
    } entries[KEY_FORMS_MAX];               /* the one used last in front */
};

/** The form to try first; FORM_DIGEST for a key that is not known. */
enum sign_form key_forms_first(const struct key_forms *forms, const struct iotsafe_name *key,
                               uint16_t hash);

/**
 * A form has given a signature. A cheaper one than before is preferred at once; a
 * dearer one after it has worked twice in a row, since the refusal that led to it may
 * have been a passing one.
 * @return true if anything changed
 */
bool key_forms_worked(struct key_forms *forms, const struct iotsafe_name *key, uint16_t hash,
                      enum sign_form form);

/** Forget all: another card, a reset. */
void key_forms_clear(struct key_forms *forms);

/** As one word for the channel record, "-" for none; and back.
 *  @return false if the text makes no sense; ret is then untouched */
void key_forms_format(const struct key_forms *forms, char ret_text[static KEY_FORMS_TEXT_MAX]);
bool key_forms_parse(const char *text, struct key_forms *ret_forms);

#endif
