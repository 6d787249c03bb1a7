/* multipart/form-data: bodies as data, each cut at every place; header texts as data; the limits at
 * their edges; callbacks that stop. */
#include "base/cases.h"
#include "http/multipart.h"
#include "http/multipart_header.h"

#define LINES_MAX 64

/* Everything that comes out, as text: "name|filename|type|data\n" a part, an error's code. */
struct got {
    struct tt_buf text;
    int begun, ended, stop_at_data;
    size_t bytes;
};

static int on_begin(void *arg, const struct tt_multipart_part *part, struct tt_err *err)
{
    struct got *got = arg;
    (void)err;
    assert_int_equal(got->begun, got->ended);
    assert_non_null(part->name.data);
    got->begun++;
    struct tt_str filename = part->filename.data ? part->filename : TT_STR("-");
    tt_buf_append_str(&got->text, part->name);
    tt_buf_putc(&got->text, '|');
    tt_buf_append_str(&got->text, filename);
    tt_buf_putc(&got->text, '|');
    tt_buf_append_str(&got->text, part->content_type);
    tt_buf_putc(&got->text, '|');
    return 0;
}

static int on_data(void *arg, struct tt_str data, struct tt_err *err)
{
    struct got *got = arg;
    assert_int_not_equal(data.len, 0);
    assert_int_equal(got->begun, got->ended + 1);
    got->bytes += data.len;
    if (got->stop_at_data && --got->stop_at_data == 0)
        return tt_err_set(err, 413, "file_too_large", "as asked");
    return tt_buf_append_str(&got->text, data);
}

static int on_end(void *arg, struct tt_err *err)
{
    struct got *got = arg;
    (void)err;
    got->ended++;
    assert_int_equal(got->begun, got->ended);
    tt_buf_putc(&got->text, '\x1e');
    return 0;
}

static struct tt_multipart *start(struct tt_str type, const struct tt_multipart_limits *limits,
                                  struct got *got)
{
    struct tt_err err = {0};
    const struct tt_multipart_handler handler = {on_begin, on_data, on_end, got};
    struct tt_multipart *multipart = tt_multipart_new(type, limits, &handler, &err);
    if (!multipart)
        fail_msg("%.*s: %s", TT_STR_ARG(type), err.message);
    return multipart;
}

/* In memory of its own, so that the sanitizer sees a slice that outlives its feed. */
static int feed(struct tt_multipart *multipart, struct tt_str part, struct tt_err *err)
{
    struct tt_str copy = cases_exact(part);
    int rc = tt_multipart_feed(multipart, copy, err);
    free((char *)copy.data);
    return rc;
}

static struct tt_str slice(struct tt_str s, size_t from, size_t len)
{
    return tt_str_of(s.data + from, s.len - from < len ? s.len - from : len);
}

/* step 0: cut once, at `cut`; else pieces of `step` bytes. The result in got->text. */
static void run(struct tt_str type, struct tt_str body, size_t cut, size_t step, struct got *got)
{
    struct tt_err err = {0};
    struct tt_multipart *multipart = start(type, NULL, got);
    int rc = 0;
    tt_buf_append(&got->text, "", 0);
    if (step == 0) {
        rc = feed(multipart, slice(body, 0, cut), &err);
        rc = rc ? rc : feed(multipart, slice(body, cut, body.len), &err);
    }
    for (size_t at = 0; step > 0 && rc == 0 && at < body.len; at += step)
        rc = feed(multipart, slice(body, at, step), &err);
    rc = rc ? rc : tt_multipart_end(multipart, &err);
    if (rc != 0) {
        /* The data of a part that was cut off depends on the pieces; its header does not count. */
        char *last = memrchr(got->text.data, '\x1e', got->text.len);
        tt_buf_truncate(&got->text, last ? (size_t)(last - got->text.data) + 1 : 0);
        tt_buf_append_z(&got->text, err.code);
        tt_buf_putc(&got->text, '\x1e');
        struct tt_err again = {0};
        assert_int_equal(tt_multipart_feed(multipart, TT_STR("x"), &again), -1);
        assert_string_equal(again.code, err.code);
        assert_int_equal(tt_multipart_end(multipart, &again), -1);
        assert_string_equal(again.code, err.code);
    }
    tt_multipart_free(multipart);
}

static void run_checked(struct tt_str type, struct tt_str body, size_t cut, size_t step,
                        struct tt_str want, int line)
{
    struct got got = {0};
    run(type, body, cut, step, &got);
    if (!tt_str_eq(tt_buf_str(&got.text), want))
        fail_msg("line %d, cut %zu, step %zu: got \"%.*s\", want \"%.*s\"", line, cut, step,
                 TT_STR_ARG(tt_buf_str(&got.text)), TT_STR_ARG(want));
    tt_buf_free(&got.text);
}

