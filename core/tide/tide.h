/* What the tide.* modules get from their worker: one struct of borrowed parts, filled in by
 * app/worker.c before any script state is built. Modules use nothing else, so nothing is global. */
#pragma once
#include "base/secret.h"
#include "base/token_memo.h"
#include "cache/shared.h"
#include "cache/tier.h"
#include "chat/chat.h"
#include "files/store.h"
#include "loop/aux.h"
#include "script/runtime.h"
#include "script/vm.h"
#include "tide/setting.h"

struct tt_node;

struct tt_tide {
    struct tt_runtime runtime;
    struct tt_chat chat;
    struct tt_aux *password_aux; /* Argon2: few threads, short queue */
    struct tt_cache *cache;
    size_t http_bytes;        /* of tide.http responses that scripts have not received yet */
    struct tt_shared *shared; /* tide.shared: one for all workers */
    struct tt_store *store;   /* bytes of uploaded files */
    struct tt_aux *file_aux;  /* writing and removing them */
    struct tt_aux *text_aux;  /* reading their text: up to 20 s per job */
    size_t upload_max;        /* bytes of one file */
    const struct tt_egress *egress;
    const struct tt_keys *keys;
    struct tt_node *node; /* NULL: alone */
    struct tt_token_memo *tokens;
    struct tt_testing *testing; /* only in `tidetalk test` */

    /* A setting for config.get; -1 if there is no such key. Thread: any. */
    int (*setting)(const char *key, struct tt_tide_setting *out, void *arg);
    void *setting_arg;
};

/* The list of all tide.* modules, for tt_runtime.modules. */
extern const struct tt_script_module tt_tide_modules[];

static inline struct tt_tide *tt_tide_of_runtime(struct tt_runtime *runtime)
{
    return TT_CONTAINER_OF(runtime, struct tt_tide, runtime);
}

/* The parts of the worker to which a state belongs. */
static inline struct tt_tide *tt_tide_of(lua_State *L)
{
    return tt_tide_of_runtime(tt_vm_of(L)->runtime);
}
