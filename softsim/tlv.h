/* SPDX-License-Identifier: Apache-2.0 */
/* TLVs as the card reads and writes them. The length forms in the field disagree
 * above 127 bytes; what the card accepts and sends is said at each function.
 * This file shares nothing with the client's TLV code on purpose. */
#ifndef SOFTSIM_TLV_H
#define SOFTSIM_TLV_H

#include "util.h"

struct tlv {
    uint8_t tag;
    const uint8_t *val; /* into the command, valid as long as that is */
    size_t len;
};

#define TLV_LIST_MAX 12

struct tlv_list {
    struct tlv item[TLV_LIST_MAX];
    size_t n;
    size_t missing; /* bytes of the last value that the next block must bring */
};

/**
 * Split command data into TLVs.
 *
 * Lengths below 128 are one byte. 81 LL, 82 HH LL and 83 HH MM LL are BER if such a
 * value fits; else the byte is a raw length if the value then ends exactly with the
 * data; else it is BER of a value that goes on in the next block, and `missing` says how
 * much. 33 also takes two raw length bytes (00 40).
 *
 * @return false if the data are not a whole sequence of TLVs, or more than TLV_LIST_MAX
 */
bool softsim_tlv_parse(const uint8_t *data, size_t len, struct tlv_list *ret);

/** The only TLV with this tag; NULL if there is none. */
const struct tlv *softsim_tlv_find(const struct tlv_list *list, uint8_t tag);

/** True if every tag is one of `allowed` (0-terminated) and none comes twice. */
bool softsim_tlv_only(const struct tlv_list *list, const uint8_t *allowed);

/** How values of 128 to 255 bytes are sent. From 256 it is always BER. */
enum tlv_len_form { TLV_LEN_RAW, TLV_LEN_BER };

void softsim_tlv_put_header(struct buf *out, uint8_t tag, size_t len, enum tlv_len_form form);
void softsim_tlv_put(struct buf *out, uint8_t tag, const void *val, size_t len,
                     enum tlv_len_form form);
/** One-byte and two-byte (big-endian) values. */
void softsim_tlv_put_u8(struct buf *out, uint8_t tag, uint8_t val);
void softsim_tlv_put_u16(struct buf *out, uint8_t tag, uint16_t val);

#endif
