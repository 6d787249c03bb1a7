/* The loop's side of PostgreSQL: two connections for each loop, non-blocking and in pipeline mode,
 * on the loop's epoll. Reads are sent as they come and answered in this order, later, from the
 * loop. One that takes longer than TT_PG_QUICK_MS is ended by the server and sent again on the
 * second connection, where the slow ones wait for each other and not everybody for them.
 *
 * A connection that is lost is opened again, and its reads are sent again: they change nothing.
 * While there is no database, reads wait for DOWN_MS and are refused at once from then on. */
#include "base/log.h"
#include "base/mem.h"
#include "db/postgres.h"

#include <stdlib.h>
#include <sys/epoll.h>

#define DOWN_MS    2000
#define PAUSE_MS   100
#define CONNECT_MS 5000
#define SILENCE_MS (TT_PG_SLOW_MS + 5000)
#define LOOK_MS    1000
#define TRIES_MAX  3

struct pg_link;

struct read {
    struct tt_db_pending pending; /* in no list once nobody waits */
    struct tt_list node;          /* in a channel's list */
    struct tt_arena arena;        /* of the query */
    struct tt_db_query query;
    struct tt_pg_statement *statement; /* while it is sent */
    PGresult *result;
    struct tt_err error;
    uint64_t since_ms; /* it waits here, or was sent */
    int tries;
    bool prepares; /* the answer of the preparation is to come */
    bool too_slow, outdated;
};

enum state { CLOSED, CONNECTING, READY };

struct channel {
    struct pg_link *link;
    enum tt_pg_mode mode;
    enum state state;
    struct tt_pg pg;
    struct tt_watch watch;
    struct tt_timer timer; /* looks whether something takes too long; connects again */
    struct tt_list waiting, sent;
    uint64_t down_since_ms; /* 0: it was connected, or never wanted */
    uint64_t began_ms;      /* to connect */
    struct tt_err why;      /* the last failure */
    bool in_trouble;
};

struct pg_link {
    struct tt_db_link base;
    char *url;
    struct tt_pg_trouble *trouble; /* borrowed */
    struct channel quick, slow;
    struct tt_list answered; /* reads whose rows are to be delivered */
    struct tt_deferred deliver;
};

static void begin_connect(struct channel *channel);
static void send_waiting(struct channel *channel);

/* ---- reads ---- */

static struct tt_loop *loop_of(const struct channel *channel)
{
    return channel->link->base.loop;
}

static void read_free(struct read *read)
{
    tt_list_remove(&read->pending.node);
    tt_list_remove(&read->node);
    PQclear(read->result);
    tt_arena_destroy(&read->arena);
    free(read);
}

static bool is_cancelled(struct read *read)
{
    return tt_list_empty(&read->pending.node);
}

static void deliver(struct tt_deferred *deferred)
{
    struct pg_link *link = TT_CONTAINER_OF(deferred, struct pg_link, deliver);
    struct tt_list *node;

    while ((node = tt_list_pop_front(&link->answered))) {
        struct read *read = tt_list_entry(node, struct read, node);
        struct tt_db_rows *rows = tt_pg_rows_new(read->result, read->query.rows_max, &read->error);
        tt_db_rows_fn *on_rows = read->pending.on_rows;
        void *arg = read->pending.arg;
        read->result = NULL;
        read_free(read);
        on_rows(rows, arg);
        if (!rows->taken)
            rows->free(rows);
    }
}

static void answer(struct channel *channel, struct read *read)
{
    struct pg_link *link = channel->link;
    tt_list_remove(&read->node);
    if (is_cancelled(read)) {
        read_free(read);
        return;
    }
    tt_list_push_back(&link->answered, &read->node);
    tt_loop_defer(link->base.loop, &link->deliver);
}

static void put_waiting(struct channel *channel, struct read *read)
{
    read->since_ms = tt_loop_now(loop_of(channel));
    tt_list_push_back(&channel->waiting, &read->node);
    if (channel->state == READY)
        send_waiting(channel);
    else if (channel->state == CLOSED && !channel->timer.due_ms)
        begin_connect(channel);
}

static void fail_waiting(struct channel *channel, const struct tt_err *why)
{
    while (!tt_list_empty(&channel->waiting)) {
        struct read *read = tt_list_entry(channel->waiting.next, struct read, node);
        read->error = *why;
        answer(channel, read);
    }
}

