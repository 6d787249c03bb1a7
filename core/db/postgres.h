/* One connection of libpq as this server uses it: how it is opened, the statements that are
 * prepared on it, parameters and results, and PostgreSQL's errors as tt_err. Private to db. Thread:
 * one at a time. */
#pragma once
#include "base/map.h"
#include "db/engine.h"
#include "db/postgres_sql.h"

#include <libpq-fe.h>

enum tt_pg_mode {
    TT_PG_READ,  /* transactions are read-only, and a statement has a short time */
    TT_PG_FETCH, /* the same, with a long time */
    TT_PG_WRITE
};

#define TT_PG_QUICK_MS 250   /* of a read in front of others */
#define TT_PG_SLOW_MS  10000 /* of any statement */

/* The key of a table that is one whole number; "" if it is not, and if no sequence gives it. */
struct tt_pg_key {
    char column[64], sequence[200];
};

struct tt_pg {
    PGconn *conn; /* NULL: none */
    enum tt_pg_mode mode;
    struct tt_map *statements; /* types and SQL -> struct tt_pg_statement */
    unsigned named;            /* statements so far */
    struct tt_map *keys;       /* TT_PG_WRITE: table -> struct tt_pg_key */
    bool wants_keys;           /* a statement could not be sent, because its table is not known */
    bool keys_fresh;           /* they were loaded just now: what is not there does not exist */
};

/* A prepared statement, or one that is sent only once (name ""). */
struct tt_pg_statement {
    struct tt_str key;
    struct tt_pg_text text;
    char name[24];
    unsigned uses; /* sent and not released */
    bool prepared, forgotten;
    bool gives_id;  /* its rows have the ids of rows that it inserted */
    char *sequence; /* it inserts one row, whose id is this sequence's next number; or NULL */
};

/* The URL, as libpq wants it, of an engine's `place`. */
void tt_pg_url(const char *place, char *out, size_t size);

/* Begins to connect: *pg gets a connection that PQconnectPoll goes on with. Fails:
 * "database_unavailable". Owns: the caller, tt_pg_close, also after a failure. */
int tt_pg_begin(struct tt_pg *pg, const char *url, enum tt_pg_mode mode, struct tt_err *err);
/* Once it is connected: whether the server is one that can be used. Fails: like above. */
int tt_pg_check(struct tt_pg *pg, struct tt_err *err);
/* Both, blocking. */
int tt_pg_open(struct tt_pg *pg, const char *url, enum tt_pg_mode mode, struct tt_err *err);
void tt_pg_close(struct tt_pg *pg); /* harmless on {0} */

/* Sends a statement with its values; the connection is in pipeline mode. A TT_DB_ID_OF has the name
 * of a sequence as its text, and stands for the number that it has given last. Returns how many
 * commands were sent: 2 if it is prepared first. Owns: the connection; the caller calls
 * tt_pg_release once it has the results. Fails: -1, "sql_error" or, if the connection is lost,
 * "database_unavailable".
 */
int tt_pg_send(struct tt_pg *pg, struct tt_str sql, const struct tt_db_value *values, size_t count,
               struct tt_pg_statement **out, struct tt_err *err);
/* The same for `members` statements in one, each with its values; they are of one kind,
 * TT_PG_SET_NONE is not among them. Returns 0 if their values are of different types: nothing is
 * sent then. (postgres_set.c) */
int tt_pg_send_set(struct tt_pg *pg, struct tt_str sql, enum tt_pg_set set,
                   const struct tt_db_value *const *values, size_t members, size_t count,
                   struct tt_pg_statement **out, struct tt_err *err);
/* The same for a statement in PostgreSQL's form with values in binary form. */
int tt_pg_send_binary(struct tt_pg *pg, struct tt_str sql, const Oid *types,
                      const struct tt_buf *values, size_t count, struct tt_pg_statement **out,
                      struct tt_err *err);
/* Reads which tables give ids; not in pipeline mode. */
int tt_pg_load_keys(struct tt_pg *pg, struct tt_err *err);
/* The key of the table into which a statement inserts; NULL: it inserts nothing, or there is no
 * such table. False: the table is not known, its keys must be loaded. (postgres_keys.c) */
