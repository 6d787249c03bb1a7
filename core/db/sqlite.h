/* One SQLite connection as this server uses it: settings at opening, a cache of prepared statements
 * keyed by their SQL text, binding values and reading columns, and SQLite's result codes as tt_err.
 * Private to db. Functions return SQLite's (extended) result code, because the writer must
 * distinguish a failed statement from a lost transaction, and fill in err if it is not SQLITE_OK.
 * Thread: one at a time (opened with NOMUTEX). */
#pragma once
#include "base/err.h"
#include "base/list.h"
#include "base/map.h"
#include "db/db.h"

#include <sqlite3.h>

#define TT_SQLITE_MEMO 128 /* a power of two */

struct tt_sqlite {
    sqlite3 *handle;
    struct tt_statement *memo[TT_SQLITE_MEMO]; /* some of the statements, by a cheap hash */
    struct tt_map *statements;                 /* SQL text -> struct tt_statement */
    struct tt_list recent;                     /* the same, most recently used first */
    bool guarded; /* SQL from outside runs: no BEGIN, COMMIT, PRAGMA, ATTACH */
};

struct tt_statement {
    struct tt_list node;
    sqlite3_stmt *handle;
    struct tt_str sql;
};

enum tt_sqlite_mode {
    TT_SQLITE_READ, /* the file is opened read-only, and query_only is set */
    TT_SQLITE_WRITE /* WAL, synchronous=FULL; the owner makes checkpoints */
};

/* Opens an existing file. Owns: the caller, tt_sqlite_close, also after a failure. */
int tt_sqlite_open(struct tt_sqlite *conn, const char *path, enum tt_sqlite_mode mode, int busy_ms,
                   struct tt_err *err);
void tt_sqlite_close(struct tt_sqlite *conn); /* harmless on {0} */

/* Prepares a single statement, or takes it from the cache. Owns: the connection. The statement is
 * valid until the next prepare; release it with tt_sqlite_release before that. */
int tt_sqlite_prepare(struct tt_sqlite *conn, struct tt_str sql, struct tt_statement **out,
                      struct tt_err *err);
void tt_sqlite_release(struct tt_statement *statement);

/* Binds all parameters (TT_DB_ID_OF as NULL); there must be `count`. Texts and blobs must live
 * until tt_sqlite_release. */
int tt_sqlite_bind(struct tt_sqlite *conn, struct tt_statement *statement,
                   const struct tt_db_value *values, size_t count, struct tt_err *err);

/* sqlite3_step. */
int tt_sqlite_step(struct tt_statement *statement);
/* Called by every progress handler. */
void tt_sqlite_interruptible(void);

/* A column of the current row; text and blob live until the next step. */
struct tt_db_value tt_sqlite_column(struct tt_statement *statement, int column);

/* Runs one of our own statements to its end, through the cache. */
int tt_sqlite_run(struct tt_sqlite *conn, const char *sql, struct tt_err *err);

/* Runs a statement with values and stores the first column of its first row in *out (may be NULL;
 * unchanged if there is no row). */
int tt_sqlite_run_values(struct tt_sqlite *conn, const char *sql, const struct tt_db_value *values,
                         size_t count, int64_t *out, struct tt_err *err);

/* Fills in err for a result code. It reads the connection's message, so call it before using the
 * connection again. Returns rc. */
int tt_sqlite_error(struct tt_sqlite *conn, int rc, struct tt_err *err);
