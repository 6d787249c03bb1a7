/* Packed bodies: what the first bytes do not tell, what follows the end, and bombs. How labels and
 * bytes may disagree is data: tests/data/upstream_cases, cut at every byte. */
#include "base/buf.h"
#include "unit_test.h"
#include "upstream/unpack.h"

#include <stdlib.h>
#include <zlib.h>

static void pack(struct tt_buf *out, struct tt_str body, int bits)
{
    z_stream z = {0};
    assert_int_equal(deflateInit2(&z, 9, Z_DEFLATED, bits, 8, Z_DEFAULT_STRATEGY), Z_OK);
    assert_non_null(tt_buf_reserve(out, deflateBound(&z, body.len)));
    z.next_in = (unsigned char *)body.data;
    z.avail_in = (unsigned)body.len;
    z.next_out = (unsigned char *)out->data + out->len;
    z.avail_out = (unsigned)(out->cap - out->len);
    assert_int_equal(deflate(&z, Z_FINISH), Z_STREAM_END);
    out->len += z.total_out;
    deflateEnd(&z);
}

static void gzip(struct tt_buf *out, struct tt_str body)
{
    pack(out, body, MAX_WBITS + 16);
}

struct got {
    struct tt_buf bytes;
    size_t len, max;
};

static int on_bytes(void *arg, struct tt_str bytes)
{
    struct got *got = arg;
    got->len += bytes.len;
    if (got->len < 4096)
        tt_buf_append_str(&got->bytes, bytes);
    return got->max && got->len > got->max ? -1 : 0;
}

static struct tt_unpack *unpack_for(const char *label, bool any, struct tt_str body)
{
    struct tt_unpack_label value = {0};
    tt_unpack_label_add(&value, tt_str_from(label));
    return tt_unpack_new(value, any, body.data[0]);
}

static void expect(const char *label, bool any, struct tt_str body, const char *want)
{
    struct got got = {0};
    struct tt_unpack *unpack = unpack_for(label, any, body);
    assert_non_null(unpack);
    assert_int_equal(tt_unpack_feed(unpack, body, on_bytes, &got), 0);
    assert_int_equal(tt_unpack_end(unpack, on_bytes, &got), 0);
    tt_buf_putc(&got.bytes, '\0');
    assert_string_equal(got.bytes.data, want);
    tt_unpack_free(unpack);
    tt_buf_free(&got.bytes);
}

static void what_needs_no_decoder_has_none(void **state)
{
    (void)state;
    assert_null(unpack_for("", true, TT_STR("data: {}")));
    assert_null(unpack_for("identity", true, TT_STR("{}")));
    assert_null(unpack_for("", false, TT_STR("\x1F\x8B"))); /* a file: nobody said otherwise */
    assert_null(unpack_for("br", true, TT_STR("\x1F\x8B")));
    assert_null(unpack_for("gzip, zstd", true, TT_STR("\x1F\x8B")));
}

static void parts_of_gzip_follow_each_other(void **state)
{
    struct tt_buf body = {0};
    (void)state;
    gzip(&body, TT_STR("one "));
    gzip(&body, TT_STR("two "));
    gzip(&body, TT_STR("three"));
    expect("gzip", false, tt_buf_str(&body), "one two three");
    tt_buf_append(&body, "\0\0\0 padding", 11);
    expect("gzip", false, tt_buf_str(&body), "one two three");
    tt_buf_free(&body);
}

static void a_file_inside_stays_packed(void **state)
{
    struct tt_buf inner = {0}, body = {0};
    struct got got = {0};
    (void)state;
    gzip(&inner, TT_STR("a file"));
    gzip(&body, tt_buf_str(&inner));
    struct tt_unpack *unpack = unpack_for("gzip", false, tt_buf_str(&body));
    assert_int_equal(tt_unpack_feed(unpack, tt_buf_str(&body), on_bytes, &got), 0);
    assert_true(tt_str_eq(tt_buf_str(&got.bytes), tt_buf_str(&inner)));
    tt_unpack_free(unpack);
    expect("gzip", true, tt_buf_str(&body), "a file");
    tt_buf_free(&inner);
    tt_buf_free(&body);
    tt_buf_free(&got.bytes);
}

static void short_bodies_are_known_at_their_end(void **state)
{
    struct tt_buf body = {0};
    (void)state;
    expect("deflate", false, TT_STR("ok"), "ok");
    expect("gzip", false, TT_STR("\x1F"), "\x1F");
    expect("gzip", false, TT_STR("x"), "x");
    pack(&body, TT_STR("ok"), -MAX_WBITS);
    expect("deflate", false, tt_buf_str(&body), "ok");
    tt_buf_free(&body);
}

static void what_is_cut_gives_its_begin(void **state)
{
    struct tt_buf body = {0};
    (void)state;
    gzip(&body, TT_STR("the first of two halves"));
    expect("gzip", false, tt_str_of(body.data, body.len - 12), "the first of two hal");
    tt_buf_free(&body);
}

static int feed_bomb(struct got *got, struct tt_str body, char *code, size_t *fed)
{
    struct tt_unpack *unpack = unpack_for("gzip", true, body);
    int result = 0;
    for (*fed = 0; result == 0 && *fed < body.len; *fed += 1024) {
        size_t left = body.len - *fed;
        result = tt_unpack_feed(unpack, tt_str_of(body.data + *fed, left < 1024 ? left : 1024),
                                on_bytes, got);
    }
    strcpy(code, tt_unpack_error(unpack)->code);
    tt_unpack_free(unpack);
    return result;
}

#define BOMB_BYTES ((size_t)64 << 20)

static void bombs_end_early(void **state)
{
    struct tt_buf packed = {0}, twice = {0};
    struct got got = {0}, stopped = {.max = 100000};
    char *zeros = calloc(1, BOMB_BYTES), code[40];
    size_t fed;
    (void)state;
    gzip(&packed, tt_str_of(zeros, BOMB_BYTES));
    gzip(&twice, tt_buf_str(&packed));
    assert_int_equal(feed_bomb(&got, tt_buf_str(&packed), code, &fed), -1);
    assert_string_equal(code, "upstream_bad_response");
    assert_true(got.len < (size_t)16 << 20);
    got.len = 0;
    assert_int_equal(feed_bomb(&got, tt_buf_str(&twice), code, &fed), -1);
    assert_string_equal(code, "upstream_bad_response");
    assert_true(got.len < (size_t)16 << 20);
    /* Whoever has enough ends it at once. */
    assert_int_equal(feed_bomb(&stopped, tt_buf_str(&packed), code, &fed), -1);
    assert_string_equal(code, "");
    assert_true(stopped.len < 120000);
    tt_buf_free(&packed);
    tt_buf_free(&twice);
    tt_buf_free(&got.bytes);
    tt_buf_free(&stopped.bytes);
    free(zeros);
}

TEST_GROUP
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(what_needs_no_decoder_has_none),
        cmocka_unit_test(parts_of_gzip_follow_each_other),
        cmocka_unit_test(a_file_inside_stays_packed),
        cmocka_unit_test(short_bodies_are_known_at_their_end),
        cmocka_unit_test(what_is_cut_gives_its_begin),
        cmocka_unit_test(bombs_end_early),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
