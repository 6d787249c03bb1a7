/* Settings: each kind of value from a cases file, then the four places, their order, and what is
 * said when something is wrong. */
#include "base/cases.h"
#include "base/conf.h"

#include <unistd.h>

static char directory[] = "/tmp/tt_conf_XXXXXX";
static char path[64];

static int check_host(struct tt_str value, struct tt_err *err)
{
    if (tt_str_find(value, ' ') >= 0)
        return tt_err_set(err, 400, "x", "\"%.*s\" has a blank", TT_STR_ARG(value));
    return 0;
}

static const struct tt_conf_option options[] = {
    {.key = "listen", .env = "TT_LISTEN", .fallback = "127.0.0.1:8080", .help = "address"},
    {.key = "workers",
     .env = "TT_WORKERS",
     .type = TT_CONF_INT,
     .fallback = "2",
     .min = 1,
     .max = 64},
    {.key = "dev", .env = "TT_DEV", .type = TT_CONF_BOOL, .fallback = "no"},
    {.key = "outbound.allow",
     .env = "TT_ALLOW",
     .type = TT_CONF_LIST,
     .fallback = "",
     .check = check_host},
    {.key = "outbound.connect_timeout", .type = TT_CONF_DURATION, .fallback = "5s"},
    {.key = "limits.body", .type = TT_CONF_SIZE, .fallback = "1MiB"},
    {.key = "log.format", .type = TT_CONF_ENUM, .fallback = "json", .choices = "json|text"},
    {.key = "log.level", .type = TT_CONF_ENUM, .fallback = "info", .choices = "debug|info"},
    {.key = "redis_url", .env = "TT_REDIS", .fallback = "", .secret = true, .check = check_host},
    {.key = "api_key", .env = "TT_KEY", .fallback = "", .secret = true},
    {.key = "pool", .type = TT_CONF_INT, .fallback = "1", .secret = true},
};

static struct tt_conf *new_conf(void)
{
    return tt_conf_new(options, TT_COUNT(options));
}

static int read_text(struct tt_conf *conf, const char *text, struct tt_err *err)
{
    write_text_file(path, text);
    return tt_conf_read_file(conf, path, true, err);
}

static void value_is(const struct tt_conf *conf, const char *key, const char *text, int64_t integer,
                     const char *origin)
{
    const struct tt_conf_value *value = tt_conf_get(conf, key);
    assert_string_equal(value->text.data, text);
    assert_int_equal(value->integer, integer);
    const char *name = strrchr(value->origin, '/');
    assert_string_equal(name ? name + 1 : value->origin, origin);
}

static void values_by_kind(void **state)
{
    (void)state;
    static const char *const kinds[] = {"string", "int", "bool", "duration", "size", "enum"};
    struct cases cases;
    struct tt_str line, kind, min, max;
    int count = 0;
    cases_open(&cases, "conf/values.txt");
    for (; cases_line(&cases, &line); count += line.len > 0) {
        if (line.len == 0)
            continue;
        struct tt_conf_option option = {
            .key = "a.key", .env = "TT_CASE", .choices = "debug|info|warn"};
        tt_str_split(&line, ' ', &kind);
        tt_str_split(&line, ' ', &min);
        tt_str_split(&line, ' ', &max);
        for (size_t i = 0; i < TT_COUNT(kinds); i++)
            if (tt_str_eq(kind, tt_str_from(kinds[i])))
                option.type = (enum tt_conf_type)i;
        tt_str_to_i64(min, &option.min);
        tt_str_to_i64(max, &option.max);
        const char *arrow = memmem(line.data, line.len, " => ", 4);
        char text[128], want[128];
        snprintf(text, sizeof(text), "%.*s", (int)(arrow - line.data), line.data);
        snprintf(want, sizeof(want), "%.*s", (int)(line.data + line.len - arrow - 4), arrow + 4);
        setenv("TT_CASE", text, 1);
        struct tt_conf *conf = tt_conf_new(&option, 1);
        struct tt_err err = {0};
        int rc = tt_conf_read_env(conf, &err);
        int64_t n = tt_conf_get(conf, "a.key")->integer;
        if (strncmp(want, "refused: ", 9) == 0) {
            if (rc == 0 || strcmp(err.code, "invalid_setting") != 0 ||
                !strstr(err.message, want + 9))
                fail_msg("line %d: %d %s", cases.line, rc, err.message);
            assert_memory_equal(err.message, "TT_CASE: a.key: ", 16);
        } else if (rc < 0 || n != atoll(want)) {
            fail_msg("line %d: %lld %s", cases.line, (long long)n, err.message);
        }
        tt_conf_free(conf);
    }
    unsetenv("TT_CASE");
    cases_close(&cases);
    assert_true(count > 50);
}

