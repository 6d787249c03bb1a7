/* Start: lock -> check for losses and damage -> pools -> migrations -> repair -> keys -> files ->
 * workers -> scripts -> listeners -> threads. The end is in reverse order. If a step of the start
 * fails, those before it are undone. */
#include "app/app.h"

#include "app/admin/admin.h"
#include "app/clean_end.h"
#include "app/core_routes.h"
#include "app/count_check.h"
#include "app/data_check.h"
#include "app/file_sweep.h"
#include "app/node_start.h"
#include "app/page/page.h"
#include "app/port_owner.h"
#include "app/reload/builder.h"
#include "app/rotation.h"
#include "app/worker.h"
#include "base/clock.h"
#include "base/disk_reserve.h"
#include "base/log.h"
#include "base/mem.h"
#include "chat/reply_repair.h"
#include "db/inspect.h"
#include "db/migrate.h"
#include "files/s3.h"
#include "http/unread.h"
#include "node/node.h"
#include "script/profile.h"
#include "upstream/proxy.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#define TURNS_WAITING_MAX 4
#define NAME_THREADS      16 /* they only wait for name servers */
#define NAMES_END_MS      500
#define BUCKET_END_MS     5000 /* then what still waits for the bucket fails */

/* ---- the data folder ---- */

static int make_directory(const char *path, struct tt_err *err)
{
    char part[4200];

    snprintf(part, sizeof(part), "%s", path);
    for (size_t end = strlen(part); end > 1 && part[end - 1] == '/';)
        part[--end] = 0; /* otherwise it would be created as if there were folders below it */
    for (char *slash = part + 1; (slash = strchr(slash, '/')); *slash++ = '/') {
        *slash = 0;
        mkdir(part, 0755);
    }
    if (mkdir(path, 0700) != 0 && errno != EEXIST)
        return tt_err_set(err, 0, "data_dir_failed", "data folder %s: %s", path, strerror(errno));
    return 0;
}

int tt_app_lock(const struct tt_settings *settings, struct tt_err *err)
{
    char holder[300] = {0};

    if (make_directory(settings->data_dir, err) != 0)
        return -1;
    int fd = open(settings->lock_file, O_RDWR | O_CREAT | O_CLOEXEC, 0600);
    if (fd < 0)
        return tt_err_set(err, 0, "data_dir_failed", "%s: %s", settings->lock_file,
                          strerror(errno));
    if (flock(fd, LOCK_EX | LOCK_NB) != 0) {
        ssize_t n = read(fd, holder, sizeof(holder) - 1);
        close(fd);
        holder[n > 0 ? strcspn(holder, "\n") : 0] = 0;
        return tt_err_set(err, 0, "data_dir_locked", "the data folder %s is in use by %s",
                          settings->data_dir, holder[0] ? holder : "another process");
    }
    char text[600];
    snprintf(text, sizeof(text), "process %d (tidetalk, listening on %.400s)\n", (int)getpid(),
             settings->listen);
    size_t len = strlen(text);
    if (ftruncate(fd, 0) != 0 || pwrite(fd, text, len, 0) != (ssize_t)len)
        tt_log(TT_LOG_WARN, "the lock file could not be written",
               TT_F_Z("file", settings->lock_file));
    return fd;
}

/* ---- start ---- */

static int check_address(const char *address, struct tt_err *err)
{
    if (tt_http_probe_address(address, err) == 0)
        return 0;
    if (strcmp(err->code, "address_in_use") == 0) {
        char holder[128];
        const char *colon = strrchr(address, ':');
        tt_port_owner((uint16_t)atoi(colon ? colon + 1 : "0"), holder, sizeof(holder));
        tt_err_set(err, 0, "address_in_use", "%s is in use by %s", address, holder);
    }
    return -1;
}

