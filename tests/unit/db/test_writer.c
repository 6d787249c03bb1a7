/* The writer under faults and load: transactions that are lost whole, disks that fail, many
 * threads, a process that is killed. Faults come from a VFS that is SQLite's own with two functions
 * changed. */
#include "base/clock.h"
#include "support.h"

#include <signal.h>
#include <stdatomic.h>
#include <sys/wait.h>

static const char schema[] = "PRAGMA journal_mode=WAL;"
                             "CREATE TABLE rows (id INTEGER PRIMARY KEY, thread INTEGER NOT NULL,"
                             " number INTEGER NOT NULL, text BLOB) STRICT;";

/* ---- a disk that fails ---- */

static atomic_int write_fault, sync_fault; /* result codes; SQLITE_OK = works */
static atomic_int allowed_writes;          /* before write_fault */
static atomic_int log_writes;
static int (*real_open)(sqlite3_vfs *, const char *, sqlite3_file *, int, int *);
static const sqlite3_io_methods *real_methods;
static sqlite3_io_methods faulty_methods[2]; /* the database has locks in its, the WAL has not */

static int faulty_write(sqlite3_file *file, const void *data, int size, sqlite3_int64 at)
{
    int fault = write_fault;
    log_writes += file->pMethods == &faulty_methods[0];
    if (fault && atomic_fetch_sub(&allowed_writes, 1) <= 0)
        return fault;
    return real_methods->xWrite(file, data, size, at);
}

static int faulty_sync(sqlite3_file *file, int flags)
{
    int fault = sync_fault;
    return fault ? fault : real_methods->xSync(file, flags);
}

static int faulty_open(sqlite3_vfs *vfs, const char *name, sqlite3_file *file, int flags, int *out)
{
    int rc = real_open(vfs, name, file, flags, out);
    if (rc == SQLITE_OK && file->pMethods) {
        sqlite3_io_methods *faulty = &faulty_methods[(flags & SQLITE_OPEN_MAIN_DB) != 0];
        real_methods = file->pMethods; /* both write and sync with the same functions */
        *faulty = *real_methods;
        faulty->xWrite = faulty_write;
        faulty->xSync = faulty_sync;
        file->pMethods = faulty;
    }
    return rc;
}

/* Only while a database is opened: the readers of other tests need no faults. */
static void open_faulty_db(struct fixture *f)
{
    sqlite3_vfs *vfs = sqlite3_vfs_find(NULL);
    real_open = vfs->xOpen;
    vfs->xOpen = faulty_open;
    open_db(f, NULL);
    vfs->xOpen = real_open;
}

/* ---- fixtures ---- */

static int setup(void **state)
{
    struct fixture *f = fixture_new(schema);
    write_fault = sync_fault = SQLITE_OK;
    *state = f;
    return 0;
}

static int teardown(void **state)
{
    write_fault = sync_fault = SQLITE_OK;
    tt_log_setup(TT_LOG_ERROR, TT_LOG_TEXT);
    fixture_free(*state);
    return 0;
}

static int64_t row_count(struct fixture *f)
{
    return outside_int(f->path, "SELECT count(*) FROM rows");
}

static const char insert_small[] = "INSERT INTO rows (thread, number) VALUES (0, 0)";
static const char insert_big[] =
    "INSERT INTO rows (thread, number, text) VALUES (0, 1, zeroblob(4000000))";

/* ---- lost transactions ---- */

static void test_full_database(void **state)
{
    struct fixture *f = *state;
    struct result first, a, b, c, d;
    open_db(f, NULL);
    /* The limit is the connection's: set it while the writer sleeps. */
    assert_int_equal(
        sqlite3_exec(writer_of(f)->conn.handle, "PRAGMA max_page_count=100", NULL, NULL, NULL),
        SQLITE_OK);
    sqlite3 *gate = gate_close(f, &first);
    submit(f, job_of(insert_small, NULL, NULL), &a);
    submit(f, job_of(insert_big, NULL, NULL), &b);
    submit(f, job_of(insert_small, insert_small, NULL), &c);
    gate_open(gate);
    await(f, &a);
    await(f, &b);
    await(f, &c);
    assert_int_equal(a.error.status, 0);
    assert_code(&b, "disk_full", 507);
    assert_int_equal(b.failed_statement, 0);
    run(f, job_of(insert_big, NULL, NULL), &d);
    assert_code(&d, "disk_full", 507);
    assert_int_equal(row_count(f), 3);
    assert_int_equal(outside_int(f->path, "SELECT count(*) FROM rows WHERE number = 1"), 0);
}

