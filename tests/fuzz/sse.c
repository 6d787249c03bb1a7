/* A stream in one piece and in pieces must give the same events and the same error. The first byte
 * chooses the kind and the pieces. */
#include "base/buf.h"
#include "fuzz.h"
#include "upstream/sse_parse.h"

static int on_event(void *arg, struct tt_str name, struct tt_str data, struct tt_err *err)
{
    (void)err;
    tt_buf_printf(arg, "[%zu:", name.len);
    tt_buf_append_str(arg, name);
    tt_buf_printf(arg, "|%zu:", data.len);
    tt_buf_append_str(arg, data);
    tt_buf_putc(arg, ']');
    return 0;
}

static void feed_all(struct tt_str stream, enum tt_sse_kind kind, unsigned seed, struct tt_buf *out)
{
    struct tt_sse_parser parser = {0};
    struct tt_err err = {0};
    int rc = 0;

    tt_sse_create(&parser, kind, 64);
    for (size_t at = 0, n; rc == 0 && at < stream.len; at += n) {
        n = fuzz_piece(&seed, stream.len - at);
        char *copy = malloc(n);
        memcpy(copy, stream.data + at, n);
        rc = tt_sse_feed(&parser, tt_str_of(copy, n), on_event, out, &err);
        free(copy);
    }
    if (rc == 0)
        rc = tt_sse_end(&parser, on_event, out, &err);
    if (rc != 0)
        tt_buf_append_z(out, err.code);
    tt_sse_destroy(&parser);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct tt_buf whole = {0}, pieces = {0};

    if (size < 1)
        return 0;
    struct tt_str stream = tt_str_of((const char *)data + 1, size - 1);
    enum tt_sse_kind kind = data[0] & 1 ? TT_SSE_JSON_LINES : TT_SSE_EVENTS;
    feed_all(stream, kind, 0, &whole);
    feed_all(stream, kind, data[0] * 7919u + 1, &pieces);
    check(tt_str_eq(tt_buf_str(&whole), tt_buf_str(&pieces)));
    tt_buf_free(&whole);
    tt_buf_free(&pieces);
    return 0;
}
