/*
 * The request parser. Stricter than a real upstream where that finds bugs in the server under test
 * (a length twice, a length together with chunks, a bad chunk size are all 400), and nothing more
 * than that: no trailers kept, no continuation lines, no absolute targets.
 */
#include "http.h"

#include <string.h>

static struct slice trim(struct slice s)
{
    while (s.n && (*s.p == ' ' || *s.p == '\t'))
        s = (struct slice){s.p + 1, s.n - 1};
    while (s.n && (s.p[s.n - 1] == ' ' || s.p[s.n - 1] == '\t'))
        s.n--;
    return s;
}

bool http_next_header(struct slice *rest, struct slice *name, struct slice *value)
{
    if (!rest->n)
        return false;
    struct slice line = slice_until(rest, '\n');
    if (line.n && line.p[line.n - 1] == '\r')
        line.n--;
    *name = slice_until(&line, ':');
    *value = line.p ? trim(line) : line;
    return name->n != 0;
}

static int set_length(struct http_request *r, struct slice v, bool *seen)
{
    size_t n = 0;

    if (*seen || !v.n || v.n > 12)
        return -400;
    *seen = true;
    for (size_t i = 0; i < v.n; i++) {
        if (v.p[i] < '0' || v.p[i] > '9')
            return -400;
        n = n * 10 + (size_t)(v.p[i] - '0');
    }
    r->length = n;
    return n > HTTP_MAX_BODY ? -413 : 1;
}

static void set_connection(struct http_request *r, struct slice v)
{
    while (v.n) {
        struct slice word = trim(slice_until(&v, ','));
        if (slice_is_nocase(word, "close"))
            r->close = true;
        else if (slice_is_nocase(word, "keep-alive"))
            r->close = false;
    }
}

static int read_headers(struct http_request *r)
{
    struct slice rest = r->headers, name, value;
    bool length_seen = false;
    int rc = 1;

    while (rc > 0 && http_next_header(&rest, &name, &value)) {
        if (!value.p) {
            rc = -400;
        } else if (slice_is_nocase(name, "content-length")) {
            rc = set_length(r, value, &length_seen);
        } else if (slice_is_nocase(name, "transfer-encoding")) {
            r->chunked = true;
            rc = slice_is_nocase(value, "chunked") ? 1 : -501;
        } else if (slice_is_nocase(name, "connection")) {
            set_connection(r, value);
        } else if (slice_is_nocase(name, "expect")) {
            r->expect = slice_is_nocase(value, "100-continue");
        } else if (slice_is_nocase(name, "authorization")) {
            if (value.n > 7 && slice_is_nocase((struct slice){value.p, 7}, "bearer "))
                r->bearer = trim((struct slice){value.p + 7, value.n - 7});
        }
    }
    return rc > 0 && r->chunked && length_seen ? -400 : rc;
}

int http_head(struct http_request *r, const char *p, size_t n)
{
    const char *end = memmem(p, n, "\r\n\r\n", 4);

    *r = (struct http_request){0};
    if (!end)
        return n > HTTP_MAX_HEAD ? -431 : 0;
    r->head_len = (size_t)(end - p) + 4;
    if (r->head_len > HTTP_MAX_HEAD)
        return -431;
    struct slice rest = {p, r->head_len - 2};
    struct slice line = slice_until(&rest, '\n');
    line.n--;
    r->method = slice_until(&line, ' ');
    r->target = slice_until(&line, ' ');
    r->headers = rest;
    if (!r->method.n || !r->target.n || *r->target.p != '/' || !line.p)
        return -400;
    r->http10 = slice_is(line, "HTTP/1.0");
    r->close = r->http10;
    if (!r->http10 && !slice_is(line, "HTTP/1.1"))
        return -505;
    return read_headers(r);
}

/* One chunk's size line at p: its length in bytes, 0 when incomplete, -1 when bad. */
static long chunk_size(const char *p, size_t n, size_t *size)
{
    const char *eol = memmem(p, n, "\r\n", 2);
    size_t i = 0, v = 0;

    if (!eol)
        return n > 64 ? -1 : 0;
    for (; hex_digit(p[i]) >= 0; i++) {
        v = v << 4 | (size_t)hex_digit(p[i]);
        if (v > HTTP_MAX_BODY)
            return -1;
    }
    if (!i || (p[i] != '\r' && p[i] != ';'))
        return -1;
    *size = v;
    return eol + 2 - p;
}

/* Walks whole chunks from *scan on: 1 when the last one and its empty line are there. */
static int walk_chunks(const char *p, size_t n, size_t *scan)
{
    for (;;) {
        size_t size, left = n - *scan;
        long line = chunk_size(p + *scan, left, &size);
        if (line < 0 || *scan > HTTP_MAX_BODY)
            return -400;
        if (!line || left < (size_t)line + size + 2)
            return 0;
        if (memcmp(p + *scan + line + size, "\r\n", 2))
            return -400;
        *scan += (size_t)line + size + 2;
        if (!size)
            return 1;
    }
}

static void join_chunks(struct http_request *r, char *p)
{
    char *out = p + r->head_len, *in = out;
    size_t size;

    r->body.p = out;
    for (;;) {
        in += chunk_size(in, (size_t)(p + r->total - in), &size);
        if (!size)
            break;
        memmove(out, in, size);
        out += size;
        in += size + 2;
    }
    r->body.n = (size_t)(out - r->body.p);
}

int http_body(struct http_request *r, char *p, size_t n, size_t *scan)
{
    if (!r->chunked) {
        r->total = r->head_len + r->length;
        r->body = (struct slice){p + r->head_len, r->length};
        return n >= r->total;
    }
    if (!*scan)
        *scan = r->head_len;
    int rc = walk_chunks(p, n, scan);
    if (rc > 0) {
        r->total = *scan;
        join_chunks(r, p);
    }
    return rc;
}

const char *http_reason(int status)
{
    static const struct {
        int status;
        const char *reason;
    } names[] = {
        {200, "OK"},
        {201, "Created"},
        {204, "No Content"},
        {301, "Moved Permanently"},
        {302, "Found"},
        {307, "Temporary Redirect"},
        {400, "Bad Request"},
        {401, "Unauthorized"},
        {403, "Forbidden"},
        {404, "Not Found"},
        {405, "Method Not Allowed"},
        {408, "Request Timeout"},
        {413, "Content Too Large"},
        {422, "Unprocessable Content"},
        {429, "Too Many Requests"},
        {431, "Request Header Fields Too Large"},
        {500, "Internal Server Error"},
        {501, "Not Implemented"},
        {502, "Bad Gateway"},
        {503, "Service Unavailable"},
        {504, "Gateway Timeout"},
        {505, "HTTP Version Not Supported"},
    };

    for (size_t i = 0; i < sizeof names / sizeof *names; i++) {
        if (names[i].status == status)
            return names[i].reason;
    }
    return "Mock Status";
}