/* The lines of a block that begin with `mark`, each followed or joined by `glue`. */
static struct tt_buf collect(const struct tt_str *lines, int count, char mark, const char *glue,
                             bool join)
{
    struct tt_buf out = {0};
    bool first = true;
    tt_buf_append(&out, "", 0);
    for (int i = 1; i < count; i++) {
        if (lines[i].data[0] != mark)
            continue;
        if (join && !first)
            tt_buf_append_z(&out, glue);
        first = false;
        size_t cut = lines[i].len > 1 ? 2 : 1;
        struct tt_buf bytes = cases_bytes(slice(lines[i], cut, lines[i].len));
        tt_buf_append_str(&out, tt_buf_str(&bytes));
        if (!join && bytes.len > 0)
            tt_buf_append_z(&out, glue);
        tt_buf_free(&bytes);
    }
    return out;
}

static void bodies_at_every_cut(void **state)
{
    struct cases cases;
    struct tt_str lines[LINES_MAX];
    int count, blocks = 0;
    (void)state;
    cases_open(&cases, "multipart/bodies.txt");
    while ((count = cases_block(&cases, lines, LINES_MAX)) > 0) {
        struct tt_buf body = collect(lines, count, '>', "\r\n", true);
        struct tt_buf want = collect(lines, count, '=', "\x1e", false);
        struct tt_str bytes = tt_buf_str(&body);
        for (size_t cut = 0; cut <= body.len; cut++)
            run_checked(lines[0], bytes, cut, 0, tt_buf_str(&want), cases.line);
        for (size_t step = 1; step <= 5; step++)
            run_checked(lines[0], bytes, 0, step, tt_buf_str(&want), cases.line);
        tt_buf_free(&body);
        tt_buf_free(&want);
        blocks++;
    }
    cases_close(&cases);
    assert_true(blocks > 25);
}

static void check_disposition(struct tt_str value, struct tt_str want, int line)
{
    struct tt_multipart_head head = {0};
    struct tt_err err = {0};
    struct tt_buf block = {0}, got = {0};
    tt_buf_append_z(&block, "Content-Disposition: ");
    tt_buf_append_str(&block, value);
    tt_buf_append_z(&block, "\r\n");
    struct tt_str exact = cases_exact(tt_buf_str(&block));
    if (tt_multipart_head_parse(&head, exact, &err) != 0) {
        assert_string_equal(err.code, "multipart_invalid");
        tt_buf_append_z(&got, "refused");
    } else {
        struct tt_str filename = head.part.filename.data ? head.part.filename : TT_STR("-");
        tt_buf_append_str(&got, head.part.name);
        tt_buf_putc(&got, '|');
        tt_buf_append_str(&got, filename);
    }
    if (!tt_str_eq(tt_buf_str(&got), want))
        fail_msg("line %d: got \"%s\", want \"%.*s\"", line, got.data, TT_STR_ARG(want));
    free((char *)exact.data);
    tt_multipart_head_free(&head);
    tt_buf_free(&block);
    tt_buf_free(&got);
}

static void reads_dispositions(void **state)
{
    (void)state;
    assert_true(cases_each("multipart/dispositions.txt", check_disposition) > 70);
}

static void check_boundary(struct tt_str type, struct tt_str want, int line)
{
    char boundary[TT_MULTIPART_BOUNDARY_MAX + 1];
    struct tt_err err = {0};
    int rc = tt_multipart_boundary(type, boundary, &err);
    struct tt_str got = tt_str_from(rc == 0 ? boundary : err.code);
    if (!tt_str_eq(got, want))
        fail_msg("line %d: got \"%.*s\"", line, TT_STR_ARG(got));
}

static void reads_boundaries(void **state)
{
    (void)state;
    assert_true(cases_each("multipart/boundaries.txt", check_boundary) > 20);
    struct tt_err err = {0};
    const struct tt_multipart_handler handler = {on_begin, on_data, on_end, NULL};
    assert_null(tt_multipart_new((struct tt_str){0}, NULL, &handler, &err));
    assert_int_equal(err.status, 415);
}

