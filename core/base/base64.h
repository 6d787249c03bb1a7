/* Base64 with padding (RFC 4648, section 4), for bytes that travel inside JSON. */
#pragma once
#include "base/buf.h"

/* Appends; -1 when out is at its limit, which is then as it was. */
int tt_base64_append(struct tt_buf *out, struct tt_str bytes);
