/* An engine for tests: SQLite that answers every read late, as an engine over a network does. Each
 * read waits for a number of the loop's ticks, reads (at its first tick or at its last, so that
 * both fresh and outdated rows occur), and answers from the loop, never within the call; answers
 * are not in the order of the reads. The delays come from TT_LATE_SEED, so that a run can be
 * repeated. URL "sqlite-late:PATH". Only in builds with tests. */
#ifdef TT_TESTS
#include "base/mem.h"
#include "db/sqlite_internal.h"

#include <stdlib.h>

#define TICKS_MAX 3

struct late_db {
    struct tt_db base;
    struct tt_db *inner;
    uint64_t seed;
    atomic_uint links;
};

struct late_link {
    struct tt_db_link base;
    struct tt_db_link *inner;
    uint64_t random;
};

struct late_read {
    struct tt_db_pending pending;
    struct tt_timer timer; /* due in every tick */
    int ticks_before, ticks_after;
    struct tt_arena arena; /* of the query */
    struct tt_db_query query;
    struct tt_result *result;
    struct tt_db_pending *inner; /* SQLite itself answers later */
    bool gathered;
};

/* xorshift64: G. Marsaglia, Xorshift RNGs, 2003 */
static uint64_t next_random(uint64_t *state)
{
    *state ^= *state << 13;
    *state ^= *state >> 7;
    *state ^= *state << 17;
    return *state;
}

/* ---- a read ---- */

static void read_free(struct late_read *read)
{
    tt_list_remove(&read->pending.node);
    tt_timer_stop(&read->timer);
    tt_result_free(read->result);
    tt_arena_destroy(&read->arena);
    free(read);
}

static void gather(struct tt_db_rows *rows, void *arg)
{
    struct late_read *read = arg;
    read->gathered = tt_result_fill(read->result, rows);
    if (read->inner && read->gathered) {
        read->inner = NULL;
        tt_timer_start(read->pending.link->loop, &read->timer, 0);
    }
}

/* Reads from SQLite. The timer runs again when the rows have arrived. */
static void ask(struct late_read *read)
{
    struct late_link *link = TT_CONTAINER_OF(read->pending.link, struct late_link, base);
    struct tt_db_pending *inner = NULL;

    if (link->inner->db->engine->read(link->inner, &read->query, gather, read, &inner,
                                      &read->result->error) != 0)
        read->gathered = true;
    read->inner = inner;
    if (!inner)
        tt_timer_start(read->pending.link->loop, &read->timer, 0);
}

static void answer(struct late_read *read)
{
    struct tt_result *result = read->result;
    tt_db_rows_fn *on_rows = read->pending.on_rows;
    void *arg = read->pending.arg;

    read->result = NULL;
    read_free(read);
    tt_result_deliver(result, on_rows, arg);
}

static void on_tick(struct tt_timer *timer)
{
    struct late_read *read = TT_CONTAINER_OF(timer, struct late_read, timer);

    if (!read->gathered && read->ticks_before-- <= 0)
        ask(read);
    else if (read->gathered && read->ticks_after-- <= 0)
        answer(read);
    else
        tt_timer_start(read->pending.link->loop, timer, 0);
}

static int read_rows(struct tt_db_link *base, const struct tt_db_query *query,
                     tt_db_rows_fn *on_rows, void *arg, struct tt_db_pending **pending,
                     struct tt_err *err)
{
    struct late_link *link = TT_CONTAINER_OF(base, struct late_link, base);
    struct late_read *read = TT_NEW(struct late_read);
    uint64_t random = next_random(&link->random);
    int ticks = (int)(random % (TICKS_MAX + 1));
    bool at_once = random & 0x100;
    (void)err;

