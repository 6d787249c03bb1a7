#include "upstream/failure.h"

#include <string.h>

/* The request is to blame, or whom it is charged to: the same one again fares no better. */
static const char *const blameless[] = {"upstream_context_too_long",
                                        "upstream_content_refused",
                                        "upstream_unauthorized",
                                        "upstream_quota_empty",
                                        "upstream_model_unknown",
                                        "upstream_not_found",
                                        "upstream_too_large",
                                        "upstream_parameter_unsupported",
                                        "upstream_rejected",
                                        "upstream_length_reached",
                                        NULL};

static bool is_one_of(const char *code, const char *const *codes)
{
    for (; *codes; codes++)
        if (strcmp(code, *codes) == 0)
            return true;
    return false;
}

/* Whether the upstream itself is to blame: nobody there, nobody answers, or it says so. */
enum tt_breaker_fault tt_failure_fault(const struct tt_reply_outcome *outcome, bool has_text)
{
    static const char *const connection[] = {"upstream_refused",         "dns_failed",
                                             "upstream_tls_failed",      "upstream_reset",
                                             "upstream_connect_timeout", NULL};
    static const char *const silence[] = {"upstream_stalled", "upstream_timeout", NULL};
    static const char *const said[] = {"upstream_overloaded", "upstream_failed", NULL};
    const char *code = outcome->error.code;
    if (!outcome->error.status || is_one_of(code, blameless))
        return TT_BREAKER_NO_FAULT;
    if (outcome->http_status >= 500 || is_one_of(code, said))
        return TT_BREAKER_FAILED;
    if (outcome->http_status >= 300)
        return TT_BREAKER_NO_FAULT;
    if (is_one_of(code, connection))
        return TT_BREAKER_UNREACHABLE;
    /* Long is not broken: a text that is cut by the total deadline came from somebody. */
    if (has_text && strcmp(code, "upstream_timeout") == 0)
        return TT_BREAKER_NO_FAULT;
    return is_one_of(code, silence) ? TT_BREAKER_SILENT : TT_BREAKER_NO_FAULT;
}

bool tt_failure_is_about_key(const struct tt_reply_outcome *outcome)
{
    static const char *const codes[] = {"upstream_unauthorized", "upstream_quota_empty",
                                        "upstream_rate_limited", NULL};
    return is_one_of(outcome->error.code, codes);
}

bool tt_failure_may_be_parameter(const struct tt_reply_outcome *outcome)
{
    static const char *const codes[] = {"upstream_parameter_unsupported", "upstream_rejected",
                                        NULL};
    return is_one_of(outcome->error.code, codes);
}

bool tt_failure_may_follow(const struct tt_reply_outcome *outcome, bool after_send,
                           bool after_empty)
{
    static const char *const connecting[] = {"upstream_refused",
                                             "dns_failed",
                                             "upstream_tls_failed",
                                             "upstream_connect_timeout",
                                             "upstream_reset",
                                             "upstream_proxy_failed",
                                             NULL};
    static const char *const said[] = {"upstream_rate_limited", "upstream_overloaded",
                                       "upstream_quota_empty", NULL};
    static const char *const silent[] = {"upstream_reset", "upstream_timeout", "upstream_stalled",
                                         "upstream_incomplete", NULL};
    const char *code = outcome->error.code;
    if (is_one_of(code, said))
        return true;
    if (is_one_of(code, blameless))
        return false;
    if (outcome->http_status == 429 || outcome->http_status >= 500)
        return true;
    if (outcome->http_status >= 300)
        return false;
    if (strcmp(code, "upstream_empty") == 0)
        return after_empty;
    if (strcmp(code, "upstream_failed") == 0) /* not sent, or said inside an answer */
        return true;
    if (!outcome->maybe_charged)
        return is_one_of(code, connecting);
    return after_send && is_one_of(code, silent);
}