static int check_addresses(const struct tt_settings *settings, struct tt_err *err)
{
    if (check_address(settings->listen, err) != 0)
        return -1;
    return tt_app_is_node(settings)
               ? check_address(tt_conf_get(settings->conf, "nodes.listen")->text.data, err)
               : 0;
}

static int open_database(struct tt_app *app, struct tt_err *err)
{
    const struct tt_settings *settings = app->settings;
    const char *url = settings->database_url;
    struct tt_migrate_report report = {0};
    struct tt_db_settings database = {.url = url,
                                      .use = tt_app_is_node(settings) ? TT_DB_USE_NODE
                                                                      : TT_DB_USE_ALONE,
                                      .replicated = settings->replicated};

    int failed = tt_db_migrate(url, settings->migrations_dir, false, &report, err);
    tt_buf_free(&report.text);
    if (failed)
        return -1;
    app->db = tt_db_open(&database, app->aux, err);
    return app->db ? 0 : -1;
}

static int open_store(struct tt_app *app, struct tt_err *err)
{
    tt_app_file_place_open(&app->file_place, app->settings);
    app->store = tt_store_open(&app->file_place.store, err);
    app->file_aux = tt_aux_new("tt-files", 4, 1024, err);
    app->text_aux = tt_aux_new("tt-text", 2, 64, err);
    return app->store && app->file_aux && app->text_aux ? 0 : -1;
}

/* Beside other nodes these would take what they do just now for a mistake. */
static int check_data(struct tt_app *app, struct tt_err *err)
{
    if (tt_app_is_node(app->settings) && !(app->node && tt_node_was_first(app->node)))
        return 0;
    if (tt_app_sweep_files(app->store, app->db, app->file_aux, err) != 0)
        return -1;
    return tt_app_check_counts(app->db, app->file_aux, err);
}

static int open_cache(struct tt_app *app, struct tt_err *err)
{
    const struct tt_settings *settings = app->settings;
    struct tt_cache_settings cache = {
        .redis_url = tt_conf_get(settings->conf, "redis_url")->text,
        .secret = tt_str_of((const char *)app->keys.seal, TT_KEY_SIZE),
        .memory = (size_t)tt_settings_int(settings, "cache.memory"),
        .value_max = (size_t)tt_settings_int(settings, "cache.value_max"),
        .redis_timeout_ms = (uint64_t)tt_settings_int(settings, "redis.timeout"),
    };
    app->shared = tt_shared_new((size_t)tt_settings_int(settings, "shared.memory"));
    app->cache = tt_cache_store_new(&cache, err);
    return app->cache ? 0 : -1;
}

static int prepare_database(struct tt_app *app, const struct tt_data_loss *loss,
                            struct tt_loop *loop, struct tt_err *err)
{
    app->repaired = tt_chat_repair_all(app->db, loop, tt_app_is_node(app->settings), err);
    if (app->repaired < 0)
        return -1;
    if (app->repaired > 0)
        tt_log(TT_LOG_WARN, "replies of the last run were left unfinished",
               TT_F_INT("interrupted", app->repaired));
    return loss->seal_key ? tt_db_accept_seal_key(app->db, loop, app->keys.seal_id, err) : 0;
}

/* The database before the secret file: a first start that breaks off between them must not look
 * like a lost database. */
static int open_data(struct tt_app *app, const struct tt_data_loss *loss, struct tt_err *err)
{
    if (open_database(app, err) != 0 ||
        tt_keys_load(&app->keys, app->settings->secret_file, err) != 0 ||
        open_store(app, err) != 0 || tt_app_node_join(app, err) != 0)
        return -1;
    struct tt_loop *loop = tt_loop_new(err); /* the workers' loops do not exist yet */
    int failed = loop ? tt_db_attach(app->db, loop, err) : -1;
    if (!failed)
        failed = prepare_database(app, loss, loop, err);
    tt_db_detach(app->db, loop);
    tt_loop_free(loop);
    return failed ? -1 : check_data(app, err);
}

