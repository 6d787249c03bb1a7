/* What a client says about the form in which it would like an answer, and about the parts of it
 * that it has or wants (RFC 9110, sections 12 to 14). Pure functions over headers' values; data ==
 * NULL is an absent header. Thread: any. */
#pragma once
#include "base/str.h"

enum tt_http_encoding { TT_HTTP_IDENTITY, TT_HTTP_GZIP, TT_HTTP_BROTLI, TT_HTTP_ENCODINGS };

/* The name in Content-Encoding; "" for identity. */
struct tt_str tt_http_encoding_name(enum tt_http_encoding encoding);

/* The best encoding for an Accept-Encoding header of those that there are: `available` has a bit (1
 * << encoding) for each. Of equals it takes the one that is usually smallest. Identity is always
 * possible, also when the client refuses it: an answer that it may not like beats none. */
enum tt_http_encoding tt_http_choose_encoding(struct tt_str accept_encoding, unsigned available);

/* Whether an Accept header names text/html. Ranges ("text/" or everything) do not count: tools send
 * those, browsers name it. */
bool tt_http_accepts_html(struct tt_str accept);

/* Whether an If-None-Match header has this entity tag (weak comparison) or is "*". */
bool tt_http_has_etag(struct tt_str if_none_match, struct tt_str etag);

enum tt_http_range {
    TT_HTTP_RANGE_NONE, /* absent, several, or not understood: the whole is the answer */
    TT_HTTP_RANGE_PART, /* `part` is a slice of the body */
    TT_HTTP_RANGE_UNSATISFIABLE
};

/* Cuts what a Range header asks for out of `body`. */
enum tt_http_range tt_http_cut_range(struct tt_str range, struct tt_str body, struct tt_str *part);
