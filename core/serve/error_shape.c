/* Two shapes, written side by side so that they tell the same. OpenAI's is documented at
 * https://platform.openai.com/docs/guides/error-codes; its clients decide about a retry by the
 * headers x-should-retry, retry-after-ms and retry-after, in this order. */
#include "serve/error_shape.h"

#include "base/json.h"

#include <stdio.h>

static void put_detail(const struct tt_visit *visit, const struct tt_visit_error *error,
                       struct tt_json_writer *w)
{
    if (!visit->dispatcher->env->dev || !error->detail)
        return;
    tt_json_key(w, TT_STR("detail"));
    tt_json_str(w, tt_str_from(error->detail));
}

static void put_own(const struct tt_visit *visit, const struct tt_visit_error *error,
                    struct tt_str text, struct tt_str code, struct tt_json_writer *w)
{
    tt_json_begin_object(w);
    tt_json_key(w, TT_STR("error"));
    tt_json_str(w, text);
    tt_json_key(w, TT_STR("code"));
    tt_json_str(w, code);
    tt_json_key(w, TT_STR("request_id"));
    tt_json_str(w, tt_http_request_id(visit->exchange));
    put_detail(visit, error, w);
    tt_json_end_object(w);
}

/* ---- OpenAI's ---- */

static struct tt_str type_of(int status)
{
    switch (status) {
    case 401:
        return TT_STR("authentication_error");
    case 403:
        return TT_STR("permission_error");
    case 404:
        return TT_STR("not_found_error");
    case 429:
        return TT_STR("rate_limit_error");
    default:
        return status >= 500 ? TT_STR("server_error") : TT_STR("invalid_request_error");
    }
}

void tt_error_openai_object(struct tt_json_writer *w, const struct tt_error_openai *error)
{
    tt_json_begin_object(w);
    tt_json_key(w, TT_STR("message"));
    tt_json_str(w, error->message);
    tt_json_key(w, TT_STR("type"));
    tt_json_str(w, type_of(error->status));
    tt_json_key(w, TT_STR("param"));
    if (error->param.data)
        tt_json_str(w, error->param);
    else
        tt_json_null(w);
    tt_json_key(w, TT_STR("code"));
    tt_json_str(w, error->code);
    tt_json_end_object(w);
}

static void put_openai(const struct tt_visit *visit, const struct tt_visit_error *error,
                       const struct tt_error_openai *told, struct tt_json_writer *w)
{
    tt_json_begin_object(w);
    tt_json_key(w, TT_STR("error"));
    tt_error_openai_object(w, told);
    put_detail(visit, error, w);
    tt_json_end_object(w);
}

/* Whether the same request may fare better later: by the error table, else by the status. */
static bool worth_retrying(const struct tt_visit *visit, struct tt_str code, int status)
{
    const struct tt_error_text *text = tt_generation_error(visit->generation, code);

    if (text->retry != TT_RETRY_BY_STATUS)
        return text->retry == TT_RETRY_YES;
    return status == 408 || status == 429 || status >= 500;
}

static void add_retry_after(struct tt_visit *visit, int64_t seconds, int status, bool in_ms)
{
    char text[32];

    if (seconds <= 0 && status != 429 && status != 503)
        return;
    seconds = seconds > 0 ? seconds : 1;
    snprintf(text, sizeof(text), "%lld", (long long)seconds);
    tt_http_add_header(visit->exchange, TT_STR("Retry-After"), tt_str_from(text));
    if (!in_ms)
        return;
    snprintf(text, sizeof(text), "%lld000", (long long)seconds);
    tt_http_add_header(visit->exchange, TT_STR("Retry-After-Ms"), tt_str_from(text));
}

void tt_error_shape_put(struct tt_visit *visit, const struct tt_visit_error *error,
                        struct tt_str code, int status, struct tt_buf *body)
{
    struct tt_json_writer w = {.buf = body};
    struct tt_buf filled = {0};
    bool openai = tt_generation_error_shape(visit->generation, tt_http_path(visit->exchange)) ==
                  TT_ERROR_OPENAI;

    if (!error->text.data)
        tt_visit_fill(visit, error->code, NULL, NULL, &filled);
    struct tt_str text = error->text.data ? error->text : tt_buf_str(&filled);
    if (openai) {
        put_openai(visit, error, &(struct tt_error_openai){text, error->param, code, status}, &w);
        tt_http_add_header(visit->exchange, TT_STR("X-Should-Retry"),
                           worth_retrying(visit, code, status) ? TT_STR("true") : TT_STR("false"));
    } else {
        put_own(visit, error, text, code, &w);
    }
    add_retry_after(visit, error->retry_after_s, status, openai);
    tt_http_add_header(visit->exchange, TT_STR("Content-Type"),
                       TT_STR("application/json; charset=utf-8"));
    tt_buf_free(&filled);
}
