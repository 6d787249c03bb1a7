/* Text files as people save them, converted to UTF-8. For uploads whose text goes to a model: bytes
 * that are not text in a known encoding are refused. Nothing is guessed, and no replacement
 * characters are passed on. Thread: any. */
#pragma once
#include "base/buf.h"
#include "base/err.h"

/* Appends the text of a file as UTF-8, without a byte order mark. Known encodings are UTF-8 and
 * UTF-16 with or without a mark (without one only when the bytes leave no doubt), and GB18030
 * (which includes GBK and GB2312) for bytes that are not UTF-8. `encoding` (NULL allowed) is set to
 * a constant name: "utf-8", "utf-16le", "utf-16be" or "gb18030"; an empty file is "utf-8". Fails:
 * "unsupported_encoding" (422; also for binary data: NUL and other control characters),
 * "text_too_large" (413) when out->max is exceeded; out is unchanged then. Thread: any, but the
 * time is proportional to the size: more than some 100 KiB belong on an aux thread. */
int tt_decode_text(struct tt_str bytes, struct tt_buf *out, const char **encoding,
                   struct tt_err *err);
