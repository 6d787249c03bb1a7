/*
 * HTTP/1.1 requests in memory: where the head ends, what it says, where the body ends.
 * Works on the bytes received so far and keeps no copy; a request's slices point into the caller's
 * buffer and live as long as that is not changed.
 */
#ifndef MOCK_HTTP_H
#define MOCK_HTTP_H

#include "buf.h"

#define HTTP_MAX_HEAD (64u << 10)
#define HTTP_MAX_BODY (64u << 20)

struct http_request {
    struct slice method, target, headers, bearer, body;
    size_t head_len, length, total; /* total = head and body as they came */
    bool http10, close, chunked, expect;
};

/* 1 parsed, 0 more bytes are needed, or minus the status that the client deserves. */
int http_head(struct http_request *r, const char *p, size_t n);

/*
 * Finds the body's end: results as above. scan is the caller's bookmark, 0 for a new request, so
 * that a chunked body that arrives in many pieces is walked once. A chunked body is joined in
 * place.
 */
int http_body(struct http_request *r, char *p, size_t n, size_t *scan);

/* Takes one header line off rest; false at the end. */
bool http_next_header(struct slice *rest, struct slice *name, struct slice *value);

const char *http_reason(int status);

#endif
