/* The server as a whole: what all workers share, started and ended in order. Used by `serve` and,
 * with the admin listener only, by commands that need the scripts while no server runs. */
#pragma once
#include "app/file_place.h"
#include "app/settings/settings.h"
#include "base/secret.h"
#include "chat/deleted_sessions.h"
#include "db/search_index.h"
#include "serve/generation.h"

struct tt_admin;
struct tt_builder;
struct tt_bundle;
struct tt_dispatcher;
struct tt_node;
struct tt_node_care;
struct tt_proxy;
struct tt_worker;

struct tt_app {
    const struct tt_settings *settings;
    struct tt_keys keys;
    struct tt_egress *egress;
    struct tt_proxy *proxy;      /* of upstream calls; NULL = none */
    struct tt_aux *aux;          /* slow reads */
    struct tt_aux *name_aux;     /* DNS */
    struct tt_aux *password_aux; /* Argon2 */
    struct tt_aux *file_aux;     /* uploaded files: writing, removing, the sweep at start */
    struct tt_aux *text_aux;     /* texts of uploaded files */
    struct tt_cache_store *cache;
    struct tt_shared *shared;
    struct tt_app_file_place file_place;
    struct tt_store *store;
    struct tt_resolver *resolver;
    struct tt_db *db;
    struct tt_node *node;           /* NULL: it shares its database with nobody */
    struct tt_node_care *node_care; /* see node_start.c */
    struct tt_search_index search_index;
    struct tt_deleted_sessions deleted_sessions;
    struct tt_registry *registry;
    struct tt_builder *builder;    /* builds and swaps script generations */
    const struct tt_bundle *known; /* see tt_app_start */
    struct tt_admin *admin;
    struct tt_breakers *breakers;
    bool public_listener; /* it is a server; otherwise a command */
    struct tt_serve_settings serving;
    struct tt_diagnostics advice; /* in dev mode: warnings about the first scripts */
    struct tt_worker *workers;
    struct tt_dispatcher **dispatchers; /* the workers', for folders that do not see workers */
    int worker_count;
    int lock_fd;
    bool in_use; /* the data folder says so (clean_end.h) */
    int port;    /* of the public listener */
    uint64_t started_ms;
    int repaired; /* replies that the last process left running */
};

/* Locks the data folder, migrates, loads the scripts, starts the workers; with `public` the public
 * listener too. Of scripts with the bytes of those in `known` (may be NULL) what was compiled is
 * used. -1: nothing is left running; code "data_dir_locked" with the process that holds it. */
int tt_app_start(struct tt_app *app, const struct tt_settings *settings, bool public_listener,
                 const struct tt_bundle *known, struct tt_err *err);

/* Orderly end; returns when all has ended. Thread: main. */
void tt_app_stop(struct tt_app *app, uint64_t drain_ms);

/* Creates the data folder and locks it: the descriptor, or -1 (with the process that holds it). */
int tt_app_lock(const struct tt_settings *settings, struct tt_err *err);
