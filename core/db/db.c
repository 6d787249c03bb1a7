/* From the interface to the engine: which engine a URL selects, and which link a loop has. */
#include "base/mem.h"
#include "base/str.h"
#include "db/engine.h"

#include <limits.h>
#include <stdio.h>

static const struct tt_db_engine *const engines[] = {
    &tt_sqlite_engine,
    &tt_pg_engine,
#ifdef TT_TESTS
    &tt_late_engine,
#endif
};

/* ---- URLs ---- */

static const struct tt_db_engine *find_engine(struct tt_str url, struct tt_err *err)
{
    for (size_t i = 0; i < TT_COUNT(engines); i++) {
        size_t length = strlen(engines[i]->scheme);
        if (url.len > length + 1 && url.data[length] == ':' &&
            tt_str_starts(url, tt_str_from(engines[i]->scheme)))
            return engines[i];
    }
    tt_err_set(err, 503, "database_unavailable", "no database goes by '%.200s': use %s or %s",
               url.len ? url.data : "", engines[0]->usage, engines[1]->usage);
    return NULL;
}

const struct tt_db_engine *tt_db_engine_of(const char *url, const char **place, struct tt_err *err)
{
    const struct tt_db_engine *engine = find_engine(tt_str_from(url), err);
    if (engine)
        *place = url + strlen(engine->scheme) + 1;
    return engine;
}

int tt_db_check_url(struct tt_str url, struct tt_err *err)
{
    if (find_engine(url, NULL))
        return 0;
    return tt_err_set(err, 0, "invalid_setting", "only %s and %s are supported", engines[0]->usage,
                      engines[1]->usage);
}

const char *tt_db_dialect(const char *url)
{
    const struct tt_db_engine *engine = find_engine(tt_str_from(url), NULL);
    return engine ? engine->dialect : engines[0]->dialect;
}

void tt_db_default_url(const char *data_dir, char *out, size_t size)
{
    snprintf(out, size, "%s:%s/tidetalk.db", engines[0]->scheme, data_dir);
}

/* "//user:password@host/name?more" becomes "//user@host/name". Names and passwords among the
 * settings behind "?" may have an "@" too. */
static const char *without_secrets(const char *place)
{
    static _Thread_local char out[512];
    size_t slash = 2 + strcspn(place + 2, "/");
    const char *at = memrchr(place, '@', slash + strcspn(place + slash, "?"));
    size_t name = at ? strcspn(place + 2, ":@") + 2 : 0;
    const char *rest = at ? at : place;
    snprintf(out, sizeof(out), "%.*s%.*s", (int)name, place, (int)strcspn(rest, "?&"), rest);
    return out;
}

const char *tt_db_place(const char *url)
{
    const char *place = url;
    tt_db_engine_of(url, &place, NULL);
    return strncmp(place, "//", 2) == 0 ? without_secrets(place) : place;
}

bool tt_db_exists(const char *url)
{
    const char *place;
    const struct tt_db_engine *engine = tt_db_engine_of(url, &place, NULL);
    return engine && engine->exists(place);
}

int tt_db_copy(const char *from_url, const char *to_url, struct tt_err *err)
{
    const char *from, *to;
    const struct tt_db_engine *source = tt_db_engine_of(from_url, &from, err);
    const struct tt_db_engine *target = tt_db_engine_of(to_url, &to, err);
    if (!source || !target)
        return -1;
    if (source->copy != target->copy)
        return tt_err_set(err, 503, "database_unavailable",
                          "a copy must be of the same kind: %s and %s are not", source->scheme,
                          target->scheme);
    return source->copy(from, to, err);
}

int tt_db_verify(const char *url, bool quick, struct tt_err *err)
{
    const char *place;
    const struct tt_db_engine *engine = tt_db_engine_of(url, &place, err);
    return engine ? engine->verify(place, quick, err) : -1;
}

int tt_db_backup(const char *url, const char *file, struct tt_err *err)
{
    const char *place;
    const struct tt_db_engine *engine = tt_db_engine_of(url, &place, err);
    return engine ? engine->backup(place, file, err) : -1;
}

int tt_db_restore(const char *url, const char *file, struct tt_err *err)
{
    const char *place;
    const struct tt_db_engine *engine = tt_db_engine_of(url, &place, err);
    return engine ? engine->restore(place, file, err) : -1;
}

/* An engine's migrations are in a folder of its own. */
static void own_folder(const struct tt_db_engine *engine, const char *directory,
                       char out[static PATH_MAX])
{
    snprintf(out, PATH_MAX, "%s/%s", directory, engine->dialect);
}

