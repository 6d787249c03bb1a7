/* The migration that bounds what of a message can be found, on a database whose index holds whole
 * messages: what is taken out of an index must be what was put in, in both directions. */
#include "db/sqlite_fts5.h"
#include "support.h"

#define BEFORE 15
#define WHOLE  20 /* where long messages are indexed in parts */

static void index_queued(struct fixture *f)
{
    outside_exec(f->path, "INSERT INTO message_search (rowid, owner, content)"
                          " SELECT id, owner, content FROM message_search_source"
                          " WHERE id IN (SELECT id FROM message_search_queue);"
                          "DELETE FROM message_search_queue");
}

static void assert_sound(struct fixture *f)
{
    outside_exec(f->path,
                 "INSERT INTO message_search (message_search, rank) VALUES ('integrity-check', 1)");
}

static void assert_found(struct fixture *f, const char *query, int64_t count)
{
    char sql[200];
    snprintf(sql, sizeof(sql),
             "SELECT count(*) FROM message_search WHERE message_search MATCH '%s'", query);
    assert_int_equal(outside_int(f->path, sql), count);
}

/* 1 short, 2 long, 3 short with a NUL, 4 long and in the queue, 5 long and running, 6 as 2. */
static void fill(struct fixture *f)
{
#define LONG "'begin' || replace(printf('%.20000c', 'x'), 'x', ' tide') || ' end'"
    outside_exec(
        f->path,
        "INSERT INTO users (id, username, password_hash, created_at, updated_at)"
        " VALUES (1, 'moon', '', '', '');"
        "INSERT INTO chat_sessions (id, session_id, user_id, title, model_name, created_at,"
        " updated_at) VALUES (1, 's', 1, '', '', '', '');"
        "INSERT INTO chat_messages (id, user_id, session_row, role, content, created_at,"
        " updated_at) VALUES (1, 1, 1, 'user', 'begin end', '', ''),"
        " (2, 1, 1, 'user', " LONG ", '', ''),"
        " (3, 1, 1, 'user', 'begin' || char(0) || ' end', '', ''),"
        " (6, 1, 1, 'user', " LONG ", '', '')");
    index_queued(f);
    outside_exec(f->path,
                 "INSERT INTO chat_messages (id, user_id, session_row, role, content, status,"
                 " created_at, updated_at) VALUES (4, 1, 1, 'user', " LONG ", 'complete', '', ''),"
                 " (5, 1, 1, 'assistant', " LONG ", 'streaming', '', '')");
}

static void an_index_of_whole_messages_stays_sound(void **state)
{
    struct fixture *f = fixture_new("SELECT 1");
    (void)state;

    tt_fts5_setup();
    fixture_migrate(f, -1);
    fixture_migrate(f, BEFORE);
    fill(f);
    assert_found(f, "end", 4);

    fixture_migrate(f, -1);
    fixture_migrate(f, WHOLE - 1);
    assert_int_equal(outside_int(f->path, "SELECT count(*) FROM message_search_queue"), 4);
    assert_int_equal(
        outside_int(f->path, "SELECT max(size) FROM message_search_queue WHERE id <> 3"), 65536);
    index_queued(f);
    assert_sound(f);
    assert_found(f, "begin", 5);
    assert_found(f, "end", 2); /* migration 0021 has replaced the NUL */
    outside_exec(f->path, "DELETE FROM chat_messages WHERE id IN (2, 3)");
    assert_sound(f);
    assert_found(f, "begin", 3);

    fixture_migrate(f, BEFORE);
    assert_int_equal(outside_int(f->path, "SELECT count(*) FROM message_search_queue"), 2);
    index_queued(f);
    outside_exec(f->path, "UPDATE chat_messages SET status = 'complete' WHERE id = 5");
    index_queued(f);
    assert_sound(f);
    assert_found(f, "end", 4);
    outside_exec(f->path, "DELETE FROM chat_messages WHERE id IN (4, 5)");
    assert_sound(f);
    fixture_free(f);
}

TEST_GROUP
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(an_index_of_whole_messages_stays_sound),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
