/* UTF-8 by RFC 3629: no overlong forms, no surrogates, nothing above U+10FFFF. Thread: any. */
#pragma once
#include "base/str.h"

struct tt_buf;

bool tt_utf8_valid(struct tt_str s);

/* Length of the longest prefix that ends on a character boundary: cuts off an incomplete last
 * character, if the bytes so far could begin a valid one. */
size_t tt_utf8_complete(struct tt_str s);

/* Decodes the character at the start of s. Returns its length in bytes, 0 when invalid or empty. */
size_t tt_utf8_decode(struct tt_str s, uint32_t *code_point);

/* Encodes one code point (must be valid); returns 1..4. */
size_t tt_utf8_encode(uint32_t code_point, char out[4]);

/* Unified ideographs and their extension A, the compatibility block, and the planes 2 and 3
 * (Unicode 15, chapter 18). */
static inline bool tt_utf8_is_ideograph(uint32_t c)
{
    return (c >= 0x4E00 && c <= 0x9FFF) || (c >= 0x3400 && c <= 0x4DBF) ||
           (c >= 0xF900 && c <= 0xFAFF) || (c >= 0x20000 && c <= 0x3FFFF);
}

/* Appends s with U+FFFD for each U+0000: PostgreSQL cannot hold that in a text, C functions end at
 * it, and nobody types it. What holds text from outside has none: JSON, form fields, replies and
 * values of statements are cleaned where they enter. */
int tt_utf8_append_without_nul(struct tt_buf *out, struct tt_str s);

size_t tt_utf8_count(struct tt_str s); /* characters; s must be valid */

/* Byte length of the first `characters` characters (or of all, if there are fewer). */
size_t tt_utf8_prefix(struct tt_str s, size_t characters);

/* Joins text that arrives in pieces that may be cut anywhere, even inside a character: appends
 * whole characters to out and stores an incomplete tail of up to 3 bytes. Invalid bytes become
 * U+FFFD. */
struct tt_utf8_joiner {
    unsigned char tail[4];
    unsigned char tail_len;
};
int tt_utf8_join(struct tt_utf8_joiner *joiner, struct tt_str piece, struct tt_buf *out);
int tt_utf8_join_end(struct tt_utf8_joiner *joiner, struct tt_buf *out); /* a leftover: U+FFFD */
