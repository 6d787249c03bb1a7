/* Long messages: what is indexed in parts is found as if it was whole, and leaves the index again.
 */
#include "db/search.h"
#include "db/search_index.h"
#include "db/sqlite_fts5.h"
#include "support.h"

static struct tt_search_index parts_index;

static struct fixture *begin(void)
{
    struct fixture *f = fixture_new("SELECT 1");
    struct tt_err err = {0};

    tt_fts5_setup();
    fixture_migrate(f, -1);
    f->aux = tt_aux_new("aux", 1, 8, &err);
    open_db(f, NULL);
    outside_exec(f->path, "INSERT INTO users (id, username, password_hash, created_at, updated_at)"
                          " VALUES (1, 'moon', '', '', ''), (2, 'sun', '', '', '');"
                          "INSERT INTO chat_sessions (id, session_id, user_id, title, model_name,"
                          " created_at, updated_at) VALUES (1, 's', 1, '', '', '', ''),"
                          " (2, 't', 2, '', '', '', '')");
    parts_index = (struct tt_search_index){0};
    return f;
}

static void end(struct fixture *f)
{
    tt_search_index_stop(&parts_index);
    for (int i = 0; i < 1000 && parts_index.running; i++)
        tt_loop_tick(f->loop, 20);
    fixture_free(f);
}

/* A message whose text is an SQL expression. */
static void write_message(struct fixture *f, int id, int user, const char *text)
{
    struct result result;
    char sql[1000];
    snprintf(sql, sizeof(sql),
             "INSERT INTO chat_messages (id, user_id, session_row, role, content, created_at,"
             " updated_at) VALUES (%d, %d, %d, 'user', %s, '', '')",
             id, user, user, text);
    run(f, job_of(sql, NULL, NULL), &result);
    assert_int_equal(result.error.status, 0);
}

static int64_t rows_of(struct fixture *f, const char *table)
{
    char sql[200];
    snprintf(sql, sizeof(sql), "SELECT count(*) FROM %s", table);
    return outside_int(f->path, sql);
}

static void turn_until_empty(struct fixture *f)
{
    for (int i = 0;
         i < 3000 && rows_of(f, "message_search_queue") + rows_of(f, "message_parts_gone") > 0; i++)
        tt_loop_tick(f->loop, 20);
    assert_int_equal(rows_of(f, "message_search_queue"), 0);
    assert_int_equal(rows_of(f, "message_parts_gone"), 0);
}

static void assert_sound(struct fixture *f)
{
    outside_exec(f->path, "INSERT INTO message_part_search (message_part_search, rank)"
                          " VALUES ('integrity-check', 1);"
                          "INSERT INTO message_search (message_search, rank)"
                          " VALUES ('integrity-check', 1)");
}

static struct {
    bool done;
    char ids[100], snippet[2000];
    int64_t count;
} answer;

static void on_found(struct tt_db_rows *rows, void *arg)
{
    struct tt_err err = {0};
    int more;
    (void)arg;
    answer.done = true;
    while ((more = tt_db_next(rows, &err)) == TT_DB_ROW) {
        size_t n = strlen(answer.ids);
        snprintf(answer.ids + n, sizeof(answer.ids) - n, " %lld",
                 (long long)rows->values[0].integer);
        snprintf(answer.snippet, sizeof(answer.snippet), "%.*s", TT_STR_ARG(rows->values[5].text));
    }
    if (more == TT_DB_FAILED)
        fail_msg("%s", err.message);
}

static void on_count(struct tt_db_rows *rows, void *arg)
{
    (void)arg;
    answer.done = true;
    assert_int_equal(tt_db_next(rows, NULL), TT_DB_ROW);
    answer.count = rows->values[0].integer;
}

static void wait_for_answer(struct fixture *f)
{
    for (int i = 0; i < 1000 && !answer.done; i++)
        tt_loop_tick(f->loop, 20);
    assert_true(answer.done);
}

static void finds(struct fixture *f, int64_t user_id, const char *words, const char *ids,
                  int64_t count)
{
    struct tt_search search = {.user_id = user_id, .words = tt_str_from(words), .limit = 10};
    struct tt_db_pending *pending;
    memset(&answer, 0, sizeof(answer));
    assert_int_equal(tt_search_find(f->db, f->loop, &search, on_found, NULL, &pending, NULL), 0);
    tt_db_pending_pass(pending, on_found, NULL);
    wait_for_answer(f);
    assert_string_equal(answer.ids, ids);
    answer.done = false;
    assert_int_equal(tt_search_count(f->db, f->loop, &search, on_count, NULL, &pending, NULL), 0);
    tt_db_pending_pass(pending, on_count, NULL);
    wait_for_answer(f);
    assert_int_equal(answer.count, count);
}

#define WAVES(n, word) "replace(printf('%." #n "c', 'x'), 'x', '" word " ')"

