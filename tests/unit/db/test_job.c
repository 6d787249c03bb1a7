/* Jobs one by one and in batches: atomic, counted, and with errors that name the reason. */
#include "support.h"

static const char schema[] =
    "PRAGMA journal_mode=WAL;"
    "CREATE TABLE users (id INTEGER PRIMARY KEY, name TEXT NOT NULL UNIQUE,"
    " age INTEGER CHECK (age > 0)) STRICT;"
    "CREATE TABLE notes (id INTEGER PRIMARY KEY, user_id INTEGER NOT NULL REFERENCES users (id)"
    " ON DELETE CASCADE, text TEXT NOT NULL) STRICT;"
    "CREATE TABLE late (user_id INTEGER REFERENCES users (id) DEFERRABLE INITIALLY DEFERRED);"
    "CREATE TABLE any_value (v);";

static int setup(void **state)
{
    struct fixture *f = fixture_new(schema);
    open_db(f, NULL);
    *state = f;
    return 0;
}

static int64_t count(struct fixture *f, const char *table)
{
    char sql[64];
    snprintf(sql, sizeof(sql), "SELECT count(*) FROM %s", table);
    return outside_int(f->path, sql);
}

static void test_commits_with_outcomes(void **state)
{
    struct fixture *f = *state;
    struct result r;
    run(f,
        job_of("INSERT INTO users (id, name) VALUES (7, 'a')",
               "INSERT INTO notes (user_id, text) VALUES (last_insert_rowid(), 'x')",
               "UPDATE notes SET text = 'y'"),
        &r);
    assert_int_equal(r.error.status, 0);
    assert_int_equal(r.failed_statement, -1);
    assert_int_equal(r.outcome[0].insert_id, 7);
    assert_int_equal(r.outcome[0].changes, 1);
    assert_int_equal(r.outcome[1].insert_id, 1);
    assert_int_equal(r.outcome[2].changes, 1);
    assert_int_equal(outside_int(f->path, "SELECT user_id FROM notes WHERE text = 'y'"), 7);
}

/* Also of one that is not the statement before, and when the job runs a second time because another
 * one has taken its transaction along. */
static void test_ids_of_earlier_statements(void **state)
{
    struct fixture *f = *state;
    struct result first, r[2];
    struct tt_db_value user = tt_db_id_of(0), both[] = {tt_db_id_of(0), tt_db_id_of(1)};
    struct tt_db_job *jobs[2];
    for (int i = 0; i < 2; i++) {
        jobs[i] = job_of(i == 0 ? "INSERT INTO users (id, name) VALUES (7, 'a')"
                                : "INSERT INTO users (id, name) VALUES (8, 'b')",
                         NULL, NULL);
        tt_db_job_add(jobs[i],
                      TT_STR("INSERT INTO notes (id, user_id, text) VALUES (?1 * 10, ?1,"
                             " 'x')"),
                      &user, 1, 1);
        tt_db_job_add(jobs[i], TT_STR("INSERT INTO any_value VALUES (?1 || ',' || ?2)"), both, 2,
                      1);
    }
    sqlite3 *gate = gate_close(f, &first);
    submit(f, jobs[0], &r[0]);
    submit(f, jobs[1], &r[1]);
    struct result lost;
    submit(f, job_of("INSERT OR ROLLBACK INTO users (id, name) VALUES (7, 'c')", NULL, NULL),
           &lost);
    gate_open(gate);
    await(f, &first);
    await(f, &r[0]);
    await(f, &r[1]);
    await(f, &lost);
    assert_int_equal(r[0].error.status, 0);
    assert_int_equal(r[1].error.status, 0);
    assert_int_equal(outside_int(f->path, "SELECT count(*) FROM any_value WHERE v = '7,70'"), 1);
    assert_int_equal(outside_int(f->path, "SELECT count(*) FROM any_value WHERE v = '8,80'"), 1);
}

static void test_ids_that_are_not_there(void **state)
{
    struct fixture *f = *state;
    struct result r;
    struct tt_db_value value = tt_db_id_of(0);
    struct tt_db_job *job = job_of("INSERT INTO users (name) SELECT 'a' WHERE 1 = 0", NULL, NULL);
    tt_db_job_add(job, TT_STR("INSERT INTO any_value VALUES (?1)"), &value, 1, 1);
    run(f, job, &r);
    assert_int_equal(r.error.status, 0);
    assert_int_equal(outside_int(f->path, "SELECT count(*) FROM any_value WHERE v IS NULL"), 1);

    for (size_t statement = 1; statement < 3; statement++) { /* itself, and one after it */
        value = tt_db_id_of(statement);
        job = job_of("INSERT INTO users (name) VALUES ('b')", NULL, NULL);
        tt_db_job_add(job, TT_STR("INSERT INTO any_value VALUES (?1)"), &value, 1, 1);
        run(f, job, &r);
        assert_code(&r, "sql_error", 500);
        assert_int_equal(r.failed_statement, 1);
    }
    assert_int_equal(count(f, "users"), 0);
}