static int open_disk_reserve(const struct tt_settings *settings, struct tt_err *err)
{
    char path[4200];

    snprintf(path, sizeof(path), "%s/reserve", settings->data_dir);
    return tt_disk_reserve_open(path, (uint64_t)tt_settings_int(settings, "disk_reserve"), err);
}

static int open_parts(struct tt_app *app, struct tt_err *err)
{
    const struct tt_settings *settings = app->settings;
    const struct tt_conf_value *allow = tt_conf_get(settings->conf, "outbound.allow");
    struct tt_data_loss loss;

    if (tt_app_node_check(settings, err) != 0 || tt_rotation_finish(settings, err) != 0 ||
        tt_data_check(settings, &loss, err) != 0 || tt_clean_end_begin(settings, err) != 0)
        return -1;
    app->in_use = true;
    if (open_disk_reserve(settings, err) != 0)
        return -1;
    app->egress = tt_egress_new(allow->items, allow->item_count, err);
    app->aux = tt_aux_new("tt-aux", 4, 1024, err);
    app->password_aux = tt_aux_new("tt-password", settings->workers, 64, err);
    app->name_aux = tt_aux_new("tt-names", NAME_THREADS, 1024, err);
    if (!app->egress || !app->aux || !app->password_aux || !app->name_aux)
        return -1;
    struct tt_str proxy = tt_conf_get(settings->conf, "upstream.proxy")->text;
    if (proxy.len > 0 && !(app->proxy = tt_proxy_new(proxy, err)))
        return -1;
    if (!tt_settings_int(settings, "outbound.public"))
        tt_egress_close_public(app->egress);
    app->resolver = tt_resolver_new(app->name_aux);
    app->registry =
        tt_registry_new(TURNS_WAITING_MAX, (int)tt_settings_int(settings, "limits.user_replies"));
    app->breakers = tt_breakers_new(&(struct tt_breaker_settings){
        .failures = (int)tt_settings_int(settings, "upstream.breaker_failures"),
        .window_ms = (uint64_t)tt_settings_int(settings, "upstream.breaker_window"),
        .pause_ms = (uint64_t)tt_settings_int(settings, "upstream.breaker_pause"),
        .in_flight_max = (int)tt_settings_int(settings, "upstream.in_flight"),
    });
    tt_unread_set_max((size_t)tt_settings_int(settings, "limits.user_unread"),
                      (size_t)tt_settings_int(settings, "limits.unread"));
    tt_reply_set_memory_max((size_t)tt_settings_int(settings, "limits.reply_memory"));
    return open_data(app, &loss, err) == 0 ? open_cache(app, err) : -1;
}

/* All workers bind the same address; with port 0 they use the port that the first one got. */
static int open_listeners(struct tt_app *app, struct tt_err *err)
{
    char address[300];

    snprintf(address, sizeof(address), "%s", app->settings->listen);
    for (int i = 0; i < app->worker_count; i++) {
        if (tt_worker_listen(&app->workers[i], address, err) != 0)
            return -1;
        if (i == 0) {
            app->port = tt_http_server_port(app->workers[0].dispatcher.server[TT_SERVER_PUBLIC]);
            char *colon = strrchr(address, ':');
            if (colon && !tt_str_starts(tt_str_from(address), TT_STR("unix:")))
                snprintf(colon, sizeof(address) - (size_t)(colon - address), ":%d", app->port);
        }
    }
    return 0;
}

static int open_node_listeners(struct tt_app *app, struct tt_err *err)
{
    const char *address = tt_conf_get(app->settings->conf, "nodes.listen")->text.data;

    for (int i = 0; app->node && i < app->worker_count; i++)
        if (tt_worker_listen_nodes(&app->workers[i], address, err) != 0)
            return -1;
    return 0;
}

