/* Checkpoints of running replies: when they come, how many a turn, and what a slow or failing
 * database changes. */
#include "chat/checkpoint.h"
#include "script/support.h"

#include <sqlite3.h>

#define REPLIES 100

struct running {
    struct tt_checkpoint checkpoint;
    struct tt_reply *reply;
};

static int setup(void **state)
{
    struct rig *rig = rig_new();
    rig_open_db(rig, NULL);
    *state = rig;
    return 0;
}

static sqlite3 *outside(struct rig *rig, const char *sql)
{
    sqlite3 *handle = NULL;
    char *message = NULL;
    assert_int_equal(sqlite3_open(rig->database, &handle), SQLITE_OK);
    sqlite3_busy_timeout(handle, 5000);
    if (sqlite3_exec(handle, sql, NULL, NULL, &message) != SQLITE_OK)
        fail_msg("%s: %s", sql, message);
    return handle;
}

/* Rows of running replies with the ids 1..REPLIES. */
static void add_rows(struct rig *rig)
{
    sqlite3_close(outside(
        rig, "INSERT INTO users (id, username, password_hash, created_at, updated_at)"
             " VALUES (1, 'u', 'h', 't', 't');"
             "INSERT INTO chat_sessions (id, session_id, user_id, title, model_name, created_at,"
             " updated_at) VALUES (1, 's', 1, 't', 'm', 't', 't');"
             "WITH RECURSIVE n (i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 100)"
             "INSERT INTO chat_messages (id, user_id, session_row, role, content, status,"
             " created_at, updated_at) SELECT i, 1, 1, 'assistant', '', 'streaming', 't', 't'"
             " FROM n"));
}

static void begin(struct rig *rig, struct running *running, int64_t id)
{
    memset(running, 0, sizeof(*running));
    running->reply = tt_reply_new(rig->loop, id, 0, 1, &rig->err);
    assert_non_null(running->reply);
    tt_checkpoint_start(&running->checkpoint, &rig->tide.chat, running->reply, 0);
}

static void say(struct running *running, const char *text)
{
    assert_int_equal(tt_reply_append(running->reply, TT_REPLY_CONTENT, tt_str_from(text), NULL), 0);
}

static void end(struct rig *rig, struct running *running)
{
    tt_checkpoint_stop(&running->checkpoint);
    tt_reply_finish(running->reply, NULL);
    tt_reply_unref(running->reply);
    rig_ticks(rig, 2);
}

static void new_bytes_are_stored_before_a_second_is_over(void **state)
{
    struct rig *rig = *state;
    struct running running;

    add_rows(rig);
    begin(rig, &running, 1);
    say(&running, "tide");
    RIG_WAIT(rig, running.checkpoint.stored == 4);
    uint64_t first = running.checkpoint.submitted_ms;
    assert_true(running.checkpoint.due_ms - first <= 1000);
    say(&running, "潮");
    RIG_WAIT(rig, running.checkpoint.stored == 7);
    assert_true(running.checkpoint.submitted_ms - first > TT_CHECKPOINT_MS - TT_CHECKPOINT_SLOT_MS);
    end(rig, &running);
    rig_expect(rig,
               "local c = require('tide.db').query('SELECT position AS p, CAST(bytes AS TEXT) AS b "
               "FROM reply_chunks WHERE message_id = 1 ORDER BY 1') "
               "return {c[1].p, c[1].b, c[2].p, c[2].b, #c}",
               "[0,\"tide\",4,\"潮\",2]");
}

