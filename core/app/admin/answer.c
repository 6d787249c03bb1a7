/* Pieces of answers that no script makes. */
#include "app/admin/answer.h"

void tt_answer_json(struct tt_http_exchange *exchange, int status, struct tt_buf *body)
{
    tt_http_add_header(exchange, TT_STR("Content-Type"), TT_STR("application/json; charset=utf-8"));
    tt_http_add_header(exchange, TT_STR("Cache-Control"), TT_STR("no-store"));
    tt_http_reply(exchange, status, body);
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

static void on_rows(struct tt_db_rows *rows, void *arg)
{
    const struct tt_answer_list *list = arg;
    struct tt_buf array = {0};
    struct tt_json_writer w = {.buf = &array};
    struct tt_err err = {0};
    int more;

    tt_json_begin_array(&w);
    while ((more = tt_db_next(rows, &err)) == TT_DB_ROW)
        list->put_row(&w, rows);
    tt_json_end_array(&w);
    if (more != TT_DB_AGAIN)
        list->on_done(tt_buf_str(&array), more == TT_DB_FAILED ? &err : NULL, list->arg);
    tt_buf_free(&array);
}

void tt_answer_read_list(struct tt_db *db, struct tt_loop *loop, struct tt_arena *arena,
                         const struct tt_answer_list *list)
{
    struct tt_answer_list *kept = tt_arena_alloc(arena, sizeof(*kept));
    struct tt_db_query query = {.sql = list->sql};
    struct tt_db_pending *pending;
    struct tt_err err = {0};

    *kept = *list;
    if (tt_db_read(db, loop, &query, on_rows, kept, &pending, &err) != 0)
        list->on_done(TT_STR(""), &err, list->arg);
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
