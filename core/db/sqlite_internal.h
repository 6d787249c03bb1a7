/* The parts of SQLite's engine, for the sqlite*.c files of this layer (and for its tests, which
 * break it on purpose). */
#pragma once
#include "base/buf.h"
#include "db/engine.h"
#include "db/sqlite.h"
#include "db/sqlite_writer.h"

struct tt_fetch_pool; /* sqlite_fetch.c */

struct tt_sqlite_db {
    struct tt_db base;
    char *path;
    int64_t step_budget;
    struct tt_aux *aux; /* borrowed */
    struct tt_writer *writer;
    struct tt_fetch_pool *pool;
};

/* ---- a connection that reads (sqlite_reader.c) ---- */

/* The limits of one reader's queries; checked every TT_READER_STEPS steps of the virtual machine.
 */
#define TT_READER_STEPS 1000
struct tt_reader_limits {
    int64_t steps;             /* that a query may take; 0 = no limit */
    uint64_t deadline_ms;      /* monotonic; 0 = none */
    atomic_bool *cancelled[2]; /* each may cancel it; NULL = unused */
};

/* Has at most one open query; a new one ends the old one. Thread: one at a time. */
struct tt_reader {
    struct tt_sqlite conn;
    struct tt_reader_limits limits;
    struct tt_statement *open; /* the query; NULL = none */
    struct tt_db_rows rows;    /* its rows */
    struct tt_str *names;
    struct tt_db_value *values;
    int capacity;    /* of both arrays */
    bool at_hand;    /* the first row was already reached */
    bool over_steps; /* the step limit ended the last query */
    int64_t steps;   /* of the query so far */
};

struct tt_reader *tt_reader_open(const char *path, int busy_ms, struct tt_err *err);
void tt_reader_free(struct tt_reader *reader);

/* Begins a query and advances to its first row: TT_DB_ROW or TT_DB_END, then reader->rows is valid
 * and tt_reader_end must follow; or TT_DB_FAILED, TT_DB_AGAIN (step limit exceeded). It sees what
 * was committed by now. Values must live until the end. An open query prevents the log from being
 * truncated. */
int tt_reader_begin(struct tt_reader *reader, const struct tt_db_query *query, struct tt_err *err);
void tt_reader_end(struct tt_reader *reader);

/* ---- reads off the loop (sqlite_fetch.c) ---- */

/* A fetch may outlive tt_db_close in the aux pool's queue, so the pool of readers has a reference
 * count. */
struct tt_fetch_pool *tt_fetch_pool_new(const char *path);
/* Ends running fetches, waits for them, and refuses later ones. */
void tt_fetch_pool_close(struct tt_fetch_pool *pool);

int tt_fetch(struct tt_db_link *link, const struct tt_db_query *query, tt_db_rows_fn *on_rows,
             void *arg, struct tt_db_pending **pending, struct tt_err *err);
void tt_fetch_cancel(struct tt_db_pending *pending);

/* ---- search (sqlite_search.c) ---- */

extern const struct tt_search_engine tt_sqlite_search;
/* Appends the query in FTS5's language. */
void tt_sqlite_search_expression(struct tt_buf *out, const struct tt_search *search);

/* ---- a file that is not open here (sqlite_inspect.c, _copy.c, _backup.c, _migrate.c) ---- */

int tt_sqlite_inspect(const char *path, const char *seal_id, struct tt_db_contents *contents,
                      struct tt_err *err);
int tt_sqlite_copy(const char *from, const char *to, struct tt_err *err);
int tt_sqlite_tables(const char *path, struct tt_tables *tables, struct tt_err *err);
int tt_sqlite_set_last_ids(const char *path, const struct tt_tables *tables, struct tt_err *err);
int tt_sqlite_verify(const char *path, bool quick, struct tt_err *err);
int tt_sqlite_backup(const char *path, const char *file, struct tt_err *err);
int tt_sqlite_restore(const char *path, const char *file, struct tt_err *err);
int tt_sqlite_migrate(const char *path, const char *directory, bool dry_run,
                      struct tt_migrate_report *report, struct tt_err *err);
/* Runs a script, statement by statement; a failure sets *line. (sqlite_script.c) */
int tt_sqlite_run_script(struct tt_sqlite *conn, const char *sql, int *line, struct tt_err *err);
int tt_sqlite_migrate_plugins(const char *path, const struct tt_migration_plugins *all,
                              uint64_t hold_ms, bool dry_run, struct tt_migrate_report *report,
                              struct tt_err *err);
int tt_sqlite_make_empty(const char *path, const char *folder, struct tt_buf *url,
                         struct tt_err *err);
int tt_sqlite_compare_plugins(const char *path, const struct tt_migration_plugins *all,
                              struct tt_err *err);
int tt_sqlite_drop_plugin(const char *path, const char *plugin, struct tt_migrate_report *report,
                          struct tt_err *err);
int tt_sqlite_migrate_down(const char *path, const char *directory, int version,
                           struct tt_migrate_report *report, struct tt_err *err);
