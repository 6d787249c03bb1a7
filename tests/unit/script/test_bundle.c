/* The script folder as bytes. */
#include "script/support.h"

#include <pthread.h>
#include <sched.h>

static struct tt_bundle *read_bundle(struct rig *rig)
{
    struct tt_bundle *bundle = tt_bundle_read(rig_sources(rig), NULL, &rig->err);
    if (!bundle)
        fail_msg("%s", rig->err.message);
    return bundle;
}

static void refuses(struct rig *rig, const char *part)
{
    struct tt_bundle *bundle = tt_bundle_read(rig_sources(rig), NULL, &rig->err);
    assert_null(bundle);
    assert_string_equal(rig->err.code, "script_error");
    if (!strstr(rig->err.message, part))
        fail_msg("\"%s\" is not in \"%s\"", part, rig->err.message);
}

static void files_are_sorted(void **state)
{
    struct rig *rig = *state;
    static const char *const want[] = {"a.lua", "app.lua", "b/c.lua", "b/c/d.lua", "style.yaml"};

    rig_put(rig, "lua/b/c/d.lua", "4");
    rig_put(rig, "lua/b/c.lua", "3");
    rig_put(rig, "lua/app.lua", "");
    rig_put(rig, "lua/a.lua", "1");
    struct tt_bundle *bundle = read_bundle(rig);
    assert_int_equal(bundle->file_count, TT_COUNT(want));
    for (size_t i = 0; i < TT_COUNT(want); i++) {
        assert_string_equal(bundle->files[i].path.data, want[i]);
        assert_ptr_equal(tt_bundle_find(bundle, tt_str_from(want[i])), &bundle->files[i]);
    }
    assert_non_null(tt_bundle_find(bundle, TT_STR("app.lua"))->bytes.data);
    assert_null(tt_bundle_find(bundle, TT_STR("app.luaa")));
    assert_null(tt_bundle_find(bundle, TT_STR("app.lu")));
    assert_null(tt_bundle_find(bundle, TT_STR("")));
    assert_null(tt_bundle_find(bundle, TT_STR("z")));
    tt_bundle_free(bundle);
}

static void hidden_and_foreign_files_are_left_out(void **state)
{
    struct rig *rig = *state;

    rig_put(rig, "lua/app.lua", "return 1");
    struct tt_bundle *before = read_bundle(rig);
    rig_put(rig, "lua/.#app.lua", "lock of an editor");
    rig_put(rig, "lua/.hidden/x.lua", "x");
    rig_put(rig, "lua/app.lua~", "backup");
    rig_put(rig, "lua/readme.md", "no script");
    rig_put(rig, "lua/types/tide.lua", "never loaded");
    struct tt_bundle *after = read_bundle(rig);
    assert_int_equal(after->file_count, 2);
    assert_string_equal(before->hash, after->hash);
    /* Only the folder at the top is left out. */
    rig_put(rig, "lua/lib/types/x.lua", "loaded");
    struct tt_bundle *more = read_bundle(rig);
    assert_int_equal(more->file_count, 3);
    tt_bundle_free(before);
    tt_bundle_free(after);
    tt_bundle_free(more);
}

static void the_hash_is_that_of_names_and_bytes(void **state)
{
    struct rig *rig = *state;
    char first[65];

    rig_put(rig, "lua/app.lua", "return 1");
    struct tt_bundle *bundle = read_bundle(rig);
    memcpy(first, bundle->hash, sizeof(first));
    assert_int_equal(strlen(first), 64);
    tt_bundle_free(bundle);

    bundle = read_bundle(rig);
    assert_string_equal(bundle->hash, first);
    tt_bundle_free(bundle);

    rig_put(rig, "lua/app.lua", "return 2");
    bundle = read_bundle(rig);
    assert_string_not_equal(bundle->hash, first);
    tt_bundle_free(bundle);

    rig_put(rig, "lua/app.lua", "return 1");
    rig_put(rig, "style.yaml", "personas:\n  - {name: First, content: You are first.}\n");
    bundle = read_bundle(rig);
    assert_string_not_equal(bundle->hash, first);
    tt_bundle_free(bundle);
}