/* Ten of `job` leave in more than `writes` writes, or is synced after them. */
static void test_disk_fault(void **state, int code, bool at_sync, const char *job, int writes,
                            const char *expected, int status)
{
    struct fixture *f = *state;
    struct result first, r[10], after;
    open_faulty_db(f);
    run(f, job_of(insert_small, NULL, NULL), &first);
    sqlite3 *gate = gate_close(f, &first);
    for (int i = 0; i < 10; i++)
        submit(f, job_of(job, NULL, NULL), &r[i]);
    allowed_writes = writes;
    *(at_sync ? &sync_fault : &write_fault) = code;
    gate_open(gate);
    for (int i = 0; i < 10; i++) {
        await(f, &r[i]);
        assert_code(&r[i], expected, status);
        assert_int_equal(r[i].unknown, (code & 0xff) == SQLITE_IOERR);
    }
    assert_int_equal(row_count(f), 1);
    write_fault = sync_fault = SQLITE_OK;
    run(f, job_of(insert_small, NULL, NULL), &after); /* it goes on when the disk does */
    assert_int_equal(row_count(f), 2);
    assert_int_equal(sqlite3_get_autocommit(writer_of(f)->conn.handle), 1);
}

static void test_full_disk(void **state)
{
    test_disk_fault(state, SQLITE_FULL, false, insert_small, 0, "disk_full", 507);
}

static void test_full_disk_within_a_commit(void **state)
{
    test_disk_fault(state, SQLITE_FULL, false, insert_big, 5, "disk_full", 507);
}

static void test_write_error(void **state)
{
    test_disk_fault(state, SQLITE_IOERR_WRITE, false, insert_small, 0, "database_error", 500);
}

static void test_sync_error(void **state)
{
    test_disk_fault(state, SQLITE_IOERR_FSYNC, true, insert_small, 0, "database_error", 500);
}

/* A commit that was not synced is whole in the log, and a start finds it there. */
static void test_an_unknown_commit_comes_back(void **state)
{
    struct fixture *f = *state;
    struct result r;
    open_faulty_db(f);
    run(f, job_of(insert_small, NULL, NULL), &r);
    sync_fault = SQLITE_IOERR_FSYNC;
    run(f, job_of(insert_small, NULL, NULL), &r);
    assert_true(r.unknown);
    close_db(f);
    assert_int_equal(row_count(f), 2);
}

/* The frames of a commit leave together, and are there for others when it is told. */
static void test_a_commit_is_one_write(void **state)
{
    struct fixture *f = *state;
    struct result r;
    open_faulty_db(f);
    outside_exec(f->path, "CREATE INDEX rows_by_number ON rows (number)");
    run(f, job_of(insert_small, NULL, NULL), &r);
    log_writes = 0;
    run(f, job_of(insert_small, insert_small, NULL), &r);
    assert_int_equal(r.error.status, 0);
    assert_int_equal(log_writes, 1);
    run(f, job_of(insert_big, NULL, NULL), &r); /* in as few as SQLite's VFS can take */
    assert_int_equal(r.error.status, 0);
    assert_in_range(log_writes, 30, 50);
    assert_int_equal(row_count(f), 4);
}

/* A statement that fails at its end, after it has changed more pages than are remembered in memory,
 * is undone whole, and the other jobs of the batch stay. */
