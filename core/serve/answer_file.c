/* The next piece of a stored file is read while the one before is sent: on_flush, which says that
 * the client has taken everything, starts the job; its end appends the bytes and wakes the stream.
 * A file that has gone meanwhile cuts the connection: its length was announced. */
#include "serve/answer_file.h"

#include "base/log.h"
#include "files/job.h"

#define PIECE ((size_t)128 << 10)

struct tt_answer_file {
    struct tt_request *request;
    struct tt_answer_file_source source;
    struct tt_file_job *job; /* NULL: none runs */
    uint64_t size;           /* of the file */
    uint64_t next, end;      /* what is still to be read */
};

static void add_type(struct tt_request *request, const struct tt_answer_file_source *source)
{
    tt_http_add_header(request->exchange, TT_STR("Content-Type"), source->type);
}

static void fail(struct tt_request *request, const struct tt_err *err)
{
    tt_request_fail(request, &(struct tt_request_error){
                                 .code = err->code, .status = err->status, .detail = err->message});
}

/* ---- bytes in memory ---- */

static void answer_bytes(struct tt_request *request, struct tt_answer_file_source *source)
{
    struct tt_str bytes = source->owned.data ? tt_buf_str(&source->owned) : source->bytes;
    struct tt_http_selection selection;
    struct tt_err err = {0};

    if (tt_http_may_send(request->exchange, request->user_id, source->owned.len, &err) != 0) {
        tt_buf_free(&source->owned);
        fail(request, &err);
        return;
    }
    tt_http_select(request->exchange, source->etag, bytes.len, true, &selection);
    request->status = selection.status;
    if (selection.status != 416)
        add_type(request, source);
    if (!source->owned.data) {
        tt_http_reply_fixed(request->exchange, selection.status,
                            tt_str_of(bytes.data + selection.from, (size_t)selection.len));
        return;
    }
    tt_buf_consume(&source->owned, (size_t)selection.from);
    source->owned.len = (size_t)selection.len;
    tt_http_reply(request->exchange, selection.status, &source->owned);
}

/* ---- stored files ---- */

static void on_piece(void *arg, struct tt_buf *data, const struct tt_err *err);

static struct tt_file_job *read_piece(struct tt_answer_file *answer, uint64_t max,
                                      struct tt_err *err)
{
    const struct tt_request *request = answer->request;
    struct tt_tide *tide = request->dispatcher->tide;

    answer->job = tt_file_read_start(
        tide->file_aux, tide->runtime.loop, tt_http_owner(request->exchange, request->user_id),
        tide->store, answer->source.key, answer->next, max < PIECE ? (size_t)max : PIECE,
        &answer->size, on_piece, answer, err);
    return answer->job;
}

static void cut(struct tt_answer_file *answer, const struct tt_err *err)
{
    struct tt_request *request = answer->request;

    snprintf(request->code, sizeof(request->code), "%s", err->code);
    tt_log(TT_LOG_WARN, "a file was broken off",
           TT_F_STR("request_id", tt_http_request_id(request->exchange)),
           TT_F_Z("error", err->message));
    tt_http_stream_cut(request->stream);
}

static void on_flush(struct tt_http_stream *stream, void *arg)
{
    struct tt_answer_file *answer = arg;
    struct tt_err err = {0};
    (void)stream;

    if (!answer->job && answer->next < answer->end &&
        !read_piece(answer, answer->end - answer->next, &err))
        cut(answer, &err);
}

static void append(struct tt_answer_file *answer, struct tt_str bytes)
{
    struct tt_http_stream *stream = answer->request->stream;

    tt_buf_append_str(tt_http_stream_out(stream), bytes);
    answer->next += bytes.len;
    if (answer->next == answer->end)
        tt_http_stream_end(stream);
    else
        tt_http_stream_wake(stream);
}

/* The answer has more than one piece. `first` is the beginning of the file. */
static void open_stream(struct tt_answer_file *answer, const struct tt_http_selection *selection,
                        struct tt_str first)
{
    struct tt_request *request = answer->request;

    answer->next = selection->from;
    answer->end = selection->from + selection->len;
    tt_http_may_send(request->exchange, request->user_id, 0, NULL);
    tt_http_stream_set_length(request->exchange, selection->len);
    request->stream = tt_http_stream_open(request->exchange, selection->status, on_flush, answer);
    if (!request->stream || tt_str_eq(tt_http_method(request->exchange), TT_STR("HEAD"))) {
        request->stream = NULL; /* ends by itself */
        return;
    }
    request->file = answer;
    if (selection->from < first.len)
        append(answer,
               tt_str_of(first.data + selection->from, first.len - (size_t)selection->from));
    else
        tt_http_stream_wake(request->stream);
}

static void begin(struct tt_answer_file *answer, struct tt_buf *data, const struct tt_err *err)
{
    struct tt_request *request = answer->request;
    struct tt_http_selection selection;

    request->file = NULL; /* until there is a stream */
    if (err) {
        fail(request, err);
        return;
    }
    tt_http_select(request->exchange, answer->source.etag, answer->size, true, &selection);
    request->status = selection.status;
    if (selection.status != 416)
        add_type(request, &answer->source);
    if (selection.status == 304 || selection.status == 416) {
        tt_http_reply(request->exchange, selection.status, NULL);
    } else if (selection.from + selection.len <= data->len) {
        tt_buf_consume(data, (size_t)selection.from);
        data->len = (size_t)selection.len;
        tt_http_reply(request->exchange, selection.status, data);
    } else {
        open_stream(answer, &selection, tt_buf_str(data));
    }
}

static void on_piece(void *arg, struct tt_buf *data, const struct tt_err *err)
{
    struct tt_answer_file *answer = arg;
    struct tt_request *request = answer->request;

    answer->job = NULL;
    if (request->stream && err)
        cut(answer, err);
    else if (request->stream && data->len == 0)
        cut(answer, &(struct tt_err){.status = 500,
                                     .code = "store_failed",
                                     .message = "the file became shorter"});
    else if (request->stream)
        append(answer, tt_buf_str(data));
    else
        begin(answer, data, err);
}

/* ---- */

void tt_answer_file(struct tt_request *request, struct tt_answer_file_source *source)
{
    struct tt_arena *arena = tt_http_arena(request->exchange);
    struct tt_err err = {0};

    if (!source->key.data) {
        answer_bytes(request, source);
        return;
    }
    struct tt_answer_file *answer = tt_arena_alloc(arena, sizeof(*answer));
    answer->request = request;
    answer->source.key = tt_arena_str(arena, source->key);
    answer->source.etag = tt_arena_str(arena, source->etag);
    answer->source.type = tt_arena_str(arena, source->type);
    request->file = answer;
    if (!read_piece(answer, PIECE, &err))
        fail(request, &err);
}

void tt_answer_file_close(struct tt_request *request)
{
    if (request->file && request->file->job)
        tt_file_job_cancel(request->file->job);
    request->file = NULL;
}

void tt_answer_file_abandon(struct tt_request *request)
{
    if (!request->file)
        return;
    tt_answer_file_close(request);
    if (request->stream)
        tt_http_stream_end(request->stream);
    else
        tt_http_reply(request->exchange, 200, NULL); /* nobody reads it */
}
