/* Request bodies: whole ones go into a buffer, streamed ones to the handler piece by piece. A
 * streamed body pauses by suspending its connection: then the socket's buffer fills, and the client
 * waits. Two traps. The library accepts no answer in the middle of a body, so we write such an
 * answer to the socket ourselves, then read the rest of the body and drop it (linger.c). And with a
 * chunked body the library may pass on the next chunk although we have just suspended the
 * connection; then we do not consume it. */
#include "http/http_internal.h"

enum MHD_Result tt_body_answer_early(struct tt_http_exchange *exchange)
{
    exchange->linger = true;
    if (exchange->state == TT_HTTP_WRITTEN)
        return MHD_NO;
    return tt_http_response_queue(exchange);
}

static enum MHD_Result take_piece(struct tt_http_exchange *exchange, struct tt_str bytes)
{
    tt_exchange_move(exchange, TT_HTTP_BYPASS); /* for an answer from within the handler */
    exchange->on_piece(exchange, bytes);
    if (exchange->state == TT_HTTP_WRITTEN)
        return tt_body_answer_early(exchange);
    if (exchange->state == TT_HTTP_BYPASS)
        tt_exchange_move(exchange, TT_HTTP_BODY);
    return MHD_YES;
}

static enum MHD_Result refuse_body(struct tt_http_exchange *exchange, int status, const char *code)
{
    tt_exchange_move(exchange, TT_HTTP_BYPASS);
    tt_http_refuse(exchange, status, code);
    return tt_body_answer_early(exchange);
}

enum MHD_Result tt_body_take(struct tt_http_exchange *exchange, const char *data, size_t *size)
{
    size_t len = *size;
    bool over = len > exchange->body_max || exchange->received > exchange->body_max - len;
    if (exchange->state == TT_HTTP_CUT || exchange->state == TT_HTTP_WRITTEN)
        return MHD_NO;
    if (exchange->state == TT_HTTP_PAUSED)
        return MHD_YES;
    exchange->received += len;
    *size = 0;
    if (tt_exchange_is_answered(exchange))
        return over ? MHD_NO : MHD_YES; /* the last call follows; the body is dropped */
    if (exchange->chunked && !tt_library_chunk_lines_are_clean(&exchange->chunks, data, len))
        return refuse_body(exchange, 400, "bad_request");
    if (!over && exchange->on_piece)
        return take_piece(exchange, tt_str_of(data, len));
    if (!over && tt_buf_append(&exchange->body, data, len) == 0)
        return MHD_YES;
    if (exchange->body.no_memory)
        return refuse_body(exchange, 503, "no_memory");
    return refuse_body(exchange, 413, "body_too_large");
}

void tt_http_stream_body(struct tt_http_exchange *exchange,
                         void (*on_piece)(struct tt_http_exchange *exchange, struct tt_str bytes))
{
    exchange->on_piece = on_piece;
}

void tt_http_pause_body(struct tt_http_exchange *exchange)
{
    if (exchange->state != TT_HTTP_BODY && exchange->state != TT_HTTP_BYPASS)
        return;
    tt_exchange_suspend(exchange, TT_HTTP_PAUSED);
    tt_phase_enter(tt_exchange_conn(exchange), TT_PHASE_BUSY);
}

void tt_http_resume_body(struct tt_http_exchange *exchange)
{
    if (exchange->state != TT_HTTP_PAUSED)
        return;
    tt_phase_enter(tt_exchange_conn(exchange), TT_PHASE_BODY);
    tt_exchange_resume(exchange, TT_HTTP_BODY);
}