/* ---- losing the connection ---- */

static bool is_down_for(const struct channel *channel, uint64_t ms)
{
    return channel->down_since_ms > 0 &&
           tt_loop_now(loop_of(channel)) - channel->down_since_ms >= ms;
}

static bool is_down(const struct channel *channel)
{
    return is_down_for(channel, DOWN_MS);
}

static void close_channel(struct channel *channel)
{
    tt_watch_stop(&channel->watch);
    tt_pg_close(&channel->pg);
    channel->state = CLOSED;
}

/* What was sent waits again, in front; who has waited before waits no longer. */
static void lose(struct channel *channel, const struct tt_err *why)
{
    if (channel->down_since_ms == 0)
        channel->down_since_ms = tt_loop_now(loop_of(channel));
    channel->why = *why;
    while (!tt_list_empty(&channel->sent)) {
        struct read *read = tt_list_entry(channel->sent.prev, struct read, node);
        tt_list_remove(&read->node);
        tt_pg_release(&channel->pg, read->statement, false);
        read->statement = NULL;
        PQclear(read->result);
        read->result = NULL;
        tt_list_push_front(&channel->waiting, &read->node);
        read->error = (struct tt_err){0};
        if (++read->tries >= TRIES_MAX || is_cancelled(read)) {
            read->error = *why;
            answer(channel, read);
        }
    }
    close_channel(channel);
    if (is_down_for(channel, TT_PG_TROUBLE_MS))
        tt_pg_trouble_note(channel->link->trouble, &channel->in_trouble, why);
    if (is_down(channel))
        fail_waiting(channel, why);
    tt_timer_start(loop_of(channel), &channel->timer, is_down(channel) ? LOOK_MS : PAUSE_MS);
}

static void lose_connection(struct channel *channel)
{
    struct tt_err err = {0};
    tt_pg_error(&channel->pg, NULL, &err);
    lose(channel, &err);
}

/* ---- connecting ---- */

static void watch(struct channel *channel, uint32_t events)
{
    int fd = PQsocket(channel->pg.conn);
    if (channel->watch.loop && channel->watch.fd == fd) {
        if (channel->watch.events != events)
            tt_watch_update(&channel->watch, events);
        return;
    }
    tt_watch_stop(&channel->watch);
    channel->watch.fd = fd;
    channel->watch.events = events;
    tt_watch_start(loop_of(channel), &channel->watch, NULL);
}

static void flush(struct channel *channel)
{
    int rest = PQflush(channel->pg.conn);
    if (rest < 0)
        lose_connection(channel);
    else
        watch(channel, rest > 0 ? EPOLLIN | EPOLLOUT : EPOLLIN);
}

static void on_connected(struct channel *channel)
{
    struct tt_err err = {0};
    if (tt_pg_check(&channel->pg, &err) != 0) {
        lose(channel, &err);
        return;
    }
    PQsetnonblocking(channel->pg.conn, 1);
    PQenterPipelineMode(channel->pg.conn);
    channel->state = READY;
    channel->down_since_ms = 0;
    tt_pg_trouble_note(channel->link->trouble, &channel->in_trouble, NULL);
    watch(channel, EPOLLIN);
    send_waiting(channel);
}

static void go_on_connecting(struct channel *channel)
{
    PostgresPollingStatusType step = PQconnectPoll(channel->pg.conn);
    if (step == PGRES_POLLING_OK)
        on_connected(channel);
    else if (step == PGRES_POLLING_FAILED)
        lose_connection(channel);
    else {
        /* Another address may have another socket with the same number. */
        tt_watch_stop(&channel->watch);
        watch(channel, step == PGRES_POLLING_READING ? EPOLLIN : EPOLLOUT);
    }
}

static void begin_connect(struct channel *channel)
{
    struct tt_err err = {0};
    channel->began_ms = tt_loop_now(loop_of(channel));
    tt_timer_start(loop_of(channel), &channel->timer, LOOK_MS);
    if (tt_pg_begin(&channel->pg, channel->link->url, channel->mode, &err) != 0) {
        lose(channel, &err);
        return;
    }
    channel->state = CONNECTING;
    watch(channel, EPOLLOUT);
}