static void all_of_a_long_message_is_found(void **state)
{
    struct fixture *f = begin();
    (void)state;

    write_message(f, 1, 1, "'start ' || " WAVES(40000, "tide") " || 'finish'");
    write_message(f, 2, 1, "'start of a short one'");
    write_message(f, 3, 2, "'start ' || " WAVES(40000, "tide") " || 'finish'");
    tt_search_index_start(&parts_index, f->db, f->loop);
    turn_until_empty(f);
    finds(f, 1, "start", " 2 1", 2);
    finds(f, 1, "finish", " 1", 1);
    assert_non_null(strstr(answer.snippet, "finish"));
    finds(f, 1, "start finish", " 1", 1); /* in different parts */
    finds(f, 1, "start finish absent", "", 0);
    finds(f, 2, "start fin", " 3", 1);
    assert_sound(f);
    end(f);
}

/* Whatever stands at a border, in both ways of writing. */
static void words_across_a_border_are_found(void **state)
{
    struct fixture *f = begin();
    (void)state;

    write_message(f, 1, 1,
                  "(WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 12000)"
                  " SELECT group_concat('w' || i, ' ') FROM n)");
    write_message(f, 2, 1,
                  "(WITH RECURSIVE n(i) AS (SELECT 0 UNION ALL SELECT i + 1 FROM n WHERE i < 20000)"
                  " SELECT group_concat(char(19968 + i), '') FROM n)");
    tt_search_index_start(&parts_index, f->db, f->loop);
    turn_until_empty(f);
    assert_int_equal(
        outside_int(f->path, "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE"
                             " i < 11999) SELECT count(*) FROM n WHERE NOT EXISTS (SELECT 1 FROM"
                             " message_parts AS p WHERE p.id / 65536 = 1 AND instr(' ' || p.content"
                             " || ' ', ' w' || i || ' w' || (i + 1) || ' ') > 0)"),
        0);
    assert_int_equal(
        outside_int(f->path, "WITH RECURSIVE n(i) AS (SELECT 0 UNION ALL SELECT i + 1 FROM n WHERE"
                             " i < 19990) SELECT count(*) FROM n WHERE NOT EXISTS (SELECT 1 FROM"
                             " message_parts AS p WHERE p.id / 65536 = 2 AND instr(p.content,"
                             " char(19968 + i, 19969 + i, 19970 + i)) > 0)"),
        0);
    assert_in_range(outside_int(f->path, "SELECT max(length(CAST(content AS BLOB)))"
                                         " FROM message_parts"),
                    16 << 10, 32 << 10);
    finds(f, 1, "w2500", " 1", 1);
    finds(f, 1, "w", "", 0);
    assert_sound(f);
    end(f);
}

static void deleted_ones_leave_part_by_part(void **state)
{
    struct fixture *f = begin();
    struct result result;
    (void)state;

    write_message(f, 1, 1, WAVES(40000, "tide"));
    write_message(f, 2, 1, WAVES(40000, "tide"));
    write_message(f, 3, 1, WAVES(40000, "tide"));
    tt_search_index_start(&parts_index, f->db, f->loop);
    for (int i = 0; i < 1000 && rows_of(f, "message_parts") < 7; i++)
        tt_loop_tick(f->loop, 20);
    assert_int_equal(outside_int(f->path, "SELECT max(parts) - min(parts)"
                                          " FROM message_search_queue") <= 1,
                     true); /* none waits for another */
    run(f, job_of("DELETE FROM chat_messages WHERE id = 1", NULL, NULL), &result);
    finds(f, 1, "tide", " 3 2", 2); /* so far as they are indexed */
    turn_until_empty(f);
    assert_int_equal(rows_of(f, "message_parts WHERE id / 65536 = 1"), 0);
    finds(f, 1, "tide", " 3 2", 2);
    run(f, job_of("DELETE FROM chat_messages", NULL, NULL), &result);
    turn_until_empty(f);
    assert_int_equal(rows_of(f, "message_parts"), 0);
    finds(f, 1, "tide", "", 0);
    assert_sound(f);
    end(f);
}

/* Each job that indexes adds a segment; who writes does not merge, small jobs do. */
static void the_index_is_merged_beside_it(void **state)
{
    struct fixture *f = begin();
    char text[100];
    (void)state;

    parts_index.merges = 0;
    for (int i = 1; i <= 60; i++) {
        snprintf(text, sizeof(text), "'tide number%d word%d'", i, i);
        write_message(f, i, 1, text);
        outside_exec(f->path, "INSERT INTO message_search (rowid, owner, content)"
                              " SELECT id, owner, content FROM message_search_source"
                              " WHERE id IN (SELECT id FROM message_search_queue);"
                              "DELETE FROM message_search_queue");
    }
    int64_t before = outside_int(f->path, "SELECT count(DISTINCT segid) FROM message_search_idx");
    assert_true(before > 50);
    write_message(f, 100, 1, "'one more'");
    tt_search_index_start(&parts_index, f->db, f->loop);
    turn_until_empty(f);
    for (int i = 0; i < 1000 && (parts_index.merges > 0 || parts_index.running); i++)
        tt_loop_tick(f->loop, 20);
    assert_int_equal(parts_index.merges, 0);
    assert_true(outside_int(f->path, "SELECT count(DISTINCT segid) FROM message_search_idx") < 10);
    finds(f, 1, "number7", " 7", 1);
    assert_sound(f);
    end(f);
}

TEST_GROUP
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_index_is_merged_beside_it),
        cmocka_unit_test(all_of_a_long_message_is_found),
        cmocka_unit_test(words_across_a_border_are_found),
        cmocka_unit_test(deleted_ones_leave_part_by_part),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
