/* SPDX-License-Identifier: Apache-2.0 */
/* BER-TLV objects with one-byte tags: a writer for commands, a reader for
 * responses. What lengths look like and where the next object begins is decided here
 * alone, the forms of single applets included. */
#ifndef APPLET_IO_TLV_H
#define APPLET_IO_TLV_H

#include "iotsafe.h"

/** Builds objects in a buffer that the caller owns. A write that does not fit
 *  sets `failed`; later writes then do nothing, so that a command is written
 *  straight down and checked once, in tlv_finish(). */
struct tlv_writer {
    uint8_t *out; /* borrowed, cap bytes */
    size_t cap;
    size_t len; /* bytes written, <= cap */
    bool failed;
};

/** @param val_len  0 to 127: longer lengths have no agreed form in IoT.05 commands */
void tlv_put(struct tlv_writer *w, uint8_t tag, const uint8_t *val, size_t val_len);
void tlv_put_u8(struct tlv_writer *w, uint8_t tag, uint8_t val);
void tlv_put_u16(struct tlv_writer *w, uint8_t tag, uint16_t val);

/** An object whose length is one raw byte, whatever BER says of lengths over 127.
 *  @param val_len  0 to 255 */
void tlv_put_raw_length(struct tlv_writer *w, uint8_t tag, const uint8_t *val, size_t val_len);

/** Tag and BER length of an object whose value follows by tlv_put_bytes(), perhaps in
 *  other commands. @param val_len  0 to 65535 */
void tlv_put_head(struct tlv_writer *w, uint8_t tag, size_t val_len);

/** Bytes as they are: a part of a value, or objects that are encoded already. */
void tlv_put_bytes(struct tlv_writer *w, const uint8_t *bytes, size_t len);

/** A signature of up to 127 bytes, with a length of one byte or of two: applets differ. */
void tlv_put_signature(struct tlv_writer *w, const uint8_t *sig, size_t sig_len, bool short_length);

/** How many bytes still fit. */
size_t tlv_room(const struct tlv_writer *w);

/** @retval IOTSAFE_ERR_SPACE  some write did not fit; ret_len is untouched */
IOTSAFE_NODISCARD enum iotsafe_err tlv_finish(const struct tlv_writer *w, size_t *ret_len);

/** Reads objects one after another from bytes that the caller keeps. */
struct tlv_reader {
    const uint8_t *in; /* borrowed */
    size_t len;        /* bytes not yet read */
};

struct tlv {
    uint8_t tag;
    const uint8_t *val; /* points into the reader's bytes */
    size_t len;
};

/**
 * Take the next object. Lengths of 128 and more are met in two forms, one raw
 * byte and BER (81 LL, 82 HH LL): the form is taken whose end is the end of
 * the bytes or is followed by a tag that IoT.05 knows; raw if both are.
 *
 * @retval IOTSAFE_ERR_NOT_FOUND  no bytes left
 * @retval IOTSAFE_ERR_PROTOCOL   the object breaks off; the reader is untouched
 */
IOTSAFE_NODISCARD enum iotsafe_err tlv_next(struct tlv_reader *r, struct tlv *ret_tlv);

/**
 * Take the next object, which has this tag and a length in BER form: for values of
 * random bytes. tlv_next() decides between forms by what follows, and behind 130 of
 * 256 random bytes stands a known tag too often.
 *
 * @return false if it is another object or breaks off; the reader is untouched
 */
bool tlv_take_ber(struct tlv_reader *r, uint8_t tag, struct tlv *ret_tlv);

/** Give back the last byte of `tlv`, which was the first of the next object: some
 *  applets announce a value one byte longer than it is. */
void tlv_give_back(struct tlv_reader *r, struct tlv *tlv);

/** The value of tag 33 in a response that is a signature and nothing else. Its length
 *  has one byte, two, or a BER form: the one that ends where the response ends. All
 *  bytes where there is no such tag: some applets write none. */
struct tlv tlv_signature(const uint8_t *in, size_t len);

/** An unsigned integer without its leading zeros. */
struct tlv tlv_without_zeros(const struct tlv *tlv);

/** Find the first object with a tag, at this level. Same results as tlv_next(). */
IOTSAFE_NODISCARD enum iotsafe_err tlv_find(const uint8_t *in, size_t len, uint8_t tag,
                                            struct tlv *ret_tlv);

/** Value of an unsigned number of 1 or 2 bytes, big-endian; 0 for other lengths. */
uint16_t tlv_number(const struct tlv *tlv);

#endif
