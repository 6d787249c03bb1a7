/* Log lines as they leave by stderr: valid JSON whatever is put in, nothing can forge a line, and
 * lines of many threads do not mix. */
#include "base/cases.h"
#include "base/json.h"
#include "base/log.h"

#include <errno.h>
#include <math.h>
#include <pthread.h>
#include <unistd.h>

static int saved_stderr, reader;

/* From here on stderr is a pipe that logged() reads. */
static void capture(void)
{
    int ends[2];
    assert_int_equal(pipe(ends), 0);
    saved_stderr = dup(STDERR_FILENO);
    dup2(ends[1], STDERR_FILENO);
    close(ends[1]);
    reader = ends[0];
}

static void restore(void)
{
    dup2(saved_stderr, STDERR_FILENO);
    close(saved_stderr);
}

static struct tt_buf logged(void)
{
    struct tt_buf out = {0};
    ssize_t n;
    restore();
    tt_buf_append(&out, "", 0);
    while ((n = read(reader, tt_buf_reserve(&out, 65536), 65536)) > 0) {
        out.len += (size_t)n;
        out.data[out.len] = '\0';
    }
    close(reader);
    return out;
}

static void expect_after_time(struct tt_buf *line, const char *head, size_t time_at,
                              const char *rest)
{
    assert_memory_equal(line->data, head, time_at);
    assert_int_equal(line->data[time_at + 4], '-');
    assert_int_equal(line->data[time_at + 26], 'Z');
    assert_string_equal(line->data + time_at + 27, rest);
}

static void writes_json(void **state)
{
    (void)state;
    tt_log_setup(TT_LOG_INFO, TT_LOG_JSON);
    capture();
    tt_log(TT_LOG_DEBUG, "not this", TT_F_INT("n", 1));
    tt_log(TT_LOG_WARN, "it \"is\"", TT_F_Z("a", "x\n{\"level\":\"error\"}\xFF"), TT_F_INT("b", -7),
           TT_F_NUM("c", 0.5), TT_F_BOOL("d", true), TT_F_NUM("e", NAN), TT_F_Z("f", NULL),
           TT_F_STR("g", tt_str_of("a\0b", 3)));
    struct tt_buf line = logged();
    expect_after_time(
        &line, "{\"time\":\"", 9,
        "\",\"level\":\"warn\",\"message\":\"it \\\"is\\\"\",\"a\":\"x\\n{\\\"level\\\":"
        "\\\"error\\\"}\xEF\xBF\xBD\",\"b\":-7,\"c\":0.5,\"d\":true,\"e\":null,"
        "\"f\":null,\"g\":\"a\\u0000b\"}\n");
    tt_buf_free(&line);
}

static void writes_text(void **state)
{
    (void)state;
    tt_log_setup(TT_LOG_DEBUG, TT_LOG_TEXT);
    capture();
    tt_log(TT_LOG_INFO, "server is up\nINFO forged", TT_F_Z("word", "a/b:1"), TT_F_Z("two", "a b"),
           TT_F_Z("empty", ""), TT_F_Z("eq", "a=b"), TT_F_Z("nl", "a\nb"), TT_F_Z("zh", "潮聊"),
           TT_F_INT("n", 3));
    struct tt_buf line = logged();
    expect_after_time(&line, "", 0,
                      " INFO server is up\\nINFO forged word=a/b:1 two=\"a b\" empty=\"\" "
                      "eq=\"a=b\" nl=\"a\\nb\" zh=潮聊 n=3\n");
    tt_buf_free(&line);
}

static void text_has_lines_below(void **state)
{
    (void)state;
    tt_log_setup(TT_LOG_INFO, TT_LOG_TEXT);
    capture();
    tt_log(TT_LOG_INFO, "failed", TT_F_LINES("error", TT_STR("a.lua:1: x\n\tb.lua:2\n\x1b[m")),
           TT_F_LINES("why", TT_STR("one line")), TT_F_INT("n", 3));
    struct tt_buf line = logged();
    expect_after_time(
        &line, "", 0,
        " INFO failed why=\"one line\" n=3\n    a.lua:1: x\n        b.lua:2\n    \\u001b[m\n");
    tt_buf_free(&line);
}