int tt_db_migrate(const char *url, const char *directory, bool dry_run,
                  struct tt_migrate_report *report, struct tt_err *err)
{
    const char *place;
    char folder[PATH_MAX];
    const struct tt_db_engine *engine = tt_db_engine_of(url, &place, err);

    *report = (struct tt_migrate_report){0};
    if (!engine)
        return -1;
    own_folder(engine, directory, folder);
    return engine->migrate(place, folder, dry_run, report, err);
}

int tt_db_migrate_plugins(const char *url, const struct tt_db_plugin_file *files, size_t count,
                          uint64_t hold_ms, bool dry_run, struct tt_migrate_report *report,
                          struct tt_err *err)
{
    const char *place;
    struct tt_migration_plugins all;
    const struct tt_db_engine *engine = tt_db_engine_of(url, &place, err);

    *report = (struct tt_migrate_report){0};
    if (!engine)
        return -1;
    int failed = tt_migration_plugins_sort(&all, files, count, engine->dialect, err);
    if (!failed)
        failed = engine->migrate_plugins(place, &all, hold_ms, dry_run, report, err);
    tt_migration_plugins_free(&all);
    return failed;
}

int tt_db_make_empty(const char *url, const char *folder, struct tt_buf *empty, struct tt_err *err)
{
    const char *place;
    const struct tt_db_engine *engine = tt_db_engine_of(url, &place, err);
    return engine ? engine->make_empty(place, folder, empty, err) : -1;
}

void tt_db_drop_empty(const char *empty)
{
    const char *place;
    const struct tt_db_engine *engine = tt_db_engine_of(empty, &place, NULL);
    if (engine && engine->drop_empty)
        engine->drop_empty(place);
}

int tt_db_compare_plugins(const char *url, const struct tt_db_plugin_file *files, size_t count,
                          struct tt_err *err)
{
    const char *place;
    struct tt_migration_plugins all;
    const struct tt_db_engine *engine = tt_db_engine_of(url, &place, err);

    if (!engine)
        return -1;
    int failed = tt_migration_plugins_sort(&all, files, count, engine->dialect, err);
    if (!failed)
        failed = engine->compare_plugins(place, &all, err);
    tt_migration_plugins_free(&all);
    return failed;
}

int tt_db_drop_plugin(const char *url, const char *plugin, struct tt_migrate_report *report,
                      struct tt_err *err)
{
    const char *place;
    const struct tt_db_engine *engine = tt_db_engine_of(url, &place, err);

    *report = (struct tt_migrate_report){0};
    return engine ? engine->drop_plugin(place, plugin, report, err) : -1;
}

int tt_db_migrate_down(const char *url, const char *directory, int version,
                       struct tt_migrate_report *report, struct tt_err *err)
{
    const char *place;
    char folder[PATH_MAX];
    const struct tt_db_engine *engine = tt_db_engine_of(url, &place, err);

    *report = (struct tt_migrate_report){0};
    if (!engine)
        return -1;
    own_folder(engine, directory, folder);
    return engine->migrate_down(place, folder, version, report, err);
}

/* ---- open and close ---- */

void tt_db_create(struct tt_db *db, const struct tt_db_engine *engine)
{
    db->engine = engine;
    pthread_mutex_init(&db->mutex, NULL);
}

void tt_db_destroy(struct tt_db *db)
{
    pthread_mutex_destroy(&db->mutex);
}

struct tt_db *tt_db_open(const struct tt_db_settings *settings, struct tt_aux *aux,
                         struct tt_err *err)
{
    const char *place;
    const struct tt_db_engine *engine = tt_db_engine_of(settings->url, &place, err);
    return engine ? engine->open(place, settings, aux, err) : NULL;
}

void tt_db_close(struct tt_db *db)
{
    if (db)
        db->engine->close(db);
}

void tt_db_stats(struct tt_db *db, struct tt_db_stats *out)
{
    db->engine->stats(db, out);
}

bool tt_db_trouble(struct tt_db *db, struct tt_err *err)
{
    return db->engine->trouble && db->engine->trouble(db, err);
}

/* ---- loops ---- */

/* -1: it is not attached. */
static int slot_of(struct tt_db *db, const struct tt_loop *loop)
{
    int slots = loop ? atomic_load_explicit(&db->slots, memory_order_acquire) : 0;
    for (int i = 0; i < slots; i++)
        if (atomic_load_explicit(&db->loops[i], memory_order_relaxed) == loop)
            return i;
    return -1;
}

