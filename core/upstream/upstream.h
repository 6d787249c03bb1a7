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
     * and without text. The outcome may be completed here; `told` is what the upstream said. */
    bool (*on_end)(struct tt_reply *reply, struct tt_reply_outcome *outcome,
                   const struct tt_told_error *told, bool final, void *arg);
    void *arg;
    bool keep_empty; /* no callback: an answer with a finish reason and no text is one */
    uint64_t learns; /* under which key it is remembered how answers begin (adapt.h); 0: not */
};

/* Sends the request and pumps its answer into the reply, which ends PRODUCED in every case (unless
 * on_end started another attempt). How the answer is read and when it is an error: answer.h; what a
 * refusal means: told_error.h (status 502, or 504 for timeouts). The upstream's words are never
 * passed on but through `told`. A stream ends two seconds after its finish reason at the latest.
 * Sets tt_reply_on_stop. `hooks` may be NULL. Fails at once with -1 like tt_call_start; the reply
 * is unchanged then and no hook is called. Thread: the reply's loop. */
int tt_upstream_try(struct tt_client *client, struct tt_call_request *request,
                    struct tt_delta_spec *spec, struct tt_reply *reply,
                    const struct tt_upstream_hooks *hooks, struct tt_err *err);

struct tt_play {
    struct tt_str text;          /* copied */
    struct tt_str reasoning;     /* copied; sent first */
    struct tt_str tool_calls;    /* copied; lines, sent last and all at once */
    int piece_characters;        /* characters per delta */
    uint64_t first_ms;           /* before the first delta */
    uint64_t pace_ms;            /* between deltas; 0 = all at once, joined */
    struct tt_err error;         /* error.status != 0: fail with it after the text */
    struct tt_str finish_reason; /* copied; empty: "stop", or "tool_calls" behind such */
};
void tt_play_start(const struct tt_play *play, struct tt_reply *reply);