static void later_places_win(void **state)
{
    (void)state;
    struct tt_conf *conf = new_conf();
    struct tt_err err = {0};
    char *argv[] = {"tidetalk", "serve", "--workers=8", "--log-level", "debug", "x"};
    char *rest[6];
    int count = 0;
    value_is(conf, "workers", "2", 2, "default");
    value_is(conf, "limits.body", "1MiB", 1048576, "default");
    assert_int_equal(read_text(conf,
                               "listen: ':1'\nworkers: 4\nlog: {format: text}\n"
                               "outbound:\n  connect_timeout: 250ms\n",
                               &err),
                     0);
    setenv("TT_LISTEN", ":2", 1);
    setenv("TT_WORKERS", "6", 1);
    assert_int_equal(tt_conf_read_env(conf, &err), 0);
    value_is(conf, "listen", ":2", 0, "TT_LISTEN");
    value_is(conf, "workers", "6", 6, "TT_WORKERS");
    assert_int_equal(tt_conf_read_flags(conf, 6, argv, &count, rest, &err), 0);
    value_is(conf, "workers", "8", 8, "--workers");
    value_is(conf, "log.level", "debug", 0, "--log-level");
    value_is(conf, "log.format", "text", 0, "conf.yaml:3");
    value_is(conf, "outbound.connect_timeout", "250ms", 250, "conf.yaml:5");
    assert_int_equal(count, 3);
    assert_string_equal(rest[0], "tidetalk");
    assert_string_equal(rest[1], "serve");
    assert_string_equal(rest[2], "x");
    unsetenv("TT_LISTEN");
    unsetenv("TT_WORKERS");
    tt_conf_free(conf);
}

static void refused_value_keeps_the_old(void **state)
{
    (void)state;
    struct tt_conf *conf = new_conf();
    assert_int_equal(read_text(conf, "workers: 4\n", NULL), 0);
    assert_int_equal(read_text(conf, "workers: 65\n", NULL), -1);
    value_is(conf, "workers", "4", 4, "conf.yaml:1");
    tt_conf_free(conf);
}

static void list_is(struct tt_conf *conf, const char *a, const char *b)
{
    const struct tt_conf_value *value = tt_conf_get(conf, "outbound.allow");
    assert_int_equal(value->item_count, (a != NULL) + (b != NULL));
    if (a)
        assert_string_equal(value->items[0].data, a);
    if (b)
        assert_string_equal(value->items[1].data, b);
}

static void lists(void **state)
{
    (void)state;
    struct tt_conf *conf = new_conf();
    struct tt_err err = {0};
    list_is(conf, NULL, NULL);
    assert_int_equal(read_text(conf, "outbound:\n  allow: [10.0.0.0/8, 'b']\n", &err), 0);
    list_is(conf, "10.0.0.0/8", "b");
    value_is(conf, "outbound.allow", "10.0.0.0/8, b", 0, "conf.yaml:2");
    assert_int_equal(read_text(conf, "outbound.allow:\n  - a\n", &err), 0);
    list_is(conf, "a", NULL);
    assert_int_equal(read_text(conf, "outbound:\n  allow: x , y,\n", &err), 0);
    list_is(conf, "x", "y");
    assert_int_equal(read_text(conf, "outbound: {allow: []}\n", &err), 0);
    list_is(conf, NULL, NULL);
    setenv("TT_ALLOW", ",a,,b ", 1);
    assert_int_equal(tt_conf_read_env(conf, &err), 0);
    list_is(conf, "a", "b");
    /* The check runs on each item. */
    setenv("TT_ALLOW", "a,b c", 1);
    assert_int_equal(tt_conf_read_env(conf, &err), -1);
    assert_string_equal(err.message, "TT_ALLOW: outbound.allow: \"b c\" has a blank");
    assert_int_equal(read_text(conf, "outbound:\n  allow: [a, b c]\n", &err), -1);
    unsetenv("TT_ALLOW");
    tt_conf_free(conf);
}