static void test_all_or_nothing(void **state)
{
    struct fixture *f = *state;
    struct result r;
    run(f,
        job_of("INSERT INTO users (name) VALUES ('a')", "INSERT INTO users (name) VALUES ('b')",
               "INSERT INTO users (name) VALUES ('a')"),
        &r);
    assert_code(&r, "duplicate", 409);
    assert_int_equal(r.failed_statement, 2);
    assert_int_equal(r.outcome[0].insert_id, 0); /* what is told of a failed job is nothing */
    assert_int_equal(count(f, "users"), 0);
}

static void test_error_codes(void **state)
{
    static const struct {
        const char *sql, *code;
        int status;
    } cases[] = {
        {"INSERT INTO users (id, name) VALUES (1, 'b')", "duplicate", 409},
        {"INSERT INTO users (name) VALUES ('a')", "duplicate", 409},
        {"INSERT INTO notes (user_id, text) VALUES (99, 'x')", "foreign_key", 409},
        {"INSERT INTO late VALUES (99)", "foreign_key", 409},
        {"INSERT INTO users (name, age) VALUES ('c', 0)", "constraint", 400},
        {"INSERT INTO users (name) VALUES (NULL)", "constraint", 400},
        {"INSERT INTO users (name, age) VALUES ('c', 'old')", "constraint", 400},
        {"INSERT INTO nothing VALUES (1)", "sql_error", 500},
        {"INSERT INTO users (name) VALUES (\"c\")", "sql_error", 500},
        {"INSERT INTO users (name) VALUES (?1)", "sql_error", 500}, /* no value for it */
        {"DELETE FROM users; DELETE FROM notes", "sql_error", 500},
        {"DELETE FROM users; garbage", "sql_error", 500},
        {"", "sql_error", 500},
        {"-- nothing", "sql_error", 500},
        {"COMMIT", "sql_error", 500},
        {"ROLLBACK", "sql_error", 500},
        {"RELEASE job", "sql_error", 500},
        {"PRAGMA foreign_keys=OFF", "sql_error", 500},
        {"ATTACH ':memory:' AS other", "sql_error", 500},
        {"VACUUM", "sql_error", 500},
        {"INSERT OR ROLLBACK INTO users (name) VALUES ('a')", "duplicate", 409},
    };
    struct fixture *f = *state;
    struct result r;
    run(f, job_of("INSERT INTO users (id, name) VALUES (1, 'a')", NULL, NULL), &r);
    for (size_t i = 0; i < TT_COUNT(cases); i++) {
        run(f, job_of(cases[i].sql, NULL, NULL), &r);
        if (strcmp(r.error.code, cases[i].code) != 0)
            fail_msg("%s: %s (%s)", cases[i].sql, r.error.code, r.error.message);
        assert_int_equal(r.error.status, cases[i].status);
    }
    assert_int_equal(count(f, "users"), 1);
    assert_int_equal(count(f, "late"), 0);
    run(f, job_of("DELETE FROM users; -- a comment may follow\n", NULL, NULL), &r);
    assert_int_equal(r.error.status, 0);
}

static void test_expect(void **state)
{
    struct fixture *f = *state;
    struct result r;
    struct tt_db_job *job = job_of("INSERT INTO users (name) VALUES ('a')", NULL, NULL);
    tt_db_job_add(job, TT_STR("UPDATE users SET age = 3 WHERE name = 'z'"), NULL, 0, 1);
    run(f, job, &r);
    assert_code(&r, "unexpected_changes", 409);
    assert_int_equal(r.failed_statement, 1);
    assert_non_null(strstr(r.error.message, "statement 2"));
    assert_int_equal(count(f, "users"), 0);

    job = job_of("INSERT INTO users (name) VALUES ('a'), ('b')", NULL, NULL);
    tt_db_job_add(job, TT_STR("UPDATE users SET age = 3"), NULL, 0, 2);
    tt_db_job_add(job, TT_STR("SELECT count(*) FROM users"), NULL, 0, 0); /* not the 2 of before */
    tt_db_job_add(job, TT_STR("DELETE FROM users WHERE name = 'z'"), NULL, 0, 0);
    run(f, job, &r);
    assert_int_equal(r.error.status, 0);
    assert_int_equal(r.outcome[2].changes, 0);

    job = job_of("INSERT INTO users (name) VALUES ('c')", NULL, NULL);
    tt_db_job_add(job, TT_STR("UPDATE users SET age = 4 WHERE name = 'a'"), NULL, 0, 0);
    run(f, job, &r);
    assert_code(&r, "unexpected_changes", 409);
    assert_int_equal(r.failed_statement, 1);
    assert_int_equal(count(f, "users"), 2);
}

