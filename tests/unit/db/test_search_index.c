/* The job that indexes what the triggers of the real schema have queued. */
#include "db/search_index.h"
#include "db/sqlite_fts5.h"
#include "support.h"

static struct fixture *begin_on(const char *scheme)
{
    struct fixture *f = fixture_new("SELECT 1");
    snprintf(f->url, sizeof(f->url), "%s:%s", scheme, f->path);

    tt_fts5_setup();
    fixture_migrate(f, -1);
    open_db(f, NULL);
    outside_exec(f->path, "INSERT INTO users (id, username, password_hash, created_at, updated_at)"
                          " VALUES (1, 'moon', '', '', '');"
                          "INSERT INTO chat_sessions (id, session_id, user_id, title, model_name,"
                          " created_at, updated_at) VALUES (1, 's', 1, '', '', '', '')");
    return f;
}

static struct fixture *begin(void)
{
    return begin_on("sqlite");
}

/* Messages `from`..`to` with this text, an SQL expression of `i`, by a job as the server would. */
static void write_texts(struct fixture *f, int from, int to, const char *text, const char *status)
{
    struct result result;
    char sql[800];
    snprintf(sql, sizeof(sql),
             "WITH RECURSIVE n(i) AS (SELECT %d UNION ALL SELECT i + 1 FROM n WHERE i < %d)"
             " INSERT INTO chat_messages (id, user_id, session_row, role, content, status,"
             " created_at, updated_at)"
             " SELECT i, 1, 1, 'user', %s, '%s', '', '' FROM n",
             from, to, text, status);
    run(f, job_of(sql, NULL, NULL), &result);
    assert_int_equal(result.error.status, 0);
}

static void write_messages(struct fixture *f, int from, int to, const char *status)
{
    write_texts(f, from, to, "'tide number' || i", status);
}

static int64_t queued(struct fixture *f)
{
    return outside_int(f->path, "SELECT count(*) FROM message_search_queue");
}

static int64_t found(struct fixture *f, const char *query)
{
    char sql[200];
    snprintf(sql, sizeof(sql),
             "SELECT count(*) FROM message_search WHERE message_search MATCH '%s'", query);
    return outside_int(f->path, sql);
}

static void assert_sound(struct fixture *f)
{
    outside_exec(f->path,
                 "INSERT INTO message_search (message_search, rank) VALUES ('integrity-check', 1)");
}

static void turn_until_empty(struct fixture *f)
{
    for (int i = 0; i < 1000 && queued(f) > 0; i++)
        tt_loop_tick(f->loop, 20);
    assert_int_equal(queued(f), 0);
}

static void end(struct fixture *f, struct tt_search_index *index)
{
    tt_search_index_stop(index);
    for (int i = 0; i < 1000 && index->running; i++)
        tt_loop_tick(f->loop, 20);
    fixture_free(f);
}

static void indexes_what_the_last_run_left_and_what_comes(void **state)
{
    struct fixture *f = begin();
    struct tt_search_index index = {0};
    struct result result;
    (void)state;

    write_messages(f, 1, 300, "complete"); /* several jobs' worth */
    assert_int_equal(queued(f), 300);
    assert_int_equal(found(f, "tide"), 0);
    tt_search_index_start(&index, f->db, f->loop);
    turn_until_empty(f);
    assert_int_equal(found(f, "tide"), 300);
    assert_int_equal(found(f, "num*"), 300);
    assert_int_equal(found(f, "number77"), 1);
    assert_int_equal(found(f, "owner : u1"), 300);

    write_messages(f, 301, 301, "streaming");
    assert_int_equal(queued(f), 0);
    run(f, job_of("UPDATE chat_messages SET status = 'complete' WHERE id = 301", NULL, NULL),
        &result);
    turn_until_empty(f);
    assert_int_equal(found(f, "tide"), 301);
    assert_sound(f);
    end(f, &index);
}

static bool is_said(void *arg)
{
    return *(bool *)arg;
}

/* Of several servers one does it, and it may become another one. */
static void leaves_it_to_another_server(void **state)
{
    struct fixture *f = begin();
    bool is_mine = false;
    struct tt_search_index index = {.is_mine = is_said, .arg = &is_mine};
    (void)state;

    write_messages(f, 1, 3, "complete");
    tt_search_index_start(&index, f->db, f->loop);
    for (int i = 0; i < 5; i++)
        tt_loop_tick(f->loop, 20);
    assert_int_equal(queued(f), 3);
    is_mine = true;
    turn_until_empty(f);
    end(f, &index);
}