static void personas_keep_their_order(void **state)
{
    struct rig *rig = *state;

    rig_put(rig, "lua/app.lua", "");
    rig_put(rig, "style.yaml",
            "personas:\n  - name: 潮汐\n    content: |\n      你好\n  - {content: b, name: A}\n");
    struct tt_bundle *bundle = read_bundle(rig);
    assert_int_equal(tt_bundle_read_personas(bundle, &rig->err), 0);
    assert_int_equal(bundle->persona_count, 2);
    assert_true(tt_str_eq(bundle->personas[0].name, TT_STR("潮汐")));
    assert_true(tt_str_eq(bundle->personas[0].content, TT_STR("你好\n")));
    assert_true(tt_str_eq(bundle->personas[1].name, TT_STR("A")));
    tt_bundle_free(bundle);
}

static void wrong_personas_are_named_with_their_place(void **state)
{
    struct rig *rig = *state;
    static const struct {
        const char *yaml, *part;
    } cases[] = {
        {"", "style.yaml:"},
        {"people: []\n", "style.yaml:1: needs a list 'personas'"},
        {"\npersonas: x\n", "style.yaml:2: needs a list 'personas'"},
        {"personas: []\n", "style.yaml:1: needs a list 'personas'"},
        {"personas:\n  - a\n", "style.yaml:2: a persona is a map"},
        {"personas:\n  - name: a\n", "style.yaml:2: the persona has no 'content'"},
        {"personas:\n  - content: a\n", "style.yaml:2: the persona has no 'name'"},
        {"personas:\n  - name: a\n    content: ' '\n", "style.yaml:3: 'content' must be a text"},
        {"personas:\n  - name: [a]\n    content: b\n", "style.yaml:2: 'name' must be a text"},
        {"personas:\n  - name: a\n    content: b\n    mood: c\n",
         "style.yaml:4: unknown key 'mood'"},
        {"personas:\n  - {name: a, content: b}\n  - {name: a, content: c}\n",
         "style.yaml:3: the persona 'a' is there twice"},
        {"personas:\n  - name: [\n", "style.yaml:"},
    };

    rig_put(rig, "lua/app.lua", "");
    for (size_t i = 0; i < TT_COUNT(cases); i++) {
        rig_put(rig, "style.yaml", cases[i].yaml);
        struct tt_bundle *bundle = read_bundle(rig);
        assert_int_equal(tt_bundle_read_personas(bundle, &rig->err), -1);
        assert_string_equal(rig->err.code, "script_error");
        if (!strstr(rig->err.message, cases[i].part))
            fail_msg("\"%s\" is not in \"%s\"", cases[i].part, rig->err.message);
        tt_bundle_free(bundle);
    }
}

static void what_cannot_be_read_is_refused(void **state)
{
    struct rig *rig = *state;
    char *large = malloc((2u << 20) + 1);

    refuses(rig, "lua: No such file"); /* no folder */
    rig_put(rig, "lua/other.lua", "");
    refuses(rig, "lua/app.lua: not found");
    rig_put(rig, "lua/app.lua", "");
    unlink(rig->personas);
    refuses(rig, "style.yaml: No such file");
    rig_put(rig, "style.yaml", "personas:\n  - {name: a, content: b}\n");
    memset(large, '-', 2u << 20);
    large[2u << 20] = 0;
    rig_put(rig, "lua/large.lua", large);
    refuses(rig, "large.lua: larger than 1 MiB");
    large[1000u << 10] = 0;
    for (int i = 0; i < 70; i++) {
        char name[32];
        snprintf(name, sizeof(name), "lua/%s%d.lua", i ? "part" : "large", i);
        rig_put(rig, i ? name : "lua/large.lua", large);
    }
    refuses(rig, "more than 64 MiB of scripts");
    free(large);
}

