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
#include "upstream/failure.h"
#include "upstream/key_rest.h"

#include <stdlib.h>

#define HEADERS_MAX    64
#define REFUSED_KEY_MS 600000 /* a key that is wrong, or has nothing left, rests */
#define LIMITED_KEY_MS 30000  /* likewise one over its rate that names no time */

struct candidate {
    struct tt_call_template *template; /* a reference */
    struct tt_call_body *body;         /* a reference, shared by the keys of a configuration */
    int64_t group;                     /* the same for all keys of a configuration; 0 = one key */
    bool rests;                        /* while another key of the group does not */
    unsigned adapted;                  /* learnt here: a second refusal of the same is final */
    uint64_t not_before_ms;            /* it said so; UINT64_MAX = never again */
};

/* What another try needs. */
struct kept {
    struct candidate *candidates;
    size_t candidate_count;
    struct tt_retry_step *steps;
    size_t step_count, next; /* the step that comes next */
    uint64_t begun_ms, retry_after_max_ms;
    bool after_send, after_empty;
    int64_t only_group;             /* whose other keys are all that may be called; 0 = any */
    int64_t passed_over;            /* whose other keys would meet the same; 0 = none */
    struct tt_reply_outcome failed; /* of the last call that was made; status NULL = none */
};

struct retry {
    struct tt_client *client;
    struct tt_breakers *breakers;
    struct tt_reply *reply; /* a reference */
    struct kept *kept;      /* NULL: there is no other try */
    struct candidate *now;  /* the one that is called */
    struct tt_breaker_permit permit;
    struct tt_reply_learnt learnt;
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

static bool key_rests(const struct candidate *candidate, uint64_t now)
{
    return candidate->group && tt_key_rests_until(candidate->template->key) > now;
}

/* Keys that were refused a while ago are left out, unless all of their group were. */
static void leave_out_resting(struct kept *kept)
{
    uint64_t now = tt_clock_mono_ms();
    for (size_t i = 0; i < kept->candidate_count; i++) {
        struct candidate *candidate = &kept->candidates[i];
        if (!key_rests(candidate, now))
            continue;
        for (size_t k = 0; k < kept->candidate_count && !candidate->rests; k++)
            candidate->rests = kept->candidates[k].group == candidate->group &&
                               !key_rests(&kept->candidates[k], now);
    }
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
        if (from->body_of)
            kept->candidates[i].body = tt_call_body_ref(kept->candidates[from->body_of - 1].body);
        else if (from->body)
            kept->candidates[i].body = tt_call_body_new(from->body);
        kept->candidates[i].group = from->group;
    }
    kept->steps = (struct tt_retry_step *)(kept->candidates + plan->candidate_count);
    memcpy(kept->steps, plan->steps, steps);
    kept->step_count = plan->step_count;
    if (kept->candidate_count > 1)
        leave_out_resting(kept);
    return kept;
}

/* ---- what happened ---- */

static bool has_another_key(const struct retry *retry)
{
    const struct kept *kept = retry->kept;
    for (size_t i = kept->next; retry->now->group && i < kept->step_count; i++) {
        const struct candidate *other = &kept->candidates[kept->steps[i].candidate];
        if (other->group == retry->now->group && other != retry->now && !other->rests)
            return true;
    }
    return false;
}