static void files_that_say_nothing(void **state)
{
    (void)state;
    static const char *const texts[] = {
        "",           "# x\n",        "outbound:\n",     "outbound:\n  allow:\n",
        "workers:\n", "workers: ~\n", "workers: null\n", "log: {}\n"};
    for (size_t i = 0; i < TT_COUNT(texts); i++) {
        struct tt_conf *conf = new_conf();
        struct tt_err err = {0};
        if (read_text(conf, texts[i], &err) < 0)
            fail_msg("%s: %s", texts[i], err.message);
        value_is(conf, "workers", "2", 2, "default");
        tt_conf_free(conf);
    }
    struct tt_conf *conf = new_conf();
    struct tt_err err = {0};
    assert_int_equal(tt_conf_read_file(conf, "/nonexistent/x.yaml", false, &err), 0);
    assert_int_equal(tt_conf_read_file(conf, "/nonexistent/x.yaml", true, &err), -1);
    assert_string_equal(err.code, "invalid_setting");
    assert_int_equal(tt_conf_read_file(conf, "/tmp", false, &err), -1);
    /* An empty text in quotes is a value. */
    assert_int_equal(read_text(conf, "listen: \"\"\n", &err), 0);
    value_is(conf, "listen", "", 0, "conf.yaml:1");
    tt_conf_free(conf);
}

static void problems_name_place_and_cure(void **state)
{
    (void)state;
    static const struct {
        const char *text, *message;
    } cases[] = {
        {"# c\nworker: 4\n",
         "conf.yaml:2: worker: unknown setting, the nearest known one is \"workers\""},
        {"outbund:\n  allow: []\n",
         "conf.yaml:1: outbund: unknown setting, the nearest known one is \"outbound\""},
        {"outbound:\n\n  alow: []\n", "conf.yaml:3: outbound.alow: unknown setting, the nearest "
                                      "known one is \"outbound.allow\""},
        {"workers: x\n", "conf.yaml:1: workers: \"x\" is not a whole number"},
        {"workers: 0\n", "conf.yaml:1: workers: \"0\" is not between 1 and 64"},
        {"workers: [1]\n", "conf.yaml:1: workers: one value is wanted, not a list"},
        {"workers: {a: 1}\n", "conf.yaml:1: workers: a value is wanted, not a section"},
        {"outbound: x\n", "conf.yaml:1: outbound: this is a section, it needs keys"},
        {"outbound:\n  allow: [[a]]\n", "conf.yaml:2: outbound.allow: a list of texts is wanted"},
        {"log: {format: xml}\n", "conf.yaml:1: log.format: \"xml\" is not one of json|text"},
        {"- a\n", "conf.yaml:1: lines of \"key: value\" are wanted"},
        {"a: [\n", "conf.yaml:2: "},
        {"workers: 1\nworkers: 2\n", "conf.yaml:2: key \"workers\" was already given on line 1"},
        {"redis_url: redis://:pw@a b\n", "conf.yaml:1: redis_url: the value is not valid"},
        {"pool: hunter2\n", "conf.yaml:1: pool: the value is not a whole number"},
    };
    for (size_t i = 0; i < TT_COUNT(cases); i++) {
        struct tt_conf *conf = new_conf();
        struct tt_err err = {0};
        assert_int_equal(read_text(conf, cases[i].text, &err), -1);
        assert_string_equal(err.code, "invalid_setting");
        const char *message = strstr(err.message, "conf.yaml");
        if (!message || strncmp(message, cases[i].message, strlen(cases[i].message)) != 0)
            fail_msg("%s: %s", cases[i].text, err.message);
        tt_conf_free(conf);
    }
}

static int read_flags(struct tt_conf *conf, const char *words, char **rest, int *count,
                      struct tt_err *err)
{
    static char text[256];
    char *argv[16];
    int argc = 0;
    snprintf(text, sizeof(text), "%s", words);
    for (char *word = strtok(text, " "); word; word = strtok(NULL, " "))
        argv[argc++] = word;
    return tt_conf_read_flags(conf, argc, argv, count, rest, err);
}

