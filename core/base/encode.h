/* Bytes as text: hex digits and base64 (RFC 4648), strict in both directions. For data on the wire;
 * secrets use base/seal. Thread: any. */
#pragma once
#include "base/buf.h"

enum tt_base64 { TT_BASE64, TT_BASE64_URL /* without padding */ };

/* All append. -1 when out is at its limit; out is unchanged then. The decoders also fail on
 * anything but exactly the form. */
int tt_hex_encode(struct tt_str bytes, struct tt_buf *out); /* lower case */
int tt_hex_decode(struct tt_str hex, struct tt_buf *out);   /* of either case */
int tt_base64_encode(struct tt_str bytes, enum tt_base64 variant, struct tt_buf *out);
int tt_base64_decode(struct tt_str text, enum tt_base64 variant, struct tt_buf *out);
