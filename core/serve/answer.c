/* Parts of answers that do not come from scripts. */
#include "serve/answer.h"

#include "http/error_object.h"
#include "serve/dispatch.h"
#include "serve/request.h"

void tt_answer_json(struct tt_http_exchange *exchange, int status, struct tt_buf *body)
{
    tt_buf_putc(body, '\n');
    tt_http_add_header(exchange, TT_STR("Content-Type"), TT_STR("application/json; charset=utf-8"));
    tt_http_reply(exchange, status, body);
}

void tt_answer_error(const struct tt_dispatcher *dispatcher, struct tt_http_exchange *exchange,
                     const struct tt_err *err,
                     void (*put_more)(struct tt_json_writer *w, const void *arg), const void *arg)
{
    struct tt_str code = tt_str_from(err->code);
    const struct tt_error_text *text = tt_generation_error(dispatcher->generation, code);
    bool chinese = tt_request_prefers_chinese(tt_http_header(exchange, "Accept-Language"));
    struct tt_buf body = {0};
    struct tt_json_writer w = {.buf = &body};

    tt_json_begin_object(&w);
    tt_http_error_put(&w,
                      &(struct tt_http_error){.message = chinese ? text->zh : text->en,
                                              .code = code,
                                              .request_id = tt_http_request_id(exchange),
                                              .detail = err->message[0] ? tt_str_from(err->message)
                                                                        : (struct tt_str){0}});
    if (put_more)
        put_more(&w, arg);
    tt_json_end_object(&w);
    tt_answer_json(exchange, err->status ? err->status : 500, &body);
}

void tt_answer_put_int(struct tt_json_writer *w, const char *key, int64_t value)
{
    tt_json_key(w, tt_str_from(key));
    tt_json_int(w, value);
}

void tt_answer_put_str(struct tt_json_writer *w, const char *key, struct tt_str value)
{
    tt_json_key(w, tt_str_from(key));
    tt_json_str(w, value);
}

struct list_read {
    struct tt_answer_list list;
    struct tt_dispatcher *dispatcher;
    struct tt_http_exchange *exchange;
};

static void answer_list(const struct list_read *read, struct tt_str array)
{
    struct tt_buf body = {0};
    struct tt_json_writer w = {.buf = &body};

    tt_json_begin_object(&w);
    read->list.put_members(&w, array, read->dispatcher);
    tt_json_end_object(&w);
    tt_answer_json(read->exchange, 200, &body);
}

static void on_rows(struct tt_db_rows *rows, void *arg)
{
    const struct list_read *read = arg;
    struct tt_buf array = {0};
    struct tt_json_writer w = {.buf = &array};
    struct tt_err err = {0};
    int more;

    tt_json_begin_array(&w);
    while ((more = tt_db_next(rows, &err)) == TT_DB_ROW)
        read->list.put_row(&w, rows);
    tt_json_end_array(&w);
    if (more == TT_DB_FAILED)
        tt_answer_error(read->dispatcher, read->exchange, &err, NULL, NULL);
    else if (more != TT_DB_AGAIN)
        answer_list(read, tt_buf_str(&array));
    tt_buf_free(&array);
}

void tt_answer_read_list(struct tt_dispatcher *dispatcher, struct tt_http_exchange *exchange,
                         const struct tt_answer_list *list)
{
    struct list_read *read = tt_arena_alloc(tt_http_arena(exchange), sizeof(*read));
    struct tt_db_query query = {.sql = list->sql};
    struct tt_db_pending *pending;
    struct tt_err err = {0};

    *read = (struct list_read){*list, dispatcher, exchange};
    if (tt_db_read(dispatcher->tide->chat.db, tt_dispatcher_loop(dispatcher), &query, on_rows, read,
                   &pending, &err) != 0)
        tt_answer_error(dispatcher, exchange, &err, NULL, NULL);
}

void tt_answer_put_columns(struct tt_json_writer *w, const struct tt_db_rows *row,
                           const char *const *names, int count)
{
    for (int i = 0; i < count; i++) {
        struct tt_db_value value = row->values[i];
        tt_json_key(w, tt_str_from(names[i]));
        if (value.type == TT_DB_INT)
            tt_json_int(w, value.integer);
        else if (value.type == TT_DB_NULL)
            tt_json_null(w);
        else
            tt_json_str(w, value.text);
    }
}
