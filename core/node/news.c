/* See news.h. Rows that a read does not see although they are older than some that it sees are
 * those of transactions that have not ended: the next read begins with the oldest of these, and
 * leaves out what the one before has had. */
#include "node/news.h"

#include "base/log.h"
#include "base/mem.h"
#include "db/listen.h"
#include "node/node.h"

#include <stdatomic.h>
#include <stdlib.h>

#define CHANNEL     "tidetalk_news"
#define POLL_MS     1000
#define KINDS_MAX   8
#define READ_MAX    "5000" /* of a read; what is beyond is not told */
#define DELETE_EACH 60     /* polls */
#define DELETE_MAX  1000

struct listener {
    const char *kind;
    tt_news_fn *fn;
    void *arg;
};

struct ids { /* ascending */
    int64_t *list;
    size_t count;
};

struct tt_news {
    struct tt_db *db;
    struct tt_loop *loop;
    const struct tt_node *node;
    struct listener listeners[KINDS_MAX];
    size_t listener_count;
    struct tt_db_listener *notices;
    struct tt_timer timer;
    struct tt_db_pending *pending; /* the read that is on its way */
    bool again;                    /* something was told since it was sent */
    bool started, stopped, deletes;
    int64_t from_tx; /* transactions from here on; INT64_MAX: nothing was read yet */
    struct ids seen; /* of these */
    unsigned polls;
    struct tt_mail mail;
    atomic_bool mailed;
    _Atomic uint64_t read, notified, delay_us;
};

/* One row at least, with the oldest transaction that had not ended. */
static const char SQL_READ[] =
    "SELECT s.oldest, c.id, c.kind, c.key, tidetalk_now() - c.at AS delay_us"
    " FROM (SELECT tidetalk_oldest_tx() AS oldest) AS s"
    " LEFT JOIN changes AS c ON c.tx >= ?1 ORDER BY c.id LIMIT " READ_MAX;
static const char SQL_ADD[] = "INSERT INTO changes (kind, key) VALUES (?1, ?2)";
/* Ten minutes: longer than a node may be away without having been taken for dead. */
static const char SQL_DELETE[] = "DELETE FROM changes WHERE id IN (SELECT id FROM changes"
                                 " WHERE at < tidetalk_now() - 600000000 ORDER BY at LIMIT ?1)";

/* ---- reading ---- */

static bool was_seen(const struct ids *seen, int64_t id)
{
    size_t from = 0, to = seen->count;

    while (from < to) {
        size_t middle = from + (to - from) / 2;
        if (seen->list[middle] == id)
            return true;
        if (seen->list[middle] < id)
            from = middle + 1;
        else
            to = middle;
    }
    return false;
}

static void tell(struct tt_news *news, struct tt_str kind, struct tt_str key)
{
    for (size_t i = 0; i < news->listener_count; i++)
        if (tt_str_eq(kind, tt_str_from(news->listeners[i].kind)))
            news->listeners[i].fn(key, news->listeners[i].arg);
}

static void take_row(struct tt_news *news, const struct tt_db_value *values, struct ids *now)
{
    int64_t id = values[1].integer;

    if (values[1].type != TT_DB_INT)
        return;
    now->list = tt_realloc(now->list, (now->count + 1) * sizeof(*now->list));
    now->list[now->count++] = id;
    if (was_seen(&news->seen, id))
        return;
    atomic_fetch_add(&news->read, 1);
    atomic_fetch_add(&news->delay_us, (uint64_t)(values[4].integer > 0 ? values[4].integer : 0));
    tell(news, values[2].text, values[3].text);
}

static void delete_old(struct tt_news *news);

static void on_rows(struct tt_db_rows *rows, void *arg)
{
    struct tt_news *news = arg;
    struct ids now = {0};
    int64_t oldest = news->from_tx;
    int more;

    news->pending = NULL;
    while ((more = tt_db_next(rows, NULL)) == TT_DB_ROW) {
        oldest = rows->values[0].integer;
        take_row(news, rows->values, &now);
    }
    if (more == TT_DB_FAILED) {
        free(now.list); /* all rows are there, or none */
    } else {
        free(news->seen.list);
        news->seen = now;
        news->from_tx = oldest;
    }
    if (more != TT_DB_FAILED && ++news->polls % DELETE_EACH == 0)
        delete_old(news);
    tt_timer_start(news->loop, &news->timer, news->again ? 0 : POLL_MS);
    news->again = false;
}

