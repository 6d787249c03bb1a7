/* Text files as people save them, to UTF-8. For uploads whose text goes to a model: what is no text
 * in a known encoding is refused, never guessed at, and never passed on with replacement
 * characters. Thread: any. */
#pragma once
#include "base/buf.h"
#include "base/err.h"

/* Appends the text of a file as UTF-8, without a byte order mark. Known are UTF-8 and UTF-16 with
 * or without a mark (without one only when its bytes leave no doubt), and GB18030 (so GBK and
 * GB2312 too) for what is no UTF-8. `encoding` (NULL allowed) is set to a constant name: "utf-8",
 * "utf-16le", "utf-16be" or "gb18030"; an empty file is "utf-8".
 * Fails: "unsupported_encoding" (422; also binary data: NUL and other control characters),
 * "text_too_large" (413) when out->max is passed; out is then as it was. Thread: any, but it works
 * in proportion to the size: more than some 100 KiB belong on an aux thread. */
int tt_decode_text(struct tt_str bytes, struct tt_buf *out, const char **encoding,
                   struct tt_err *err);