/* `count` parts whose data is `fill` bytes. Returns the error's code, "" when it is taken. */
static const char *try_parts(const struct tt_multipart_limits *limits, int count,
                             const char *extra_header, size_t fill, size_t piece, struct got *got)
{
    static char code[40];
    struct tt_buf body = {0};
    struct tt_err err = {0};
    for (int i = 0; i < count; i++) {
        tt_buf_printf(&body, "\r\n--B\r\nContent-Disposition: form-data; name=a%s\r\n\r\n",
                      extra_header);
        for (size_t n = 0; n < fill; n++)
            tt_buf_putc(&body, 'x');
    }
    tt_buf_append_z(&body, "\r\n--B--\r\n");
    struct tt_multipart *multipart = start(TT_STR("multipart/form-data; boundary=B"), limits, got);
    int rc = 0;
    for (size_t at = 0; rc == 0 && at < body.len; at += piece)
        rc = feed(multipart, slice(tt_buf_str(&body), at, piece), &err);
    rc = rc ? rc : tt_multipart_end(multipart, &err);
    snprintf(code, sizeof(code), "%s", rc ? err.code : "");
    assert_int_equal(rc ? 413 : 0, err.status);
    tt_multipart_free(multipart);
    tt_buf_free(&body);
    tt_buf_free(&got->text);
    return code;
}

static void limits_at_their_edges(void **state)
{
    /* "Content-Disposition: form-data; name=a\r\n\r\n" */
    const size_t header = 42;
    const size_t pieces[] = {1, 7, 100000};
    (void)state;
    for (size_t i = 0; i < TT_COUNT(pieces); i++) {
        struct tt_multipart_limits limits = {.parts_max = 3, .header_max = header, .field_max = 9};
        struct got got = {0};
        assert_string_equal(try_parts(&limits, 3, "", 9, pieces[i], &got), "");
        assert_int_equal(got.ended, 3);
        got = (struct got){0};
        assert_string_equal(try_parts(&limits, 4, "", 9, pieces[i], &got),
                            "multipart_too_many_parts");
        assert_int_equal(got.ended, 3);
        got = (struct got){0};
        assert_string_equal(try_parts(&limits, 1, "", 10, pieces[i], &got),
                            "multipart_field_too_large");
        assert_true(got.bytes <= 9);
        got = (struct got){0};
        assert_string_equal(try_parts(&limits, 1, "a", 1, pieces[i], &got),
                            "multipart_header_too_large");
        assert_int_equal(got.begun, 0);
        limits.header_max = 1000;
        got = (struct got){0};
        assert_string_equal(try_parts(&limits, 1, ";filename=f", 5000, pieces[i], &got), "");
        assert_int_equal(got.bytes, 5000);
    }
}

static void default_limits(void **state)
{
    struct got got = {0};
    (void)state;
    assert_string_equal(try_parts(NULL, 32, "", 1, 4096, &got), "");
    got = (struct got){0};
    assert_string_equal(try_parts(NULL, 1000, "", 1, 4096, &got), "multipart_too_many_parts");
    got = (struct got){0};
    assert_string_equal(try_parts(NULL, 1, "", 65536, 4096, &got), "");
    got = (struct got){0};
    assert_string_equal(try_parts(NULL, 1, "", 65537, 4096, &got), "multipart_field_too_large");
    /* 255 Chinese characters in the name of a file, percent-encoded: the longest that is sent */
    struct tt_buf name = {0};
    tt_buf_append_z(&name, ";filename*=UTF-8''");
    for (int i = 0; i < 255; i++)
        tt_buf_append_z(&name, "%E6%BD%AE");
    got = (struct got){0};
    assert_string_equal(try_parts(NULL, 1, name.data, 1, 4096, &got), "");
    tt_buf_free(&name);
}

static void a_callback_stops_it(void **state)
{
    struct got got = {.stop_at_data = 2};
    struct tt_err err = {0};
    (void)state;
    struct tt_multipart *multipart = start(TT_STR("multipart/form-data; boundary=B"), NULL, &got);
    assert_int_equal(tt_multipart_feed(multipart,
                                       TT_STR("--B\r\nContent-Disposition: form-data; "
                                              "name=a; filename=f\r\n\r\none"),
                                       &err),
                     0);
    assert_int_equal(tt_multipart_feed(multipart, TT_STR("two"), NULL), -1);
    assert_int_equal(tt_multipart_feed(multipart, TT_STR("\r\n--B--"), &err), -1);
    assert_string_equal(err.code, "file_too_large");
    assert_int_equal(tt_multipart_end(multipart, &err), -1);
    assert_string_equal(err.code, "file_too_large");
    assert_int_equal(got.ended, 0);
    tt_multipart_free(multipart);
    tt_multipart_free(NULL);
    tt_buf_free(&got.text);
}

TEST_GROUP
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(bodies_at_every_cut), cmocka_unit_test(reads_dispositions),
        cmocka_unit_test(reads_boundaries),    cmocka_unit_test(limits_at_their_edges),
        cmocka_unit_test(default_limits),      cmocka_unit_test(a_callback_stops_it),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
