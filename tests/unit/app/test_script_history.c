/* The history of script generations in a real database. */
#include "app/reload/script_history.h"
#include "app/support.h"
#include "db/migrate.h"

struct history {
    struct home *home;
    struct tt_loop *loop;
    struct tt_db *db;
    struct tt_history at;
    struct tt_bundle *serving; /* of the newest entry */
    int newest;
    struct tt_err err;
};

static int setup(void **state)
{
    struct history *history = TT_NEW(struct history);
    struct tt_migrate_report report = {0};
    struct tt_db_settings settings = {.url = "sqlite:test.db"};

    home_setup((void **)&history->home);
    assert_int_equal(
        tt_db_migrate(settings.url, SOURCE "/migrations", false, &report, &history->err), 0);
    tt_buf_free(&report.text);
    history->loop = tt_loop_new(&history->err);
    history->db = tt_db_open(&settings, NULL, &history->err);
    assert_int_equal(tt_db_attach(history->db, history->loop, &history->err), 0);
    history->at = (struct tt_history){history->db, history->loop};
    *state = history;
    return 0;
}

static int teardown(void **state)
{
    struct history *history = *state;

    tt_db_detach(history->db, history->loop);
    tt_db_close(history->db);
    tt_loop_tick(history->loop, 0);
    tt_loop_free(history->loop);
    tt_bundle_free(history->serving);
    home_teardown((void **)&history->home);
    free(history);
    return 0;
}

static struct tt_bundle *make_bundle(int version)
{
    struct tt_bundle *bundle = tt_bundle_new();
    char text[64];

    snprintf(text, sizeof(text), "return %d", version);
    tt_bundle_add(bundle, TT_STR("app.lua"), tt_str_from(text));
    tt_bundle_add(bundle, TT_STR("lib/same.lua"), TT_STR("return {}"));
    assert_int_equal(tt_bundle_seal(bundle, NULL, NULL), 0);
    return bundle;
}

/* Adds the next entry: a bundle of this version. */
static void add(struct history *history, int version, bool rolls_back)
{
    struct tt_db_job *job = tt_db_job_new();
    struct tt_bundle *bundle = make_bundle(version);
    struct tt_history_record record = {.number = ++history->newest,
                                       .bundle = bundle,
                                       .before = history->serving,
                                       .made_by = "test",
                                       .changed = TT_STR("[\"app.lua\"]"),
                                       .before_rolled_back = rolls_back};

    tt_history_add(job, &record);
    if (tt_db_submit_wait(history->db, history->loop, job, &history->err) != 0)
        fail_msg("%s", history->err.message);
    tt_bundle_free(history->serving);
    history->serving = bundle;
}

static int before(struct history *history)
{
    struct tt_history_entry entry;
    assert_int_equal(tt_history_before(&history->at, history->newest, history->serving->hash,
                                       &entry, &history->err),
                     0);
    return entry.number;
}

static int64_t count(struct history *history, const char *table)
{
    char sql[96];
    snprintf(sql, sizeof(sql), "SELECT COUNT(*) FROM %s", table);
    struct tt_db_query query = {.sql = tt_str_from(sql)};
    struct tt_db_rows *rows = tt_db_read_wait(history->db, history->loop, &query, &history->err);
    assert_int_equal(tt_db_next(rows, &history->err), TT_DB_ROW);
    int64_t n = rows->values[0].integer;
    tt_db_rows_free(rows);
    return n;
}

static bool is_rolled_back(struct history *history, int version)
{
    struct tt_bundle *bundle = make_bundle(version);
    int answer = tt_history_rolled_back(&history->at, bundle->hash, &history->err);
    tt_bundle_free(bundle);
    assert_true(answer >= 0);
    return answer == 1;
}

static void an_empty_one_has_nothing(void **state)
{
    struct history *history = *state;
    struct tt_history_entry entry;

    assert_int_equal(tt_history_newest(&history->at, &entry, &history->err), 0);
    assert_int_equal(entry.number, 0);
    assert_int_equal(tt_history_current(&history->at, &entry, &history->err), 0);
    assert_int_equal(entry.number, 0);
    assert_false(is_rolled_back(history, 1));
    assert_null(tt_history_bundle(&history->at, 1, NULL, &history->err));
}

