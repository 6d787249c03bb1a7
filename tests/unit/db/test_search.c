/* Finding messages: the query that is made of words, and what it finds. */
#include "db/migrate.h"
#include "db/search.h"
#include "db/search_index.h"
#include "support.h"

static void the_query_in_fts5s_language(void **state)
{
    static const struct {
        const char *words, *expression;
    } cases[] = {
        {"ti", "\"ti\""},
        {"tid", "\"tid\"*"},
        {"high tide", "\"high\" \"tide\"*"},
        {"  high\t\n tide ", "\"high\" \"tide\"*"},
        {"tide in", "\"tide\" \"in\""},
        {"潮水涨", "\"潮水涨\""},
        {"潮水 tide", "\"潮水\" \"tide\"*"},
        {"a\"b", "\"a\"\"b\"*"},
        {"NOT OR*", "\"NOT\" \"OR*\"*"},
    };
    (void)state;
    for (size_t i = 0; i < TT_COUNT(cases); i++) {
        struct tt_search search = {.user_id = 7, .words = tt_str_from(cases[i].words)};
        struct tt_buf text = {0};
        char expected[200];
        tt_sqlite_search_expression(&text, &search);
        tt_buf_putc(&text, 0);
        snprintf(expected, sizeof(expected), "owner : \"u7\" AND content : (%s)",
                 cases[i].expression);
        assert_string_equal(text.data, expected);
        tt_buf_free(&text);
    }
}

static struct fixture *begin(void)
{
    struct fixture *f = fixture_new("SELECT 1");
    struct tt_migrate_report report = {0};
    struct tt_err err = {0};

    if (tt_db_migrate(f->url, TT_TEST_DATA "/../../migrations", false, &report, &err) != 0)
        fail_msg("%s", err.message);
    tt_buf_free(&report.text);
    open_db(f, NULL);
    outside_exec(f->path,
                 "INSERT INTO users (id, username, password_hash, created_at, updated_at)"
                 " VALUES (1, 'moon', '', '', ''), (2, 'sun', '', '', '');"
                 "INSERT INTO chat_sessions (id, session_id, user_id, title, model_name,"
                 " created_at, updated_at) VALUES (1, 's', 1, 'Title', '', '', ''),"
                 " (2, 't', 2, '', '', '', '');"
                 "INSERT INTO chat_messages (id, user_id, session_row, role, content, status,"
                 " created_at, updated_at) VALUES"
                 " (1, 1, 1, 'user', 'high tide at noon', 'complete', 'then', ''),"
                 " (2, 1, 1, 'assistant', 'no tidings of 潮水', 'complete', '', ''),"
                 " (3, 2, 2, 'user', 'a tide of somebody else', 'complete', '', '')");
    return f;
}

struct found {
    bool done;
    int64_t ids[8];
    int count, last;
};

static void on_rows(struct tt_db_rows *rows, void *arg)
{
    struct found *found = arg;
    found->done = true;
    while ((found->last = tt_db_next(rows, NULL)) == TT_DB_ROW)
        found->ids[found->count++] = rows->values[0].integer;
    if (rows->columns == 6)
        assert_string_equal(rows->names[5].data, "snippet");
}

static struct found find(struct fixture *f, const char *words, bool count)
{
    struct tt_search search = {.user_id = 1, .words = tt_str_from(words), .limit = 5};
    struct tt_db_pending *pending;
    struct tt_err err = {0};
    struct found found = {0};
    int failed = count ? tt_search_count(f->db, f->loop, &search, on_rows, &found, &pending, &err)
                       : tt_search_find(f->db, f->loop, &search, on_rows, &found, &pending, &err);
    if (failed)
        fail_msg("%s", err.message);
    assert_false(found.done); /* never within the call */
    while (!found.done)
        tt_loop_tick(f->loop, 10);
    assert_int_equal(found.last, TT_DB_END);
    return found;
}

static void note_done(struct tt_search_catch_up *catch_up, const struct tt_err *err)
{
    assert_null(err);
    catch_up->user_id = 0;
}

static void finds_what_the_user_said(void **state)
{
    struct fixture *f = begin();
    struct tt_search_catch_up catch_up;
    struct tt_err err = {0};
    (void)state;

    assert_int_equal(find(f, "tide", false).count, 0); /* nothing is indexed yet */
    assert_int_equal(tt_search_catch_up(&catch_up, f->db, f->loop, 1, note_done, &err), 1);
    while (catch_up.user_id)
        tt_loop_tick(f->loop, 10);
    struct found found = find(f, "tide", false);
    assert_int_equal(found.count, 1);
    assert_int_equal(found.ids[0], 1);
    found = find(f, "tid", false); /* the beginning of both */
    assert_int_equal(found.count, 2);
    assert_int_equal(found.ids[0], 2);
    assert_int_equal(find(f, "潮水", false).count, 1);
    assert_int_equal(find(f, "noon high", false).count, 1);
    assert_int_equal(find(f, "noon low", false).count, 0);
    found = find(f, "tid", true);
    assert_int_equal(found.count, 1);
    assert_int_equal(found.ids[0], 2);
    fixture_free(f);
}

TEST_GROUP
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_query_in_fts5s_language),
        cmocka_unit_test(finds_what_the_user_said),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
