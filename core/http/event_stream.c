/* One timer for each stream; it is looked at when it is due, not moved with each event. */
#include "http/event_stream.h"

#define KEEP_ALIVE_MS 10000

void tt_http_event_stream_head(struct tt_http_exchange *exchange)
{
    tt_http_add_header(exchange, TT_STR("Content-Type"), TT_STR("text/event-stream"));
    tt_http_add_header(exchange, TT_STR("Cache-Control"), TT_STR("no-cache, no-transform"));
    tt_http_add_header(exchange, TT_STR("X-Accel-Buffering"), TT_STR("no"));
}

static void on_due(struct tt_timer *timer)
{
    struct tt_http_keep_alive *keep_alive =
        TT_CONTAINER_OF(timer, struct tt_http_keep_alive, timer);
    uint64_t silent = tt_loop_now(keep_alive->loop) - keep_alive->last_ms;

    if (silent >= KEEP_ALIVE_MS) {
        if (tt_http_stream_pending(keep_alive->stream) == 0)
            keep_alive->on_silent(keep_alive);
        silent = 0;
    }
    tt_timer_start(keep_alive->loop, timer, KEEP_ALIVE_MS - silent);
}

void tt_http_keep_alive_start(struct tt_http_keep_alive *keep_alive, struct tt_loop *loop,
                              struct tt_http_stream *stream)
{
    keep_alive->loop = loop;
    keep_alive->stream = stream;
    keep_alive->timer.on_due = on_due;
    tt_http_keep_alive_note(keep_alive);
    tt_timer_start(loop, &keep_alive->timer, KEEP_ALIVE_MS);
}

void tt_http_keep_alive_stop(struct tt_http_keep_alive *keep_alive)
{
    tt_timer_stop(&keep_alive->timer);
}

void tt_http_keep_alive_note(struct tt_http_keep_alive *keep_alive)
{
    keep_alive->last_ms = tt_loop_now(keep_alive->loop);
}
