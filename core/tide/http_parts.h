/* What http.request and http.stream have in common: reading the request, the answer's headers, and
 * errors in the words of any server. */
#pragma once
#include "script/value.h"
#include "tide/tide.h"

#define TT_TIDE_HTTP_ALL_MAX ((size_t)64 << 20) /* bytes that a worker receives at one time */

struct tt_tide_http {
    const char *function; /* for messages */
    struct tt_call_request request;
    struct tt_call_headers *prepared; /* owned: tt_tide_http_release */
    struct tt_call_body *body;        /* owned */
    bool stop_without_clients;
};

/* Reads the table at 1, after tt_task_check_wait, whose fields besides those of both functions are
 * `more` (ends with NULL). Raises on what is wrong. Fails: -1, a header is invalid, or the client
 * has left already. Then nothing is to be released. */
int tt_tide_http_read(lua_State *L, struct tt_tide_http *http, const char *const *more,
                      struct tt_err *err);
void tt_tide_http_release(struct tt_tide_http *http);
int64_t tt_tide_http_bounded(lua_State *L, const struct tt_tide_http *http, const char *key,
                             int64_t fallback, int64_t max);

/* Headers of an answer: name NUL value NUL …, names in lower case. */
int tt_tide_http_add_header(struct tt_buf *headers, struct tt_str name, struct tt_str value);
void tt_tide_http_push_headers(lua_State *L, const struct tt_buf *headers);
/* The value of the first one with this name (in lower case); data NULL: there is none. */
struct tt_str tt_tide_http_header(const struct tt_buf *headers, const char *name);

/* The client's codes are about a model's provider; this says the same about any server. */
void tt_tide_http_error(const struct tt_err *error, struct tt_err *out);
int tt_tide_http_set_left(struct tt_err *err); /* -1 */
