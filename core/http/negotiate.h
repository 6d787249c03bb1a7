/* The client's wishes about the encoding and type of an answer, and about the parts that it has or
 * wants (RFC 9110, sections 12 to 14). Pure functions of header values; data == NULL is an absent
 * header. Thread: any. */
#pragma once
#include "base/str.h"

enum tt_http_encoding { TT_HTTP_IDENTITY, TT_HTTP_GZIP, TT_HTTP_BROTLI, TT_HTTP_ENCODINGS };

/* The name in Content-Encoding; "" for identity. */
struct tt_str tt_http_encoding_name(enum tt_http_encoding encoding);

/* The best of the available encodings for an Accept-Encoding header: `available` has a bit (1 <<
 * encoding) for each. Among equals it selects the one that is usually smallest. Identity is always
 * possible, even if the client refuses it: an answer in an unwanted encoding is better than none.
 */
enum tt_http_encoding tt_http_choose_encoding(struct tt_str accept_encoding, unsigned available);

/* Whether an Accept header names text/html. Ranges ("text/" or everything) do not count: tools send
 * them, while browsers name the type. */
bool tt_http_accepts_html(struct tt_str accept);

/* Whether an If-None-Match header contains this entity tag (weak comparison) or is "*". */
bool tt_http_has_etag(struct tt_str if_none_match, struct tt_str etag);

enum tt_http_range {
    TT_HTTP_RANGE_NONE, /* absent, several, or malformed: the answer is the whole body */
    TT_HTTP_RANGE_PART,
    TT_HTTP_RANGE_UNSATISFIABLE
};

/* Selects the part that a Range header requests of a body of `size` bytes. */
enum tt_http_range tt_http_cut_range(struct tt_str range, uint64_t size, uint64_t *from,
                                     uint64_t *len);