static void flags(void **state)
{
    (void)state;
    struct tt_conf *conf = new_conf();
    struct tt_err err = {0};
    char *rest[16];
    int count;
    assert_int_equal(read_flags(conf,
                                "--outbound-connect-timeout 1s --dev serve -v --limits-body=1KiB"
                                " --outbound-allow a,b -- --dev=no",
                                rest, &count, &err),
                     0);
    value_is(conf, "outbound.connect_timeout", "1s", 1000, "--outbound-connect-timeout");
    value_is(conf, "dev", "true", 1, "--dev");
    value_is(conf, "limits.body", "1KiB", 1024, "--limits-body");
    list_is(conf, "a", "b");
    assert_int_equal(count, 3);
    assert_string_equal(rest[0], "serve");
    assert_string_equal(rest[1], "-v");
    assert_string_equal(rest[2], "--dev=no");
    assert_int_equal(read_flags(conf, "--dev no x", rest, &count, &err), 0);
    value_is(conf, "dev", "no", 0, "--dev");
    assert_int_equal(count, 1);
    assert_int_equal(read_flags(conf, "--dev", rest, &count, &err), 0);
    value_is(conf, "dev", "true", 1, "--dev");
    assert_int_equal(read_flags(conf, "--listen=", rest, &count, &err), 0);
    value_is(conf, "listen", "", 0, "--listen");
    assert_int_equal(read_flags(conf, "--listen=a=b", rest, &count, &err), 0);
    value_is(conf, "listen", "a=b", 0, "--listen");
    assert_int_equal(read_flags(conf, "--outbound-alow x", rest, &count, &err), -1);
    assert_string_equal(
        err.message,
        "--outbound-alow: unknown flag, the nearest known one is \"--outbound-allow\"");
    assert_int_equal(read_flags(conf, "--worker", rest, &count, &err), -1);
    assert_int_equal(read_flags(conf, "--", rest, &count, &err), 0);
    assert_int_equal(read_flags(conf, "--workers", rest, &count, &err), -1);
    assert_string_equal(err.message, "--workers: workers: a value must follow");
    assert_int_equal(read_flags(conf, "--workers many", rest, &count, &err), -1);
    assert_int_equal(read_flags(conf, "--=x", rest, &count, &err), -1);
    tt_conf_free(conf);
}

static void shows_no_secrets(void **state)
{
    (void)state;
    struct tt_conf *conf = new_conf();
    struct tt_buf out = {0};
    assert_int_equal(read_text(conf,
                               "redis_url: redis://u:hunter2@host:6379/0\n"
                               "api_key: hunter2\nlisten: http://u:hunter2@x/y@z\n"
                               "outbound: {allow: ['https://a:hunter2@b', c]}\n",
                               NULL),
                     0);
    tt_conf_show(conf, &out);
    assert_null(strstr(out.data, "hunter2"));
    assert_non_null(strstr(out.data, "redis_url = redis://****@host:6379/0  # "));
    assert_non_null(strstr(out.data, "api_key = ****  # "));
    assert_non_null(strstr(out.data, "listen = http://****@x/y@z  # "));
    assert_non_null(strstr(out.data, "outbound.allow = https://****@b, c  # "));
    assert_non_null(strstr(out.data, "workers = 2  # default\n"));
    assert_non_null(strstr(out.data, "conf.yaml:2\n"));
    tt_buf_clear(&out);
    tt_conf_help(options, TT_COUNT(options), &out);
    assert_non_null(strstr(out.data, "  --listen TEXT\n      address\n      [TT_LISTEN] default: "
                                     "127.0.0.1:8080\n"));
    assert_non_null(strstr(out.data, "--outbound-connect-timeout TIME"));
    assert_non_null(strstr(out.data, "--log-format json|text"));
    tt_buf_free(&out);
    tt_conf_free(conf);
}

static int setup(void **state)
{
    (void)state;
    if (!mkdtemp(directory))
        return -1;
    snprintf(path, sizeof(path), "%s/conf.yaml", directory);
    return 0;
}

static int teardown(void **state)
{
    (void)state;
    unlink(path);
    return rmdir(directory);
}

TEST_GROUP
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(values_by_kind),
        cmocka_unit_test(later_places_win),
        cmocka_unit_test(refused_value_keeps_the_old),
        cmocka_unit_test(lists),
        cmocka_unit_test(files_that_say_nothing),
        cmocka_unit_test(problems_name_place_and_cure),
        cmocka_unit_test(flags),
        cmocka_unit_test(shows_no_secrets),
    };
    return cmocka_run_group_tests(tests, setup, teardown);
}