static bool may_follow(const struct retry *retry, const struct tt_reply_outcome *outcome)
{
    if (strcmp(outcome->error.code, "upstream_unauthorized") == 0 && !retry->refused)
        return has_another_key(retry);
    return retry->refused ||
           tt_failure_may_follow(outcome, retry->kept->after_send, retry->kept->after_empty);
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

/* What was learnt on the way to an answer; guesses that did not lead to one are not stored. */
static void note_learnt(struct retry *retry)
{
    const struct candidate *candidate = retry->now;
    if (!candidate->adapted)
        return;
    retry->learnt = (struct tt_reply_learnt){
        .configuration = candidate->template->configuration,
        .version = candidate->template->version,
        .refused = candidate->template->learnt | candidate->adapted,
    };
}

static void on_text(void *arg)
{
    struct retry *retry = arg;
    note_learnt(retry);
    tt_breaker_report(&retry->permit, TT_BREAKER_NO_FAULT);
    if (retry->now->group)
        tt_key_rest(retry->now->template->key, 0);
    kept_free(retry->kept);
    retry->kept = NULL;
    retry->now = NULL;
}

/* A key that was refused, where there are others. */
static void let_rest(struct candidate *candidate, const struct tt_reply_outcome *outcome)
{
    bool limited = strcmp(outcome->error.code, "upstream_rate_limited") == 0;
    uint64_t asked = outcome->retry_after_s > 0 ? (uint64_t)outcome->retry_after_s * 1000 : 0;
    uint64_t ms = !limited ? REFUSED_KEY_MS : asked ? asked : LIMITED_KEY_MS;
    tt_key_rest(candidate->template->key, tt_clock_mono_ms() + ms);
}

/* A call was made and ended by itself. */
static void note_end(struct retry *retry, const struct tt_reply_outcome *outcome)
{
    bool has_text = !retry->kept;
    enum tt_breaker_fault fault = tt_failure_fault(outcome, has_text);
    if (fault || !has_text)
        tt_breaker_report(&retry->permit, fault);
    if (!has_text && outcome->retry_after_s > 0)
        retry->now->not_before_ms = tt_clock_mono_ms() + (uint64_t)outcome->retry_after_s * 1000;
    if (!has_text && tt_failure_is_about_key(outcome)) {
        if (retry->now->group)
            let_rest(retry->now, outcome);
        if (strcmp(outcome->error.code, "upstream_rate_limited") != 0)
            retry->now->not_before_ms = UINT64_MAX; /* only another key helps, or money */
    }
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
    struct candidate *candidate = retry->now;
    struct tt_err err;
    if (retry->refused || !retry->kept || outcome->http_status < 300 ||
        !tt_failure_may_be_parameter(outcome))
        return false;
    unsigned changes =
        tt_adapt_wanted(told, tt_call_body_text(candidate->body)) & ~candidate->adapted;
    if (!changes)
        return false;
    candidate->adapted |= changes;
    tt_adapt_learn(candidate->template->adapt_key, changes);
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
    retry->kept->only_group =
        strcmp(outcome->error.code, "upstream_unauthorized") == 0 ? retry->now->group : 0;
    retry->kept->passed_over =
        retry->refused || tt_failure_is_about_key(outcome) ? 0 : retry->now->group;
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
    if (retry->kept && strcmp(outcome->status, "complete") == 0)
        note_learnt(retry);
    outcome->learnt = retry->learnt;
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

/* The candidate's body, without what its service refuses. Owns: the caller has a reference. */
static struct tt_call_body *body_for(const struct candidate *candidate)
{
    const struct tt_call_template *template = candidate->template;
    unsigned changes = template->refuses | template->learnt | tt_adapt_known(template->adapt_key);
    struct tt_buf text = {0};

    changes &= TT_ADAPT_REQUESTS;
    if (!changes || !candidate->body)
        return tt_call_body_ref(candidate->body);
    tt_buf_append_str(&text, tt_call_body_text(candidate->body));
    tt_adapt_apply(changes, &text);
    return tt_call_body_new(&text);
}

static bool is_passed_over(const struct retry *retry, const struct candidate *candidate)
{
    const struct kept *kept = retry->kept;
    if (candidate->rests || (kept->only_group && candidate->group != kept->only_group))
        return true;
    return kept->passed_over && candidate->group == kept->passed_over && candidate != retry->now;
}

static int start_step(struct retry *retry, const struct tt_retry_step *step, uint64_t wait,
                      struct tt_err *err)
{
    struct kept *kept = retry->kept;
    struct candidate *candidate = &kept->candidates[step->candidate];
    struct tt_call_template *template = candidate->template;
    const struct tt_upstream_hooks hooks = {on_begin, on_text,           on_end,
                                            retry,    retry->keep_empty, template->adapt_key};
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
        int64_t wait =
            is_passed_over(retry, &kept->candidates[step->candidate]) ? -1 : wait_of(kept, step);
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
