/* What this server knows about libmicrohttpd's private memory: everything that its documentation
 * does not promise. Written for 0.9.75; for the version that runs, tt_http_library_check proves it
 * at start. Nothing else in this folder relies on the library's layout. */
#pragma once
#include "base/str.h"

#include <microhttpd.h>

#define TT_LIBRARY_VERSION "0.9.75" /* the one whose source this was written from */

/* Keeps the library from cutting the query into arguments that nobody asks for: 56 bytes of its
 * pool for each, and it hangs when the pool runs out. `target` is what the library gave to its
 * URI log callback, `query_at` the place behind the '?'. Copy the target first. */
void tt_library_hide_query(const char *target, size_t query_at);

/* Where the library has the parts of a request line, and what the server knows about them. */
struct tt_library_head {
    struct MHD_Connection *mhd;
    const char *method, *target, *version; /* as the library gave them: addresses count */
    size_t method_len, target_len;         /* of the whole target, before the query was hidden */
    size_t headers;                        /* how many the library lists */
};

/* Reads a head once more as it arrived. False when it has what the library's list of headers does
 * not show: a folded line, a NUL, a line that a bare LF ended, several blanks in the request
 * line. */
bool tt_library_head_is_clean(const struct tt_library_head *head);

/* Whether the connection's pool has room for the head of an answer beside a request's: `bytes` of
 * target, header names and values, `cookies` of which are in Cookie headers. Without room the
 * library would close the connection without a word. */
bool tt_library_has_room(size_t pool, size_t bytes, size_t headers, size_t cookies);

#define TT_LIBRARY_LINE_END "\x01\x02" /* no header's value can have it */

/* Adds several headers as one: `value` is the value of `name`, and further lines follow it, each
 * behind a TT_LIBRARY_LINE_END. The library spends four allocations and ten string scans on a
 * header, a tenth of what a small answer costs. False when the library has no memory. */
bool tt_library_add_joined(struct MHD_Response *response, const char *name, const char *value);

/* Gives the pages of the buffer that the library offers for content back to the kernel: of a
 * connection's pool they are the most, and a stream does without them. They can be written again
 * at any time, what was in them is lost. */
void tt_library_give_back(char *buf, size_t size);