static int take_slot(struct tt_db *db, struct tt_db_link *link)
{
    int i = 0;
    pthread_mutex_lock(&db->mutex);
    while (i < TT_DB_LOOPS_MAX && atomic_load(&db->loops[i]))
        i++;
    if (i < TT_DB_LOOPS_MAX) {
        db->links[i] = link;
        atomic_store(&db->loops[i], link->loop);
        if (i >= atomic_load(&db->slots))
            atomic_store(&db->slots, i + 1);
    }
    pthread_mutex_unlock(&db->mutex);
    return i < TT_DB_LOOPS_MAX ? 0 : -1;
}

void tt_db_link_create(struct tt_db_link *link, struct tt_db *db, struct tt_loop *loop)
{
    link->db = db;
    link->loop = loop;
    tt_list_init(&link->pending);
}

int tt_db_attach(struct tt_db *db, struct tt_loop *loop, struct tt_err *err)
{
    struct tt_db_link *link = db->engine->attach(db, loop, err);
    if (!link)
        return -1;
    if (take_slot(db, link) == 0)
        return 0;
    db->engine->detach(link);
    return tt_err_set(err, 503, "database_unavailable", "more than %d loops read from the database",
                      TT_DB_LOOPS_MAX);
}

struct tt_db_listener *tt_db_listen(struct tt_db *db, struct tt_loop *loop, const char *channel,
                                    void (*on_notice)(void *arg), void *arg)
{
    if (!db->engine->listen)
        return NULL;
    return db->engine->listen(db, loop, channel, on_notice, arg);
}

void tt_db_detach(struct tt_db *db, struct tt_loop *loop)
{
    int slot = slot_of(db, loop);
    if (slot < 0)
        return;
    struct tt_db_link *link = db->links[slot];
    while (!tt_list_empty(&link->pending))
        tt_db_pending_cancel(tt_list_entry(link->pending.next, struct tt_db_pending, node));
    db->engine->detach(link);
    pthread_mutex_lock(&db->mutex);
    db->links[slot] = NULL;
    atomic_store(&db->loops[slot], NULL);
    pthread_mutex_unlock(&db->mutex);
}

/* ---- reading ---- */

int tt_db_read(struct tt_db *db, struct tt_loop *loop, const struct tt_db_query *query,
               tt_db_rows_fn *on_rows, void *arg, struct tt_db_pending **pending,
               struct tt_err *err)
{
    int slot = slot_of(db, loop);
    *pending = NULL;
    if (slot < 0)
        return tt_err_set(err, 500, "database_error", "this loop is not attached to the database");
    return db->engine->read(db->links[slot], query, on_rows, arg, pending, err);
}

void tt_db_pending_pass(struct tt_db_pending *pending, tt_db_rows_fn *on_rows, void *arg)
{
    pending->on_rows = on_rows;
    pending->arg = arg;
}

void tt_db_pending_cancel(struct tt_db_pending *pending)
{
    pending->link->db->engine->cancel(pending);
}

struct wait {
    struct tt_result *result;
    struct tt_err error;
    bool done;
};

static void keep_rows(struct tt_db_rows *rows, void *arg)
{
    struct wait *wait = arg;
    wait->done = tt_result_fill(wait->result, rows);
}

struct tt_db_rows *tt_db_read_wait(struct tt_db *db, struct tt_loop *loop,
                                   const struct tt_db_query *query, struct tt_err *err)
{
    struct wait wait = {.result = tt_result_new(query->rows_max)};
    struct tt_db_pending *pending;
    struct tt_err *error = &wait.result->error;

    if (tt_db_read(db, loop, query, keep_rows, &wait, &pending, error) == 0)
        while (!wait.done)
            tt_loop_tick(loop, -1);
    if (!error->status)
        return &wait.result->rows;
    if (err)
        *err = *error;
    tt_result_free(wait.result);
    return NULL;
}

/* ---- writing ---- */

int tt_db_submit(struct tt_db *db, struct tt_loop *loop, struct tt_db_job *job,
                 void (*on_done)(struct tt_db_job *job, void *arg), void *arg, struct tt_err *err)
{
    job->loop = loop;
    job->on_done = on_done;
    job->arg = arg;
    return db->engine->submit(db, job, err);
}

static void note_end(struct tt_db_job *job, void *arg)
{
    struct wait *wait = arg;
    if (tt_db_job_error(job))
        wait->error = *tt_db_job_error(job);
    wait->done = true;
}

int tt_db_submit_wait(struct tt_db *db, struct tt_loop *loop, struct tt_db_job *job,
                      struct tt_err *err)
{
    struct wait wait = {0};

    if (tt_db_submit(db, loop, job, note_end, &wait, err) != 0) {
        tt_db_job_free(job);
        return -1;
    }
    while (!wait.done)
        tt_loop_tick(loop, -1);
    if (!wait.error.status)
        return 0;
    if (err)
        *err = wait.error;
    return -1;
}
