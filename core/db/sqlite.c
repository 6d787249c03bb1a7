/* The connection: see sqlite.h. The settings are the same for the server, the command line and the
 * migrations, because they use the same file. Elsewhere: transactions (sqlite_batch.c), limits of
 * reads (sqlite_reader.c), checkpoints (sqlite_checkpoint.c). */
#include "db/sqlite.h"

#include "base/clock.h"
#include "base/mem.h"
#include "db/sqlite_fts5.h"
#include "db/sqlite_gather.h"
#include "db/sqlite_read_lock.h"

#include <errno.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

#define CACHE_MAX    128
#define SQL_SIZE_MAX (256 << 10)
/* What a statement that may fail half-way remembers of the pages it changes, in one piece; more
 * goes to a temporary file. */
#define STATEMENT_JOURNAL_MAX (1 << 20)
#define ROW_SIZE_MAX          (128 << 20) /* of a value too: far above settings for replies and files */

/* ---- errors ---- */

static int set_constraint(int rc, const char *message, struct tt_err *err)
{
    switch (rc) {
    case SQLITE_CONSTRAINT_UNIQUE:
    case SQLITE_CONSTRAINT_PRIMARYKEY:
    case SQLITE_CONSTRAINT_ROWID:
        return tt_err_set(err, 409, "duplicate", "%s", message);
    case SQLITE_CONSTRAINT_FOREIGNKEY:
        return tt_err_set(err, 409, "foreign_key", "%s", message);
    default:
        return tt_err_set(err, 400, "constraint", "%s", message);
    }
}

int tt_sqlite_error(struct tt_sqlite *conn, int rc, struct tt_err *err)
{
    const char *message = conn->handle ? sqlite3_errmsg(conn->handle) : sqlite3_errstr(rc);
    int system_errno = conn->handle ? sqlite3_system_errno(conn->handle) : 0;
    switch (rc & 0xff) {
    case SQLITE_OK:
        break;
    case SQLITE_CONSTRAINT:
        set_constraint(rc, message, err);
        break;
    case SQLITE_TOOBIG:
        tt_err_set(err, 400, "constraint", "%s", message);
        break;
    case SQLITE_NOMEM:
        tt_err_set(err, 503, "no_memory", "%s", message);
        break;
    case SQLITE_FULL:
        tt_err_set(err, 507, "disk_full", "%s", message);
        break;
    case SQLITE_BUSY:
    case SQLITE_LOCKED:
        tt_err_set(err, 503, "busy", "%s (%d)", message, rc);
        break;
    case SQLITE_INTERRUPT:
        tt_err_set(err, 503, "query_too_slow", "a statement took longer than it may");
        break;
    case SQLITE_ERROR:
    case SQLITE_AUTH: /* refused by the guard */
    case SQLITE_RANGE:
    case SQLITE_MISMATCH:
    case SQLITE_MISUSE:
        tt_err_set(err, 500, "sql_error", "%s", message);
        break;
    default:
        /* SQLite reports FULL only for write(2): growing the -shm file and fsync report an I/O
         * error. */
        if ((rc & 0xff) == SQLITE_IOERR && (system_errno == ENOSPC || system_errno == EDQUOT))
            tt_err_set(err, 507, "disk_full", "%s (%d)", message, rc);
        else if (rc == SQLITE_IOERR_NOMEM)
            tt_err_set(err, 503, "no_memory", "%s (%d)", message, rc);
        else
            tt_err_set(err, 500, "database_error", "%s (%d, errno %d)", message, rc, system_errno);
    }
    return rc;
}

/* ---- opening ---- */

static void setup_library(void)
{
    /* Memory statistics take one process-wide lock for each allocation. */
    sqlite3_config(SQLITE_CONFIG_MEMSTATUS, 0);
    sqlite3_config(SQLITE_CONFIG_STMTJRNL_SPILL, STATEMENT_JOURNAL_MAX);
    tt_fts5_setup();
    tt_gather_setup();
    tt_read_lock_setup();
}

/* Statements from outside (jobs, queries) share our transaction and our connection: a COMMIT among
 * them would commit other users' jobs, and a PRAGMA would undo the settings. FTS5 itself reads
 * data_version. Called when a statement is prepared, so it costs nothing per run. */
static int authorize(void *arg, int action, const char *name, const char *detail,
                     const char *database, const char *trigger)
{
    const struct tt_sqlite *conn = arg;
    (void)detail, (void)database, (void)trigger;
    if (!conn->guarded)
        return SQLITE_OK;
    switch (action) {
    case SQLITE_TRANSACTION:
    case SQLITE_SAVEPOINT:
    case SQLITE_ATTACH:
    case SQLITE_DETACH:
        return SQLITE_DENY;
    case SQLITE_PRAGMA:
        return name && strcmp(name, "data_version") == 0 ? SQLITE_OK : SQLITE_DENY;
    default:
        return SQLITE_OK;
    }
}

