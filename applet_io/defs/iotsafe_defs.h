/* SPDX-License-Identifier: Apache-2.0 */
/* Constants of the IoT SAFE applet interface (GSMA IoT.05) and of the ISO/IEC
 * 7816-4 commands around it. Numbers only: no code, so that the client and the
 * software SIM can share this file without sharing a mistake in logic. */
#ifndef IOTSAFE_DEFS_H
#define IOTSAFE_DEFS_H

/* ---- sizes, in bytes ---- */
#define IOTSAFE_AID_MIN 5
#define IOTSAFE_AID_MAX 16
#define IOTSAFE_ID_MAX 20          /* IoT.05 2.1, identifier */
#define IOTSAFE_LABEL_MAX 60       /* IoT.05 2.1, label */
#define IOTSAFE_FILE_MAX 65535     /* two-byte size in tag 20 */
#define IOTSAFE_CHANNEL_MAX 19     /* ISO/IEC 7816-4, logical channels */
#define IOTSAFE_APP_INFO_SIZE 0x44 /* nominal answer of GET DATA - application */
#define APDU_HEADER_SIZE 4
#define APDU_DATA_MAX 255 /* short APDU, Lc */
#define APDU_NE_MAX 256   /* short APDU, Le = 00 */
#define APDU_CMD_MAX (APDU_HEADER_SIZE + 1 + APDU_DATA_MAX + 1)
#define APDU_RSP_MAX (APDU_NE_MAX + 2)

/* ---- instructions: ISO/IEC 7816-4 ---- */
#define ISO_INS_MANAGE_CHANNEL 0x70
#define ISO_INS_SELECT 0xa4
#define ISO_INS_GET_RESPONSE 0xc0

/* ---- instructions: IoT.05 ---- */
#define IOTSAFE_INS_PUT_PUBLIC_KEY_INIT 0x24
#define IOTSAFE_INS_COMPUTE_SIGNATURE_INIT 0x2a
#define IOTSAFE_INS_COMPUTE_SIGNATURE_UPDATE 0x2b
#define IOTSAFE_INS_VERIFY_SIGNATURE_INIT 0x2c
#define IOTSAFE_INS_VERIFY_SIGNATURE_UPDATE 0x2d
#define IOTSAFE_INS_COMPUTE_DH 0x46
#define IOTSAFE_INS_COMPUTE_PRF 0x48
#define IOTSAFE_INS_COMPUTE_HKDF 0x4a
#define IOTSAFE_INS_GET_RANDOM 0x84
#define IOTSAFE_INS_READ_FILE 0xb0
#define IOTSAFE_INS_GENERATE_KEY_PAIR 0xb9
#define IOTSAFE_INS_GET_DATA 0xcb
#define IOTSAFE_INS_READ_PUBLIC_KEY 0xcd
#define IOTSAFE_INS_PUT_PUBLIC_KEY_UPDATE 0xd8

/* ---- P1, P2 ---- */
#define IOTSAFE_P1_SESSION_OPEN 0x00 /* of the INIT commands */
#define IOTSAFE_P1_SESSION_CLOSE 0x01
#define IOTSAFE_P1_MORE_BLOCKS 0x00 /* of the UPDATE commands */
#define IOTSAFE_P1_LAST_BLOCK 0x80
#define IOTSAFE_P1_APPLICATION 0x00 /* of GET DATA */
#define IOTSAFE_P1_OBJECT_LIST 0x01
#define IOTSAFE_P2_LIST_FIRST 0x00
#define IOTSAFE_P2_LIST_NEXT 0x01
#define IOTSAFE_P1_PRF_GENERAL 0x00 /* of COMPUTE PRF */
#define IOTSAFE_P1_PRF_PSK 0x01
#define IOTSAFE_P1_PRF_PSK_ECDHE 0x02

/* ---- templates: tags in the object list, P1 of GET DATA - single object ---- */
#define IOTSAFE_TAG_PRIVATE_KEY_TEMPLATE 0xc1
#define IOTSAFE_TAG_PUBLIC_KEY_TEMPLATE 0xc2
#define IOTSAFE_TAG_FILE_TEMPLATE 0xc3
#define IOTSAFE_TAG_SECRET_TEMPLATE 0xc4

