/* Following a plan of attempts. The data needed for another attempt (addresses, headers with keys,
 * bodies with histories) is stored until the first text or the end, whichever is first; after that
 * only the breaker's permit is left. A wait is a call that begins later, so that stopping, leaving
 * and the client's end reach it like a running one. The breaker is checked when a call really
 * begins, not when it is planned. Never sends a token twice: there is no other attempt after the
 * first text. */
#include "upstream/retry.h"

#include "base/clock.h"
#include "base/log.h"
#include "base/mem.h"
#include "upstream/adapt.h"

#include <stdlib.h>

#define HEADERS_MAX 64

struct candidate {
    struct tt_call_template *template; /* a reference */
    struct tt_call_body *body;
    uint64_t adapt_key;     /* of what is learnt about it */
    unsigned adapted;       /* learnt here: a second refusal of the same is final */
    uint64_t not_before_ms; /* it said so; UINT64_MAX = never again */
};

/* What another try needs. */
struct kept {
    struct candidate *candidates;
    size_t candidate_count;
    struct tt_retry_step *steps;
    size_t step_count, next; /* the step that comes next */
    uint64_t begun_ms, retry_after_max_ms;
    bool after_send, after_empty;
    struct tt_reply_outcome failed; /* of the last call that was made; status NULL = none */
};

struct retry {
    struct tt_client *client;
    struct tt_breakers *breakers;
    struct tt_reply *reply; /* a reference */
    struct kept *kept;      /* NULL: there is no other try */
    struct candidate *now;  /* the one that is called */
    struct tt_breaker_permit permit;
    bool force, keep_empty;
    bool refused;       /* refused by breaker or cap: nothing was sent */
    bool charged_twice; /* possibly */
    int attempts;
    int64_t refused_retry_s;
};

static int start_next(struct retry *retry, struct tt_err *err);

/* ---- what is kept for another try ---- */

static void kept_free(struct kept *kept)
{
    for (size_t i = 0; kept && i < kept->candidate_count; i++) {
        tt_call_template_unref(kept->candidates[i].template);
        tt_call_body_unref(kept->candidates[i].body);
    }
    free(kept);
}

static void retry_free(struct retry *retry)
{
    kept_free(retry->kept);
    tt_breaker_leave(&retry->permit);
    tt_reply_unref(retry->reply);
    free(retry);
}

static uint64_t adapt_key_of(const struct tt_call_template *template)
{
    uint64_t key = template->key;

    for (size_t i = 0; i < template->upstream.len; i++)
        key = (key ^ (unsigned char)template->upstream.data[i]) * 0x100000001b3u;
    return key;
}

/* One block: the steps lie behind the candidates, and these behind the struct. */
static struct kept *kept_new(const struct tt_retry_plan *plan)
{
    size_t candidates = plan->candidate_count * sizeof(struct candidate);
    size_t steps = plan->step_count * sizeof(struct tt_retry_step);
    struct kept *kept = tt_alloc(sizeof(*kept) + candidates + steps);

    kept->begun_ms = tt_clock_mono_ms();
    kept->retry_after_max_ms = plan->retry_after_max_ms;
    kept->after_send = plan->retry_after_send;
    kept->after_empty = plan->retry_after_empty;
    kept->candidates = (struct candidate *)(kept + 1);
    kept->candidate_count = plan->candidate_count;
    for (size_t i = 0; i < plan->candidate_count; i++) {
        const struct tt_retry_candidate *from = &plan->candidates[i];
        kept->candidates[i].template = tt_call_template_ref(from->template);
        kept->candidates[i].adapt_key = adapt_key_of(from->template);
        if (from->body)
            kept->candidates[i].body = tt_call_body_new(from->body);
    }
    kept->steps = (struct tt_retry_step *)(kept->candidates + plan->candidate_count);
    memcpy(kept->steps, plan->steps, steps);
    kept->step_count = plan->step_count;
    return kept;
}

/* ---- what happened ---- */

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
static enum tt_breaker_fault fault_of(const struct tt_reply_outcome *outcome, bool has_text)
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

static bool may_follow(const struct retry *retry, const struct tt_reply_outcome *outcome)
{
    static const char *const connecting[] = {"upstream_refused",    "dns_failed",
                                             "upstream_tls_failed", "upstream_connect_timeout",
                                             "upstream_reset",      NULL};
    static const char *const said[] = {"upstream_rate_limited", "upstream_overloaded",
                                       "upstream_quota_empty", NULL};
    static const char *const silent[] = {"upstream_reset", "upstream_timeout", "upstream_stalled",
                                         "upstream_incomplete", NULL};
    const char *code = outcome->error.code;
    if (retry->refused || is_one_of(code, said))
        return true;
    if (is_one_of(code, blameless))
        return false;
    if (outcome->http_status == 429 || outcome->http_status >= 500)
        return true;
    if (outcome->http_status >= 300)
        return false;
    if (strcmp(code, "upstream_empty") == 0)
        return retry->kept->after_empty;
    if (strcmp(code, "upstream_failed") == 0) /* not sent, or said inside an answer */
        return true;
    if (!outcome->maybe_charged)
        return is_one_of(code, connecting);
    return retry->kept->after_send && is_one_of(code, silent);
}