bool tt_pg_find_key(const struct tt_pg *pg, struct tt_str sql, const struct tt_pg_key **key);
/* Whether rows that the statement inserts have ids; true if that is not known yet. */
bool tt_pg_may_give_id(const struct tt_pg *pg, struct tt_str sql);
/* `failed`: it is to be prepared anew, because it may not have been, or its tables have changed. */
void tt_pg_release(struct tt_pg *pg, struct tt_pg_statement *statement, bool failed);

/* Runs one of our own statements, with $1 for parameters, to its end; not in pipeline mode. Owns:
 * the caller, PQclear. Fails: NULL. */
PGresult *tt_pg_run(struct tt_pg *pg, const char *sql, const char *const *values, int count,
                    struct tt_err *err);
/* The same without the result. Fails: -1. */
int tt_pg_run_once(struct tt_pg *pg, const char *sql, const char *const *values, int count,
                   struct tt_err *err);
/* The same for scripts of several statements, without values; a failure sets *line, 0 = unknown. */
int tt_pg_run_script(struct tt_pg *pg, const char *sql, int *line, struct tt_err *err);
/* The same for one statement; refuses several. */
int tt_pg_run_statement(struct tt_pg *pg, const char *sql, int *line, struct tt_err *err);
/* A whole number, the first column of the first row. Fails: -1. */
int tt_pg_run_int(struct tt_pg *pg, const char *sql, const char *const *values, int count,
                  int64_t *out, struct tt_err *err);

/* Whether a commit of this connection waits for a standby: the configuration says so. Fails: -1. */
int tt_pg_is_replicated(struct tt_pg *pg, bool *out, struct tt_err *err);

/* Fills in err for a result that failed (NULL: the connection did). Returns -1. (postgres_error.c)
 */
int tt_pg_error(const struct tt_pg *pg, const PGresult *result, struct tt_err *err);
bool tt_pg_is_state(const PGresult *result, const char *state); /* its SQLSTATE */
/* Whether the same may succeed at once: a deadlock, a conflict with another transaction. */
bool tt_pg_is_conflict(const PGresult *result);

/* Rows over a result, which they own, or over an error. `rows_max`: see struct tt_db_query. Owns:
 * the caller, tt_db_rows_free. (postgres_rows.c) */
struct tt_db_rows *tt_pg_rows_new(PGresult *result, size_t rows_max, const struct tt_err *err);

/* ---- what readiness says (postgres_trouble.c) ---- */

/* Why the database cannot be used, as connections of several threads find it. */
struct tt_pg_trouble {
    pthread_mutex_t mutex;
    int count; /* of connections that are in trouble */
    struct tt_err why;
};

/* *own: whether this connection is in trouble; err = NULL: no more. Returns whether that is new.
 * Thread: any. */
bool tt_pg_trouble_note(struct tt_pg_trouble *trouble, bool *own, const struct tt_err *err);
bool tt_pg_trouble_get(struct tt_pg_trouble *trouble, struct tt_err *err);

#define TT_PG_TROUBLE_MS 1000 /* without a connection, until it is trouble */

/* ---- the writer (postgres_writer.c, postgres_batch.c) ---- */

struct tt_pg_writer;
struct tt_pg_writer *tt_pg_writer_new(const char *url, const struct tt_db_settings *settings,
                                      struct tt_pg_trouble *trouble, struct tt_err *err);
void tt_pg_writer_free(struct tt_pg_writer *writer); /* commits what is queued; NULL is fine */
struct tt_job_queue *tt_pg_writer_queue(struct tt_pg_writer *writer);
enum tt_pg_end {
    TT_PG_DONE,    /* each job has its outcome or its own error */
    TT_PG_AGAIN,   /* nothing was committed: a conflict with another transaction */
    TT_PG_LOST,    /* the connection is lost, and nothing was committed */
    TT_PG_UNKNOWN, /* the connection was lost after COMMIT was sent */
    TT_PG_BROKEN,  /* a job failed among others: nothing was committed */
    TT_PG_BUSY,    /* a lock of one of several jobs is held for too long: nothing was committed */
};
struct tt_pg_transaction { /* borrowed */
    const char *writer;    /* whose row in database_writers gets the number */
    int64_t number;
    struct tt_db_job **jobs;
    size_t count;
    bool sets;   /* statements that many jobs have are sent as one (postgres_set.c) */
    bool shared; /* there are other servers: locks are taken (postgres_locks.c) */
};
/* Runs jobs in one transaction, with the row of the writer's last batch. With TT_PG_AGAIN and
 * TT_PG_LOST err says why. Thread: writer. */
