/* What the tests of db share: a data folder, a loop, an open database, and SQL run from the outside
 * over a connection of the test's own. */
#pragma once
#include "base/log.h"
#include "base/mem.h"
#include "db/db.h"
#include "db/migrate.h"
#include "db/sqlite_internal.h"
#include "unit_test.h"

#include <ftw.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

struct fixture {
    char dir[64];
    char path[96];
    char url[112]; /* of the same */
    struct tt_loop *loop;
    struct tt_aux *aux;
    struct tt_db *db;
};

/* ---- from outside ---- */

static inline sqlite3 *outside_open(const char *path)
{
    sqlite3 *handle = NULL;
    assert_int_equal(sqlite3_open(path, &handle), SQLITE_OK);
    sqlite3_busy_timeout(handle, 5000);
    return handle;
}

static inline void outside_exec(const char *path, const char *sql)
{
    sqlite3 *handle = outside_open(path);
    char *message = NULL;
    if (sqlite3_exec(handle, sql, NULL, NULL, &message) != SQLITE_OK)
        fail_msg("%s: %s", sql, message);
    sqlite3_close(handle);
}

static inline int64_t outside_int(const char *path, const char *sql)
{
    sqlite3 *handle = outside_open(path);
    sqlite3_stmt *statement = NULL;
    assert_int_equal(sqlite3_prepare_v2(handle, sql, -1, &statement, NULL), SQLITE_OK);
    assert_int_equal(sqlite3_step(statement), SQLITE_ROW);
    int64_t n = sqlite3_column_int64(statement, 0);
    sqlite3_finalize(statement);
    sqlite3_close(handle);
    return n;
}

static inline void outside_text(const char *path, const char *sql, char *out, size_t size)
{
    sqlite3 *handle = outside_open(path);
    sqlite3_stmt *statement = NULL;
    assert_int_equal(sqlite3_prepare_v2(handle, sql, -1, &statement, NULL), SQLITE_OK);
    assert_int_equal(sqlite3_step(statement), SQLITE_ROW);
    const char *text = (const char *)sqlite3_column_text(statement, 0);
    snprintf(out, size, "%s", text ? text : "(null)");
    sqlite3_finalize(statement);
    sqlite3_close(handle);
}

/* ---- the folder and the database ---- */

static inline void make_folder(struct fixture *f)
{
    snprintf(f->dir, sizeof(f->dir), "/tmp/tt_db_test.XXXXXX");
    assert_non_null(mkdtemp(f->dir));
    snprintf(f->path, sizeof(f->path), "%s/tidetalk.db", f->dir);
    snprintf(f->url, sizeof(f->url), "sqlite:%s", f->path);
}

static inline int remove_entry(const char *path, const struct stat *st, int type, struct FTW *ftw)
{
    (void)st, (void)type, (void)ftw;
    return remove(path);
}

static inline void remove_folder(struct fixture *f)
{
    nftw(f->dir, remove_entry, 16, FTW_DEPTH | FTW_PHYS);
}

static inline void open_db(struct fixture *f, const struct tt_db_settings *settings)
{
    struct tt_db_settings used = settings ? *settings : (struct tt_db_settings){0};
    struct tt_err err = {0};
    used.url = f->url;
    f->db = tt_db_open(&used, f->aux, &err);
    if (!f->db || tt_db_attach(f->db, f->loop, &err) != 0)
        fail_msg("%s", err.message);
}

static inline struct tt_writer *writer_of(struct fixture *f)
{
    return TT_CONTAINER_OF(f->db, struct tt_sqlite_db, base)->writer;
}

static inline struct fixture *fixture_new(const char *schema)
{
    struct fixture *f = TT_NEW(struct fixture);
    struct tt_err err = {0};
    tt_log_setup(TT_LOG_ERROR, TT_LOG_TEXT);
    make_folder(f);
    outside_exec(f->path, schema);
    f->loop = tt_loop_new(&err);
    assert_non_null(f->loop);
    f->aux = tt_aux_new("test", 2, 8, &err);
    assert_non_null(f->aux);
    return f;
}

static inline void close_db(struct fixture *f)
{
    if (f->db)
        tt_db_detach(f->db, f->loop);
    tt_db_close(f->db);
    f->db = NULL;
}