/* ---- sending ---- */

/* Each read ends with a synchronisation, so that an error reaches no other one. */
static void send_one(struct channel *channel, struct read *read)
{
    int sent = tt_pg_send(&channel->pg, read->query.sql, read->query.values, read->query.count,
                          &read->statement, &read->error);
    if (sent < 0 && !read->statement) {
        answer(channel, read);
        return;
    }
    read->since_ms = tt_loop_now(loop_of(channel));
    read->prepares = sent == 2;
    tt_list_remove(&read->node);
    tt_list_push_back(&channel->sent, &read->node);
    if (sent < 0 || !PQpipelineSync(channel->pg.conn)) {
        read->error = (struct tt_err){0};
        lose_connection(channel);
    }
}

static void send_waiting(struct channel *channel)
{
    while (channel->state == READY && !tt_list_empty(&channel->waiting)) {
        struct read *read = tt_list_entry(channel->waiting.next, struct read, node);
        if (is_cancelled(read))
            read_free(read);
        else
            send_one(channel, read);
    }
    if (channel->state == READY)
        flush(channel);
    if (!tt_list_empty(&channel->sent) && !channel->timer.due_ms)
        tt_timer_start(loop_of(channel), &channel->timer, LOOK_MS);
}

/* ---- answers ---- */

static void take_result(struct channel *channel, struct read *read, PGresult *result)
{
    ExecStatusType status = PQresultStatus(result);
    if (status == PGRES_TUPLES_OK) {
        PQclear(read->result);
        read->result = result;
        return;
    }
    if (read->prepares && status != PGRES_COMMAND_OK)
        read->statement->prepared = false;
    read->prepares = false;
    if (status == PGRES_FATAL_ERROR && !read->error.status) {
        tt_pg_error(&channel->pg, result, &read->error);
        read->too_slow = tt_pg_is_state(result, "57014");
        read->outdated = tt_pg_is_state(result, "26000") || tt_pg_is_state(result, "0A000");
    } else if (status == PGRES_COMMAND_OK && PQnfields(result) == 0 && !read->error.status &&
               *PQcmdStatus(result)) {
        tt_err_set(&read->error, 500, "sql_error", "not a query: %.120s", read->query.sql.data);
    }
    PQclear(result);
}

/* The answer of a read is complete: some are sent once more. Only now the server begins with the
 * next one, whose time counts from here. */
static void complete(struct channel *channel, struct read *read)
{
    struct channel *slow = &channel->link->slow;
    if (read->node.next != &channel->sent)
        tt_list_entry(read->node.next, struct read, node)->since_ms = tt_loop_now(loop_of(channel));
    tt_pg_release(&channel->pg, read->statement, read->outdated || !read->statement->prepared);
    read->statement = NULL;
    if (!read->error.status && !read->result)
        tt_err_set(&read->error, 500, "sql_error", "not a query: %.120s", read->query.sql.data);
    bool again = (read->too_slow && channel != slow) || read->outdated;
    if (!again || is_cancelled(read) || ++read->tries >= TRIES_MAX) {
        answer(channel, read);
        return;
    }
    struct channel *to = read->too_slow ? slow : channel;
    tt_list_remove(&read->node);
    read->error = (struct tt_err){0};
    read->too_slow = read->outdated = false;
    put_waiting(to, read);
}

static void take_results(struct channel *channel)
{
    int silent = 0;
    while (channel->state == READY && !tt_list_empty(&channel->sent) &&
           !PQisBusy(channel->pg.conn)) {
        struct read *read = tt_list_entry(channel->sent.next, struct read, node);
        PGresult *result = PQgetResult(channel->pg.conn);
        if (!result) {
            if (++silent > 2)
                break;
            continue;
        }
        silent = 0;
        if (PQresultStatus(result) == PGRES_PIPELINE_SYNC) {
            PQclear(result);
            complete(channel, read);
        } else {
            take_result(channel, read, result);
        }
    }
    if (channel->state == READY && PQstatus(channel->pg.conn) == CONNECTION_BAD)
        lose_connection(channel);
}