static void test_no_foreign_insert_id(void **state)
{
    struct fixture *f = *state;
    struct result r;
    run(f, job_of("INSERT INTO users (id, name) VALUES (41, 'a')", NULL, NULL), &r);
    /* The next job, of somebody else, inserts nothing: it must not get hold of row 41. */
    run(f,
        job_of("INSERT INTO users (name) VALUES ('a') ON CONFLICT DO NOTHING",
               "INSERT INTO notes (user_id, text) VALUES (last_insert_rowid(), 'x')", NULL),
        &r);
    assert_code(&r, "foreign_key", 409);
    run(f, job_of("UPDATE users SET age = 1", NULL, NULL), &r);
    assert_int_equal(r.outcome[0].insert_id, 0);
}

static void test_values(void **state)
{
    static const char bytes[] = "\0a\xff";
    struct fixture *f = *state;
    struct result r;
    struct tt_db_job *job = tt_db_job_new();
    char name[] = "潮聊", sql[] = "INSERT INTO any_value VALUES (?1), (?2), (?3), (?4), (?5), (?6)";
    struct tt_db_value values[] = {tt_db_int(INT64_MIN),
                                   tt_db_text(tt_str_from(name)),
                                   tt_db_null(),
                                   {.type = TT_DB_REAL, .real = 1.5},
                                   {.type = TT_DB_BLOB, .text = {bytes, 3}},
                                   tt_db_text(tt_str_of(NULL, 0))};
    tt_db_job_add(job, tt_str_from(sql), values, TT_COUNT(values), 6);
    memset(name, 'x', sizeof(name)); /* copied: these may go */
    memset(sql, 'x', sizeof(sql));
    run(f, job, &r);
    assert_int_equal(r.error.status, 0);
    const char *check = "SELECT count(*) FROM any_value WHERE v IS (-9223372036854775808)"
                        " OR v IS '潮聊' OR v IS NULL OR v IS 1.5 OR v IS x'0061ff' OR v IS ''";
    assert_int_equal(outside_int(f->path, check), 6);
}

static void test_one_bad_job_in_a_batch(void **state)
{
    struct fixture *f = *state;
    struct result first, r[20];
    struct tt_db_stats stats;
    sqlite3 *gate = gate_close(f, &first);
    for (int i = 0; i < 20; i++) {
        char sql[96];
        /* 7 is there twice; 13 refers to nobody in its second statement */
        snprintf(sql, sizeof(sql), "INSERT INTO users (name) VALUES ('u%d')", i == 12 ? 7 : i);
        submit(
            f,
            job_of(sql, i == 13 ? "INSERT INTO notes (user_id, text) VALUES (99, '')" : NULL, NULL),
            &r[i]);
    }
    gate_open(gate);
    for (int i = 0; i < 20; i++) {
        await(f, &r[i]);
        assert_string_equal(r[i].error.code, i == 12 ? "duplicate" : i == 13 ? "foreign_key" : "");
    }
    assert_int_equal(count(f, "users"), 18);
    assert_int_equal(outside_int(f->path, "SELECT count(*) FROM users WHERE name = 'u13'"), 0);
    tt_db_stats(f->db, &stats);
    assert_int_equal(stats.largest_batch, 20);
    assert_int_equal(stats.commits, 2); /* the gate's job and the batch */
    assert_int_equal(stats.jobs, 21);
    assert_int_equal(stats.failed_jobs, 2);
}

/* A job that fails between two that do not. */
static void takes_nobody_along(struct fixture *f, const char *sql, const char *code,
                               struct result *bad)
{
    struct result first, good, last;
    sqlite3 *gate = gate_close(f, &first);
    submit(f, job_of("INSERT INTO users (name) VALUES ('a')", NULL, NULL), &good);
    submit(f, job_of(sql, NULL, NULL), bad);
    submit(f, job_of("INSERT INTO users (name) VALUES ('b')", NULL, NULL), &last);
    gate_open(gate);
    await(f, &good);
    await(f, bad);
    await(f, &last);
    assert_int_equal(good.error.status, 0);
    assert_code(bad, code, 409);
    assert_int_equal(last.error.status, 0);
    assert_int_equal(count(f, "users"), 2);
}

