/* The operator's side of the server: health, status, metrics, reloading, access to it, and a record
 * of what was done. It has its own listener, on the first worker; the public listeners answer
 * health requests too. */
#pragma once
#include "app/settings/settings.h"
#include "base/err.h"
#include "serve/dispatch.h"

struct tt_admin;
struct tt_builder;
struct tt_node;

struct tt_admin_parts { /* what admin shows and controls; all of it outlives the workers */
    const struct tt_settings *settings;
    struct tt_dispatcher *const *workers; /* [worker_count] */
    int worker_count;
    struct tt_builder *builder;
    struct tt_db *db;
    struct tt_node *node; /* NULL: alone */
    struct tt_cache_store *cache;
    struct tt_registry *registry;
    struct tt_breakers *breakers;
    struct tt_route_stats_set *route_stats;
    struct tt_aux *aux, *name_aux, *password_aux, *file_aux, *text_aux;
    uint64_t started_ms;
    int port;     /* of the public listener */
    int repaired; /* replies that the last process left running */
};

/* Owns: the caller, until the workers are gone. Thread: main, before they start. */
struct tt_admin *tt_admin_new(const struct tt_admin_parts *parts);
void tt_admin_free(struct tt_admin *admin);

/* Opens the admin listener, on the first worker. -1: "listen_failed". Thread: main, before the
 * workers start. */
int tt_admin_listen(struct tt_admin *admin, const char *address, struct tt_err *err);

/* From here on /readyz says that the server stops. Thread: any. */
void tt_admin_note_stop(struct tt_admin *admin);