static void test_large_statement_is_undone(void **state)
{
    struct fixture *f = *state;
    struct result first, bad, good;
    outside_exec(f->path, "WITH RECURSIVE t (i) AS (VALUES (1) UNION ALL SELECT i + 1 FROM t"
                          " WHERE i < 2000) INSERT INTO rows (id, thread, number, text)"
                          " SELECT i, 0, 0, randomblob(2000) FROM t;"
                          "CREATE TRIGGER rows_end AFTER UPDATE ON rows WHEN old.id = 2000"
                          " BEGIN SELECT RAISE(ABORT, 'the last one'); END");
    open_db(f, NULL);
    sqlite3 *gate = gate_close(f, &first);
    submit(f, job_of("UPDATE rows SET thread = 7, number = 7", NULL, NULL), &bad);
    submit(f, job_of(insert_small, NULL, NULL), &good);
    gate_open(gate);
    await(f, &bad);
    await(f, &good);
    assert_code(&bad, "constraint", 400);
    assert_int_equal(good.error.status, 0);
    assert_int_equal(row_count(f), 2001);
    assert_int_equal(outside_int(f->path, "SELECT count(*) FROM rows WHERE number = 7"), 0);
}

static void test_endless_statement(void **state)
{
    struct fixture *f = *state;
    struct result first, good, endless;
    open_db(f, NULL);
    sqlite3 *gate = gate_close(f, &first);
    submit(f, job_of(insert_small, NULL, NULL), &good);
    submit(f,
           job_of("WITH RECURSIVE t (i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM t)"
                  " INSERT INTO rows (thread, number) SELECT 1, max(i) FROM t",
                  NULL, NULL),
           &endless);
    gate_open(gate);
    uint64_t start = tt_clock_mono_ms();
    await(f, &endless);
    await(f, &good);
    assert_code(&endless, "query_too_slow", 503);
    assert_int_equal(good.error.status, 0);
    assert_in_range(tt_clock_mono_ms() - start, TT_WRITER_JOB_MS - 1000, TT_WRITER_JOB_MS + 3000);
    assert_int_equal(row_count(f), 1);
}

/* ---- many threads ---- */

#define THREADS    4
#define PER_THREAD 2500

struct client {
    pthread_t thread;
    struct tt_loop *loop;
    struct tt_db *db;
    int number;
    int sent, done, in_flight;
    bool in_order;
};

struct order {
    struct client *client;
    int number;
};

static void on_client_done(struct tt_db_job *job, void *arg)
{
    struct order *order = arg;
    struct client *client = order->client;
    client->in_order = client->in_order && order->number == client->done && !tt_db_job_error(job) &&
                       tt_db_job_outcome(job, 1).changes == 1;
    client->done++;
    client->in_flight--;
    free(order);
}

static bool client_send(struct client *client)
{
    struct order *order = TT_NEW(struct order);
    struct tt_db_job *job = tt_db_job_new();
    struct tt_db_value values[] = {tt_db_int(client->number), tt_db_int(client->sent)};
    struct tt_err err = {0};
    *order = (struct order){client, client->sent};
    tt_db_job_add(job, TT_STR("INSERT INTO rows (thread, number) VALUES (?1, ?2)"), values, 2, 1);
    tt_db_job_add(job, TT_STR("UPDATE rows SET text = x'00' WHERE id = last_insert_rowid()"), NULL,
                  0, 1);
    if (tt_db_submit(client->db, client->loop, job, on_client_done, order, &err) != 0) {
        tt_db_job_free(job);
        free(order);
        return false;
    }
    client->sent++;
    client->in_flight++;
    return true;
}

static void *client_main(void *arg)
{
    struct client *client = arg;
    while (client->done < PER_THREAD) {
        while (client->sent < PER_THREAD && client->in_flight < 100 && client_send(client))
            ;
        tt_loop_tick(client->loop, 5);
    }
    return NULL;
}