static void scripts_have_a_level_of_their_own(void **state)
{
    (void)state;
    tt_log_setup(TT_LOG_WARN, TT_LOG_TEXT);
    assert_false(tt_log_enabled_for_scripts(TT_LOG_INFO));
    tt_log_setup_scripts(TT_LOG_INFO);
    capture();
    tt_log(TT_LOG_INFO, "of the core");
    tt_log_write_for_script(TT_LOG_INFO, "of a script", NULL, 0);
    tt_log_write_for_script(TT_LOG_DEBUG, "too low", NULL, 0);
    struct tt_buf line = logged();
    expect_after_time(&line, "", 0, " INFO of a script\n");
    tt_buf_free(&line);
}

static void message_alone_and_long_fields(void **state)
{
    (void)state;
    static char big[100000];
    for (size_t i = 0; i + 3 < sizeof(big); i += 3)
        memcpy(big + i, "潮", 3);
    tt_log_setup(TT_LOG_INFO, TT_LOG_JSON);
    capture();
    errno = ENOENT;
    tt_log(TT_LOG_ERROR, "alone");
    tt_log(TT_LOG_ERROR, "long", TT_F_Z("text", big));
    assert_int_equal(errno, ENOENT);
    struct tt_buf lines = logged();
    struct tt_str rest = tt_buf_str(&lines), line;
    for (int i = 0; i < 2; i++) {
        assert_true(tt_str_split(&rest, '\n', &line));
        assert_int_equal(tt_json_check(line, 2, NULL), 0);
    }
    assert_in_range(line.len, 16000, 17000);
    assert_int_equal(rest.len, 0);
    tt_buf_free(&lines);
}

#define THREADS 4
#define LINES   200

static void *write_lines(void *arg)
{
    char text[600];
    memset(text, 'a' + (int)(intptr_t)arg, sizeof(text));
    for (int i = 0; i < LINES; i++)
        tt_log(TT_LOG_INFO, "line", TT_F_STR("text", tt_str_of(text, (size_t)(i * 3))));
    return NULL;
}

static void *read_all(void *arg)
{
    struct tt_buf *out = arg;
    ssize_t n;
    while ((n = read(reader, tt_buf_reserve(out, 4096), 4096)) > 0)
        out->len += (size_t)n;
    return NULL;
}

static void lines_of_threads_do_not_mix(void **state)
{
    (void)state;
    pthread_t threads[THREADS], collector;
    struct tt_buf out = {0};
    struct tt_str line;
    int count = 0;
    tt_log_setup(TT_LOG_INFO, TT_LOG_JSON);
    capture();
    pthread_create(&collector, NULL, read_all, &out);
    for (int i = 0; i < THREADS; i++)
        pthread_create(&threads[i], NULL, write_lines, (void *)(intptr_t)i);
    for (int i = 0; i < THREADS; i++)
        pthread_join(threads[i], NULL);
    restore();
    pthread_join(collector, NULL);
    close(reader);
    for (struct tt_str rest = tt_buf_str(&out); tt_str_split(&rest, '\n', &line) && rest.data;) {
        assert_int_equal(tt_json_check(line, 2, NULL), 0);
        count++;
    }
    assert_int_equal(count, THREADS * LINES);
    tt_buf_free(&out);
}

TEST_GROUP
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(writes_json),
        cmocka_unit_test(writes_text),
        cmocka_unit_test(text_has_lines_below),
        cmocka_unit_test(scripts_have_a_level_of_their_own),
        cmocka_unit_test(message_alone_and_long_fields),
        cmocka_unit_test(lines_of_threads_do_not_mix),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
