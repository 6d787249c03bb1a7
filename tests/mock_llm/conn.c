/*
 * One connection: bytes in, one request at a time, its program out, step by step.
 *
 * The socket is registered once, edge-triggered for everything, so that a keep-alive request costs
 * one recv and one send and no epoll_ctl. While an answer runs nothing is read; that the client
 * left is seen from EPOLLRDHUP, which is what the counters of client closes are made of.
 */
#include "reply.h"
#include "server.h"
#include "stats.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

/* So much may one connection send before the others get their turn. */
#define TURN_BYTES (256u << 10)

enum progress {
    GONE = -1, /* the connection was freed */
    WAITING,
    DONE,
};

void conn_open(struct worker *w, int fd)
{
    struct conn *c = mem_alloc(sizeof *c);
    struct epoll_event ev = {EPOLLIN | EPOLLOUT | EPOLLRDHUP | EPOLLET, {.ptr = c}};

    c->fd = fd;
    c->next = w->conns;
    c->link = &w->conns;
    if (c->next)
        c->next->link = &c->next;
    w->conns = c;
    c->id = (uint64_t)atomic_fetch_add(&stats.connections, 1) + 1;
    atomic_fetch_add(&stats.open, 1);
    if (epoll_ctl(w->epoll_fd, EPOLL_CTL_ADD, fd, &ev))
        conn_close(w, c);
}

static void add(atomic_long *counter, long n)
{
    atomic_fetch_add_explicit(counter, n, memory_order_relaxed);
}

static void end_program(struct conn *c)
{
    if (c->counted)
        add(&stats.active, -1);
    if (c->counted && c->program->stream)
        add(&stats.streams_active, -1);
    program_unref(c->program);
    c->program = NULL;
    c->busy = false;
}

void conn_close(struct worker *w, struct conn *c)
{
    if (c->busy)
        end_program(c);
    timers_remove(&w->timers, c);
    if (c->queued) {
        struct conn **at = &w->queue_head;
        while (*at != c)
            at = &(*at)->next_queued;
        *at = c->next_queued;
        if (w->queue_tail == &c->next_queued)
            w->queue_tail = at;
    }
    *c->link = c->next;
    if (c->next)
        c->next->link = c->link;
    close(c->fd);
    buf_free(&c->in);
    buf_free(&c->stamped);
    free(c);
    add(&stats.open, -1);
}

static enum progress client_left(struct worker *w, struct conn *c)
{
    if (c->busy && c->counted)
        stats_client_closed(c->started_ns, now_ns());
    conn_close(w, c);
    return GONE;
}

static enum progress reset(struct worker *w, struct conn *c)
{
    struct linger now = {1, 0};

    setsockopt(c->fd, SOL_SOCKET, SO_LINGER, &now, sizeof now);
    conn_close(w, c);
    return GONE;
}

static void write_stamps(const struct program *p, size_t from, size_t end, char *copy)
{
    static const char digits[] = "0123456789abcdef";
    uint64_t now = now_ns();

    for (size_t i = 0; i < p->nstamps; i++) {
        if (p->stamps[i] < from || p->stamps[i] >= end)
            continue;
        for (size_t k = 0; k < 16; k++)
            copy[p->stamps[i] - from + k] = digits[now >> (60 - 4 * k) & 15];
    }
}

/* Takes up the step's bytes. The copy is small unless the stream is unpaced. */
static void begin_step(struct conn *c)
{
    const struct program *p = c->program;

    c->pos = c->step ? p->steps[c->step - 1].end : 0;
    c->end = p->steps[c->step].end;
    c->step++;
    if (!p->nstamps)
        return;
    c->stamped.n = 0;
    buf_add(&c->stamped, p->bytes.p + c->pos, c->end - c->pos);
    c->stamped_from = c->pos;
    if (c->stamped.n)
        write_stamps(p, c->pos, c->end, c->stamped.p);
}

static enum progress program_over(struct worker *w, struct conn *c)
{
    enum program_end end = c->program->end;
    bool last = c->program->close || end == END_CLOSE;

    if (end == END_HANG)
        return WAITING;
    if (c->counted)
        add(&stats.finished, 1);
    end_program(c);
    if (end == END_RESET)
        return reset(w, c);
    if (last) {
        shutdown(c->fd, SHUT_WR);
        conn_close(w, c);
        return GONE;
    }
    return DONE;
}

/* Moves on to the next step when its time has come. */
static enum progress next_step(struct worker *w, struct conn *c)
{
    const struct program *p = c->program;

    if (c->step == p->nsteps) {
        if (p->end != END_LOOP)
            return program_over(w, c);
        c->step = p->loop_step;
    }
    uint64_t delay = p->steps[c->step].delay_ns;
    if (delay && c->due_ns + delay > now_ns()) {
        timers_set(&w->timers, c, c->due_ns + delay);
        return WAITING;
    }
    c->due_ns += delay;
    begin_step(c);
    return DONE;
}

/* Sends a piece of the step. WAITING when the rest has to wait for the socket or the turn. */
static enum progress send_piece(struct worker *w, struct conn *c, size_t *sent)
{
    const struct program *p = c->program;
    const char *from = p->nstamps ? c->stamped.p + (c->pos - c->stamped_from) : p->bytes.p + c->pos;
    size_t n = c->end - c->pos;
    ssize_t got;