static void log_failure(const struct retry *retry, const struct tt_reply_outcome *outcome,
                        bool follows)
{
    tt_log(
        TT_LOG_INFO, "upstream failed", TT_F_INT("message_id", tt_reply_message_id(retry->reply)),
        TT_F_INT("attempt", retry->attempts), TT_F_STR("upstream", retry->now->template->upstream),
        TT_F_Z("code", outcome->error.code), TT_F_INT("http_status", outcome->http_status),
        TT_F_Z("error", outcome->error.message), TT_F_BOOL("retried", follows));
}

/* ---- hooks of a try ---- */

static int on_begin(void *arg, struct tt_err *err)
{
    struct retry *retry = arg;
    if (retry->breakers &&
        tt_breaker_enter(retry->breakers, retry->now->template->upstream, retry->now->template->key,
                         retry->force, &retry->permit, &retry->refused_retry_s, err) != 0) {
        retry->refused = true;
        return -1;
    }
    retry->attempts++;
    return 0;
}

static void on_text(void *arg)
{
    struct retry *retry = arg;
    tt_breaker_report(&retry->permit, TT_BREAKER_NO_FAULT);
    kept_free(retry->kept);
    retry->kept = NULL;
    retry->now = NULL;
}

/* A call was made and ended by itself. */
static void note_end(struct retry *retry, const struct tt_reply_outcome *outcome)
{
    bool has_text = !retry->kept;
    enum tt_breaker_fault fault = fault_of(outcome, has_text);
    if (fault || !has_text)
        tt_breaker_report(&retry->permit, fault);
    if (!has_text && outcome->retry_after_s > 0)
        retry->now->not_before_ms = tt_clock_mono_ms() + (uint64_t)outcome->retry_after_s * 1000;
    if (!has_text && strcmp(outcome->error.code, "upstream_quota_empty") == 0)
        retry->now->not_before_ms = UINT64_MAX; /* only money helps */
}

/* What it said, for the owner of the configuration and, at debug, for the operator. */
static void take_detail(const struct retry *retry, const struct tt_told_error *told,
                        struct tt_reply_outcome *outcome)
{
    const struct tt_call_template *template = retry->kept ? retry->now->template : NULL;
    struct tt_str headers[HEADERS_MAX];
    size_t count = template && template->headers
                       ? tt_call_headers_lines(template->headers, headers, HEADERS_MAX)
                       : 0;

    _Static_assert(sizeof(outcome->detail) >= TT_TOLD_DETAIL_SIZE, "a detail fits");
    tt_told_detail(told, headers, count, outcome->detail);
    if (outcome->detail[0])
        tt_log(TT_LOG_DEBUG, "an upstream says",
               TT_F_INT("message_id", tt_reply_message_id(retry->reply)),
               TT_F_Z("code", outcome->error.code), TT_F_Z("said", outcome->detail));
}

static int start_step(struct retry *retry, const struct tt_retry_step *step, uint64_t wait,
                      struct tt_err *err);

/* A service that refuses a parameter is asked again at once without it, and never again with it. */
static bool follow_adapted(struct retry *retry, const struct tt_reply_outcome *outcome,
                           const struct tt_told_error *told)
{
    static const char *const codes[] = {"upstream_parameter_unsupported", "upstream_rejected",
                                        NULL};
    struct candidate *candidate = retry->now;
    struct tt_err err;
    if (retry->refused || !retry->kept || outcome->http_status < 300 ||
        !is_one_of(outcome->error.code, codes))
        return false;
    unsigned changes =
        tt_adapt_wanted(told, tt_call_body_text(candidate->body)) & ~candidate->adapted;
    if (!changes)
        return false;
    candidate->adapted |= changes;
    tt_adapt_learn(candidate->adapt_key, changes);
    tt_log(TT_LOG_INFO, "an upstream refuses a parameter, which is left out from now on",
           TT_F_STR("upstream", candidate->template->upstream), TT_F_INT("changes", changes));
    const struct tt_retry_step step = {(size_t)(candidate - retry->kept->candidates), 0};
    return start_step(retry, &step, 0, &err) == 0;
}

/* Whether another try has been started. */
static bool follow(struct retry *retry, const struct tt_reply_outcome *outcome)
{
    struct tt_err err;
    bool follows = may_follow(retry, outcome) && retry->kept->next < retry->kept->step_count;
    bool silent = !retry->refused && outcome->http_status < 300 && outcome->maybe_charged;
    log_failure(retry, outcome, follows);
    if (!retry->refused)
        retry->kept->failed = *outcome;
    if (!follows || start_next(retry, &err) != 0)
        return false;
    retry->charged_twice = retry->charged_twice || silent;
    return true;
}