/* ---- tags: application information (IoT.05 2.12) ---- */
#define IOTSAFE_TAG_VERSION 0x10
#define IOTSAFE_TAG_APPLET_ID 0x11
#define IOTSAFE_TAG_MAX_FILES 0xb1
#define IOTSAFE_TAG_MAX_PRIVATE_KEYS 0xb2
#define IOTSAFE_TAG_MAX_PUBLIC_KEYS 0xb3
#define IOTSAFE_TAG_MAX_SECRETS 0xb4
#define IOTSAFE_TAG_MAX_SESSIONS 0xb7
#define IOTSAFE_TAG_APP_FUNCTIONS_ALT 0x90 /* some applets, instead of 61 */
#define IOTSAFE_TAG_APP_AGREEMENT_ALT 0x93 /* some applets, instead of 6F */

/* ---- tags: names of objects ---- */
#define IOTSAFE_TAG_FILE_LABEL 0x73
#define IOTSAFE_TAG_PRIVATE_KEY_LABEL 0x74
#define IOTSAFE_TAG_PUBLIC_KEY_LABEL 0x75
#define IOTSAFE_TAG_SECRET_LABEL 0x76
#define IOTSAFE_TAG_FILE_ID 0x83
#define IOTSAFE_TAG_PRIVATE_KEY_ID 0x84
#define IOTSAFE_TAG_PUBLIC_KEY_ID 0x85
#define IOTSAFE_TAG_SECRET_ID 0x86

/* ---- tags: attributes of objects (IoT.05 2.14.4) ---- */
#define IOTSAFE_TAG_FILE_SIZE 0x20
#define IOTSAFE_TAG_FILE_USAGE 0x21
#define IOTSAFE_TAG_STATE 0x4a
#define IOTSAFE_TAG_KEY_TYPE 0x4b
#define IOTSAFE_TAG_KEY_USAGE 0x4e
#define IOTSAFE_TAG_ACCESS 0x60
#define IOTSAFE_TAG_FUNCTIONS 0x61
#define IOTSAFE_TAG_AGREEMENT 0x6f
#define IOTSAFE_TAG_HASH 0x91
#define IOTSAFE_TAG_SIGNATURE_ALG 0x92
#define IOTSAFE_TAG_DERIVATION 0x94

/* ---- tags: command data and answers ---- */
#define IOTSAFE_TAG_SIGNATURE 0x33
#define IOTSAFE_TAG_PUBLIC_KEY_DATA 0x34
#define IOTSAFE_TAG_ECC_PUBLIC_KEY 0x49 /* inside 34 */
#define IOTSAFE_TAG_ECC_POINT 0x86      /* inside 49 */
#define IOTSAFE_TAG_RSA_MODULUS 0x81    /* inside 49, ISO/IEC 7816-8 */
#define IOTSAFE_TAG_RSA_EXPONENT 0x82   /* inside 49, ISO/IEC 7816-8 */
#define IOTSAFE_TAG_LAST_BLOCK 0x9a
#define IOTSAFE_TAG_FULL_TEXT 0x9b
#define IOTSAFE_TAG_INTERMEDIATE_HASH 0x9c
#define IOTSAFE_TAG_HASHED_LENGTH 0x9d
#define IOTSAFE_TAG_FINAL_HASH 0x9e
#define IOTSAFE_TAG_MODE 0xa1
#define IOTSAFE_TAG_DERIVE_SECRET 0xd1
#define IOTSAFE_TAG_DERIVE_LABEL_SEED 0xd2
#define IOTSAFE_TAG_DERIVE_LENGTH 0xd3
#define IOTSAFE_TAG_DERIVE_PREMASTER 0xd4
#define IOTSAFE_TAG_DERIVE_SALT 0xd5

/* ---- values ---- */
#define IOTSAFE_MODE_FULL_TEXT 0x01 /* A1, IoT.05 2.5.14 */
#define IOTSAFE_MODE_LAST_BLOCK 0x02
#define IOTSAFE_MODE_PAD_AND_SIGN 0x03

#define IOTSAFE_HASH_SHA256 0x0001 /* 91, IoT.05 2.5.1, a bit each */
#define IOTSAFE_HASH_SHA384 0x0002
#define IOTSAFE_HASH_SHA512 0x0004

