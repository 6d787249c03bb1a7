/* What an engine provides, and what engines share. An engine is one const table of functions and a
 * struct that begins with struct tt_db; db.c finds it by the URL's scheme. SQLite's is in
 * sqlite*.c, PostgreSQL's in postgres*.c. Private to db. */
#pragma once
#include "base/list.h"
#include "db/db.h"
#include "db/inspect.h"
#include "db/job.h"
#include "db/listen.h"
#include "db/migrate.h"
#include "db/migration_plugins.h"
#include "db/search.h"
#include "db/transfer_tables.h"

#include <pthread.h>
#include <stdatomic.h>

#define TT_DB_LOOPS_MAX 320 /* the workers and some spare */

/* A loop's link to the database; the engine embeds it in its own struct. */
struct tt_db_link {
    struct tt_db *db;
    struct tt_loop *loop;
    struct tt_list pending; /* struct tt_db_pending.node */
};

struct tt_db {
    const struct tt_db_engine *engine;
    /* By index. Only the loop's own thread uses its link, so reading needs no lock. */
    _Atomic(struct tt_loop *) loops[TT_DB_LOOPS_MAX];
    struct tt_db_link *links[TT_DB_LOOPS_MAX];
    atomic_int slots;      /* used so far */
    pthread_mutex_t mutex; /* held while a slot is taken or released */
};

/* A read that waits. The engine embeds it in its own struct; it is in the link's list from `read`
 * until it is answered or cancelled. */
struct tt_db_pending {
    struct tt_list node;
    struct tt_db_link *link;
    tt_db_rows_fn *on_rows;
    void *arg;
};

/* How messages are found. The statements are the engine's; the table message_search_queue is the
 * same in all engines. */
struct tt_search_engine {
    /* Adds statements that index the queued messages of this user or (NULL) of all users, within
     * bounds. Of one user: those that a search waits for, which are not long ones. One of
     * the last two changes rows if some are left. */
    void (*index)(struct tt_db_job *job, const struct tt_db_value *user);
    /* Adds statements that merge a bounded part of what earlier jobs have indexed. */
    void (*merge)(struct tt_db_job *job);
    /* Writes the query, with the columns that search.h lists. Everything that is not constant goes
     * into the arena. */
    struct tt_db_query (*find)(struct tt_arena *arena, const struct tt_search *search);
    struct tt_db_query (*count)(struct tt_arena *arena, const struct tt_search *search);
};

/* `place` is the URL without its scheme and colon. Each function is described at the function with
 * the same name in db.h or migrate.h; `tables` and `set_last_ids` read and raise what
 * transfer_tables.h describes. */
struct tt_db_engine {
    const char *scheme;
    const char *usage; /* the form of its URLs, for error messages */

    struct tt_db *(*open)(const char *place, const struct tt_db_settings *settings,
                          struct tt_aux *aux, struct tt_err *err);
    void (*close)(struct tt_db *db); /* also frees it; no link is left */
    void (*stats)(struct tt_db *db, struct tt_db_stats *out);
    bool (*trouble)(struct tt_db *db, struct tt_err *err); /* NULL: it has none of this kind */

    struct tt_db_link *(*attach)(struct tt_db *db, struct tt_loop *loop, struct tt_err *err);
    void (*detach)(struct tt_db_link *link); /* also frees it; nothing is pending */
    int (*read)(struct tt_db_link *link, const struct tt_db_query *query, tt_db_rows_fn *on_rows,
                void *arg, struct tt_db_pending **pending, struct tt_err *err);
    void (*cancel)(struct tt_db_pending *pending);
    int (*submit)(struct tt_db *db, struct tt_db_job *job, struct tt_err *err);
    const struct tt_search_engine *search;
    /* See listen.h; NULL: there is nothing like that. */
    struct tt_db_listener *(*listen)(struct tt_db *db, struct tt_loop *loop, const char *channel,
                                     void (*on_notice)(void *arg), void *arg);

    /* For a database that is not open: */
    bool (*exists)(const char *place);
    int (*inspect)(const char *place, const char *seal_id, struct tt_db_contents *contents,
                   struct tt_err *err);
    int (*copy)(const char *from, const char *to, struct tt_err *err);
    int (*tables)(const char *place, struct tt_tables *tables, struct tt_err *err);
    int (*set_last_ids)(const char *place, const struct tt_tables *tables, struct tt_err *err);
    int (*verify)(const char *place, bool quick, struct tt_err *err);
    int (*backup)(const char *place, const char *file, struct tt_err *err);
    int (*restore)(const char *place, const char *file, struct tt_err *err);
    int (*migrate)(const char *place, const char *directory, bool dry_run,
                   struct tt_migrate_report *report, struct tt_err *err);
    int (*migrate_down)(const char *place, const char *directory, int version,
                        struct tt_migrate_report *report, struct tt_err *err);
    int (*make_empty)(const char *place, const char *folder, struct tt_buf *url,
                      struct tt_err *err);
    void (*drop_empty)(const char *place); /* NULL: it goes with the folder */
    const char *dialect; /* "sqlite": its folder of migrations, and in names of plugins' ones */
    int (*migrate_plugins)(const char *place, const struct tt_migration_plugins *all,
                           uint64_t hold_ms, bool dry_run, struct tt_migrate_report *report,
                           struct tt_err *err);
    int (*compare_plugins)(const char *place, const struct tt_migration_plugins *all,
                           struct tt_err *err);
    int (*drop_plugin)(const char *place, const char *plugin, struct tt_migrate_report *report,
                       struct tt_err *err);
};

extern const struct tt_db_engine tt_sqlite_engine;
extern const struct tt_db_engine tt_pg_engine;
#ifdef TT_TESTS
extern const struct tt_db_engine tt_late_engine; /* sqlite_late.c */
#endif

/* The engine of a URL and the place after the scheme. Fails: NULL, "database_unavailable". */
const struct tt_db_engine *tt_db_engine_of(const char *url, const char **place, struct tt_err *err);

/* For `open` and `close`. */
void tt_db_create(struct tt_db *db, const struct tt_db_engine *engine);
void tt_db_destroy(struct tt_db *db);
/* For `attach`. */
void tt_db_link_create(struct tt_db_link *link, struct tt_db *db, struct tt_loop *loop);

/* ---- rows in memory (result.c) ---- */

#define TT_RESULT_ROWS_MAX  10000
#define TT_RESULT_BYTES_MAX (64u << 20)

struct tt_result {
    struct tt_db_rows rows;
    struct tt_arena arena; /* holds everything below, and what its owner adds */
    struct tt_err error;   /* status != 0: failed */
    size_t rows_max;
    size_t count, at;        /* rows, and the index of the next one */
    struct tt_db_value *all; /* [count * columns] */
};

struct tt_result *tt_result_new(size_t rows_max);
/* Copies all rows of `from`, or the error that stopped them. False: TT_DB_AGAIN came, and no row is
 * kept. Thread: any, one at a time, as below. */
bool tt_result_fill(struct tt_result *result, struct tt_db_rows *from);
void tt_result_free(struct tt_result *result);
/* Passes the rows to on_rows and frees them unless it takes them over. */
void tt_result_deliver(struct tt_result *result, tt_db_rows_fn *on_rows, void *arg);

/* A query with its SQL and values in the arena. */
struct tt_db_query tt_query_copy(struct tt_arena *arena, const struct tt_db_query *query);
