/* PostgreSQL as an engine: reads on connections of the loops (postgres_link.c), jobs on one of a
 * writer thread (postgres_writer.c). Every read answers later. What is PostgreSQL's own business is
 * refused with a word about the tool for it: copies, backups, whether its files are sound. */
#include "base/mem.h"
#include "db/job_queue.h"
#include "db/postgres.h"

#include <stdlib.h>

#define BATCH_MAX 512
#define QUEUE_MAX 4096
#define URL_MAX   4300

struct pg_db {
    struct tt_db base;
    struct tt_pg_writer *writer;
    struct tt_pg_trouble trouble;
    char url[URL_MAX];
};

static struct pg_db *of(struct tt_db *base)
{
    return TT_CONTAINER_OF(base, struct pg_db, base);
}

static void close_db(struct tt_db *base)
{
    struct pg_db *db = of(base);
    tt_pg_writer_free(db->writer);
    tt_db_destroy(base);
    pthread_mutex_destroy(&db->trouble.mutex);
    free(db);
}

static struct tt_db *open_db(const char *place, const struct tt_db_settings *settings,
                             struct tt_aux *aux, struct tt_err *err)
{
    struct pg_db *db = TT_NEW(struct pg_db);
    struct tt_db_settings used = *settings;
    (void)aux;
    if (used.batch_max <= 0)
        used.batch_max = BATCH_MAX;
    if (used.queue_max <= 0)
        used.queue_max = QUEUE_MAX;
    tt_db_create(&db->base, &tt_pg_engine);
    tt_pg_url(place, db->url, sizeof(db->url));
    pthread_mutex_init(&db->trouble.mutex, NULL);
    db->writer = tt_pg_writer_new(db->url, &used, &db->trouble, err);
    if (db->writer)
        return &db->base;
    close_db(&db->base);
    return NULL;
}

static void stats(struct tt_db *base, struct tt_db_stats *out)
{
    tt_job_queue_stats(tt_pg_writer_queue(of(base)->writer), out);
}

static bool trouble(struct tt_db *base, struct tt_err *err)
{
    return tt_pg_trouble_get(&of(base)->trouble, err);
}

static struct tt_db_link *attach(struct tt_db *base, struct tt_loop *loop, struct tt_err *err)
{
    (void)err;
    return tt_pg_attach(base, loop, of(base)->url, &of(base)->trouble);
}

static struct tt_db_listener *listen_to(struct tt_db *base, struct tt_loop *loop,
                                        const char *channel, void (*on_notice)(void *arg),
                                        void *arg)
{
    return tt_pg_listen(of(base)->url, loop, channel, on_notice, arg);
}

static int submit(struct tt_db *base, struct tt_db_job *job, struct tt_err *err)
{
    return tt_job_queue_push(tt_pg_writer_queue(of(base)->writer), job, err);
}

static int refuse(struct tt_err *err, const char *what)
{
    return tt_err_set(err, 503, "database_unavailable", "%s", what);
}

static int copy(const char *from, const char *to, struct tt_err *err)
{
    (void)from, (void)to;
    return refuse(err, "a copy of a PostgreSQL database is made with CREATE DATABASE … TEMPLATE");
}

static int verify(const char *place, bool quick, struct tt_err *err)
{
    struct tt_db_contents contents;
    (void)quick; /* its files are PostgreSQL's business */
    return tt_pg_inspect(place, "", &contents, err);
}

static int backup(const char *place, const char *file, struct tt_err *err)
{
    (void)place, (void)file;
    return refuse(err, "back up PostgreSQL with its own tools, such as pg_dump, and keep the "
                       "secret file and the uploaded files, copied after it");
}

static int restore(const char *place, const char *file, struct tt_err *err)
{
    (void)place, (void)file;
    return refuse(err,
                  "restore PostgreSQL with its own tools, such as pg_restore, and bring back the "
                  "secret file and the uploaded files that were kept with it");
}

const struct tt_db_engine tt_pg_engine = {
    .scheme = "postgres",
    .usage = "postgres://<user>@<host>/<database>",
    .open = open_db,
    .close = close_db,
    .stats = stats,
    .trouble = trouble,
    .attach = attach,
    .detach = tt_pg_detach,
    .read = tt_pg_read,
    .cancel = tt_pg_cancel,
    .submit = submit,
    .search = &tt_pg_search,
    .listen = listen_to,
    .exists = tt_pg_exists,
    .inspect = tt_pg_inspect,
    .copy = copy,
    .tables = tt_pg_tables,
    .set_last_ids = tt_pg_set_last_ids,
    .verify = verify,
    .backup = backup,
    .restore = restore,
    .migrate = tt_pg_migrate,
    .migrate_down = tt_pg_migrate_down,
    .dialect = "postgres",
    .make_empty = tt_pg_make_empty,
    .drop_empty = tt_pg_drop_empty,
    .migrate_plugins = tt_pg_migrate_plugins,
    .compare_plugins = tt_pg_compare_plugins,
    .drop_plugin = tt_pg_drop_plugin,
};