static void on_ready(struct tt_watch *watched, uint32_t events)
{
    struct channel *channel = TT_CONTAINER_OF(watched, struct channel, watch);
    if (channel->state == CONNECTING) {
        go_on_connecting(channel);
        return;
    }
    if (events & (EPOLLIN | EPOLLERR | EPOLLHUP)) {
        bool alive = PQconsumeInput(channel->pg.conn);
        take_results(channel);
        if (!alive && channel->state == READY)
            lose_connection(channel);
    }
    if (channel->state == READY)
        flush(channel);
}

/* ---- time ---- */

static void on_time(struct tt_timer *timer)
{
    struct channel *channel = TT_CONTAINER_OF(timer, struct channel, timer);
    uint64_t now = tt_loop_now(loop_of(channel));
    struct tt_err err = {0};

    if (channel->state == CLOSED) {
        begin_connect(channel);
        return;
    }
    struct read *oldest = tt_list_entry(channel->sent.next, struct read, node);
    if (channel->state == CONNECTING && now - channel->began_ms >= CONNECT_MS) {
        tt_err_set(&err, 503, "database_unavailable", "PostgreSQL: no answer while connecting");
        lose(channel, &err);
    } else if (!tt_list_empty(&channel->sent) && now - oldest->since_ms >= SILENCE_MS) {
        tt_err_set(&err, 503, "database_unavailable", "PostgreSQL: no answer");
        lose(channel, &err);
    } else if (channel->state == CONNECTING || !tt_list_empty(&channel->sent)) {
        tt_timer_start(loop_of(channel), timer, LOOK_MS);
    }
}

/* ---- the engine's functions ---- */

int tt_pg_read(struct tt_db_link *base, const struct tt_db_query *query, tt_db_rows_fn *on_rows,
               void *arg, struct tt_db_pending **pending, struct tt_err *err)
{
    struct pg_link *link = TT_CONTAINER_OF(base, struct pg_link, base);
    struct channel *channel = query->in_background ? &link->slow : &link->quick;

    if (channel->state != READY && is_down(channel)) {
        if (err)
            *err = channel->why;
        return -1;
    }
    struct read *read = TT_NEW(struct read);
    read->pending = (struct tt_db_pending){.link = base, .on_rows = on_rows, .arg = arg};
    read->query = tt_query_copy(&read->arena, query);
    tt_list_push_back(&base->pending, &read->pending.node);
    *pending = &read->pending;
    put_waiting(channel, read);
    return 0;
}

/* What was sent is answered all the same; nobody gets the rows. */
void tt_pg_cancel(struct tt_db_pending *pending)
{
    struct read *read = TT_CONTAINER_OF(pending, struct read, pending);
    tt_list_remove(&pending->node);
    if (!read->statement)
        read_free(read);
}

static void set_up(struct channel *channel, struct pg_link *link, enum tt_pg_mode mode)
{
    channel->link = link;
    channel->mode = mode;
    channel->watch.on_ready = on_ready;
    channel->timer.on_due = on_time;
    tt_list_init(&channel->waiting);
    tt_list_init(&channel->sent);
}

struct tt_db_link *tt_pg_attach(struct tt_db *db, struct tt_loop *loop, const char *url,
                                struct tt_pg_trouble *trouble)
{
    struct pg_link *link = TT_NEW(struct pg_link);
    tt_db_link_create(&link->base, db, loop);
    link->url = tt_strndup(url, strlen(url));
    link->trouble = trouble;
    link->deliver.run = deliver;
    tt_list_init(&link->answered);
    set_up(&link->quick, link, TT_PG_READ);
    set_up(&link->slow, link, TT_PG_FETCH);
    return &link->base;
}

static void end_channel(struct channel *channel)
{
    while (!tt_list_empty(&channel->sent)) {
        struct read *read = tt_list_entry(channel->sent.next, struct read, node);
        tt_pg_release(&channel->pg, read->statement, false);
        read_free(read);
    }
    tt_timer_stop(&channel->timer);
    tt_pg_trouble_note(channel->link->trouble, &channel->in_trouble, NULL);
    close_channel(channel);
}

void tt_pg_detach(struct tt_db_link *base)
{
    struct pg_link *link = TT_CONTAINER_OF(base, struct pg_link, base);
    tt_loop_undefer(&link->deliver);
    end_channel(&link->quick);
    end_channel(&link->slow);
    free(link->url);
    free(link);
}
