/* Request bodies: whole ones into a buffer, streamed ones on to the handler piece by piece. A
 * streamed body pauses by suspending its connection, so that the socket's buffer fills and the
 * client waits. The traps: in the middle of a body the library takes no answer, so one that comes
 * there is written to the socket by ourselves, and the rest of the body is read away (linger.c);
 * and of a chunked body it may hand over the next chunk although we have just suspended, which is
 * then left with it. */
#include "http/http_internal.h"

enum MHD_Result tt_body_answer_early(struct tt_http_exchange *exchange)
{
    exchange->linger = true;
    if (exchange->raw)
        return MHD_NO; /* written already */
    return tt_reply_queue(exchange);
}

static enum MHD_Result take_piece(struct tt_http_exchange *exchange, struct tt_str bytes)
{
    exchange->raw = true; /* for an answer in there */
    exchange->on_piece(exchange, bytes);
    if (exchange->answered)
        return tt_body_answer_early(exchange);
    exchange->raw = false;
    return MHD_YES;
}

enum MHD_Result tt_body_take(struct tt_http_exchange *exchange, const char *data, size_t *size)
{
    size_t len = *size;
    bool over = len > exchange->body_max || exchange->received > exchange->body_max - len;
    if (exchange->cut || (exchange->answered && exchange->raw))
        return MHD_NO;
    if (exchange->paused)
        return MHD_YES;
    exchange->received += len;
    *size = 0;
    if (exchange->answered)
        return over ? MHD_NO : MHD_YES; /* waits for the last call; the body is thrown away */
    if (!over && exchange->on_piece)
        return take_piece(exchange, tt_str_of(data, len));
    if (!over && tt_buf_append(&exchange->body, data, len) == 0)
        return MHD_YES;
    exchange->raw = true;
    tt_exchange_refuse(exchange, 413, "body_too_large");
    return tt_body_answer_early(exchange);
}

void tt_http_stream_body(struct tt_http_exchange *exchange,
                         void (*on_piece)(struct tt_http_exchange *exchange, struct tt_str bytes))
{
    exchange->on_piece = on_piece;
}

void tt_http_pause_body(struct tt_http_exchange *exchange)
{
    if (exchange->paused || exchange->answered || exchange->cut)
        return;
    exchange->paused = exchange->suspended = true;
    MHD_suspend_connection(exchange->mhd);
    tt_deadline_enter(tt_exchange_conn(exchange), TT_PHASE_BUSY);
}

void tt_http_resume_body(struct tt_http_exchange *exchange)
{
    if (!exchange->paused)
        return;
    exchange->paused = false;
    tt_deadline_enter(tt_exchange_conn(exchange), TT_PHASE_BODY);
    tt_exchange_conn(exchange)->progress = exchange->received;
    tt_exchange_resume(exchange);
}