/* To turn a new file into a WAL file, a process needs it alone for a moment. If two try at once,
 * they get "busy" and the busy handler is not called (each would wait for the other's shared lock).
 */
static int enter_wal(struct tt_sqlite *conn, int busy_ms, struct tt_err *err)
{
    uint64_t deadline = tt_clock_mono_ms() + (uint64_t)busy_ms;
    for (;;) {
        sqlite3_stmt *statement = NULL;
        int rc = sqlite3_prepare_v2(conn->handle, "PRAGMA journal_mode=WAL", -1, &statement, NULL);
        if (rc == SQLITE_OK)
            rc = sqlite3_step(statement);
        if (rc == SQLITE_ROW) {
            const char *mode = (const char *)sqlite3_column_text(statement, 0);
            rc = mode && strcmp(mode, "wal") == 0 ? SQLITE_OK : SQLITE_CANTOPEN;
            if (rc != SQLITE_OK)
                tt_err_set(err, 500, "database_error", "journal mode is %s, must be wal", mode);
        } else {
            tt_sqlite_error(conn, rc, err);
        }
        sqlite3_finalize(statement);
        if ((rc & 0xff) != SQLITE_BUSY || tt_clock_mono_ms() >= deadline)
            return rc;
        nanosleep(&(struct timespec){.tv_nsec = 10 * 1000 * 1000}, NULL);
    }
}

static int configure(struct tt_sqlite *conn, enum tt_sqlite_mode mode, int busy_ms,
                     struct tt_err *err)
{
    /* mmap_size: if somebody truncates the file, read(2) gives an error, but mmap gives SIGBUS. */
    static const char *const pragmas[] = {
        [TT_SQLITE_READ] = "PRAGMA query_only=ON; PRAGMA mmap_size=0; PRAGMA temp_store=MEMORY",
        [TT_SQLITE_WRITE] = "PRAGMA synchronous=FULL; PRAGMA foreign_keys=ON; PRAGMA mmap_size=0;"
                            "PRAGMA temp_store=MEMORY; PRAGMA cache_size=-8192",
    };
    sqlite3 *handle = conn->handle;
    sqlite3_busy_timeout(handle, busy_ms);
    sqlite3_limit(handle, SQLITE_LIMIT_SQL_LENGTH, SQL_SIZE_MAX);
    sqlite3_limit(handle, SQLITE_LIMIT_LENGTH, ROW_SIZE_MAX);
    sqlite3_db_config(handle, SQLITE_DBCONFIG_DEFENSIVE, 1, NULL);
    /* "text" in double quotes is a name; treating it as a string would hide misspelt columns. */
    sqlite3_db_config(handle, SQLITE_DBCONFIG_DQS_DML, 0, NULL);
    sqlite3_db_config(handle, SQLITE_DBCONFIG_DQS_DDL, 0, NULL);
    if (mode == TT_SQLITE_READ)
        sqlite3_db_config(handle, SQLITE_DBCONFIG_NO_CKPT_ON_CLOSE, 1, NULL);
    int rc = mode == TT_SQLITE_WRITE ? enter_wal(conn, busy_ms, err) : SQLITE_OK;
    if (rc != SQLITE_OK)
        return rc;
    sqlite3_wal_autocheckpoint(handle, 0);
    rc = sqlite3_exec(handle, pragmas[mode], NULL, NULL, NULL);
    if (rc != SQLITE_OK)
        return tt_sqlite_error(conn, rc, err);
    sqlite3_set_authorizer(handle, authorize, conn);
    return SQLITE_OK;
}

int tt_sqlite_open(struct tt_sqlite *conn, const char *path, enum tt_sqlite_mode mode, int busy_ms,
                   struct tt_err *err)
{
    static pthread_once_t once = PTHREAD_ONCE_INIT;
    int flags = SQLITE_OPEN_NOMUTEX | SQLITE_OPEN_EXRESCODE;
    pthread_once(&once, setup_library);
    flags |= mode == TT_SQLITE_READ ? SQLITE_OPEN_READONLY : SQLITE_OPEN_READWRITE;
    *conn = (struct tt_sqlite){.statements = tt_map_new()};
    tt_list_init(&conn->recent);
    int rc = sqlite3_open_v2(path, &conn->handle, flags,
                             mode == TT_SQLITE_WRITE ? TT_GATHER_VFS : TT_READ_LOCK_VFS);
    if (rc == SQLITE_OK)
        rc = configure(conn, mode, busy_ms, err);
    else
        tt_sqlite_error(conn, rc, err);
    if (rc != SQLITE_OK)
        tt_err_wrap(err, "%s", path);
    return rc;
}