static void submits_nothing_when_nobody_wrote(void **state)
{
    struct fixture *f = begin();
    struct tt_search_index index = {0};
    struct tt_db_stats before, after;
    (void)state;

    tt_search_index_start(&index, f->db, f->loop);
    for (int i = 0; i < 1000 && (index.running || index.jobs_seen == UINT64_MAX); i++)
        tt_loop_tick(f->loop, 20);
    tt_db_stats(f->db, &before);
    assert_int_equal(before.jobs, 1);
    for (uint64_t until = tt_loop_now(f->loop) + 1200; tt_loop_now(f->loop) < until;)
        tt_loop_tick(f->loop, 50);
    tt_db_stats(f->db, &after);
    assert_int_equal(after.jobs, before.jobs);
    end(f, &index);
}

static void deleted_messages_leave_queue_and_index(void **state)
{
    struct fixture *f = begin();
    struct tt_search_index index = {0};
    struct result result;
    (void)state;

    write_messages(f, 1, 10, "complete");
    run(f, job_of("DELETE FROM chat_messages WHERE id <= 2", NULL, NULL), &result);
    assert_int_equal(queued(f), 8);
    tt_search_index_start(&index, f->db, f->loop);
    turn_until_empty(f);
    write_messages(f, 11, 12, "complete");
    run(f, job_of("DELETE FROM chat_messages WHERE id IN (3, 11)", NULL, NULL), &result);
    turn_until_empty(f);
    assert_int_equal(found(f, "tide"), 8); /* 4 to 10, and 12 */
    assert_int_equal(found(f, "number3"), 0);
    assert_sound(f);
    end(f, &index);
}

/* ---- how much a job does ---- */

/* "tidetalk" on the writer's connection, with what each job of the database gave to it. */
static struct {
    struct tt_db *db;
    fts5_tokenizer real;
    void *real_arg;
    uint64_t job;
    int64_t bytes, largest, total;
} counted;

static int count_bytes(Fts5Tokenizer *self, void *context, int flags, const char *text, int size,
                       int (*take)(void *, int, const char *, int, int, int))
{
    struct tt_db_stats stats;
    tt_db_stats(counted.db, &stats);
    counted.bytes = (stats.jobs == counted.job ? counted.bytes : 0) + size;
    counted.job = stats.jobs;
    counted.total += size;
    if (counted.bytes > counted.largest)
        counted.largest = counted.bytes;
    return counted.real.xTokenize(self, context, flags, text, size, take);
}

static int create_counting(void *arg, const char **args, int count, Fts5Tokenizer **out)
{
    (void)arg;
    return counted.real.xCreate(counted.real_arg, args, count, out);
}

/* Before the connection's first use of the table. */
static void count_in_writer(struct fixture *f)
{
    sqlite3 *handle = writer_of(f)->conn.handle;
    sqlite3_stmt *statement = NULL;
    fts5_api *api = NULL;

    memset(&counted, 0, sizeof(counted));
    counted.db = f->db;
    sqlite3_prepare_v2(handle, "SELECT fts5(?1)", -1, &statement, NULL);
    sqlite3_bind_pointer(statement, 1, &api, "fts5_api_ptr", NULL);
    sqlite3_step(statement);
    sqlite3_finalize(statement);
    assert_non_null(api);
    assert_int_equal(api->xFindTokenizer(api, "tidetalk", &counted.real_arg, &counted.real),
                     SQLITE_OK);
    fts5_tokenizer counting = {
        .xCreate = create_counting, .xDelete = counted.real.xDelete, .xTokenize = count_bytes};
    assert_int_equal(api->xCreateTokenizer(api, "tidetalk", NULL, &counting, NULL), SQLITE_OK);
}

#define OWNERS 400 /* bytes at most of the owners of one job's messages */

static void a_job_takes_a_bounded_number_of_bytes(void **state)
{
    struct fixture *f = begin();
    struct tt_search_index index = {0};
    (void)state;

    count_in_writer(f);
    /* Three of 100 KB, one of 800 KB, 64 of 3 KB in 1,000 characters. */
    write_texts(f, 1, 3, "'begin' || i || replace(printf('%.20000c', 'x'), 'x', ' tide')",
                "complete");
    write_texts(f, 4, 4, "'huge' || replace(printf('%.100000c', 'x'), 'x', ' harbour')",
                "complete");
    write_texts(f, 66, 129, "replace(printf('%.1000c', 'x'), 'x', '潮')", "complete");
    tt_search_index_start(&index, f->db, f->loop);
    turn_until_empty(f);
    assert_in_range(counted.largest, 30000, (32 << 10) + OWNERS);
    assert_in_range(counted.total, 3 * 100006 + 800004 + 64 * 3000, 1500000);
    assert_int_equal(found(f, "潮"), 64);
    assert_sound(f);
    end(f, &index);
}

