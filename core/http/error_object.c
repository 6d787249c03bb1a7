/* The members are always in this order. */
#include "http/error_object.h"

static void put_text(struct tt_json_writer *w, struct tt_str key, struct tt_str text)
{
    tt_json_key(w, key);
    tt_json_str(w, text);
}

void tt_http_error_put(struct tt_json_writer *w, const struct tt_http_error *error)
{
    put_text(w, TT_STR("error"), error->message);
    put_text(w, TT_STR("code"), error->code);
    put_text(w, TT_STR("request_id"), error->request_id);
    if (error->detail.data)
        put_text(w, TT_STR("detail"), error->detail);
}

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

void tt_http_error_put_openai(struct tt_json_writer *w, const struct tt_http_error_openai *error)
{
    tt_json_begin_object(w);
    put_text(w, TT_STR("message"), error->message);
    put_text(w, TT_STR("type"), type_of(error->status));
    tt_json_key(w, TT_STR("param"));
    if (error->param.data)
        tt_json_str(w, error->param);
    else
        tt_json_null(w);
    put_text(w, TT_STR("code"), error->code);
    tt_json_end_object(w);
}

static struct tt_str anthropic_type_of(int status, struct tt_str code)
{
    if (tt_str_eq(code, TT_STR("upstream_rate_limited")))
        return TT_STR("rate_limit_error");
    if (tt_str_eq(code, TT_STR("upstream_overloaded")))
        return TT_STR("overloaded_error");
    switch (status) {
    case 402:
        return TT_STR("billing_error");
    case 413:
        return TT_STR("request_too_large");
    case 503:
    case 529:
        return TT_STR("overloaded_error");
    case 504:
        return TT_STR("timeout_error");
    default:
        return status >= 500 ? TT_STR("api_error") : type_of(status);
    }
}

void tt_http_error_put_anthropic(struct tt_json_writer *w,
                                 const struct tt_http_error_anthropic *error)
{
    tt_json_begin_object(w);
    put_text(w, TT_STR("type"), TT_STR("error"));
    tt_json_key(w, TT_STR("error"));
    tt_json_begin_object(w);
    put_text(w, TT_STR("type"), anthropic_type_of(error->status, error->code));
    put_text(w, TT_STR("message"), error->message);
    put_text(w, TT_STR("code"), error->code);
    tt_json_end_object(w);
    if (error->request_id.data)
        put_text(w, TT_STR("request_id"), error->request_id);
    if (error->detail.data)
        put_text(w, TT_STR("detail"), error->detail);
    tt_json_end_object(w);
}