static void statement_free(struct tt_list *node)
{
    struct tt_statement *statement = tt_list_entry(node, struct tt_statement, node);
    sqlite3_finalize(statement->handle);
    free((char *)statement->sql.data);
    free(statement);
}

void tt_sqlite_close(struct tt_sqlite *conn)
{
    if (!conn->statements)
        return;
    tt_list_for_each_safe (node, &conn->recent)
        statement_free(node);
    tt_map_free(conn->statements);
    sqlite3_close(conn->handle);
    *conn = (struct tt_sqlite){0};
}

/* ---- statements ---- */

/* Compiles text that must be exactly one statement; blanks and comments may follow it. */
static int compile(struct tt_sqlite *conn, struct tt_str sql, sqlite3_stmt **out,
                   struct tt_err *err)
{
    sqlite3_stmt *more = NULL;
    const char *tail = NULL;
    if (sql.len > SQL_SIZE_MAX || (sql.len > 0 && memchr(sql.data, '\0', sql.len))) {
        tt_err_set(err, 500, "sql_error", "statement too long, or with a NUL byte");
        return SQLITE_ERROR;
    }
    int rc = sqlite3_prepare_v3(conn->handle, sql.data ? sql.data : "", (int)sql.len,
                                SQLITE_PREPARE_PERSISTENT, out, &tail);
    if (rc != SQLITE_OK) {
        tt_sqlite_error(conn, rc, err);
    } else if (!*out) {
        rc = SQLITE_ERROR;
        tt_err_set(err, 500, "sql_error", "empty statement");
    } else {
        int rest = (int)(sql.data + sql.len - tail);
        if (rest > 0 &&
            (sqlite3_prepare_v2(conn->handle, tail, rest, &more, NULL) != SQLITE_OK || more)) {
            rc = SQLITE_ERROR;
            tt_err_set(err, 500, "sql_error", "more than one statement");
        }
        sqlite3_finalize(more);
    }
    if (rc != SQLITE_OK) {
        tt_err_wrap(err, "%.*s", sql.len < 120 ? (int)sql.len : 120, sql.data ? sql.data : "");
        sqlite3_finalize(*out);
        *out = NULL;
    }
    return rc;
}

/* A turn runs fifteen statements of some 200 bytes: hashing all of each costs more than comparing
 * it with the one statement that a few of its bytes select. */
static struct tt_statement **memo_of(struct tt_sqlite *conn, struct tt_str sql)
{
    uint64_t first, middle, last;
    if (sql.len < sizeof(first))
        return &conn->memo[0];
    memcpy(&first, sql.data, sizeof(first));
    memcpy(&middle, sql.data + (sql.len - sizeof(middle)) / 2, sizeof(middle));
    memcpy(&last, sql.data + sql.len - sizeof(last), sizeof(last));
    uint64_t mixed = (first ^ middle * 3 ^ last * 5 ^ sql.len) * 0x9E3779B97F4A7C15u;
    return &conn->memo[mixed >> 57 & (TT_SQLITE_MEMO - 1)];
}

static void drop_oldest(struct tt_sqlite *conn)
{
    struct tt_statement *statement = tt_list_entry(conn->recent.prev, struct tt_statement, node);
    struct tt_statement **memo = memo_of(conn, statement->sql);
    if (*memo == statement)
        *memo = NULL;
    tt_map_remove(conn->statements, statement->sql);
    tt_list_remove(&statement->node);
    statement_free(&statement->node);
}

static struct tt_statement *find_statement(struct tt_sqlite *conn, struct tt_str sql)
{
    struct tt_statement **memo = memo_of(conn, sql);
    if (!*memo || !tt_str_eq((*memo)->sql, sql))
        *memo = tt_map_get(conn->statements, sql);
    return *memo;
}

int tt_sqlite_prepare(struct tt_sqlite *conn, struct tt_str sql, struct tt_statement **out,
                      struct tt_err *err)
{
    struct tt_statement *statement = find_statement(conn, sql);
    *out = NULL;
    if (!statement) {
        sqlite3_stmt *handle = NULL;
        int rc = compile(conn, sql, &handle, err);
        if (rc != SQLITE_OK)
            return rc;
        if (tt_map_count(conn->statements) >= CACHE_MAX)
            drop_oldest(conn);
        statement = TT_NEW(struct tt_statement);
        statement->handle = handle;
        statement->sql = tt_str_of(tt_strndup(sql.data, sql.len), sql.len);
        tt_map_put(conn->statements, statement->sql, statement);
    }
    tt_list_remove(&statement->node);
    tt_list_push_front(&conn->recent, &statement->node);
    *out = statement;
    return SQLITE_OK;
}