static void test_deferred_key_takes_nobody_along(void **state)
{
    struct result bad;
    takes_nobody_along(*state, "INSERT INTO late VALUES (99)", "foreign_key", &bad);
}

static void test_or_rollback_takes_nobody_along(void **state)
{
    struct result bad;
    takes_nobody_along(*state, "INSERT OR ROLLBACK INTO users (name) VALUES ('a')", "duplicate",
                       &bad);
    assert_int_equal(bad.failed_statement, 0);
}

static void test_queue_full_is_busy(void **state)
{
    struct fixture *f = *state;
    struct result first, r[3];
    struct tt_err err = {0};
    close_db(f);
    open_db(f, &(struct tt_db_settings){.queue_max = 3});
    sqlite3 *gate = gate_close(f, &first);
    for (int i = 0; i < 3; i++)
        submit(f, job_of("INSERT INTO any_value VALUES (1)", NULL, NULL), &r[i]);
    struct tt_db_job *more = job_of("INSERT INTO any_value VALUES (1)", NULL, NULL);
    assert_int_equal(tt_db_submit(f->db, f->loop, more, note_result, NULL, &err), -1);
    assert_string_equal(err.code, "busy");
    assert_int_equal(err.status, 503);
    tt_db_job_free(more); /* still ours */
    gate_open(gate);
    for (int i = 0; i < 3; i++)
        await(f, &r[i]);
    assert_int_equal(count(f, "any_value"), 3);
}

static void test_locked_by_another_process_is_busy(void **state)
{
    struct fixture *f = *state;
    struct result first, second;
    sqlite3 *gate = gate_close(f, &first);
    submit(f, job_of("INSERT INTO any_value VALUES (1)", NULL, NULL), &second);
    await(f, &first); /* 5 s */
    assert_code(&first, "busy", 503);
    gate_open(gate);
    await(f, &second);
    assert_int_equal(second.error.status, 0);
}

static void test_close_commits_the_queue(void **state)
{
    struct fixture *f = *state;
    struct result first, r[50];
    char wal[128];
    sqlite3 *gate = gate_close(f, &first);
    for (int i = 0; i < 50; i++)
        submit(f, job_of("INSERT INTO any_value VALUES (1)", NULL, NULL), &r[i]);
    gate_open(gate);
    close_db(f);
    snprintf(wal, sizeof(wal), "%s-wal", f->path);
    assert_int_not_equal(access(wal, F_OK), 0); /* checkpointed, and nobody has it open */
    assert_int_equal(count(f, "any_value"), 50);
    tt_loop_tick(f->loop, 0); /* the answers had been posted */
    for (int i = 0; i < 50; i++)
        assert_int_equal(r[i].done, 1);
}

TEST_GROUP
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_commits_with_outcomes, setup, fixture_teardown),
        cmocka_unit_test_setup_teardown(test_ids_of_earlier_statements, setup, fixture_teardown),
        cmocka_unit_test_setup_teardown(test_ids_that_are_not_there, setup, fixture_teardown),
        cmocka_unit_test_setup_teardown(test_all_or_nothing, setup, fixture_teardown),
        cmocka_unit_test_setup_teardown(test_error_codes, setup, fixture_teardown),
        cmocka_unit_test_setup_teardown(test_expect, setup, fixture_teardown),
        cmocka_unit_test_setup_teardown(test_no_foreign_insert_id, setup, fixture_teardown),
        cmocka_unit_test_setup_teardown(test_values, setup, fixture_teardown),
        cmocka_unit_test_setup_teardown(test_one_bad_job_in_a_batch, setup, fixture_teardown),
        cmocka_unit_test_setup_teardown(test_deferred_key_takes_nobody_along, setup,
                                        fixture_teardown),
        cmocka_unit_test_setup_teardown(test_or_rollback_takes_nobody_along, setup,
                                        fixture_teardown),
        cmocka_unit_test_setup_teardown(test_queue_full_is_busy, setup, fixture_teardown),
        cmocka_unit_test_setup_teardown(test_locked_by_another_process_is_busy, setup,
                                        fixture_teardown),
        cmocka_unit_test_setup_teardown(test_close_commits_the_queue, setup, fixture_teardown),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