enum tt_pg_end tt_pg_batch(struct tt_pg *pg, const struct tt_pg_transaction *transaction,
                           struct tt_err *err);

/* Appends "{1,2}", the locks of jobs, sorted, each once. Returns how many there are.
 * (postgres_locks.c) */
size_t tt_pg_locks(struct tt_db_job *const *jobs, size_t count, struct tt_buf *out);
#define TT_PG_LOCK                                                                                 \
    "SELECT count(pg_advisory_xact_lock(1953064294, number)) FROM unnest($1::int[]) AS number"

/* Jobs that have the same statements and are independent, in order of the first of each. */
struct tt_pg_group {
    struct tt_db_job **jobs;
    size_t count;
};

#define TT_PG_GROUP_MIN 8 /* jobs; fewer are sent one by one, which costs the same */

/* Fills sorted[count], to which the groups point, and groups[count]; a job alone is a group, too.
 * Returns how many groups there are. (postgres_groups.c) */
size_t tt_pg_group(struct tt_db_job **jobs, size_t count, struct tt_db_job **sorted,
                   struct tt_pg_group *groups);

/* ---- the loop's side (postgres_link.c) ---- */

struct tt_db_link *tt_pg_attach(struct tt_db *db, struct tt_loop *loop, const char *url,
                                struct tt_pg_trouble *trouble);
void tt_pg_detach(struct tt_db_link *link);
int tt_pg_read(struct tt_db_link *link, const struct tt_db_query *query, tt_db_rows_fn *on_rows,
               void *arg, struct tt_db_pending **pending, struct tt_err *err);
void tt_pg_cancel(struct tt_db_pending *pending);

/* ---- the rest of the engine ---- */

struct tt_db_listener *tt_pg_listen(const char *url, struct tt_loop *loop, const char *channel,
                                    void (*on_notice)(void *arg), void *arg);
extern const struct tt_search_engine tt_pg_search;
int tt_pg_inspect(const char *place, const char *seal_id, struct tt_db_contents *contents,
                  struct tt_err *err);
int tt_pg_tables(const char *place, struct tt_tables *tables, struct tt_err *err);
int tt_pg_set_last_ids(const char *place, const struct tt_tables *tables, struct tt_err *err);
bool tt_pg_exists(const char *place);
int tt_pg_migrate(const char *place, const char *directory, bool dry_run,
                  struct tt_migrate_report *report, struct tt_err *err);
int tt_pg_migrate_down(const char *place, const char *directory, int version,
                       struct tt_migrate_report *report, struct tt_err *err);
/* What migrations of any kind begin and end with; `pg` is a struct tt_pg. (postgres_migrate.c) */
int tt_pg_migrate_open(struct tt_pg *pg, const char *place, struct tt_err *err);
int tt_pg_migrate_begin(void *pg, struct tt_err *err);
void tt_pg_migrate_end(void *pg);
int tt_pg_migrate_plugins(const char *place, const struct tt_migration_plugins *all,
                          uint64_t hold_ms, bool dry_run, struct tt_migrate_report *report,
                          struct tt_err *err);
int tt_pg_make_empty(const char *place, const char *folder, struct tt_buf *url, struct tt_err *err);
void tt_pg_drop_empty(const char *place);
int tt_pg_compare_plugins(const char *place, const struct tt_migration_plugins *all,
                          struct tt_err *err);
int tt_pg_drop_plugin(const char *place, const char *plugin, struct tt_migrate_report *report,
                      struct tt_err *err);
