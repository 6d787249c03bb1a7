/* A read that fails says nothing about anybody: the database may be away for this node alone. */
#include "node/relay_watch.h"

#include "node/members.h"

#define NODES_MAX 256

struct living {
    int64_t ids[NODES_MAX];
    size_t count;
};

static bool is_among(const struct living *living, int64_t id)
{
    for (size_t i = 0; i < living->count; i++)
        if (living->ids[i] == id)
            return true;
    return false;
}

static void end_dead(struct tt_relay_watch *watch, const struct living *living)
{
    struct tt_list all, *node;

    tt_list_init(&all);
    tt_list_splice(&all, &watch->calls);
    while ((node = tt_list_pop_front(&all))) {
        struct tt_relay_watched *watched = tt_list_entry(node, struct tt_relay_watched, node);
        if (is_among(living, watched->to))
            tt_list_push_back(&watch->calls, &watched->node);
        else
            watched->on_dead(watched);
    }
}

static void look_later(struct tt_relay_watch *watch)
{
    if (!tt_list_empty(&watch->calls))
        tt_timer_start(watch->loop, &watch->timer, watch->period_ms);
}

static void on_rows(struct tt_db_rows *rows, void *arg)
{
    struct tt_relay_watch *watch = arg;
    struct living living = {0};
    struct tt_err err = {0};
    int more;

    watch->pending = NULL;
    while ((more = tt_db_next(rows, &err)) == TT_DB_ROW)
        if (living.count < NODES_MAX)
            living.ids[living.count++] = rows->values[0].integer;
    if (more == TT_DB_AGAIN)
        return;
    if (more != TT_DB_FAILED && living.count > 0)
        end_dead(watch, &living);
    look_later(watch);
}

static void on_due(struct tt_timer *timer)
{
    struct tt_relay_watch *watch = TT_CONTAINER_OF(timer, struct tt_relay_watch, timer);
    const struct tt_db_query query = {.sql = tt_str_from(tt_members_sql_alive)};
    struct tt_err err = {0};

    if (tt_list_empty(&watch->calls))
        return;
    if (tt_db_read(watch->db, watch->loop, &query, on_rows, watch, &watch->pending, &err) != 0)
        look_later(watch);
}

void tt_relay_watch_create(struct tt_relay_watch *watch, struct tt_loop *loop, struct tt_db *db,
                           uint64_t lease_ms)
{
    *watch = (struct tt_relay_watch){.loop = loop, .db = db, .period_ms = lease_ms / 4};
    tt_list_init(&watch->calls);
    watch->timer.on_due = on_due;
}

void tt_relay_watch_destroy(struct tt_relay_watch *watch)
{
    if (!watch->loop)
        return;
    tt_timer_stop(&watch->timer);
    if (watch->pending)
        tt_db_pending_cancel(watch->pending);
    watch->pending = NULL;
}

void tt_relay_watch_add(struct tt_relay_watch *watch, struct tt_relay_watched *watched)
{
    if (!watch->db)
        return;
    bool first = tt_list_empty(&watch->calls);
    tt_list_push_back(&watch->calls, &watched->node);
    if (first && !watch->pending)
        tt_timer_start(watch->loop, &watch->timer, watch->period_ms);
}

void tt_relay_watch_remove(struct tt_relay_watched *watched)
{
    tt_list_remove(&watched->node);
}
