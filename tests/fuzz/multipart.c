/* The same body in one piece and in pieces must give the same parts and the same error; names must
 * be what the header file promises. */
#include "http/multipart.h"

#include "base/buf.h"
#include "base/utf8.h"
#include "fuzz.h"

/* The events of a run, data joined; `part` is where the last part's events begin. */
struct run {
    struct tt_buf text;
    size_t part;
};

static void check_name(struct tt_str name)
{
    check(tt_utf8_valid(name));
    for (size_t i = 0; i < name.len; i++)
        check((unsigned char)name.data[i] >= 0x20 && name.data[i] != 0x7F);
}

static int on_begin(void *arg, const struct tt_multipart_part *part, struct tt_err *err)
{
    struct run *run = arg;
    (void)err;
    check_name(part->name);
    if (part->filename.data) {
        check_name(part->filename);
        check(tt_str_find(part->filename, '/') < 0 && tt_str_find(part->filename, '\\') < 0);
        check(!tt_str_eq(part->filename, TT_STR("..")) && !tt_str_eq(part->filename, TT_STR(".")));
    }
    run->part = run->text.len;
    tt_buf_printf(&run->text, "[%.*s|%.*s|%.*s|", TT_STR_ARG(part->name),
                  TT_STR_ARG(part->filename), TT_STR_ARG(part->content_type));
    return 0;
}

static int on_data(void *arg, struct tt_str part, struct tt_err *err)
{
    struct run *run = arg;
    (void)err;
    check(part.len > 0);
    return tt_buf_append_str(&run->text, part);
}

static int on_end(void *arg, struct tt_err *err)
{
    struct run *run = arg;
    (void)err;
    tt_buf_putc(&run->text, ']');
    run->part = run->text.len;
    return 0;
}

/* Pieces of pseudo-random lengths from `seed`; 0 = one piece. */
static void feed_all(struct tt_str body, unsigned seed, struct run *run)
{
    static const struct tt_multipart_limits limits = {4, 200, 50};
    const struct tt_multipart_handler handler = {on_begin, on_data, on_end, run};
    struct tt_err err = {0};
    int rc = 0;
    struct tt_multipart *multipart =
        tt_multipart_new(TT_STR("multipart/form-data; boundary=\"a-b\""), &limits, &handler, &err);
    check(multipart != NULL);
    for (size_t at = 0, n; rc == 0 && at < body.len; at += n) {
        n = fuzz_piece(&seed, body.len - at);
        char *copy = malloc(n);
        memcpy(copy, body.data + at, n);
        rc = tt_multipart_feed(multipart, tt_str_of(copy, n), &err);
        free(copy);
    }
    if (rc == 0)
        rc = tt_multipart_end(multipart, &err);
    if (rc != 0) {
        tt_buf_truncate(&run->text, run->part); /* how much of it came depends on the pieces */
        tt_buf_append_z(&run->text, err.code);
        check(err.status >= 400 && err.status < 500);
    }
    tt_multipart_free(multipart);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct run whole = {0}, pieces = {0};
    if (size < 1)
        return 0;
    struct tt_str body = tt_str_of((const char *)data + 1, size - 1);
    feed_all(body, 0, &whole);
    feed_all(body, data[0] * 7919u + 1, &pieces);
    check(tt_str_eq(tt_buf_str(&whole.text), tt_buf_str(&pieces.text)));
    tt_buf_free(&whole.text);
    tt_buf_free(&pieces.text);
    return 0;
}