static void poll(struct tt_timer *timer)
{
    struct tt_news *news = TT_CONTAINER_OF(timer, struct tt_news, timer);
    const struct tt_db_value from = tt_db_int(news->from_tx);
    const struct tt_db_query query = {.sql = TT_STR(SQL_READ), .values = &from, .count = 1};

    if (tt_db_read(news->db, news->loop, &query, on_rows, news, &news->pending, NULL) != 0)
        tt_timer_start(news->loop, timer, POLL_MS);
}

static void look_now(struct tt_news *news)
{
    if (news->pending)
        news->again = true;
    else
        tt_timer_start(news->loop, &news->timer, 0);
}

static void on_notice(void *arg)
{
    struct tt_news *news = arg;

    atomic_fetch_add(&news->notified, 1);
    look_now(news);
}

/* ---- old ones ---- */

static void on_deleted(struct tt_db_job *job, void *arg)
{
    struct tt_news *news = arg;
    const struct tt_err *err = tt_db_job_error(job);

    news->deletes = false;
    if (err)
        tt_log(TT_LOG_WARN, "news: old ones were not deleted", TT_F_Z("code", err->code),
               TT_F_Z("error", err->message));
    else if (tt_db_job_outcome(job, 0).changes == DELETE_MAX && !news->stopped)
        delete_old(news);
}

static void delete_old(struct tt_news *news)
{
    const struct tt_db_value most = tt_db_int(DELETE_MAX);

    if (news->deletes || !tt_node_is_keeper(news->node))
        return;
    struct tt_db_job *job = tt_db_job_new();
    tt_db_job_add(job, TT_STR(SQL_DELETE), &most, 1, -1);
    news->deletes = tt_db_submit(news->db, news->loop, job, on_deleted, news, NULL) == 0;
    if (!news->deletes)
        tt_db_job_free(job);
}

/* ---- telling ---- */

void tt_news_add(struct tt_db_job *job, const char *kind, struct tt_str key)
{
    const struct tt_db_value values[] = {tt_db_text(tt_str_from(kind)), tt_db_text(key)};
    tt_db_job_add(job, TT_STR(SQL_ADD), values, TT_COUNT(values), 1);
}

static void notify(struct tt_mail *mail)
{
    struct tt_news *news = TT_CONTAINER_OF(mail, struct tt_news, mail);

    atomic_store(&news->mailed, false);
    if (news->notices)
        tt_db_notify(news->notices);
}

void tt_news_notify(struct tt_news *news)
{
    if (news && !atomic_exchange(&news->mailed, true))
        tt_loop_post(news->loop, &news->mail);
}

/* ---- life ---- */

struct tt_news *tt_news_new(struct tt_db *db, struct tt_loop *loop, const struct tt_node *node)
{
    struct tt_news *news = TT_NEW(struct tt_news);

    news->db = db;
    news->loop = loop;
    news->node = node;
    news->from_tx = INT64_MAX;
    news->timer.on_due = poll;
    news->mail.deliver = notify;
    return news;
}

void tt_news_on(struct tt_news *news, const char *kind, tt_news_fn *fn, void *arg)
{
    if (news->listener_count == KINDS_MAX)
        abort();
    news->listeners[news->listener_count++] = (struct listener){kind, fn, arg};
}

void tt_news_start(struct tt_news *news)
{
    news->started = true;
    tt_timer_start(news->loop, &news->timer, 0);
    news->notices = tt_db_listen(news->db, news->loop, CHANNEL, on_notice, news);
}

void tt_news_stop(struct tt_news *news)
{
    if (!news->started)
        return;
    news->stopped = true;
    tt_timer_stop(&news->timer);
    if (news->pending)
        tt_db_pending_cancel(news->pending);
    news->pending = NULL;
    tt_db_unlisten(news->notices);
    news->notices = NULL;
}

void tt_news_free(struct tt_news *news)
{
    if (!news)
        return;
    free(news->seen.list);
    free(news);
}

void tt_news_stats(const struct tt_news *news, struct tt_news_stats *out)
{
    out->read = atomic_load(&news->read);
    out->notices = atomic_load(&news->notified);
    out->delay_us = atomic_load(&news->delay_us);
}