static inline void fixture_free(struct fixture *f)
{
    close_db(f);
    tt_aux_free(f->aux);
    tt_loop_tick(f->loop, 0);
    tt_loop_free(f->loop);
    remove_folder(f);
    free(f);
}

static inline int fixture_teardown(void **state)
{
    fixture_free(*state);
    return 0;
}

/* To the newest version (down_to < 0), or back to an older one. */
static inline void fixture_migrate(struct fixture *f, int down_to)
{
    static const char folder[] = TT_TEST_DATA "/../../migrations";
    struct tt_migrate_report report = {0};
    struct tt_err err = {0};
    int status = down_to < 0 ? tt_db_migrate(f->url, folder, false, &report, &err)
                             : tt_db_migrate_down(f->url, folder, down_to, &report, &err);
    if (status != 0)
        fail_msg("%s", err.message);
    tt_buf_free(&report.text);
}

/* ---- jobs ---- */

/* Where a test keeps what became of a job. */
struct result {
    int done;
    struct tt_err error;
    int failed_statement;
    bool unknown;
    struct tt_db_outcome outcome[4];
};

static inline void note_result(struct tt_db_job *job, void *arg)
{
    struct result *result = arg;
    result->done++;
    result->error = tt_db_job_error(job) ? *tt_db_job_error(job) : (struct tt_err){0};
    result->failed_statement = tt_db_job_failed_statement(job);
    result->unknown = tt_db_job_is_unknown(job);
    for (size_t i = 0; i < tt_db_job_count(job) && i < TT_COUNT(result->outcome); i++)
        result->outcome[i] = tt_db_job_outcome(job, i);
}

/* A job of up to three statements without values; each may change any number of rows. */
static inline struct tt_db_job *job_of(const char *first, const char *second, const char *third)
{
    struct tt_db_job *job = tt_db_job_new();
    const char *all[] = {first, second, third};
    for (size_t i = 0; i < 3 && all[i]; i++)
        tt_db_job_add(job, tt_str_from(all[i]), NULL, 0, -1);
    return job;
}

static inline void submit(struct fixture *f, struct tt_db_job *job, struct result *result)
{
    struct tt_err err = {0};
    *result = (struct result){0};
    if (tt_db_submit(f->db, f->loop, job, note_result, result, &err) != 0)
        fail_msg("%s", err.message);
}

static inline void await(struct fixture *f, struct result *result)
{
    for (int i = 0; i < 3000 && !result->done; i++)
        tt_loop_tick(f->loop, 10);
    assert_int_equal(result->done, 1);
}

static inline void run(struct fixture *f, struct tt_db_job *job, struct result *result)
{
    submit(f, job, result);
    await(f, result);
}

static inline void assert_code(const struct result *result, const char *code, int status)
{
    assert_string_equal(result->error.code, code);
    assert_int_equal(result->error.status, status);
}

/* ---- reads ---- */

/* The one integer that a query returns. */
static inline int64_t read_int(struct fixture *f, const char *sql)
{
    struct tt_err err = {0};
    struct tt_db_query query = {.sql = tt_str_from(sql)};
    struct tt_db_rows *rows = tt_db_read_wait(f->db, f->loop, &query, &err);
    if (!rows)
        fail_msg("%s: %s", sql, err.message);
    assert_int_equal(tt_db_next(rows, &err), TT_DB_ROW);
    int64_t n = rows->values[0].integer;
    tt_db_rows_free(rows);
    return n;
}

/* Holds the write lock from outside, so that the writer waits with the job that is submitted next,
 * and all jobs after it meet in one batch. */
static inline sqlite3 *gate_close(struct fixture *f, struct result *first)
{
    sqlite3 *handle = outside_open(f->path);
    struct tt_db_stats stats;
    assert_int_equal(sqlite3_exec(handle, "BEGIN IMMEDIATE", NULL, NULL, NULL), SQLITE_OK);
    submit(f, job_of("SELECT 1", NULL, NULL), first);
    do {
        usleep(1000);
        tt_db_stats(f->db, &stats);
    } while (stats.waiting > 0);
    return handle;
}

static inline void gate_open(sqlite3 *handle)
{
    assert_int_equal(sqlite3_exec(handle, "ROLLBACK", NULL, NULL, NULL), SQLITE_OK);
    sqlite3_close(handle);
}