static void test_threads_in_order(void **state)
{
    struct fixture *f = *state;
    struct client clients[THREADS] = {0};
    struct tt_db_stats stats;
    open_db(f, &(struct tt_db_settings){.queue_max = 300, .wal_truncate_size = 1 << 20});
    for (int i = 0; i < THREADS; i++) {
        clients[i] = (struct client){.db = f->db, .number = i, .in_order = true};
        clients[i].loop = tt_loop_new(NULL);
        assert_int_equal(pthread_create(&clients[i].thread, NULL, client_main, &clients[i]), 0);
    }
    for (int i = 0; i < THREADS; i++) {
        pthread_join(clients[i].thread, NULL);
        assert_true(clients[i].in_order);
    }
    tt_db_stats(f->db, &stats);
    assert_int_equal(stats.jobs, THREADS * PER_THREAD);
    assert_int_equal(stats.failed_jobs, 0);
    assert_int_equal(stats.waiting, 0);
    assert_true(stats.commits < stats.jobs);
    assert_true(stats.wal_size < 4 << 20);
    close_db(f);
    for (int i = 0; i < THREADS; i++)
        tt_loop_free(clients[i].loop);
    assert_int_equal(row_count(f), THREADS * PER_THREAD);
    /* ids rise with the order of applying */
    assert_int_equal(outside_int(f->path,
                                 "SELECT count(*) FROM (SELECT number, lag(number) OVER (PARTITION"
                                 " BY thread ORDER BY id) AS before FROM rows)"
                                 " WHERE number <> coalesce(before, -1) + 1"),
                     0);
}

/* ---- the WAL ---- */

/* Twice its limit, when passes do not get on, and then two rows more. */
#define WAL_MOST (26 << 20)

static void test_wal_is_cut(void **state)
{
    struct fixture *f = *state;
    struct result r;
    struct tt_db_stats stats;
    open_db(f, &(struct tt_db_settings){.wal_truncate_size = 8 << 20});
    for (int i = 0; i < 10; i++) {
        run(f, job_of(insert_big, NULL, NULL), &r);
        tt_db_stats(f->db, &stats);
        assert_true(stats.wal_size < WAL_MOST);
    }
    /* a reader in the way: the writer does not wait for it long */
    sqlite3 *handle = outside_open(f->path);
    assert_int_equal(sqlite3_exec(handle, "BEGIN; SELECT count(*) FROM rows", NULL, NULL, NULL),
                     SQLITE_OK);
    uint64_t start = tt_clock_mono_ms();
    for (int i = 0; i < 5; i++)
        run(f, job_of(insert_big, NULL, NULL), &r);
    assert_true(tt_clock_mono_ms() - start < 15000); /* 5 s each if it waited as for a lock */
    sqlite3_exec(handle, "COMMIT", NULL, NULL, NULL);
    sqlite3_close(handle);
    usleep(1100 * 1000);
    run(f, job_of(insert_big, NULL, NULL), &r);
    run(f, job_of(insert_small, NULL, NULL), &r);
    tt_db_stats(f->db, &stats);
    assert_true(stats.wal_size < WAL_MOST);
}

static void test_idle_checkpoint(void **state)
{
    struct fixture *f = *state;
    struct result r;
    char copy[160], command[400];
    open_db(f, NULL);
    run(f, job_of(insert_small, NULL, NULL), &r);
    usleep(1500 * 1000);
    /* What a copy of the file without its WAL knows has been checkpointed. */
    snprintf(copy, sizeof(copy), "%s.copy", f->path);
    snprintf(command, sizeof(command), "cp %s %s", f->path, copy);
    assert_int_equal(system(command), 0);
    assert_int_equal(outside_int(copy, "SELECT count(*) FROM rows"), 1);
    run(f, job_of(insert_small, NULL, NULL), &r);
    assert_int_equal(r.error.status, 0);
}

/* ---- killed ---- */

struct child {
    struct fixture *f;
    int pipe;
    int64_t sent;
    int in_flight;
};

struct acknowledged {
    struct child *child;
    int64_t number;
};

static void on_child_done(struct tt_db_job *job, void *arg)
{
    struct acknowledged *row = arg;
    if (!tt_db_job_error(job) &&
        write(row->child->pipe, &row->number, sizeof(row->number)) != sizeof(row->number))
        _exit(1);
    row->child->in_flight--;
    free(row);
}