/* ---- one user's ---- */

struct caught_up {
    struct tt_search_catch_up catch_up;
    int done;
    struct tt_err error;
};

static void note_caught_up(struct tt_search_catch_up *catch_up, const struct tt_err *err)
{
    struct caught_up *caught_up = TT_CONTAINER_OF(catch_up, struct caught_up, catch_up);
    caught_up->done++;
    caught_up->error = err ? *err : (struct tt_err){0};
}

/* Whether there is something to wait for. */
static bool start_catching_up(struct fixture *f, struct caught_up *caught_up, int64_t user_id)
{
    struct tt_err err = {0};
    *caught_up = (struct caught_up){0};
    int begun =
        tt_search_catch_up(&caught_up->catch_up, f->db, f->loop, user_id, note_caught_up, &err);
    if (begun < 0)
        fail_msg("%s", err.message);
    assert_int_equal(caught_up->done, 0);
    return begun;
}

static void await_caught_up(struct fixture *f, struct caught_up *caught_up)
{
    for (int i = 0; i < 3000 && !caught_up->done; i++)
        tt_loop_tick(f->loop, 10);
    assert_int_equal(caught_up->done, 1);
    assert_int_equal(caught_up->error.status, 0);
}

static bool is_behind(struct fixture *f, int64_t user_id)
{
    char sql[100];
    snprintf(sql, sizeof(sql), "SELECT count(*) FROM message_search_queue WHERE user_id = %lld",
             (long long)user_id);
    return outside_int(f->path, sql) > 0;
}

static void one_user_catches_up_in_bounded_jobs(void **state)
{
    struct fixture *f = begin();
    struct caught_up caught_up;
    (void)state;

    count_in_writer(f);
    assert_false(start_catching_up(f, &caught_up, 1)); /* nothing */
    write_texts(f, 1, 10, "'mine' || replace(printf('%.5000c', 'x'), 'x', ' tide')", "complete");
    outside_exec(f->path, "INSERT INTO users (id, username, password_hash, created_at, updated_at)"
                          " VALUES (2, 'sun', '', '', '');"
                          "UPDATE message_search_queue SET user_id = 2 WHERE id > 8");
    assert_true(start_catching_up(f, &caught_up, 1));
    await_caught_up(f, &caught_up);
    assert_false(is_behind(f, 1));
    assert_true(is_behind(f, 2));
    assert_int_equal(queued(f), 2);
    assert_int_equal(found(f, "mine"), 8);
    assert_in_range(counted.largest, 25000, (32 << 10) + OWNERS);

    write_texts(f, 11, 20, "'mine' || replace(printf('%.5000c', 'x'), 'x', ' tide')", "complete");
    start_catching_up(f, &caught_up, 1);
    assert_false(tt_search_catch_up_cancel(&caught_up.catch_up)); /* a job is under way */
    await_caught_up(f, &caught_up);
    assert_int_equal(found(f, "mine"), 9);
    fixture_free(f);
}

/* Whether there is something is known only later. */
static void one_user_catches_up_with_an_engine_that_is_late(void **state)
{
    struct fixture *f = begin_on("sqlite-late");
    struct caught_up caught_up;
    (void)state;

    assert_true(start_catching_up(f, &caught_up, 1));
    await_caught_up(f, &caught_up);
    write_messages(f, 1, 5, "complete");
    assert_true(start_catching_up(f, &caught_up, 1));
    await_caught_up(f, &caught_up);
    assert_int_equal(found(f, "number3"), 1);
    assert_int_equal(queued(f), 0);

    write_messages(f, 6, 6, "complete");
    assert_true(start_catching_up(f, &caught_up, 1));
    assert_true(tt_search_catch_up_cancel(&caught_up.catch_up)); /* it only asks yet */
    for (int i = 0; i < 10; i++)
        tt_loop_tick(f->loop, 1);
    assert_int_equal(caught_up.done, 0);
    assert_int_equal(queued(f), 1);
    fixture_free(f);
}

TEST_GROUP
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(indexes_what_the_last_run_left_and_what_comes),
        cmocka_unit_test(leaves_it_to_another_server),
        cmocka_unit_test(submits_nothing_when_nobody_wrote),
        cmocka_unit_test(deleted_messages_leave_queue_and_index),
        cmocka_unit_test(a_job_takes_a_bounded_number_of_bytes),
        cmocka_unit_test(one_user_catches_up_in_bounded_jobs),
        cmocka_unit_test(one_user_catches_up_with_an_engine_that_is_late),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
