/* Failed requests: the error's text, its answer, what is noted of it. */
#include "base/log.h"
#include "serve/dispatch.h"
#include "serve/error_shape.h"

#include <stdio.h>

void tt_request_fill(const struct tt_request *request, const char *code,
                     struct tt_str (*arg_of)(void *arg, struct tt_str name), void *arg,
                     struct tt_buf *out)
{
    const struct tt_error_text *entry = tt_generation_error(request->generation, tt_str_from(code));
    struct tt_str text = request->chinese ? entry->zh : entry->en, value;

    while (text.len) {
        ptrdiff_t open = tt_str_find(text, '{');
        struct tt_str rest =
            open < 0 ? TT_STR("") : tt_str_of(text.data + open, text.len - (size_t)open);
        ptrdiff_t close = tt_str_find(rest, '}');
        if (close < 0) {
            tt_buf_append_str(out, text);
            return;
        }
        tt_buf_append(out, text.data, (size_t)open);
        if (arg_of) {
            value = arg_of(arg, tt_str_of(rest.data + 1, (size_t)close - 1));
            if (value.data)
                tt_buf_append_str(out, value);
        }
        text = tt_str_of(rest.data + close + 1, rest.len - (size_t)close - 1);
    }
}

int tt_request_put_error(struct tt_request *request, const struct tt_request_error *error,
                         struct tt_buf *body)
{
    const struct tt_error_text *text =
        tt_generation_error(request->generation, tt_str_from(error->code));
    bool known = tt_str_eq(text->code, tt_str_from(error->code));
    int status = !known && error->status ? error->status : text->status;

    if (!known)
        tt_log(TT_LOG_ERROR, "unknown error code", TT_F_Z("code", error->code),
               TT_F_STR("request_id", tt_http_request_id(request->exchange)),
               TT_F_STR("route", request->route ? request->route->path : TT_STR("-")));
    snprintf(request->code, sizeof(request->code), "%s",
             !known && error->status ? error->code : text->code.data);
    if (status == 429 && request->dispatcher->settings->route_stats)
        tt_route_stats_add_refusal(request->dispatcher->settings->route_stats,
                                   tt_str_from(request->code));
    status = tt_error_shape_put(request, error, tt_str_from(request->code), status, body);
    if (error->detail && !error->logged && status >= 500)
        tt_log(TT_LOG_WARN, "request failed",
               TT_F_STR("request_id", tt_http_request_id(request->exchange)),
               TT_F_Z("code", request->code), TT_F_LINES("error", tt_str_from(error->detail)));
    return status;
}

void tt_request_fail(struct tt_request *request, const struct tt_request_error *error)
{
    struct tt_buf body = {0};
    int status = tt_request_put_error(request, error, &body);

    tt_request_reply(request, status, &body);
}
