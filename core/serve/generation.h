/* A generation: a validated bundle, its number, its routes and error texts (plain C data, shared by
 * all workers) and one ready Lua state per worker. Immutable once made; lives until the last
 * request that began with it has ended. */
#pragma once
#include "http/router.h"
#include "script/vm.h"
#include "serve/serve_settings.h"

#include <pthread.h>
#include <stdatomic.h>

#define TT_UPLOAD_OVERHEAD (64u * 1024) /* bytes of an upload beside the file */

enum tt_auth { TT_AUTH_NONE, TT_AUTH_USER, TT_AUTH_ADMIN };

struct tt_route {
    struct tt_str method, path; /* the generation's arena */
    enum tt_listener listener;
    enum tt_auth auth;
    bool reads_body; /* JSON */
    bool reads_form; /* application/x-www-form-urlencoded */
    bool refused;    /* there only to be refused by name: not told as one that exists */
    bool upload;     /* the body is multipart/form-data, streamed to disk; see intake.h */
    size_t body_max;
    struct tt_route_stats *stats; /* NULL: not counted */
    struct tt_str file;           /* where the handler is */
    int line;
};

/* Whether the same request may succeed later. */
enum tt_error_retry { TT_ERROR_RETRY_BY_STATUS, TT_ERROR_RETRY_YES, TT_ERROR_RETRY_NO };

struct tt_error_text {
    struct tt_str code;
    int status;
    enum tt_error_retry retry;
    struct tt_str en, zh;
    /* Where errors have another shape (error_areas): 0 and an empty text = the same. */
    int door_status;
    struct tt_str door_code;
};

enum tt_error_shape { TT_ERROR_OWN, TT_ERROR_OPENAI, TT_ERROR_ANTHROPIC };

struct tt_error_area { /* of the public listener: errors at paths that begin so have this shape */
    struct tt_str prefix;
    enum tt_error_shape shape;
};

struct tt_generation {
    atomic_int references;
    int number;
    struct tt_bundle *bundle; /* owned */
    struct tt_arena arena;
    struct tt_route *routes; /* index = position in app.routes - 1 */
    size_t route_count;
    const struct tt_core_route *core_routes; /* borrowed */
    size_t core_route_count;
    struct tt_router *router[TT_LISTENERS]; /* values: core routes, then the scripts' */
    struct tt_error_area *error_areas;
    size_t error_area_count;
    struct tt_map *errors;     /* code -> struct tt_error_text */
    struct tt_map *undeclared; /* members of answers that were logged, see route_schema.h */
    pthread_mutex_t undeclared_lock;
    struct tt_vm **vms; /* [workers] */
    int vm_count;
    /* Nobody uses it any more: closes it (tt_generation_free) now or later. Any thread; NULL = at
     * once. */
    void (*on_unused)(struct tt_generation *generation);
    void *on_unused_arg;
};

/* Builds a generation with one state for each runtime and checks it; takes the bundle over (also on
 * failure). Fails: NULL with "script_error"; *diagnostics gets everything that was found. Thread:
 * builder or main. */
struct tt_generation *tt_generation_new(struct tt_bundle *bundle, int number,
                                        struct tt_runtime **runtimes, int count,
                                        const struct tt_serve_settings *settings,
                                        struct tt_diagnostics *diagnostics, struct tt_err *err);
struct tt_generation *tt_generation_ref(struct tt_generation *generation);
/* The last one passes it to on_unused, or closes the states at once: they have no task any more,
 * because tasks hold a reference each. Thread: any. A worker's own reference and those of its
 * requests are gone by then, so nothing runs in its state. Objects that the finalizers release
 * (replies, delta specs, jobs not submitted) may be freed on any thread. Turns are not among them:
 * a task closes its own when it ends. */
void tt_generation_unref(struct tt_generation *generation);
/* Closes the states, off the loops; on_unused does this in the end. */
void tt_generation_free(struct tt_generation *generation);

/* The text of an error code, or the one of "internal_error". */
const struct tt_error_text *tt_generation_error(const struct tt_generation *generation,
                                                struct tt_str code);

/* The shape of errors at a path. */
enum tt_error_shape tt_generation_error_shape(const struct tt_generation *generation,
                                              struct tt_str path);
