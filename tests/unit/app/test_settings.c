/* The settings of the program: precedence, what is refused and how that is told. */
#include "app/support.h"

static void refuses(struct home *home, int result, const char *part)
{
    assert_int_equal(result, -1);
    assert_string_equal(home->err.code, "invalid_setting");
    if (!strstr(home->err.message, part))
        fail_msg("\"%s\" is not in \"%s\"", part, home->err.message);
}

static const char *origin(struct home *home, const char *key)
{
    return tt_conf_get(home->settings.conf, key)->origin;
}

static void later_places_win(void **state)
{
    struct home *home = *state;

    assert_int_equal(home_load(home, NULL, 0), 0);
    assert_string_equal(home->settings.listen, "127.0.0.1:8080");
    assert_string_equal(home->settings.lock_file, "./data/lock");
    assert_string_equal(home->settings.database_url, "sqlite:./data/tidetalk.db");
    assert_string_equal(home->settings.admin_listen, "unix:./data/admin.sock");
    assert_string_equal(home->settings.secret_file, "./data/secret.key");
    assert_true(home->settings.workers >= 1 && home->settings.workers <= TT_WORKERS_MAX);
    assert_string_equal(origin(home, "listen"), "default");

    home_put(home, "tidetalk.yaml", "workers: 3\nlisten: 127.0.0.1:1\nlimits:\n  body: 2KiB\n");
    assert_int_equal(home_load(home, NULL, 0), 0);
    assert_string_equal(home->settings.listen, "127.0.0.1:1");
    assert_string_equal(origin(home, "listen"), "tidetalk.yaml:2");
    assert_int_equal(tt_settings_int(&home->settings, "limits.body"), 2048);

    setenv("TIDETALK_LISTEN", "127.0.0.1:2", 1);
    assert_int_equal(home_load(home, NULL, 0), 0);
    assert_string_equal(home->settings.listen, "127.0.0.1:2");
    assert_string_equal(origin(home, "listen"), "TIDETALK_LISTEN");
    assert_int_equal(home->settings.workers, 3);

    assert_int_equal(HOME_LOAD(home, "word", "--listen=127.0.0.1:3", "--data-dir", "d", "more"), 0);
    assert_string_equal(home->settings.listen, "127.0.0.1:3");
    assert_string_equal(origin(home, "listen"), "--listen");
    assert_string_equal(home->settings.database_url, "sqlite:d/tidetalk.db");
    assert_int_equal(home->rest, 2);
    assert_string_equal(home->words[0], "word");
    assert_string_equal(home->words[1], "more");
    unsetenv("TIDETALK_LISTEN");
}

static void the_file_may_be_named(void **state)
{
    struct home *home = *state;

    home_put(home, "tidetalk.yaml", "workers: 3\n");
    home_put(home, "a.yaml", "workers: 4\n");
    home_put(home, "b.yaml", "workers: 5\n");
    assert_int_equal(HOME_LOAD(home, "--config", "a.yaml"), 0);
    assert_int_equal(home->settings.workers, 4);
    setenv("TIDETALK_CONFIG", "a.yaml", 1);
    assert_int_equal(HOME_LOAD(home, "x", "--config=b.yaml", "y"), 0);
    assert_int_equal(home->settings.workers, 5);
    assert_int_equal(home->rest, 2);
    unsetenv("TIDETALK_CONFIG");
    refuses(home, HOME_LOAD(home, "--config", "none.yaml"), "none.yaml");
    refuses(home, HOME_LOAD(home, "--config"), "--config");
}

static void derived_paths_can_be_given(void **state)
{
    struct home *home = *state;

    assert_int_equal(HOME_LOAD(home, "--database-url=sqlite:/a/b.db", "--secret-file=/k",
                               "--admin-listen=unix:/s"),
                     0);
    assert_string_equal(home->settings.database_url, "sqlite:/a/b.db");
    assert_string_equal(home->settings.secret_file, "/k");
    assert_string_equal(home->settings.admin_listen, "unix:/s");
    /* Two at once do not share memory. */
    struct tt_settings other;
    struct tt_err err = {0};
    char *words[] = {(char[]){"--data-dir=/other"}};
    int rest;
    assert_int_equal(HOME_LOAD(home, "--data-dir=/one"), 0);
    assert_int_equal(tt_settings_load(&other, 1, words, &rest, words, &err), 0);
    assert_string_equal(home->settings.secret_file, "/one/secret.key");
    assert_string_equal(other.secret_file, "/other/secret.key");
    tt_settings_free(&other);
}

