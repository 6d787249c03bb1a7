/* What a worker gives to its scripts: one struct of borrowed parts, filled by app/worker.c before
 * any script state is built. Everything a binding touches comes from here, so nothing is global. */
#pragma once
#include "base/secret.h"
#include "base/token_cache.h"
#include "cache/shared.h"
#include "cache/tier.h"
#include "db/db.h"
#include "files/store.h"
#include "loop/aux.h"
#include "reply/registry.h"
#include "upstream/breaker.h"
#include "upstream/client.h"

struct tt_lua_setting { /* one value of config.get */
    enum { TT_SETTING_STRING, TT_SETTING_INT, TT_SETTING_BOOL, TT_SETTING_LIST } type;
    struct tt_str text;
    int64_t integer;
    const struct tt_str *items;
    size_t item_count;
};

struct tt_vm;

/* What runs at its time, see timers.h. */
struct tt_timers {
    struct tt_list named;  /* timer.every, those of this worker */
    struct tt_list single; /* timer.after, not due yet */
    int single_count;
    const struct tt_vm *active; /* whose timers run */
    bool stopped;
    uint64_t ticks, failures, missed; /* of named ones */
};

struct tt_env {
    int worker;
    int workers; /* how many there are */
    struct tt_loop *loop;
    struct tt_db *db;            /* the loop is attached to it */
    struct tt_aux *password_aux; /* Argon2: few threads, short queue */
    struct tt_cache *cache;
    size_t http_bytes;        /* of answers to tide.http that have not been handed over */
    struct tt_shared *shared; /* tide.shared: one for all workers */
    struct tt_store *store;   /* bytes of uploaded files */
    struct tt_aux *file_aux;  /* writing and removing them */
    struct tt_aux *text_aux;  /* reading their text: up to 20 s a job */
    size_t upload_max;        /* bytes of one file */
    struct tt_client *client;
    struct tt_breakers *breakers; /* of all workers; NULL = none */
    struct tt_registry *registry;
    const struct tt_egress *egress;
    const struct tt_keys *keys;
    struct tt_token_cache *tokens; /* verified ones; may be NULL */
    const struct tt_str *cors_origins;
    size_t cors_origin_count;
    struct tt_str public_url;
    struct tt_route_stats_set *route_stats; /* NULL: nothing is counted */
    bool dev;                               /* tracebacks in answers */
    size_t script_memory_max;               /* bytes a script state */
    int64_t script_time_ms; /* CPU time of a task between two waits; 0: the guard's default */
    int64_t script_load_ms; /* CPU time of building a state; 0: the guard's default for it */
    size_t body_max;        /* default for routes that read a body */

    struct tt_testing *testing; /* in `tidetalk test` only */

    /* A setting for config.get; -1 when there is no such key. Thread: any. */
    int (*setting)(const char *key, struct tt_lua_setting *out, void *arg);
    void *setting_arg;

    struct tt_timers timers;
    struct tt_list tasks; /* running ones */
    int task_count;
    struct tt_list productions; /* replies made on this worker, see production.c */
    struct tt_list unsaved;     /* their checkpoints, by the time when they are due */
    struct tt_timer checkpoint_timer;
    bool drained; /* the drain limit has passed: no turn is admitted any more */
    bool closing; /* the loop has ended: nothing is submitted any more */
};
