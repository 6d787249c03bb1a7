/* What this server assumes about libmicrohttpd's private memory, beyond what its documentation
 * promises. Written for 0.9.75; tt_http_library_check proves it at start for the version that runs.
 * No other file in this folder relies on the library's memory layout. */
#pragma once
#include "base/str.h"

#include <microhttpd.h>

#define TT_LIBRARY_VERSION "0.9.75" /* the version whose source was read for this file */

/* Prevents the library from cutting the query into arguments that nobody needs: each takes 56 bytes
 * of its pool, and the library hangs when the pool runs out. `target` is the text that the library
 * passed to its URI log callback, `query_at` the position after the '?'. Copy the target first. */
void tt_library_hide_query(const char *target, size_t query_at);

/* Where the library has the parts of a request line, and the server's own record of them. */
struct tt_library_head {
    struct MHD_Connection *mhd;
    const char *method, *target, *version; /* as the library returned them: addresses count */
    size_t method_len, target_len;         /* of the whole target, before the query was hidden */
    size_t headers;                        /* the number of headers that the library lists */
};

/* Reads a head again as it arrived. False if it contains what the library's list of headers does
 * not show: a folded line, a NUL, a line ended by a bare LF, several blanks in the request line. */
bool tt_library_head_is_clean(const struct tt_library_head *head);

/* What of a body in chunks the library has passed on. */
struct tt_library_chunks {
    const char *begin; /* where it puts what it reads: behind the head */
    const char *end;   /* of the last piece that it passed on, at first the same */
};

/* Reads the lines before a piece of such a body. False if one of them is ended by a bare LF, which
 * the library accepts and another parser may take for a part of the line. Lines that arrived
 * without any byte of the chunk behind them, and those behind the last chunk, are not there to be
 * read. */
bool tt_library_chunk_lines_are_clean(struct tt_library_chunks *chunks, const char *data,
                                      size_t len);

/* Bytes of the head as it arrived. */
size_t tt_library_head_size(struct MHD_Connection *mhd);

/* How large a connection's pool must be for a head of `head` bytes, all of them in cookies or in
 * several hundred headers: the library allocates it whole and cannot grow it. Beyond 32 KiB it is
 * mapped, so that only the pages that were touched count. */
size_t tt_library_pool_size(size_t head);

/* Whether the connection's pool has room for the head of an answer besides the request: `bytes` of
 * target, header names and values, of which `cookies` are in Cookie headers. Without room the
 * library would close the connection without any answer. */
bool tt_library_has_room(size_t pool, size_t bytes, size_t headers, size_t cookies);

#define TT_LIBRARY_LINE_END "\x01\x02" /* cannot occur in a header's value */

/* Adds several headers as one: `value` is the value of `name`, followed by further lines, each
 * after a TT_LIBRARY_LINE_END. For each header the library makes four allocations and ten string
 * scans, a tenth of the cost of a small answer. False if the library has no memory. */
bool tt_library_add_joined(struct MHD_Response *response, const char *name, const char *value);

/* For a stream: gives the pages of the buffer that the library offers for content back to the
 * kernel, and those behind it in the connection's pool (as of tt_library_pool_of; NULL: unknown).
 * They are all but the page with the head. They can be written again at any time; what was in them
 * is lost: from here on the library lists no headers of this request. */
void tt_library_slim(char *pool, size_t pool_size, char *buf, size_t size);

/* Where the pool of a connection begins, of whose request the library passed on `method`; NULL when
 * that cannot be told, or its pages are not its own. */
char *tt_library_pool_of(const char *method, size_t pool);

/* The same for the pool of a connection that waits for its next request. The library has cleared it
 * after the last one, and touched each page by that: those that are still clear go back, and what
 * has arrived of the next request stays. */
void tt_library_rest(char *memory, size_t pool);
