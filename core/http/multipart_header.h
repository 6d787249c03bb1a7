/* The texts inside multipart/form-data: the boundary in the request's Content-Type, and the header
 * of one part. Private to multipart.c and its test. */
#pragma once
#include "base/buf.h"
#include "http/multipart.h"

#define TT_MULTIPART_BOUNDARY_MAX 70

/* Reads the boundary from a Content-Type header. Fails: -1 with "unsupported_media_type" or
 * "multipart_invalid". Thread: any. */
int tt_multipart_boundary(struct tt_str content_type, char out[TT_MULTIPART_BOUNDARY_MAX + 1],
                          struct tt_err *err);

/* A parsed header. `part` points into the two buffers and into the block. Zero-initialise. */
struct tt_multipart_head {
    struct tt_multipart_part part;
    struct tt_buf name, filename;
};

/* Parses a header block: its lines, each with its CRLF, without the empty line at the end. Owns:
 * the caller, tt_multipart_head_free, also after a failure. Fails: -1 with "multipart_invalid".
 * Thread: any. */
int tt_multipart_head_parse(struct tt_multipart_head *head, struct tt_str block,
                            struct tt_err *err);
void tt_multipart_head_free(struct tt_multipart_head *head);
