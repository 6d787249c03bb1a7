/* multipart/form-data (RFC 7578, RFC 2046) as a push parser: bytes go in, cut anywhere; parts come
 * out through callbacks; only one part's header is held in memory. Limits apply per part and per
 * body, so an upload costs what it writes and no more. The sizes of the whole body and of files are
 * the caller's concern. The parser does not depend on connections: the caller passes it the bytes.
 */
#pragma once
#include "base/err.h"
#include "base/str.h"

struct tt_multipart;

struct tt_multipart_limits { /* 0 = the default */
    size_t parts_max;        /* 32 */
    size_t header_max;       /* bytes of one part's header; 8 KiB */
    size_t field_max;        /* bytes of a part without a file name; 64 KiB */
};

/* One part's header, decoded: valid UTF-8 without control characters. Valid during on_part_begin.
 */
struct tt_multipart_part {
    struct tt_str name;
    /* data == NULL: a field. Empty: a file input in which nothing was chosen. Never contains '/' or
     * '\\', and is never "." or "..": folders are removed. filename* (RFC 5987) is preferred. */
    struct tt_str filename;
    struct tt_str content_type; /* as sent, trimmed; empty if absent */
};

/* -1 (with err filled in) stops: feed returns -1, and no callback follows. */
struct tt_multipart_handler {
    int (*on_part_begin)(void *arg, const struct tt_multipart_part *part, struct tt_err *err);
    int (*on_part_data)(void *arg, struct tt_str data, struct tt_err *err); /* never empty */
    int (*on_part_end)(void *arg, struct tt_err *err);
    void *arg;
};

/* Starts a body with this Content-Type header. Copies limits and handler. Owns: the caller,
 * tt_multipart_free. Fails: NULL with "unsupported_media_type" (415: not multipart/form-data) or
 * "multipart_invalid" (400: no boundary, or not 1 to 70 allowed characters). Thread: any, one at a
 * time, as for this whole header. */
struct tt_multipart *tt_multipart_new(struct tt_str content_type,
                                      const struct tt_multipart_limits *limits,
                                      const struct tt_multipart_handler *handler,
                                      struct tt_err *err);
void tt_multipart_free(struct tt_multipart *multipart); /* NULL is harmless; no callback */

/* The next bytes of the body. Data slices point into `bytes` or into the parser.
 * Fails: -1 with "multipart_invalid" (400), "multipart_too_many_parts",
 * "multipart_header_too_large" or "multipart_field_too_large" (413), or what a callback set; after
 * that, every call fails with the same error. */
int tt_multipart_feed(struct tt_multipart *multipart, struct tt_str bytes, struct tt_err *err);

/* The body ended. Fails: "multipart_incomplete" (400) if the closing boundary is missing. */
int tt_multipart_end(struct tt_multipart *multipart, struct tt_err *err);