/* A link to a folder above would go round for ever. */
static void links_in_circles_end(void **state)
{
    struct rig *rig = *state;
    char link[128];

    rig_put(rig, "lua/app.lua", "");
    snprintf(link, sizeof(link), "%s/round", rig->lua);
    assert_int_equal(symlink(".", link), 0);
    struct tt_bundle *bundle = tt_bundle_read(rig_sources(rig), NULL, &rig->err);
    if (bundle)
        assert_true(bundle->file_count < 100);
    tt_bundle_free(bundle);
}

static void kept_bytes_make_the_same_bundle(void **state)
{
    struct rig *rig = *state;

    rig_put(rig, "lua/app.lua", "return 1");
    rig_put(rig, "lua/b.lua", "return 2");
    struct tt_bundle *bundle = read_bundle(rig), *again = tt_bundle_new();
    for (size_t i = bundle->file_count; i-- > 0;)
        tt_bundle_add(again, bundle->files[i].path, bundle->files[i].bytes);
    assert_int_equal(tt_bundle_seal(again, NULL, &rig->err), 0);
    assert_string_equal(again->hash, bundle->hash);
    assert_string_equal(again->files[0].path.data, "app.lua");
    assert_string_equal(again->files[0].hash, bundle->files[0].hash);
    tt_bundle_free(again);
    tt_bundle_free(bundle);
    again = tt_bundle_new();
    assert_int_equal(tt_bundle_seal(again, NULL, &rig->err), -1);
    tt_bundle_free(again);
}

static void plugins_are_part_of_the_bundle(void **state)
{
    struct rig *rig = *state;

    rig_put(rig, "lua/app.lua", "");
    struct tt_bundle *without = read_bundle(rig);
    assert_int_equal(without->plugin_count, 0);
    rig_put(rig, "plugins/tide_clock/plugin.lua", "1");
    rig_put(rig, "plugins/tide_clock/migrations/0001_x.sql", "2");
    rig_put(rig, "plugins/tide_clock/tests/x_test.lua", "left out");
    rig_put(rig, "plugins/tide_clock/readme.md", "left out");
    rig_put(rig, "plugins/off/plugin.lua", "left out");
    rig_put(rig, "plugins/off/.disabled", "");
    rig_put(rig, "plugins/a/plugin.lua", "3");
    struct tt_bundle *bundle = read_bundle(rig);
    assert_int_equal(bundle->file_count, without->file_count + 3);
    assert_string_not_equal(bundle->hash, without->hash);
    assert_non_null(tt_bundle_find(bundle, TT_STR("plugins/tide_clock/migrations/0001_x.sql")));
    assert_int_equal(bundle->plugin_count, 2);
    assert_string_equal(bundle->plugins[0].data, "a");
    assert_string_equal(bundle->plugins[1].data, "tide_clock");
    tt_bundle_free(bundle);
    tt_bundle_free(without);
}

static void the_first_folder_that_has_a_file_wins(void **state)
{
    struct rig *rig = *state;
    char second[128];

    snprintf(second, sizeof(second), "%s/base", rig->dir);
    rig->roots[1] = second;
    rig->root_count = 2;
    rig_put(rig, "lua/policy/title.lua", "mine");
    rig_put(rig, "base/policy/title.lua", "theirs");
    rig_put(rig, "base/app.lua", "app");
    struct tt_bundle *bundle = read_bundle(rig);
    assert_int_equal(bundle->file_count, 3);
    assert_true(
        tt_str_eq(tt_bundle_find(bundle, TT_STR("policy/title.lua"))->bytes, TT_STR("mine")));
    assert_true(tt_str_eq(tt_bundle_find(bundle, TT_STR("app.lua"))->bytes, TT_STR("app")));
    assert_int_equal(bundle->shadow_count, 1);
    assert_string_equal(bundle->shadows[0].path.data, "policy/title.lua");
    assert_true(tt_str_eq(bundle->shadows[0].bytes, TT_STR("theirs")));
    rig_put(rig, "base/policy/title.lua", "changed");
    struct tt_bundle *later = read_bundle(rig);
    assert_string_equal(later->hash, bundle->hash); /* what is not used changes nothing */
    assert_string_not_equal(later->shadows[0].hash, bundle->shadows[0].hash);
    tt_bundle_free(later);
    tt_bundle_free(bundle);
    snprintf(second, sizeof(second), "%s/nowhere", rig->dir);
    refuses(rig, "/nowhere: No such file");
}