    if (p->split && n > p->split)
        n = p->split;
    got = send(c->fd, from, n, MSG_NOSIGNAL);
    if (got < 0 && (errno == EAGAIN || errno == EINTR)) {
        c->blocked = true;
        return WAITING;
    }
    if (got < 0)
        return client_left(w, c);
    c->pos += (size_t)got;
    *sent += (size_t)got;
    if (p->split && p->splitpace_ns) {
        timers_set(&w->timers, c, now_ns() + p->splitpace_ns);
        return WAITING;
    }
    if (p->split || *sent > TURN_BYTES) {
        worker_queue(w, c);
        return WAITING;
    }
    return DONE;
}

static enum progress run_program(struct worker *w, struct conn *c)
{
    enum progress r = DONE;
    size_t sent = 0;

    while (r == DONE && c->busy)
        r = c->pos < c->end ? send_piece(w, c, &sent) : next_step(w, c);
    return r;
}

static void begin_program(struct conn *c, struct program *p, bool counted)
{
    c->program = p;
    c->busy = true;
    c->counted = counted;
    c->step = c->pos = c->end = 0;
    c->started_ns = c->due_ns = now_ns();
    if (!counted)
        return;
    add(&stats.requests, 1);
    add(&stats.started, 1);
    add(&stats.active, 1);
    if (p->stream)
        add(&stats.streams_active, 1);
}

static void say_continue(struct conn *c, const struct http_request *r)
{
    static const char line[] = "HTTP/1.1 100 Continue\r\n\r\n";

    if (!r->expect || c->sent_continue)
        return;
    c->sent_continue = true;
    (void)!send(c->fd, line, sizeof line - 1, MSG_NOSIGNAL);
}

/* DONE when these bytes held a request and its answer has begun; *used says how many it took. */
static enum progress take_bytes(struct worker *w, struct conn *c, char *p, size_t n, size_t *used)
{
    struct http_request r;
    bool own_page;
    int rc = http_head(&r, p, n);

    *used = n;
    if (rc > 0 && slice_has(r.target, "fault=refuse")) {
        add(&stats.requests, 1);
        return reset(w, c);
    }
    if (rc > 0)
        rc = http_body(&r, p, n, &c->scan);
    if (rc < 0)
        begin_program(c, reply_error(-rc, "this is not a request that can be read", true), true);
    if (rc < 0)
        return DONE;
    if (rc == 0) {
        if (r.head_len)
            say_continue(c, &r);
        return WAITING;
    }
    *used = r.total;
    c->scan = 0;
    c->sent_continue = false;
    own_page = route_is_own_page(r.target);
    if (!own_page)
        stats_record(&r, c->id, now_ns());
    begin_program(c, route_request(&w->router, &r), !own_page);
    return DONE;
}

/* Reads more: DONE when bytes came, WAITING when the socket is empty. */
static enum progress read_bytes(struct worker *w, struct conn *c, size_t *n)
{
    ssize_t got = recv(c->fd, w->scratch, sizeof w->scratch, 0);

    if (got == 0)
        return client_left(w, c);
    if (got < 0 && errno != EAGAIN && errno != EINTR)
        return client_left(w, c);
    /* a short read means that the queue is empty; the next byte makes a new edge */
    if (got < (ssize_t)sizeof w->scratch && !(got < 0 && errno == EINTR))
        c->readable = false;
    *n = got > 0 ? (size_t)got : 0;
    return got > 0 ? DONE : WAITING;
}

static enum progress take_request(struct worker *w, struct conn *c)
{
    enum progress r;
    size_t n = 0, used = 0;

    for (;;) {
        if (c->in.n && !c->starved) {
            r = take_bytes(w, c, c->in.p, c->in.n, &used);
            if (r == DONE)
                buf_drop(&c->in, used);
            if (r != WAITING)
                return r;
            c->starved = true;
        }
        if (!c->readable)
            return c->peer_closed ? client_left(w, c) : WAITING;
        r = read_bytes(w, c, &n);
        if (r == GONE)
            return GONE;
        if (r == WAITING)
            continue;
        c->starved = false;
        if (!c->in.n) {
            /* the usual case: a whole request in one read, never copied */
            r = take_bytes(w, c, w->scratch, n, &used);
            if (r == GONE)
                return GONE;
            if (r == DONE) {
                buf_add(&c->in, w->scratch + used, n - used);
                return DONE;
            }
            c->starved = true;
        }
        buf_add(&c->in, w->scratch, n);
    }
}

void conn_serve(struct worker *w, struct conn *c)
{
    enum progress r = DONE;

    while (r == DONE) {
        if (!c->busy)
            r = take_request(w, c);
        if (r == DONE)
            r = run_program(w, c);
    }
    /* A client that closed its side while an answer waits has left; half-closing is not known. */
    if (r == WAITING && c->busy && c->peer_closed)
        client_left(w, c);
}

void conn_event(struct worker *w, struct conn *c, uint32_t events)
{
    if (events & EPOLLIN)
        c->readable = true;
    if (events & (EPOLLRDHUP | EPOLLHUP | EPOLLERR))
        c->peer_closed = true;
    if (events & EPOLLOUT)
        c->blocked = false;
    /* a paced or queued answer goes on when its time comes, not because the client spoke */
    bool waits = c->busy && (c->timer || c->queued || c->blocked);
    if (c->busy && c->peer_closed)
        client_left(w, c);
    else if (!waits)
        conn_serve(w, c);
}