#define IOTSAFE_SIG_RSA_PKCS1 0x01 /* 92, IoT.05 2.5.2, a bit each */
#define IOTSAFE_SIG_RSA_PSS 0x02
#define IOTSAFE_SIG_ECDSA 0x04

#define IOTSAFE_FUNCTION_SIGN 0x01 /* 61, a bit each */
#define IOTSAFE_FUNCTION_GENERATE 0x02
#define IOTSAFE_FUNCTION_AGREE 0x04
#define IOTSAFE_FUNCTION_DERIVE 0x08

#define IOTSAFE_AGREEMENT_ECKA 0x01 /* 6F, IoT.05 2.5.3 */
#define IOTSAFE_DERIVATION_PRF 0x01 /* 94, IoT.05 2.5.4, a bit each */
#define IOTSAFE_DERIVATION_HKDF 0x02

#define IOTSAFE_KEY_RSA2048 0x03 /* 4B */
#define IOTSAFE_KEY_P256 0x13
#define IOTSAFE_KEY_P256_VOLATILE 0x14
#define IOTSAFE_KEY_BP256 0x23
#define IOTSAFE_KEY_BP256_VOLATILE 0x24
#define IOTSAFE_KEY_HMAC 0xa0

#define IOTSAFE_USAGE_GENERAL 0x01 /* 4E, an enumeration */
#define IOTSAFE_USAGE_TLS12 0x02
#define IOTSAFE_USAGE_TLS13 0x03

#define IOTSAFE_STATE_DEACTIVATED 0x00 /* 4A */
#define IOTSAFE_STATE_ACTIVATED 0x01

#define IOTSAFE_ACCESS_READ 0x01 /* 60, a bit each */
#define IOTSAFE_ACCESS_UPDATE 0x02

#define IOTSAFE_FILE_GENERAL 0x01 /* 21 */
#define IOTSAFE_FILE_CERTIFICATE 0x02

/* ---- status words: ISO/IEC 7816-4 and IoT.05 2.5.10 ---- */
#define SW_OK 0x9000
#define SW_BYTES_WAIT 0x6100 /* low byte: how many, 00 = 256 or more */
#define SW_MORE_TIME 0x6000  /* T=0's procedure byte "wait", which some readers pass on */
#define SW_NO_INFORMATION 0x6200
#define SW_END_OF_FILE 0x6282 /* with data: fewer than were asked for */
#define SW_SELECTED_DEACTIVATED 0x6283
#define SW_MORE_DATA 0x6300   /* object list: next page */
#define SW_ADMIN_ENDED 0x63cf /* success; remote administration ended */
#define SW_DATA_CORRUPT 0x6400
#define SW_MEMORY_FAILURE 0x6581
#define SW_WRONG_LENGTH 0x6700
#define SW_CHANNEL_UNSUPPORTED 0x6881
#define SW_SECURE_MESSAGING 0x6882
#define SW_INCOMPATIBLE_FILE 0x6981
#define SW_SECURITY_STATUS 0x6982
#define SW_BUSY_ADMIN 0x6984
#define SW_CONDITIONS 0x6985
#define SW_LIMIT_OR_CHANGED 0x6989
#define SW_APPLET_SELECT_FAILED 0x6999
#define SW_WRONG_DATA 0x6a80
#define SW_FUNCTION_UNSUPPORTED 0x6a81
#define SW_NOT_FOUND 0x6a82
#define SW_RECORD_NOT_FOUND 0x6a83
#define SW_NO_SPACE 0x6a84
#define SW_WRONG_P1P2 0x6a86
#define SW_REFERENCE_NOT_FOUND 0x6a88
#define SW_WRONG_OFFSET 0x6b00
#define SW_WRONG_LE 0x6c00 /* low byte: the right Le */
#define SW_INS_UNKNOWN 0x6d00
#define SW_SIGNATURE_WRONG 0x6d01 /* VERIFY SIGNATURE only */
#define SW_CLA_UNKNOWN 0x6e00
#define SW_UNKNOWN_ERROR 0x6f00
#define SW_PROACTIVE 0x9100 /* success; low byte: a proactive command waits */
#define SW_TOOLKIT_BUSY 0x9300
#define SW_GSM_BYTES_WAIT 0x9f00 /* GSM form of 61xx */

#endif
