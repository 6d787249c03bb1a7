/* llm.start and llm.ask: reading a script's description of the request and of its client, for
 * llm.c. */
#pragma once
#include "reply/registry.h"
#include "script/task.h"
#include "upstream/retry.h"

#define TT_TURN_META "tide.QueuePlace"

/* A place in a session's queue as a Lua value; the task that entered owns the turn too. */
struct tt_tide_turn {
    struct tt_owned owned;
    struct tt_turn *turn; /* NULL once it was left or taken over */
    int64_t epoch;        /* its number, see node/node.h; 0: alone */
};

/* The declarations of a provider's table (at `index`), compiled once per table and state; the table
 * keeps them alive. Raises if something is missing or wrong, with the names of the provider and the
 * field. */
struct tt_delta_spec *tt_tide_llm_provider_spec(lua_State *L, int index);
/* llm.check_provider(provider): raises like tt_tide_llm_provider_spec. */
int tt_tide_llm_check_provider(lua_State *L);

/* What produces the reply: upstreams with their request, or a text to be played. Zero it first. */
struct tt_tide_llm_source {
    struct tt_retry_plan plan;
    struct tt_play play;
    bool played;
};

/* Reads it from the table at index 1; raises if something is missing or wrong. The table and the
 * arena keep it alive. */
void tt_tide_llm_read_source(lua_State *L, struct tt_tide_llm_source *source,
                             struct tt_arena *arena);

/* Parts of it, for llm_start.c, llm_plan.c and llm_template.c. The candidate's group and whose body
 * it has are there. */
void tt_tide_llm_read_candidate(lua_State *L, int index, struct tt_retry_candidate *candidate,
                                struct tt_arena *arena);
void tt_tide_llm_read_plan(lua_State *L, int index, struct tt_retry_plan *plan,
                           struct tt_arena *arena);

/* Reads the field "headers" of the table at index: names with strings, secrets, or lists of both
 * that are joined. Fills headers[TT_TIDE_LLM_HEADERS_MAX] with lines in the arena and returns their
 * number; raises on anything else. They hold keys: call tt_tide_llm_wipe_headers after passing them
 * on. `key` (may be NULL) distinguishes the secrets in them, see upstream/breaker.h. */
#define TT_TIDE_LLM_HEADERS_MAX 32
size_t tt_tide_llm_read_headers(lua_State *L, int index, struct tt_arena *arena,
                                struct tt_str *headers, uint64_t *key);
void tt_tide_llm_wipe_headers(struct tt_str *headers, size_t count);

/* llm.template(call): compiles what a request to an upstream has in common with others. */
int tt_tide_llm_template(lua_State *L);

/* Reads the user and the purpose for which tokens are counted, from the table at index 1; raises if
 * something is wrong. The table keeps it alive. */
struct tt_running_reply_spec;
void tt_tide_llm_read_counting(lua_State *L, struct tt_running_reply_spec *spec);

/* The tide.StoredReply at `index`; its table keeps it alive. */
struct tt_reply_stored;
void tt_tide_llm_read_stored(lua_State *L, int index, struct tt_reply_stored *stored);

/* The script's `produce` function (table at `index`) as the producer of a reply in parts, see
 * llm_produce.c; false if there is none. Owns: the caller, until `close`. */
struct tt_running_producer;
bool tt_tide_llm_producer(lua_State *L, int index, struct tt_running_producer *producer);
void tt_tide_llm_produce_setup(lua_State *L);

/* The script's `on_finish` function (table at `index`) for a running reply, or NULL if there is
 * none. Owns: itself; tt_tide_llm_on_finish ends it. */
void *tt_tide_llm_finish_hook(lua_State *L, int index);
/* Runs the function as its own task with the result; reply NULL: there is no reply that ended. */
void tt_tide_llm_on_finish(struct tt_reply *reply, void *hook);

/* The script's `on_delta` function (table at `index`) as a filter of the reply; all NULL if there
 * is none. Owns: the caller, until `close`. */
struct tt_reply_filter tt_tide_llm_filter(lua_State *L, int index);
/* Whether the client's leaving cancels: the string at `index`, nil = "detach"; raises on others. */
bool tt_tide_llm_read_disconnect(lua_State *L, int index);
/* The task listens to the reply on behalf of its client, see llm_listen.c. */
void tt_tide_llm_listen(struct tt_task *task, struct tt_reply *reply);

int tt_tide_llm_start(lua_State *L);
int tt_tide_llm_ask(lua_State *L);
