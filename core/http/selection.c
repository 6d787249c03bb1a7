#include "http/selection.h"

#include "http/negotiate.h"

#include <inttypes.h>
#include <stdio.h>

static void add_content_range(struct tt_http_exchange *exchange, const char *text)
{
    tt_http_add_header(exchange, TT_STR("Content-Range"), tt_str_from(text));
}

/* A part of something that has changed since is of no use: then If-Range asks for the whole. */
static bool wants_part(struct tt_http_exchange *exchange, struct tt_str etag)
{
    struct tt_str if_range = tt_http_header(exchange, "If-Range");

    return tt_str_eq(tt_http_method(exchange), TT_STR("GET")) &&
           (!if_range.data || (etag.data && tt_str_eq(if_range, etag)));
}

void tt_http_select(struct tt_http_exchange *exchange, struct tt_str etag, uint64_t size,
                    bool parts, struct tt_http_selection *selection)
{
    char text[96];
    uint64_t from, len;

    *selection = (struct tt_http_selection){.status = 200, .len = size};
    if (etag.data)
        tt_http_add_header(exchange, TT_STR("ETag"), etag);
    if (etag.data && tt_http_has_etag(tt_http_header(exchange, "If-None-Match"), etag)) {
        selection->status = 304;
        return;
    }
    if (!parts)
        return;
    tt_http_add_header(exchange, TT_STR("Accept-Ranges"), TT_STR("bytes"));
    if (!wants_part(exchange, etag))
        return;
    switch (tt_http_cut_range(tt_http_header(exchange, "Range"), size, &from, &len)) {
    case TT_HTTP_RANGE_PART:
        *selection = (struct tt_http_selection){206, from, len};
        snprintf(text, sizeof(text), "bytes %" PRIu64 "-%" PRIu64 "/%" PRIu64, from, from + len - 1,
                 size);
        add_content_range(exchange, text);
        break;
    case TT_HTTP_RANGE_UNSATISFIABLE:
        *selection = (struct tt_http_selection){.status = 416};
        snprintf(text, sizeof(text), "bytes */%" PRIu64, size);
        add_content_range(exchange, text);
        break;
    case TT_HTTP_RANGE_NONE:
        break;
    }
}