static void fill_serving(struct tt_app *app)
{
    const struct tt_settings *settings = app->settings;
    const struct tt_conf_value *origins = tt_conf_get(settings->conf, "cors.origins");

    app->serving = (struct tt_serve_settings){
        .core_routes = tt_core_routes,
        .core_route_count = tt_core_route_count,
        .answer_unknown = tt_page_answer_unknown,
        .cors_origins = origins->items,
        .cors_origin_count = origins->item_count,
        .public_url = tt_conf_get(settings->conf, "public_url")->text,
        .base_path = settings->base_path,
        .route_stats = tt_route_stats_set_new(),
        .dev = tt_settings_int(settings, "dev") != 0,
        .body_max = (size_t)tt_settings_int(settings, "limits.body"),
        .upload_max = (size_t)tt_settings_int(settings, "limits.upload"),
    };
}

static int create_workers(struct tt_app *app, int count, struct tt_err *err)
{
    app->worker_count = count;
    app->workers = tt_alloc((size_t)count * sizeof(struct tt_worker));
    app->dispatchers = tt_alloc((size_t)count * sizeof(struct tt_dispatcher *));
    for (int i = 0; i < count; i++) {
        app->dispatchers[i] = &app->workers[i].dispatcher;
        if (tt_worker_create(&app->workers[i], app, i, err) != 0)
            return -1;
    }
    return 0;
}

static int build_scripts(struct tt_app *app, struct tt_err *err)
{
    app->builder =
        tt_builder_new(&(struct tt_builder_parts){.settings = app->settings,
                                                  .serving = &app->serving,
                                                  .db = app->db,
                                                  .node = app->node,
                                                  .workers = app->dispatchers,
                                                  .worker_count = app->worker_count,
                                                  .known = app->known,
                                                  .advice = app->serving.dev ? &app->advice : NULL},
                       err);
    return app->builder ? 0 : -1;
}

static int open_admin(struct tt_app *app, struct tt_err *err)
{
    app->admin = tt_admin_new(&(struct tt_admin_parts){
        .settings = app->settings,
        .workers = app->dispatchers,
        .worker_count = app->worker_count,
        .builder = app->builder,
        .db = app->db,
        .node = app->node,
        .cache = app->cache,
        .registry = app->registry,
        .breakers = app->breakers,
        .route_stats = app->serving.route_stats,
        .aux = app->aux,
        .name_aux = app->name_aux,
        .password_aux = app->password_aux,
        .file_aux = app->file_aux,
        .text_aux = app->text_aux,
        .started_ms = app->started_ms,
        .port = app->port,
        .repaired = app->repaired,
    });
    return tt_admin_listen(app->admin, app->settings->admin_listen, err);
}

static bool is_keeper(void *arg)
{
    return tt_node_is_keeper(((struct tt_app *)arg)->node);
}

static int bring_up(struct tt_app *app, struct tt_err *err)
{
    bool public_listener = app->public_listener;

    fill_serving(app);
    if (tt_http_library_check(err) != 0)
        return -1;
    if (public_listener && check_addresses(app->settings, err) != 0)
        return -1;
    app->lock_fd = tt_app_lock(app->settings, err);
    if (app->lock_fd < 0 || open_parts(app, err) != 0)
        return -1;
    if (create_workers(app, public_listener ? app->settings->workers : 1, err) != 0 ||
        build_scripts(app, err) != 0)
        return -1;
    if (public_listener && (open_listeners(app, err) != 0 || open_node_listeners(app, err) != 0))
        return -1;
    if (open_admin(app, err) != 0)
        return -1;
    app->search_index.is_mine = is_keeper;
    app->search_index.arg = app;
    tt_search_index_start(&app->search_index, app->db, app->workers[0].loop);
    tt_deleted_sessions_start(&app->deleted_sessions, app->db, app->workers[0].loop, app->store,
                              app->file_aux);
    for (int i = 0; i < app->worker_count; i++)
        if (tt_worker_start(&app->workers[i], err) != 0)
            return -1;
    if (tt_app_node_start(app, err) != 0)
        return -1;
    return tt_builder_start(app->builder, err);
}

