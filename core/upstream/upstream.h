/* Producers of a reply: a real upstream over HTTP (client -> sse_parse -> delta -> reply), and a
 * played one that needs no network (the demo model): a ready text sent at a pace. Only C runs per
 * token. */
#pragma once
#include "reply/reply.h"
#include "upstream/client.h"
#include "upstream/delta.h"

/* Callbacks of the code that follows an attempt and makes another one when it fails; each may be
 * NULL. Called on the reply's loop, possibly from inside a callback of the client, where starting
 * another attempt is allowed. */
struct tt_upstream_hooks {
    /* The call is about to begin; -1 ends the attempt with err, and nothing was sent. */
    int (*on_begin)(void *arg, struct tt_err *err);
    /* The first text is in the reply: from here on another attempt would repeat it. */
    void (*on_text)(void *arg);
    /* The attempt has ended; called once, unless it could not start. true = the callee has started
     * another producer; allowed only when not `final`, that is, when the attempt failed by itself
     * and without text. The outcome may be completed here. */
    bool (*on_end)(struct tt_reply *reply, struct tt_reply_outcome *outcome, bool final, void *arg);
    void *arg;
};

/* Sends the request and pumps its answer into the reply, which ends PRODUCED in every case (unless
 * on_end started another attempt). An answer that is JSON instead of an event stream is read as a
 * whole. A status >= 400 ends with a typed error: 401/403 "upstream_unauthorized", 404
 * "upstream_not_found", 408/504 "upstream_timeout", 429 "upstream_rate_limited", 529/503
 * "upstream_overloaded", 400/422 "upstream_rejected", others "upstream_failed" (status 502, or 504
 * for the timeouts). The upstream's body is never passed on. Sets tt_reply_on_stop. A stream that
 * ends without done marker and without finish reason is "upstream_incomplete"; one that continues
 * without text beyond a bound is "upstream_bad_response". `hooks` may be NULL. Fails at once with
 * -1 like tt_call_start; the reply is unchanged then and no hook is called. Thread: the reply's
 * loop. */
int tt_upstream_try(struct tt_client *client, struct tt_call_request *request,
                    struct tt_delta_spec *spec, struct tt_reply *reply,
                    const struct tt_upstream_hooks *hooks, struct tt_err *err);

/* The typed error for an answer with a status that is not 2xx, see above. Thread: any. */
void tt_upstream_status_error(int status, struct tt_err *error);

struct tt_play {
    struct tt_str text;       /* copied */
    struct tt_str reasoning;  /* copied; sent first */
    struct tt_str tool_calls; /* copied; lines, sent last and all at once */
    int piece_characters;     /* characters per delta */
    uint64_t first_ms;        /* before the first delta */
    uint64_t pace_ms;         /* between deltas; 0 = all at once, joined */
    struct tt_err error;      /* error.status != 0: fail with it after the text */
};
void tt_play_start(const struct tt_play *play, struct tt_reply *reply);