/* Writes for ever, telling the pipe each number that is acknowledged. */
static void child_main(const char *path, int fd)
{
    struct fixture f = {0};
    struct child child = {.f = &f, .pipe = fd};
    snprintf(f.path, sizeof(f.path), "%s", path);
    snprintf(f.url, sizeof(f.url), "sqlite:%s", path);
    f.loop = tt_loop_new(NULL);
    open_db(&f, NULL);
    for (;;) {
        while (child.in_flight < 64) {
            struct acknowledged *row = TT_NEW(struct acknowledged);
            struct tt_db_job *job = tt_db_job_new();
            *row = (struct acknowledged){&child, child.sent++};
            struct tt_db_value number = tt_db_int(row->number);
            tt_db_job_add(job, TT_STR("INSERT INTO rows (thread, number) VALUES (1, ?1)"), &number,
                          1, 1);
            tt_db_job_add(job, TT_STR("INSERT INTO rows (thread, number) VALUES (2, ?1)"), &number,
                          1, 1);
            child.in_flight++;
            if (tt_db_submit(f.db, f.loop, job, on_child_done, row, NULL) != 0)
                _exit(1);
        }
        tt_loop_tick(f.loop, 100);
    }
}

static int64_t kill_round(struct fixture *f, int ms)
{
    int fds[2];
    int64_t number, count = 0, largest = -1;
    assert_int_equal(pipe(fds), 0);
    pid_t pid = fork();
    if (pid == 0) {
        close(fds[0]);
        child_main(f->path, fds[1]);
    }
    close(fds[1]);
    uint64_t until = tt_clock_mono_ms() + (uint64_t)ms;
    while (tt_clock_mono_ms() < until && read(fds[0], &number, sizeof(number)) == sizeof(number)) {
        largest = number;
        count++;
    }
    kill(pid, SIGKILL);
    waitpid(pid, NULL, 0);
    while (read(fds[0], &number, sizeof(number)) == sizeof(number)) {
        largest = number;
        count++;
    }
    close(fds[0]);
    assert_int_equal(count, largest + 1); /* told in order, nothing left out */
    return count;
}

static void test_killed(void **state)
{
    struct fixture *f = *state;
    tt_aux_free(f->aux); /* no threads while forking */
    f->aux = NULL;
    for (int round = 0; round < 3; round++) {
        int64_t told = kill_round(f, 300);
        assert_true(told > 0);
        assert_true(outside_int(f->path, "SELECT count(*) FROM rows WHERE thread = 1") >= told);
        assert_true(outside_int(f->path, "SELECT count(*) FROM rows WHERE thread = 2") >= told);
        /* whole jobs only */
        assert_int_equal(outside_int(f->path, "SELECT sum(thread = 1) - sum(thread = 2) FROM rows"),
                         0);
        outside_exec(f->path, "DELETE FROM rows");
    }
    f->aux = tt_aux_new("test", 1, 1, NULL);
}

TEST_GROUP
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_killed, setup, teardown), /* first: it forks */
        cmocka_unit_test_setup_teardown(test_full_database, setup, teardown),
        cmocka_unit_test_setup_teardown(test_full_disk, setup, teardown),
        cmocka_unit_test_setup_teardown(test_full_disk_within_a_commit, setup, teardown),
        cmocka_unit_test_setup_teardown(test_a_commit_is_one_write, setup, teardown),
        cmocka_unit_test_setup_teardown(test_write_error, setup, teardown),
        cmocka_unit_test_setup_teardown(test_sync_error, setup, teardown),
        cmocka_unit_test_setup_teardown(test_an_unknown_commit_comes_back, setup, teardown),
        cmocka_unit_test_setup_teardown(test_large_statement_is_undone, setup, teardown),
        cmocka_unit_test_setup_teardown(test_endless_statement, setup, teardown),
        cmocka_unit_test_setup_teardown(test_threads_in_order, setup, teardown),
        cmocka_unit_test_setup_teardown(test_wal_is_cut, setup, teardown),
        cmocka_unit_test_setup_teardown(test_idle_checkpoint, setup, teardown),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