void tt_sqlite_release(struct tt_statement *statement)
{
    sqlite3_reset(statement->handle);
    sqlite3_clear_bindings(statement->handle);
}

/* ---- values ---- */

static int bind_one(sqlite3_stmt *handle, int at, const struct tt_db_value *value)
{
    /* A NULL pointer would bind NULL, but an empty slice may have a NULL pointer. */
    const char *data = value->text.data ? value->text.data : "";
    switch (value->type) {
    case TT_DB_INT:
        return sqlite3_bind_int64(handle, at, value->integer);
    case TT_DB_REAL:
        return sqlite3_bind_double(handle, at, value->real);
    case TT_DB_TEXT:
        return sqlite3_bind_text64(handle, at, data, value->text.len, SQLITE_STATIC, SQLITE_UTF8);
    case TT_DB_BLOB:
        return sqlite3_bind_blob64(handle, at, data, value->text.len, SQLITE_STATIC);
    case TT_DB_NULL:
    case TT_DB_ID_OF:
        break;
    }
    return sqlite3_bind_null(handle, at);
}

int tt_sqlite_bind(struct tt_sqlite *conn, struct tt_statement *statement,
                   const struct tt_db_value *values, size_t count, struct tt_err *err)
{
    int wanted = sqlite3_bind_parameter_count(statement->handle);
    if ((size_t)wanted != count) {
        tt_err_set(err, 500, "sql_error", "%zu values for %d parameters: %.120s", count, wanted,
                   statement->sql.data);
        return SQLITE_RANGE;
    }
    for (size_t i = 0; i < count; i++) {
        int rc = bind_one(statement->handle, (int)i + 1, &values[i]);
        if (rc != SQLITE_OK)
            return tt_sqlite_error(conn, rc, err);
    }
    return SQLITE_OK;
}

/* By way of the value object, which is found once: each of the other functions looks for the column
 * again. That is allowed because the connection is one thread's (opened with NOMUTEX). */
struct tt_db_value tt_sqlite_column(struct tt_statement *statement, int column)
{
    sqlite3_value *from = sqlite3_column_value(statement->handle, column);
    struct tt_db_value value = {.type = TT_DB_NULL};

    switch (sqlite3_value_type(from)) {
    case SQLITE_INTEGER:
        value.type = TT_DB_INT;
        value.integer = sqlite3_value_int64(from);
        return value;
    case SQLITE_FLOAT:
        value.type = TT_DB_REAL;
        value.real = sqlite3_value_double(from);
        break;
    case SQLITE_TEXT:
        /* The pointer first: reading it may convert the value, which changes the length. */
        value.type = TT_DB_TEXT;
        value.text.data = (const char *)sqlite3_value_text(from);
        value.text.len = (size_t)sqlite3_value_bytes(from);
        break;
    case SQLITE_BLOB:
        value.type = TT_DB_BLOB;
        value.text.data = sqlite3_value_blob(from);
        value.text.len = (size_t)sqlite3_value_bytes(from);
        break;
    default:
        break;
    }
    if (!value.text.data)
        value.text = TT_STR(""); /* an empty blob, or no memory */
    return value;
}

/* ---- our own statements ---- */

int tt_sqlite_run_values(struct tt_sqlite *conn, const char *sql, const struct tt_db_value *values,
                         size_t count, int64_t *out, struct tt_err *err)
{
    struct tt_statement *statement;
    int rc = tt_sqlite_prepare(conn, tt_str_from(sql), &statement, err);
    if (rc != SQLITE_OK)
        return rc;
    rc = tt_sqlite_bind(conn, statement, values, count, err);
    if (rc == SQLITE_OK) {
        rc = sqlite3_step(statement->handle);
        if (rc == SQLITE_ROW && out)
            *out = sqlite3_column_int64(statement->handle, 0);
        while (rc == SQLITE_ROW)
            rc = sqlite3_step(statement->handle);
        rc = rc == SQLITE_DONE ? SQLITE_OK : tt_sqlite_error(conn, rc, err);
    }
    tt_sqlite_release(statement);
    return rc;
}

int tt_sqlite_run(struct tt_sqlite *conn, const char *sql, struct tt_err *err)
{
    return tt_sqlite_run_values(conn, sql, NULL, 0, NULL, err);
}