static void what_is_no_plugin_is_refused(void **state)
{
    struct rig *rig = *state;

    rig_put(rig, "lua/app.lua", "");
    rig_put(rig, "lua/chat/chat.lua", "");
    rig_put(rig, "plugins/loose.lua", "");
    refuses(rig, "plugins/loose.lua: a plugin is a folder with a file plugin.lua");
    rig_remove(rig, "plugins/loose.lua");
    rig_put(rig, "plugins/My-Plugin/plugin.lua", "");
    refuses(rig, "plugins/My-Plugin: the name of a plugin's folder has small letters");
    rig_remove(rig, "plugins/My-Plugin/plugin.lua");
    rig_remove(rig, "plugins/My-Plugin");
    rig_put(rig, "plugins/chat/plugin.lua", "");
    refuses(rig, "plugins/chat/plugin.lua:1: the server's own scripts have the name 'chat'");
    rig_remove(rig, "plugins/chat/plugin.lua");
    rig_put(rig, "plugins/tide/plugin.lua", "");
    refuses(rig, "have the name 'tide'");
}

struct typist {
    pthread_t thread;
    const char *path;
};

/* Saves a file again and again, in two parts. */
static void *type(void *arg)
{
    struct typist *typist = arg;

    for (int i = 0; i < 60; i++) {
        FILE *file = fopen(typist->path, "we");
        fputs("return '", file);
        fflush(file);
        sched_yield();
        fputs("whole'", file);
        fclose(file);
        usleep(i % 20 == 19 ? 60000 : 1000);
    }
    return NULL;
}

static void a_snapshot_takes_no_half_saved_file(void **state)
{
    struct rig *rig = *state;
    char path[160];
    struct typist typist = {.path = path};

    snprintf(path, sizeof(path), "%s/app.lua", rig->lua);
    rig_put(rig, "lua/app.lua", "return 'whole'");
    pthread_create(&typist.thread, NULL, type, &typist);
    for (int i = 0; i < 4; i++) {
        struct tt_bundle *bundle = tt_bundle_snapshot(rig_sources(rig), NULL, &rig->err);
        assert_non_null(bundle);
        assert_true(tt_str_eq(bundle->files[0].bytes, TT_STR("return 'whole'")));
        tt_bundle_free(bundle);
    }
    pthread_join(typist.thread, NULL);
}

static void a_snapshot_tells_what_cannot_be_read(void **state)
{
    struct rig *rig = *state;

    assert_null(tt_bundle_snapshot(rig_sources(rig), NULL, &rig->err));
    assert_non_null(strstr(rig->err.message, "No such file"));
    rig_put(rig, "lua/other.lua", "return 1");
    assert_null(tt_bundle_snapshot(rig_sources(rig), NULL, &rig->err));
    assert_non_null(strstr(rig->err.message, "app.lua: not found"));
}

TEST_GROUP
{
    const struct CMUnitTest tests[] = {
        RIG_TEST(files_are_sorted),
        RIG_TEST(hidden_and_foreign_files_are_left_out),
        RIG_TEST(the_hash_is_that_of_names_and_bytes),
        RIG_TEST(personas_keep_their_order),
        RIG_TEST(wrong_personas_are_named_with_their_place),
        RIG_TEST(what_cannot_be_read_is_refused),
        RIG_TEST(links_in_circles_end),
        RIG_TEST(kept_bytes_make_the_same_bundle),
        RIG_TEST(plugins_are_part_of_the_bundle),
        RIG_TEST(the_first_folder_that_has_a_file_wins),
        RIG_TEST(what_is_no_plugin_is_refused),
        RIG_TEST(a_snapshot_takes_no_half_saved_file),
        RIG_TEST(a_snapshot_tells_what_cannot_be_read),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