static void wrong_values_name_their_place(void **state)
{
    struct home *home = *state;
    static const struct {
        const char *yaml, *part;
    } cases[] = {
        {"listen: nowhere\n", "tidetalk.yaml:1: listen: needs host:port"},
        {"\nlisten: 127.0.0.1:99999\n", "tidetalk.yaml:2: listen: needs host:port"},
        {"listen: ':80'\n", "listen: needs host:port"},
        {"listen: 'unix:'\n", "unix: needs a path"},
        {"workers: 1000\n", "tidetalk.yaml:1: workers: "},
        {"workers: -1\n", "workers: "},
        {"workers: many\n", "workers: "},
        {"demo: maybe\n", "tidetalk.yaml:1: demo: "},
        {"durability: replicated\n", "tidetalk.yaml:1: durability: replicated needs database_url"},
        {"durability: some\n", "tidetalk.yaml:1: durability: "},
        {"database_url: mysql://x\n", "only sqlite:<path> and postgres://"},
        {"public_url: example.org\n", "public_url: needs scheme://host"},
        {"public_url: https:///chat\n", "public_url: needs scheme://host"},
        {"public_url: https://example.org//\n", "public_url: needs scheme://host"},
        {"public_url: https://example.org/a//b\n", "public_url: needs scheme://host"},
        {"public_url: https://example.org/a/../b\n", "public_url: needs scheme://host"},
        {"public_url: https://example.org/a?b\n", "public_url: needs scheme://host"},
        {"public_url: https://example.org/%61/\n", "public_url: needs scheme://host"},
        {"public_url: https://example.org/api/chat\n", "may not begin with /api"},
        {"cors:\n  origins: [https://a.example, b]\n", "cors.origins: needs scheme://host"},
        {"cors:\n  origins: ['*']\n", "cors.origins: needs scheme://host"},
        {"outbound:\n  allow: [10.0.0.0/99]\n", "outbound.allow: "},
        {"log:\n  level: loud\n", "log.level: "},
        {"limits:\n  body: 1\n", "limits.body: "},
        {"limits:\n  body: lots\n", "limits.body: "},
        {"drain: -5s\n", "drain: "},
        {"wrokers: 2\n", "tidetalk.yaml:1: "},
        {"limits:\n  bdoy: 1MiB\n", "tidetalk.yaml:2: "},
        {"- a\n", "tidetalk.yaml:1"},
        {"admin:\n  listen: 0.0.0.0:1\n", "tidetalk.yaml:2: admin.listen: needs unix:<path>"},
        {"admin:\n  listen: 127.0.0.1:1\n", "tidetalk.yaml:2: admin.listen: a port needs a token"},
        {"admin:\n  listen: 127.0.0.1:1\n  token: short\n", "a token of at least 16 characters"},
    };
    for (size_t i = 0; i < TT_COUNT(cases); i++) {
        home_put(home, "tidetalk.yaml", cases[i].yaml);
        refuses(home, home_load(home, NULL, 0), cases[i].part);
    }
    home_put(home, "tidetalk.yaml", "wrokers: 2\n");
    refuses(home, home_load(home, NULL, 0), "workers"); /* the nearest known one */
    home_put(home, "tidetalk.yaml", "");
    refuses(home, HOME_LOAD(home, "--workers=x"), "--workers: workers: ");
    refuses(home, HOME_LOAD(home, "--wrokers=1"), "--wrokers");
    setenv("TIDETALK_WORKERS", "x", 1);
    refuses(home, home_load(home, NULL, 0), "TIDETALK_WORKERS: workers: ");
    unsetenv("TIDETALK_WORKERS");
}

static void overlong_paths_are_refused(void **state)
{
    struct home *home = *state;
    struct tt_buf word = {0};

    tt_buf_append_z(&word, "--data-dir=/");
    for (int i = 0; i < 5000; i++)
        tt_buf_putc(&word, 'x');
    refuses(home, HOME_LOAD(home, word.data), "data_dir: longer than");
    tt_buf_free(&word);
}

static void scripts_see_settings_typed(void **state)
{
    struct home *home = *state;
    struct tt_tide_setting value;

    home_put(home, "tidetalk.yaml",
             "redis_url: redis://:secret@h\ncors:\n  origins: [https://a, https://b]\n");
    assert_int_equal(home_load(home, NULL, 0), 0);
    assert_int_equal(tt_settings_for_lua("demo", &value, &home->settings), 0);
    assert_int_equal(value.type, TT_SETTING_BOOL);
    assert_int_equal(value.integer, 1);
    assert_int_equal(tt_settings_for_lua("token.ttl", &value, &home->settings), 0);
    assert_int_equal(value.type, TT_SETTING_INT);
    assert_int_equal(value.integer, 86400000);
    assert_int_equal(tt_settings_for_lua("limits.body", &value, &home->settings), 0);
    assert_int_equal(value.integer, 1 << 20);
    assert_int_equal(tt_settings_for_lua("log.level", &value, &home->settings), 0);
    assert_int_equal(value.type, TT_SETTING_STRING);
    assert_int_equal(tt_settings_for_lua("cors.origins", &value, &home->settings), 0);
    assert_int_equal(value.type, TT_SETTING_LIST);
    assert_int_equal(value.item_count, 2);
    assert_true(tt_str_eq(value.items[1], TT_STR("https://b")));
    assert_int_equal(tt_settings_for_lua("redis_url", &value, &home->settings), -1); /* secret */
    assert_int_equal(tt_settings_for_lua("no.such", &value, &home->settings), -1);
}

static void secrets_are_not_shown(void **state)
{
    struct home *home = *state;
    struct tt_buf text = {0};

    assert_int_equal(HOME_LOAD(home, "--redis-url=redis://:secret@h"), 0);
    tt_conf_show(home->settings.conf, &text);
    assert_null(strstr(text.data, "secret@"));
    assert_non_null(strstr(text.data, "listen = "));
    tt_buf_free(&text);
    tt_settings_help(&text);
    assert_non_null(strstr(text.data, "--limits-body"));
    assert_non_null(strstr(text.data, "TIDETALK_LIMITS_BODY"));
    tt_buf_free(&text);
}

TEST_GROUP
{
    const struct CMUnitTest tests[] = {
        HOME_TEST(later_places_win),           HOME_TEST(the_file_may_be_named),
        HOME_TEST(derived_paths_can_be_given), HOME_TEST(wrong_values_name_their_place),
        HOME_TEST(overlong_paths_are_refused), HOME_TEST(scripts_see_settings_typed),
        HOME_TEST(secrets_are_not_shown),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
