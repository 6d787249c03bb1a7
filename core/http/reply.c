/* Whole answers. Headers are collected as text and become the library's response together with the
 * body, whose memory moves into it, or stays in place if the body is fixed. Every answer has an
 * X-Request-Id, so no response is shared: the library allows no header to differ between two uses
 * of a response. HEAD and 304 get the body that GET would have; the library announces its length
 * and omits it. We write an answer in the middle of an upload to the socket ourselves, because the
 * library refuses it there. Streams are in stream.c. */
#include "base/log.h"
#include "http/http_internal.h"
#include "http/library_memory.h"

#include <stdlib.h>
#include <time.h>

#define JOINED_MAX 1024

/* The library or this file sets these itself; from a handler they could only break the framing. */
static bool is_framing(struct tt_str name)
{
    return tt_str_eq_nocase(name, TT_STR("content-length")) ||
           tt_str_eq_nocase(name, TT_STR("transfer-encoding"));
}

void tt_exchange_add_field(struct tt_http_exchange *exchange, struct tt_str name,
                           struct tt_str value)
{
    struct tt_http_field *field = NULL;
    if (exchange->field_count < TT_FIELDS_INLINE)
        field = &exchange->inline_fields[exchange->field_count++];
    else
        field = tt_arena_alloc(&exchange->arena, sizeof(*field));
    field->next = NULL;
    field->name = tt_exchange_copy(exchange, name.data, name.len);
    field->value = tt_exchange_copy(exchange, value.data, value.len);
    *exchange->fields_end = field;
    exchange->fields_end = &field->next;
}

void tt_http_add_header(struct tt_http_exchange *exchange, struct tt_str name, struct tt_str value)
{
    if (!tt_guard_is_token(name) || !tt_guard_is_value(value) || is_framing(name)) {
        tt_log(TT_LOG_WARN, "response header refused",
               TT_F_STR("request_id", tt_http_request_id(exchange)));
        return;
    }
    if (name.len == 12 && tt_str_eq_nocase(name, TT_STR("x-request-id")))
        exchange->has_id = true;
    else if (name.len == 12 && tt_str_eq_nocase(name, TT_STR("content-type")))
        exchange->is_json = tt_str_starts_nocase(value, TT_STR("application/json"));
    else if (name.len == 13 && tt_str_eq_nocase(name, TT_STR("cache-control")))
        exchange->has_cache_control = true;
    tt_exchange_add_field(exchange, name, value);
}

/* What every answer carries: no browser guesses a type (WHATWG Fetch, 3.6), and no cache keeps JSON
 * unless the handler has said how. */
static void add_defaults(struct tt_http_exchange *exchange)
{
    tt_http_add_header(exchange, TT_STR("X-Content-Type-Options"), TT_STR("nosniff"));
    if (exchange->is_json && !exchange->has_cache_control)
        tt_http_add_header(exchange, TT_STR("Cache-Control"), TT_STR("no-store"));
}

/* What the library must see by itself, because it treats it in its own way. */
static bool is_special(const char *name)
{
    return strcasecmp(name, "Connection") == 0 || strcasecmp(name, "Date") == 0;
}

static bool put(char *text, size_t *len, const char *s)
{
    size_t n = strlen(s);
    if (n >= JOINED_MAX - *len)
        return false;
    memcpy(text + *len, s, n + 1);
    *len += n;
    return true;
}

/* All headers as the value of the first. */
static bool join(const struct tt_http_exchange *exchange, char text[JOINED_MAX])
{
    size_t len = 0;
    put(text, &len, exchange->id);
    for (const struct tt_http_field *f = exchange->fields; f; f = f->next)
        if (is_special(f->name) || !put(text, &len, TT_LIBRARY_LINE_END) ||
            !put(text, &len, f->name) || !put(text, &len, ": ") || !put(text, &len, f->value))
            return false;
    return true;
}