    read->pending = (struct tt_db_pending){.link = base, .on_rows = on_rows, .arg = arg};
    tt_list_push_back(&base->pending, &read->pending.node);
    read->timer.on_due = on_tick;
    read->query = tt_query_copy(&read->arena, query);
    read->result = tt_result_new(query->rows_max);
    read->ticks_before = at_once ? 0 : ticks;
    read->ticks_after = at_once ? ticks : 0;
    *pending = &read->pending;
    if (at_once)
        ask(read);
    else
        tt_timer_start(base->loop, &read->timer, 0);
    return 0;
}

static void cancel(struct tt_db_pending *pending)
{
    struct late_read *read = TT_CONTAINER_OF(pending, struct late_read, pending);
    if (read->inner)
        tt_db_pending_cancel(read->inner);
    read_free(read);
}

/* ---- everything else is SQLite's ---- */

static struct tt_db *inner_of(struct tt_db *db)
{
    return TT_CONTAINER_OF(db, struct late_db, base)->inner;
}

static struct tt_db_link *attach(struct tt_db *base, struct tt_loop *loop, struct tt_err *err)
{
    struct late_db *db = TT_CONTAINER_OF(base, struct late_db, base);
    struct tt_db_link *inner = db->inner->engine->attach(db->inner, loop, err);
    if (!inner)
        return NULL;
    struct late_link *link = TT_NEW(struct late_link);
    tt_db_link_create(&link->base, base, loop);
    link->inner = inner;
    link->random = (db->seed + atomic_fetch_add(&db->links, 1)) * 0x9e3779b97f4a7c15u | 1;
    return &link->base;
}

static void detach(struct tt_db_link *base)
{
    struct late_link *link = TT_CONTAINER_OF(base, struct late_link, base);
    link->inner->db->engine->detach(link->inner);
    free(link);
}

static int submit(struct tt_db *db, struct tt_db_job *job, struct tt_err *err)
{
    return inner_of(db)->engine->submit(inner_of(db), job, err);
}

static void stats(struct tt_db *db, struct tt_db_stats *out)
{
    tt_db_stats(inner_of(db), out);
}

static void close_db(struct tt_db *base)
{
    struct late_db *db = TT_CONTAINER_OF(base, struct late_db, base);
    tt_db_close(db->inner);
    tt_db_destroy(base);
    free(db);
}

static struct tt_db *open_db(const char *path, const struct tt_db_settings *settings,
                             struct tt_aux *aux, struct tt_err *err)
{
    struct tt_db *inner = tt_sqlite_engine.open(path, settings, aux, err);
    const char *seed = getenv("TT_LATE_SEED");
    if (!inner)
        return NULL;
    struct late_db *db = TT_NEW(struct late_db);
    tt_db_create(&db->base, &tt_late_engine);
    db->inner = inner;
    db->seed = seed ? strtoull(seed, NULL, 10) : 1;
    return &db->base;
}

static bool exists(const char *path)
{
    return tt_sqlite_engine.exists(path);
}

const struct tt_db_engine tt_late_engine = {
    .scheme = "sqlite-late",
    .usage = "sqlite-late:<path>",
    .open = open_db,
    .close = close_db,
    .stats = stats,
    .attach = attach,
    .detach = detach,
    .read = read_rows,
    .cancel = cancel,
    .submit = submit,
    .search = &tt_sqlite_search,
    .exists = exists,
    .inspect = tt_sqlite_inspect,
    .copy = tt_sqlite_copy,
    .tables = tt_sqlite_tables,
    .set_last_ids = tt_sqlite_set_last_ids,
    .verify = tt_sqlite_verify,
    .backup = tt_sqlite_backup,
    .restore = tt_sqlite_restore,
    .migrate = tt_sqlite_migrate,
    .migrate_down = tt_sqlite_migrate_down,
    .dialect = "sqlite",
    .make_empty = tt_sqlite_make_empty,
    .migrate_plugins = tt_sqlite_migrate_plugins,
    .compare_plugins = tt_sqlite_compare_plugins,
    .drop_plugin = tt_sqlite_drop_plugin,
};
#endif