static void bytes_come_back_as_they_were(void **state)
{
    struct history *history = *state;
    struct tt_history_entry entry;

    add(history, 1, false);
    add(history, 2, false);
    assert_int_equal(count(history, "script_files"), 3); /* what both have is there once */
    assert_int_equal(tt_history_current(&history->at, &entry, &history->err), 0);
    assert_int_equal(entry.number, 2);
    assert_string_equal(entry.hash, history->serving->hash);
    struct tt_bundle *bundle = tt_history_bundle(&history->at, 2, NULL, &history->err);
    assert_string_equal(bundle->hash, history->serving->hash);
    tt_bundle_free(bundle);
    bundle = tt_history_bundle(&history->at, 1, NULL, &history->err);
    assert_true(tt_str_eq(bundle->files[0].bytes, TT_STR("return 1")));
    tt_bundle_free(bundle);
}

static void set_hash(struct history *history, int number, const char *hash)
{
    struct tt_db_job *job = tt_db_job_new();
    const struct tt_db_value values[] = {tt_db_text(tt_str_from(hash)), tt_db_int(number)};

    tt_db_job_add(job, TT_STR("UPDATE script_generations SET hash = ?1 WHERE number = ?2"), values,
                  TT_COUNT(values), 1);
    assert_int_equal(tt_db_submit_wait(history->db, history->loop, job, &history->err), 0);
}

/* A server from before then would find none of its scripts again. */
static void hashes_that_were_made_in_another_way_are_replaced(void **state)
{
    struct history *history = *state;

    assert_int_equal(tt_history_update_hashes(&history->at, &history->err), 0); /* of nothing */
    add(history, 1, false);
    add(history, 2, false);
    add(history, 1, true); /* 3 brings 1 back */
    for (int number = 1; number <= 3; number++)
        set_hash(history, number, number == 2 ? "old form of 2" : "old form of 1");
    assert_false(is_rolled_back(history, 2));
    assert_int_equal(tt_history_update_hashes(&history->at, &history->err), 0);
    assert_true(is_rolled_back(history, 2));
    assert_int_equal(before(history), 0);
    /* Of those that are as they should be, only the newest is looked at. */
    set_hash(history, 1, "other");
    assert_int_equal(tt_history_update_hashes(&history->at, &history->err), 0);
    assert_int_equal(before(history), 1);
}

static void going_back_leaves_out_what_was_rolled_back(void **state)
{
    struct history *history = *state;

    add(history, 1, false); /* 1 */
    assert_int_equal(before(history), 0);
    add(history, 2, false); /* 2 */
    add(history, 3, false); /* 3 */
    assert_int_equal(before(history), 2);
    add(history, 2, true); /* 4 brings 2 back */
    assert_true(is_rolled_back(history, 3));
    assert_false(is_rolled_back(history, 2));
    assert_int_equal(before(history), 1);
    add(history, 1, true); /* 5 brings 1 back */
    assert_true(is_rolled_back(history, 2));
    assert_int_equal(before(history), 0);
    add(history, 3, false); /* 6, by force */
    assert_false(is_rolled_back(history, 3));
    assert_int_equal(before(history), 5);
}

/* As tt_answer_read_list does. */
static void list_newest(struct history *history, struct tt_buf *out)
{
    const struct tt_answer_list *newest = &tt_history_newest_entries;
    struct tt_db_query query = {.sql = newest->sql};
    struct tt_json_writer w = {.buf = out};
    struct tt_db_rows *rows = tt_db_read_wait(history->db, history->loop, &query, &history->err);

    assert_non_null(rows);
    tt_json_begin_array(&w);
    while (tt_db_next(rows, NULL) == TT_DB_ROW)
        newest->put_row(&w, rows);
    tt_json_end_array(&w);
    tt_db_rows_free(rows);
}

static void it_does_not_grow_without_end(void **state)
{
    struct history *history = *state;
    struct tt_buf list = {0};

    for (int i = 0; i < 70; i++)
        add(history, i, false);
    assert_int_equal(count(history, "script_generations"), 50);
    assert_int_equal(count(history, "script_generation_files"), 100);
    assert_int_equal(count(history, "script_files"), 51);
    list_newest(history, &list);
    assert_true(tt_str_starts(tt_buf_str(&list), TT_STR("[{\"number\":70,")));
    assert_non_null(strstr(list.data, "\"outcome\":\"current\",\"restores\":null,\"files\":2,"
                                      "\"changed\":[\"app.lua\"]}"));
    tt_buf_free(&list);
}

#define HISTORY_TEST(function) cmocka_unit_test_setup_teardown(function, setup, teardown)

TEST_GROUP
{
    const struct CMUnitTest tests[] = {
        HISTORY_TEST(an_empty_one_has_nothing),
        HISTORY_TEST(bytes_come_back_as_they_were),
        HISTORY_TEST(going_back_leaves_out_what_was_rolled_back),
        HISTORY_TEST(hashes_that_were_made_in_another_way_are_replaced),
        HISTORY_TEST(it_does_not_grow_without_end),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