/* What came while a commit took too long goes right after it, not with some later tick. */
static void a_slow_commit_is_followed_at_once(void **state)
{
    struct rig *rig = *state;
    struct running running;

    add_rows(rig);
    sqlite3 *lock = outside(rig, "BEGIN IMMEDIATE");
    begin(rig, &running, 1);
    say(&running, "before");
    RIG_WAIT(rig, running.checkpoint.submitted == 6);
    uint64_t first = running.checkpoint.submitted_ms;
    say(&running, " after");
    RIG_WAIT(rig, tt_loop_now(rig->loop) > first + TT_CHECKPOINT_MS + 100);
    assert_int_equal(running.checkpoint.submitted, 6); /* one job at a time */
    sqlite3_exec(lock, "COMMIT", NULL, NULL, NULL);
    sqlite3_close(lock);
    RIG_WAIT(rig, running.checkpoint.stored == 6);
    assert_in_range(running.checkpoint.due_ms, first + 1, first + TT_CHECKPOINT_MS);
    assert_true(rig->tide.chat.checkpoint_timer.due_ms <= tt_loop_now(rig->loop));
    RIG_WAIT(rig, running.checkpoint.stored == 12);
    end(rig, &running);
}

/* Replies that begin one after the other are stored in as few commits as if they began together. */
static void times_are_those_of_slots(void **state)
{
    struct rig *rig = *state;
    static struct running running[REPLIES];
    uint64_t slots[REPLIES];
    size_t count = 0;

    add_rows(rig);
    uint64_t from = tt_loop_now(rig->loop);
    for (int i = 0; i < REPLIES; i++) {
        begin(rig, &running[i], i + 1);
        say(&running[i], "text");
        assert_in_range(running[i].checkpoint.due_ms,
                        tt_loop_now(rig->loop) + TT_CHECKPOINT_MS - TT_CHECKPOINT_SLOT_MS + 1,
                        tt_loop_now(rig->loop) + TT_CHECKPOINT_MS);
        if (count == 0 || slots[count - 1] != running[i].checkpoint.due_ms)
            slots[count++] = running[i].checkpoint.due_ms;
        usleep(1000);
        tt_loop_tick(rig->loop, 0);
    }
    assert_in_range(count, 1, 2 + (tt_loop_now(rig->loop) - from) / TT_CHECKPOINT_SLOT_MS);
    for (int i = 0; i < REPLIES; i++)
        RIG_WAIT(rig, running[i].checkpoint.stored == 4);
    for (int i = 0; i < REPLIES; i++)
        end(rig, &running[i]);
}

/* A thousand replies that began together do not make one long turn. */
static void many_are_stored_in_slices(void **state)
{
    struct rig *rig = *state;
    static struct running running[REPLIES];
    int submitted = 0, turns = 0;

    add_rows(rig);
    for (int i = 0; i < REPLIES; i++) {
        begin(rig, &running[i], i + 1);
        say(&running[i], "text");
    }
    usleep((TT_CHECKPOINT_MS + 50) * 1000);
    while (submitted < REPLIES) {
        int before = submitted;
        tt_loop_tick(rig->loop, 10);
        submitted = 0;
        for (int i = 0; i < REPLIES; i++)
            submitted += running[i].checkpoint.submitted > 0;
        assert_in_range(submitted - before, 0, 32);
        turns += submitted > before;
    }
    assert_true(turns >= 4);
    for (int i = 0; i < REPLIES; i++)
        RIG_WAIT(rig, running[i].checkpoint.stored == 4);
    for (int i = 0; i < REPLIES; i++)
        end(rig, &running[i]);
}

/* More than a job takes at once: the rest follows without a pause, in order. */
static void a_flood_is_stored_piece_by_piece(void **state)
{
    struct rig *rig = *state;
    struct running running;
    struct tt_buf text = {0};

    add_rows(rig);
    begin(rig, &running, 1);
    for (int i = 0; i < 100000; i++)
        tt_buf_printf(&text, "%09d ", i);
    say(&running, text.data);
    RIG_WAIT(rig, running.checkpoint.stored > 0);
    assert_true(running.checkpoint.stored < text.len);
    assert_true(running.checkpoint.due_ms <= tt_loop_now(rig->loop));
    RIG_WAIT(rig, running.checkpoint.stored == text.len);
    end(rig, &running);
    rig_expect(rig,
               "local c = require('tide.db').query('SELECT position AS p, LENGTH(bytes) AS n FROM "
               "reply_chunks ORDER BY position') local at = 0 for _, x in ipairs(c) do "
               "if x.p ~= at then return x.p end at = at + x.n end return at",
               "1000000");
    tt_buf_free(&text);
}