/* All parts have passed the checks of tt_http_add_header. */
static bool add_joined(struct tt_http_exchange *exchange, struct MHD_Response *response)
{
    char text[JOINED_MAX];
    return !exchange->has_id && join(exchange, text) &&
           tt_library_add_joined(response, "X-Request-Id", text);
}

void tt_http_response_head(struct tt_http_exchange *exchange, struct MHD_Response *response)
{
    add_defaults(exchange);
    if (!add_joined(exchange, response)) {
        for (const struct tt_http_field *f = exchange->fields; f; f = f->next)
            MHD_add_response_header(response, f->name, f->value);
        if (!exchange->has_id)
            MHD_add_response_header(response, "X-Request-Id", exchange->id);
    }
    if (exchange->close || exchange->server->quiescing)
        MHD_add_response_header(response, "Connection", "close");
}

enum MHD_Result tt_http_response_queue(struct tt_http_exchange *exchange)
{
    struct MHD_Response *response = exchange->response;
    exchange->response = NULL;
    if (!response)
        return MHD_NO;
    /* The state first: the library may ask for content within this call. */
    if (exchange->state == TT_HTTP_WAITING)
        tt_exchange_resume(exchange, TT_HTTP_SENDING);
    else
        tt_exchange_move(exchange, TT_HTTP_SENDING);
    enum MHD_Result result =
        MHD_queue_response(exchange->mhd, (unsigned)exchange->status, response);
    MHD_destroy_response(response);
    tt_phase_enter(tt_exchange_conn(exchange), TT_PHASE_SEND);
    return result;
}

void tt_http_response_ready(struct tt_http_exchange *exchange)
{
    if (!exchange->response)
        tt_exchange_cut(exchange); /* nobody is there to read it, or no memory */
    else if (exchange->state == TT_HTTP_WAITING)
        tt_http_response_queue(exchange);
    else if (exchange->state == TT_HTTP_PAUSED)
        tt_exchange_resume(exchange, TT_HTTP_ANSWERED);
    else
        tt_exchange_move(exchange, TT_HTTP_ANSWERED);
}

/* ---- without the library ---- */

static void append_head(struct tt_http_exchange *exchange, int status, size_t body_len,
                        struct tt_buf *out)
{
    const char *reason = MHD_get_reason_phrase_for((unsigned)status);
    char date[64];
    struct tm tm;
    time_t now = time(NULL);
    gmtime_r(&now, &tm);
    strftime(date, sizeof(date), "%a, %d %b %Y %H:%M:%S GMT", &tm);
    tt_buf_printf(out, "HTTP/1.1 %d %s\r\nDate: %s\r\nConnection: close\r\n", status,
                  reason ? reason : "Error", date);
    for (const struct tt_http_field *f = exchange->fields; f; f = f->next)
        if (!tt_str_eq_nocase(tt_str_from(f->name), TT_STR("connection")))
            tt_buf_printf(out, "%s: %s\r\n", f->name, f->value);
    if (!exchange->has_id)
        tt_buf_printf(out, "X-Request-Id: %s\r\n", exchange->id);
    tt_buf_printf(out, "Content-Length: %zu\r\n\r\n", body_len);
}

/* Sends the answer without the library, in one send: nothing else is in the socket's buffer while a
 * body is being received, and refusals are short. Bytes that do not fit are lost; the connection
 * closes anyway. */
static void write_past(struct tt_http_exchange *exchange, struct tt_str body)
{
    struct tt_buf out = {0};
    add_defaults(exchange);
    append_head(exchange, exchange->status, body.len, &out);
    if (!exchange->is_head)
        tt_buf_append_str(&out, body);
    send(tt_exchange_conn(exchange)->fd, out.data, out.len, MSG_DONTWAIT | MSG_NOSIGNAL);
    tt_buf_free(&out);
    if (exchange->state == TT_HTTP_PAUSED) {
        exchange->linger = true;
        tt_phase_enter(tt_exchange_conn(exchange), TT_PHASE_BODY);
        tt_exchange_resume(exchange, TT_HTTP_WRITTEN);
    } else {
        tt_exchange_move(exchange, TT_HTTP_WRITTEN);
    }
}