static bool on_end(struct tt_reply *reply, struct tt_reply_outcome *outcome,
                   const struct tt_told_error *told, bool final, void *arg)
{
    struct retry *retry = arg;
    bool refused = retry->refused;
    bool stopped = final && retry->kept && strcmp(outcome->status, "complete") != 0;
    (void)reply;
    take_detail(retry, told, outcome);
    if (refused)
        outcome->retry_after_s = retry->refused_retry_s;
    else if (!stopped)
        note_end(retry, outcome);
    tt_breaker_leave(&retry->permit);
    if (!final && (follow_adapted(retry, outcome, told) || follow(retry, outcome)))
        return true;
    /* Nothing is left to try: a refusal says less than what a call met before it. */
    if (refused && !stopped && retry->kept->failed.status)
        *outcome = retry->kept->failed;
    outcome->attempts = retry->attempts;
    outcome->charged_twice = retry->charged_twice && retry->attempts > 1;
    /* Whatever the last call met: an earlier one may have been charged. */
    outcome->maybe_charged = outcome->maybe_charged || retry->charged_twice;
    retry_free(retry);
    return false;
}

/* ---- the next try ---- */

/* How long to wait for the step; -1 = it is not worth it. */
static int64_t wait_of(const struct kept *kept, const struct tt_retry_step *step)
{
    const struct candidate *candidate = &kept->candidates[step->candidate];
    uint64_t now = tt_clock_mono_ms(), wait = step->wait_ms;
    uint64_t total = candidate->template->deadlines.total;
    uint64_t asked = candidate->not_before_ms > now ? candidate->not_before_ms - now : 0;
    if (asked > kept->retry_after_max_ms)
        return -1;
    if (asked > wait)
        wait = asked;
    return total && now + wait >= kept->begun_ms + total ? -1 : (int64_t)wait;
}

/* The candidate's body, with what is left out for it since. Owns: the caller has a reference. */
static struct tt_call_body *body_for(const struct candidate *candidate)
{
    unsigned changes = tt_adapt_known(candidate->adapt_key);
    struct tt_buf text = {0};

    if (!changes || !candidate->body)
        return tt_call_body_ref(candidate->body);
    tt_buf_append_str(&text, tt_call_body_text(candidate->body));
    tt_adapt_apply(changes, &text);
    return tt_call_body_new(&text);
}

static int start_step(struct retry *retry, const struct tt_retry_step *step, uint64_t wait,
                      struct tt_err *err)
{
    const struct tt_upstream_hooks hooks = {on_begin, on_text, on_end, retry, retry->keep_empty};
    struct kept *kept = retry->kept;
    struct candidate *candidate = &kept->candidates[step->candidate];
    struct tt_call_template *template = candidate->template;
    struct tt_call_request request = {.method = "POST",
                                      .url = template->url,
                                      .prepared = template->headers,
                                      .deadlines = template->deadlines,
                                      .delay_ms = wait};
    uint64_t spent = tt_clock_mono_ms() + wait - kept->begun_ms;

    if (!template->headers) {
        *err = template->refused;
        return -1;
    }
    retry->now = candidate;
    retry->refused = false;
    request.owner = (uint64_t)tt_reply_user_id(retry->reply);
    if (request.deadlines.total > 0)
        request.deadlines.total =
            request.deadlines.total > spent ? request.deadlines.total - spent : 1;
    request.body = body_for(candidate);
    int failed =
        tt_upstream_try(retry->client, &request, template->spec, retry->reply, &hooks, err);
    tt_call_body_unref(request.body);
    return failed;
}

/* Passes over steps that cannot be taken. -1 when none is left; err is that of the last one. */
static int start_next(struct retry *retry, struct tt_err *err)
{
    struct kept *kept = retry->kept;
    while (kept->next < kept->step_count) {
        const struct tt_retry_step *step = &kept->steps[kept->next++];
        int64_t wait = wait_of(kept, step);
        if (wait >= 0 && start_step(retry, step, (uint64_t)wait, err) == 0)
            return 0;
    }
    return -1;
}

int tt_retry_start(struct tt_client *client, struct tt_breakers *breakers,
                   const struct tt_retry_plan *plan, struct tt_reply *reply, struct tt_err *err)
{
    struct retry *retry = TT_NEW(struct retry);
    retry->client = client;
    retry->breakers = breakers;
    retry->reply = tt_reply_ref(reply);
    retry->force = plan->force;
    retry->keep_empty = plan->keep_empty;
    retry->kept = kept_new(plan);
    if (start_next(retry, err) == 0)
        return 0;
    retry_free(retry);
    return -1;
}
