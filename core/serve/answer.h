/* Shared by the core's own answers: JSON bodies, members of objects, rows of the database. */
#pragma once
#include "base/json.h"
#include "db/db.h"
#include "http/http.h"

struct tt_dispatcher;

/* Answers with a JSON body that nobody may cache. The body is taken over. */
void tt_answer_json(struct tt_http_exchange *exchange, int status, struct tt_buf *body);

/* Answers with the error object. The text is from the scripts that serve now; status (0: 500) and
 * code are the error's own, its message is the detail ("": none). `put_more` (NULL: nothing)
 * appends members. Thread: the dispatcher's worker. */
void tt_answer_error(const struct tt_dispatcher *dispatcher, struct tt_http_exchange *exchange,
                     const struct tt_err *err,
                     void (*put_more)(struct tt_json_writer *w, const void *arg), const void *arg);

void tt_answer_put_int(struct tt_json_writer *w, const char *key, int64_t value);
void tt_answer_put_str(struct tt_json_writer *w, const char *key, struct tt_str value);

/* An answer with rows of the database: an object whose members `put_members` writes. `array` is
 * JSON, with the value that `put_row` writes for each row. */
struct tt_answer_list {
    struct tt_str sql;
    void (*put_row)(struct tt_json_writer *w, const struct tt_db_rows *row);
    void (*put_members)(struct tt_json_writer *w, struct tt_str array,
                        const struct tt_dispatcher *dispatcher);
};
/* Answers, within the call or later from the loop. The dispatcher's loop must be attached to the
 * database. Thread: worker. */
void tt_answer_read_list(struct tt_dispatcher *dispatcher, struct tt_http_exchange *exchange,
                         const struct tt_answer_list *list);

/* The first columns of the row under these names: integers, texts, NULL. */
void tt_answer_put_columns(struct tt_json_writer *w, const struct tt_db_rows *row,
                           const char *const *names, int count);
