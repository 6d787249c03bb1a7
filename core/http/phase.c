/* What a connection waits for, and until when. All connections in a phase have the same period, so
 * each phase is a queue with the next one to check in front, and moving a connection between queues
 * costs nothing. The checks themselves are in deadline.c. */
#include "http/http_internal.h"

#define SWEEP_MIN_MS 10
#define SWEEP_MAX_MS 1000
#define BODY_LOOK_MS 1000

static uint64_t min_u64(uint64_t a, uint64_t b)
{
    return a < b ? a : b;
}

/* The time between two checks of a connection in a phase; 0 = never checked. */
static uint64_t period(const struct tt_http_server *server, enum tt_phase phase)
{
    const struct tt_http_settings *s = &server->settings;
    switch (phase) {
    case TT_PHASE_OPEN:
    case TT_PHASE_HEAD:
        return s->head_timeout_ms;
    case TT_PHASE_BODY:
        return min_u64(s->body_rate_min > 0 ? server->rate_window_ms : s->idle_timeout_ms,
                       BODY_LOOK_MS);
    case TT_PHASE_SEND:
        return s->idle_timeout_ms;
    case TT_PHASE_IDLE:
        return min_u64(s->head_timeout_ms, s->idle_timeout_ms);
    case TT_PHASE_BUSY:
    case TT_PHASE_COUNT:
        break;
    }
    return 0;
}

void tt_phase_look_again(struct tt_http_conn *conn)
{
    struct tt_http_server *server = conn->server;
    conn->check_ms = tt_loop_now(server->loop) + period(server, conn->phase);
    tt_list_remove(&conn->node);
    tt_list_push_back(&server->phases[conn->phase], &conn->node);
}

void tt_phase_start_sweep(struct tt_http_server *server)
{
    uint64_t step = min_u64(server->settings.head_timeout_ms, server->settings.idle_timeout_ms) / 5;
    if (step < SWEEP_MIN_MS)
        step = SWEEP_MIN_MS;
    tt_timer_start(server->loop, &server->sweep, min_u64(step, SWEEP_MAX_MS));
}

void tt_phase_enter(struct tt_http_conn *conn, enum tt_phase phase)
{
    struct tt_http_server *server = conn->server;
    conn->phase = phase;
    conn->since_ms = tt_loop_now(server->loop);
    conn->progress = conn->looked = phase == TT_PHASE_BODY ? conn->exchange.received : 0;
    conn->window_ms = conn->since_ms;
    conn->blocked = conn->rested = false;
    tt_phase_look_again(conn);
    if (server->sweep.due_ms == 0)
        tt_phase_start_sweep(server);
}