static void a_failed_one_is_made_good(void **state)
{
    struct rig *rig = *state;
    struct running running;

    add_rows(rig);
    sqlite3_close(outside(rig, "CREATE TRIGGER no BEFORE INSERT ON reply_chunks"
                               " BEGIN SELECT RAISE(ABORT, 'no'); END"));
    begin(rig, &running, 1);
    say(&running, "kept");
    RIG_WAIT(rig, running.checkpoint.submitted == 4);
    RIG_WAIT(rig, running.checkpoint.submitted == 0);
    assert_int_equal(running.checkpoint.stored, 0);
    sqlite3_close(outside(rig, "DROP TRIGGER no"));
    RIG_WAIT(rig, running.checkpoint.stored == 4);
    end(rig, &running);
}

/* A reply that goes while its job is under way is not touched by the job's answer. */
static void one_that_ends_meanwhile_is_left_out(void **state)
{
    struct rig *rig = *state;
    struct running *running = TT_NEW(struct running), other;

    add_rows(rig);
    sqlite3 *lock = outside(rig, "BEGIN IMMEDIATE");
    begin(rig, running, 1);
    begin(rig, &other, 2);
    say(running, "gone");
    say(&other, "here");
    RIG_WAIT(rig, running->checkpoint.submitted == 4 && other.checkpoint.submitted == 4);
    end(rig, running);
    free(running);
    sqlite3_exec(lock, "COMMIT", NULL, NULL, NULL);
    sqlite3_close(lock);
    RIG_WAIT(rig, other.checkpoint.stored == 4);
    end(rig, &other);
    assert_true(tt_list_empty(&rig->tide.chat.unsaved));
}

static void ignore_produced(struct tt_reply *reply, void *arg)
{
    (void)reply, (void)arg;
}

/* A turn's row that is no longer "streaming" belongs to another node, unless the reply's own end
 * has been stored before a checkpoint that was on its way. */
static void only_one_that_runs_is_lost(void **state)
{
    struct rig *rig = *state;
    struct running ended, running;
    uint64_t lost = tt_checkpoints_lost();

    add_rows(rig);
    sqlite3 *lock = outside(rig, "BEGIN IMMEDIATE; UPDATE chat_messages SET status = 'complete'");
    begin(rig, &ended, 1);
    begin(rig, &running, 2);
    tt_reply_on_produced(ended.reply, ignore_produced, NULL);
    say(&ended, "text");
    say(&running, "text");
    RIG_WAIT(rig, ended.checkpoint.submitted == 4 && running.checkpoint.submitted == 4);
    ended.checkpoint.turn_epoch = running.checkpoint.turn_epoch = 7;
    tt_reply_produced(ended.reply, &(struct tt_reply_outcome){.status = "complete"});
    sqlite3_exec(lock, "COMMIT", NULL, NULL, NULL);
    sqlite3_close(lock);
    RIG_WAIT(rig, tt_checkpoints_lost() > lost);
    assert_int_equal(tt_checkpoints_lost(), lost + 1);
    assert_int_equal(ended.checkpoint.stored, 4);
    assert_int_equal(running.checkpoint.stored, 0);
    end(rig, &ended);
    end(rig, &running);
}

#define CHECKPOINT_TEST(function) cmocka_unit_test_setup_teardown(function, setup, rig_teardown)

TEST_GROUP
{
    const struct CMUnitTest tests[] = {
        CHECKPOINT_TEST(new_bytes_are_stored_before_a_second_is_over),
        CHECKPOINT_TEST(a_slow_commit_is_followed_at_once),
        CHECKPOINT_TEST(times_are_those_of_slots),
        CHECKPOINT_TEST(many_are_stored_in_slices),
        CHECKPOINT_TEST(a_flood_is_stored_piece_by_piece),
        CHECKPOINT_TEST(a_failed_one_is_made_good),
        CHECKPOINT_TEST(one_that_ends_meanwhile_is_left_out),
        CHECKPOINT_TEST(only_one_that_runs_is_lost),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