/* ---- whole answers ---- */

static struct MHD_Response *make_fixed_response(struct tt_str body)
{
    return MHD_create_response_from_buffer(body.len, (void *)(uintptr_t)body.data,
                                           MHD_RESPMEM_PERSISTENT);
}

static struct MHD_Response *make_response(struct tt_buf *body)
{
    size_t len = 0;
    char *data = NULL;
    if (body->len == 0) {
        tt_buf_free(body);
        return make_fixed_response(TT_STR(""));
    }
    data = tt_buf_take(body, &len);
    struct MHD_Response *response =
        MHD_create_response_from_buffer(len, data, MHD_RESPMEM_MUST_FREE);
    if (!response)
        free(data);
    return response;
}

static void add_head(struct tt_http_exchange *exchange)
{
    if (exchange->response)
        tt_http_response_head(exchange, exchange->response);
    tt_http_response_ready(exchange);
}

/* False if there is an answer already: this one must be dropped. */
static bool begin_answer(struct tt_http_exchange *exchange, int status)
{
    bool second = tt_exchange_is_answered(exchange);
    if (second || status < 200 || status > 599) {
        tt_log(TT_LOG_ERROR, second ? "second answer dropped" : "bad status",
               TT_F_INT("status", status), TT_F_STR("request_id", tt_http_request_id(exchange)));
        if (second)
            return false;
        status = 500;
    }
    exchange->status = status;
    return true;
}

/* The library accepts no answer now. */
static bool is_past(const struct tt_http_exchange *exchange)
{
    return exchange->state == TT_HTTP_BYPASS || exchange->state == TT_HTTP_PAUSED;
}

uint64_t tt_http_owner(const struct tt_http_exchange *exchange, int64_t user_id)
{
    struct tt_str remote = user_id ? (struct tt_str){0} : tt_http_remote(exchange);
    uint64_t owner = (uint64_t)user_id;
    for (size_t i = 0; i < remote.len; i++) /* FNV-1a; the highest bit: no user has it */
        owner = ((owner ^ (unsigned char)remote.data[i]) * 0x100000001b3u) | (uint64_t)1 << 63;
    return owner;
}

int tt_http_may_send(struct tt_http_exchange *exchange, int64_t user_id, size_t bytes,
                     struct tt_err *err)
{
    exchange->unread.owner = tt_http_owner(exchange, user_id);
    return tt_unread_check(exchange->unread.owner, bytes, err);
}

void tt_http_reply(struct tt_http_exchange *exchange, int status, struct tt_buf *body)
{
    struct tt_buf none = {0};
    if (!body)
        body = &none;
    if (!begin_answer(exchange, status)) {
        tt_buf_free(body);
        return;
    }
    if (is_past(exchange)) {
        write_past(exchange, tt_buf_str(body));
        tt_buf_free(body);
        return;
    }
    size_t len = body->len;
    if (!exchange->gone)
        exchange->response = make_response(body);
    if (exchange->response)
        tt_unread_set(&exchange->unread, len);
    if (!exchange->response)
        tt_buf_free(body);
    add_head(exchange);
}

void tt_http_reply_fixed(struct tt_http_exchange *exchange, int status, struct tt_str body)
{
    if (!begin_answer(exchange, status))
        return;
    if (is_past(exchange)) {
        write_past(exchange, body);
        return;
    }
    if (!exchange->gone)
        exchange->response = make_fixed_response(body);
    add_head(exchange);
}

void tt_http_refuse(struct tt_http_exchange *exchange, int status, const char *code)
{
    const struct tt_http_handler *handler = &exchange->server->handler;
    exchange->close = true;
    if (handler->on_refuse)
        handler->on_refuse(handler->arg, exchange, status, code);
    if (!tt_exchange_is_answered(exchange))
        tt_http_reply(exchange, status, &(struct tt_buf){0});
}