int tt_app_start(struct tt_app *app, const struct tt_settings *settings, bool public_listener,
                 const struct tt_bundle *known, struct tt_err *err)
{
    memset(app, 0, sizeof(*app));
    app->settings = settings;
    app->known = known;
    app->lock_fd = -1;
    app->public_listener = public_listener;
    app->started_ms = tt_clock_mono_ms();
    tt_mem_open_reserve();
    if (bring_up(app, err) == 0)
        return 0;
    tt_app_stop(app, 0);
    return -1;
}

/* ---- end ---- */

/* Mail that other threads have posted still finds everything in place. */
static void deliver_all(struct tt_app *app)
{
    for (int round = 0; round < 3; round++)
        for (int i = 0; i < app->worker_count; i++)
            if (app->workers[i].loop)
                tt_loop_tick(app->workers[i].loop, 0);
}

/* An upload that ended in the middle of a write removes its file with another job. */
static void finish_files(struct tt_app *app)
{
    if (!app->file_aux)
        return;
    uint64_t until = tt_clock_mono_ms() + BUCKET_END_MS;
    for (bool busy = true; busy || tt_aux_busy(app->file_aux) > 0;) {
        busy = tt_aux_busy(app->file_aux) > 0;
        if (app->file_place.store.s3 && tt_clock_mono_ms() > until)
            tt_s3_stop(app->file_place.store.s3);
        if (busy)
            usleep(1000);
        deliver_all(app);
    }
}

/* Threads first, then what starts operations (tasks, connections, calls), then what answers them
 * (pools, database), then what both need. A task that is cancelled may admit a turn on another
 * worker, so each step is done for all workers before the next. */
void tt_app_stop(struct tt_app *app, uint64_t drain_ms)
{
    tt_admin_note_stop(app->admin);
    tt_profile_stop();
    tt_builder_stop(app->builder);
    for (int i = 0; i < app->worker_count; i++)
        if (app->workers[i].running)
            tt_worker_stop(&app->workers[i], drain_ms);
    for (int i = 0; i < app->worker_count; i++)
        tt_worker_join(&app->workers[i]);
    deliver_all(app);
    tt_search_index_stop(&app->search_index);
    tt_deleted_sessions_stop(&app->deleted_sessions);
    for (int i = 0; i < app->worker_count; i++)
        tt_worker_close(&app->workers[i]);
    deliver_all(app);
    finish_files(app);
    tt_aux_free(app->file_aux);
    tt_aux_free(app->text_aux);
    tt_aux_free(app->password_aux);
    tt_app_node_leave(app);
    tt_db_close(app->db);
    tt_aux_free(app->aux);
    tt_aux_free_within(app->name_aux, NAMES_END_MS);
    deliver_all(app);
    for (int i = 0; i < app->worker_count; i++)
        tt_worker_destroy(&app->workers[i]);
    tt_node_free(app->node);
    tt_builder_free(app->builder);
    tt_store_close(app->store);
    tt_app_file_place_close(&app->file_place);
    tt_cache_store_free(app->cache);
    tt_shared_free(app->shared);
    free(app->workers);
    free(app->dispatchers);
    tt_resolver_free(app->resolver);
    tt_registry_free(app->registry);
    tt_breakers_free(app->breakers);
    tt_egress_free(app->egress);
    tt_proxy_free(app->proxy);
    tt_keys_wipe(&app->keys);
    tt_admin_free(app->admin);
    tt_mem_close_reserve();
    tt_disk_reserve_close();
    tt_route_stats_set_free(app->serving.route_stats);
    tt_diagnostics_free(&app->advice);
    if (app->in_use)
        tt_clean_end_finish(app->settings);
    if (app->lock_fd >= 0)
        close(app->lock_fd);
    app->worker_count = 0;
    app->workers = NULL;
}
