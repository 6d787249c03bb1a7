/* See listen.h. One command at a time: LISTEN, a NOTIFY, or an empty one now and then, whose answer
 * shows that the server is still there. */
#include "base/log.h"
#include "base/mem.h"
#include "db/listen.h"
#include "db/postgres.h"

#include <stdio.h>
#include <stdlib.h>
#include <sys/epoll.h>

#define PAUSE_MS 500
#define LOOK_MS  5000 /* how long an answer may take, and between two looks */

enum state { CLOSED, CONNECTING, READY };

struct tt_db_listener {
    struct tt_loop *loop;
    char *url;
    const char *channel;
    void (*on_notice)(void *arg);
    void *arg;
    enum state state;
    struct tt_pg pg;
    struct tt_watch watch;
    struct tt_timer timer;
    bool busy;      /* a command was sent, its answer is to come */
    bool is_late;   /* it was already at the last look */
    bool listening; /* LISTEN was answered */
    bool is_told;   /* that it was lost; until it listens again */
    bool notifies;  /* others are to be notified */
};

static void lose(struct tt_db_listener *it, const struct tt_err *why)
{
    if (it->state == READY && !it->is_told) {
        tt_log(TT_LOG_WARN, "news: the connection that listens was lost",
               TT_F_Z("error", why->message));
        it->is_told = true; /* a standby, say, takes connections and refuses LISTEN each time */
    }
    tt_watch_stop(&it->watch);
    tt_pg_close(&it->pg);
    it->state = CLOSED;
    it->busy = it->is_late = it->listening = false;
    tt_timer_start(it->loop, &it->timer, PAUSE_MS);
}

static void lose_connection(struct tt_db_listener *it)
{
    struct tt_err err = {0};
    tt_pg_error(&it->pg, NULL, &err);
    lose(it, &err);
}

static void watch(struct tt_db_listener *it, uint32_t events)
{
    tt_watch_stop(&it->watch); /* another address may have another socket with the same number */
    it->watch.fd = PQsocket(it->pg.conn);
    it->watch.events = events;
    tt_watch_start(it->loop, &it->watch, NULL);
}

/* ---- commands ---- */

/* They are short: what does not fit into the socket's buffer is a connection that is lost. */
static void send_command(struct tt_db_listener *it, const char *command)
{
    it->busy = PQsendQuery(it->pg.conn, command) == 1;
    if (!it->busy || PQflush(it->pg.conn) != 0)
        lose_connection(it);
}

static void send_for_channel(struct tt_db_listener *it, const char *verb)
{
    char command[128];
    snprintf(command, sizeof(command), "%s %s", verb, it->channel);
    send_command(it, command);
}

static void send_notify(struct tt_db_listener *it)
{
    if (it->state != READY || it->busy || !it->notifies)
        return;
    it->notifies = false;
    send_for_channel(it, "NOTIFY");
}

/* Returns whether the command has ended well. */
static bool take_results(struct tt_db_listener *it)
{
    bool over = false;

    while (it->state == READY && it->busy && !PQisBusy(it->pg.conn)) {
        PGresult *result = PQgetResult(it->pg.conn);
        struct tt_err err = {0};
        if (!result) {
            it->busy = it->is_late = false;
            over = true;
        } else if (PQresultStatus(result) == PGRES_FATAL_ERROR) {
            tt_pg_error(&it->pg, result, &err); /* it is a standby now, say */
            PQclear(result);
            lose(it, &err);
        } else {
            PQclear(result);
        }
    }
    return over && it->state == READY;
}

static void take_input(struct tt_db_listener *it)
{
    bool told = false;
    PGnotify *notify;

    if (!PQconsumeInput(it->pg.conn)) {
        lose_connection(it);
        return;
    }
    if (take_results(it) && !it->listening) {
        it->listening = told = true;
        it->is_told = false;
    }
    while (it->state == READY && (notify = PQnotifies(it->pg.conn))) {
        told = true;
        PQfreemem(notify);
    }
    send_notify(it);
    if (told)
        it->on_notice(it->arg);
}

/* ---- connecting ---- */

static void on_connected(struct tt_db_listener *it)
{
    struct tt_err err = {0};

    if (tt_pg_check(&it->pg, &err) != 0) {
        lose(it, &err);
        return;
    }
    PQsetnonblocking(it->pg.conn, 1);
    it->state = READY;
    watch(it, EPOLLIN);
    send_for_channel(it, "LISTEN");
}

static void go_on_connecting(struct tt_db_listener *it)
{
    PostgresPollingStatusType step = PQconnectPoll(it->pg.conn);

    if (step == PGRES_POLLING_OK)
        on_connected(it);
    else if (step == PGRES_POLLING_FAILED)
        lose_connection(it);
    else
        watch(it, step == PGRES_POLLING_READING ? EPOLLIN : EPOLLOUT);
}

static void on_ready(struct tt_watch *watched, uint32_t events)
{
    struct tt_db_listener *it = TT_CONTAINER_OF(watched, struct tt_db_listener, watch);
    (void)events;

    if (it->state == CONNECTING)
        go_on_connecting(it);
    else
        take_input(it);
}

static void begin_connect(struct tt_db_listener *it)
{
    struct tt_err err = {0};

    if (tt_pg_begin(&it->pg, it->url, TT_PG_FETCH, &err) != 0) {
        lose(it, &err);
        return;
    }
    it->state = CONNECTING;
    watch(it, EPOLLOUT);
}

static void on_time(struct tt_timer *timer)
{
    struct tt_db_listener *it = TT_CONTAINER_OF(timer, struct tt_db_listener, timer);
    struct tt_err err = {0};

    if (it->state == CLOSED) {
        it->is_late = false;
        begin_connect(it);
    } else if (it->is_late) {
        tt_err_set(&err, 503, "database_unavailable", "PostgreSQL: no answer");
        lose(it, &err);
        return;
    } else if (it->state == CONNECTING || it->busy) {
        it->is_late = true;
    } else {
        send_command(it, "");
    }
    if (!timer->due_ms)
        tt_timer_start(it->loop, timer, LOOK_MS);
}

/* ---- beginning and end ---- */

struct tt_db_listener *tt_pg_listen(const char *url, struct tt_loop *loop, const char *channel,
                                    void (*on_notice)(void *arg), void *arg)
{
    struct tt_db_listener *it = TT_NEW(struct tt_db_listener);

    it->loop = loop;
    it->url = tt_strndup(url, strlen(url));
    it->channel = channel;
    it->on_notice = on_notice;
    it->arg = arg;
    it->watch.on_ready = on_ready;
    it->timer.on_due = on_time;
    tt_timer_start(loop, &it->timer, 0);
    return it;
}

void tt_db_unlisten(struct tt_db_listener *it)
{
    if (!it)
        return;
    tt_timer_stop(&it->timer);
    tt_watch_stop(&it->watch);
    tt_pg_close(&it->pg);
    free(it->url);
    free(it);
}

void tt_db_notify(struct tt_db_listener *it)
{
    it->notifies = true;
    send_notify(it);
}
