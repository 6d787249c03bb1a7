/* One request to this machine's own server, blocking; the program's commands and the cases of
 * `tidetalk test` use it. The address is the operator's, never a user's or a script's, so the
 * address policy does not apply; everything else goes through client.h. */
#pragma once
#include "base/buf.h"
#include "base/err.h"

#define TT_LOCAL_LIMIT_S 30 /* the longest time that a working server needs */

struct tt_local_request {
    const char *address; /* "unix:/path" or "host:port" (0.0.0.0 and [::] mean the loopback) */
    const char *method, *path;
    struct tt_str headers; /* further lines, each with its CRLF */
    struct tt_str body;    /* data == NULL: none */
    int limit_s;           /* without a byte of progress; 0 = any time */
};

/* Sends one request and reads the whole answer (at most 16 MiB). Returns the status; the header
 * lines and the body are appended, `head` may be NULL. Fails: -1 ("not_reachable"), and nothing is
 * appended. Thread: any, blocking. */
int tt_local_send(const struct tt_local_request *request, struct tt_buf *head, struct tt_buf *body,
                  struct tt_err *err);

/* The same with JSON (data == NULL: no body), within TT_LOCAL_LIMIT_S. */
int tt_local_http(const char *address, const char *method, const char *path, struct tt_str json,
                  struct tt_buf *body, struct tt_err *err);
