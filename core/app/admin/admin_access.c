/* The gate of the admin listener. One worker has it, so nothing here is locked.
 *
 * The key of the port on demand is used up by its first use, which gives the browser a cookie; the
 * cookie counts only for that port's own Host and Origin, so that no page of another site, and no
 * name that resolves to the loopback, can use it. */
#include "app/admin/admin_access.h"

#include "app/admin/answer.h"
#include "app/admin/audit.h"
#include "app/worker.h"
#include "base/json.h"
#include "base/log.h"
#include "http/error_object.h"
#include "serve/request.h"

#include <stdio.h>
#include <stdlib.h>

#define TRIES_MAX      10 /* wrong tokens within a window; then nobody is let in by token */
#define WINDOW_MS      60000
#define CLOSE_AGAIN_MS 50
#define KEY_DIGITS     32
#define COOKIE         "tidetalk_admin"
#define MILLISECONDS   1000

struct tt_admin_access {
    struct tt_str token; /* the settings'; empty = the listener is a unix socket */
    uint64_t window_began_ms;
    int tries; /* that failed, within the window */
    /* the port on demand: */
    uint64_t port_life_ms;
    struct tt_timer close_timer;
    struct tt_worker *worker;
    char key[KEY_DIGITS + 1], session[KEY_DIGITS + 1]; /* "" = used up, none */
    char host[32];                                     /* 127.0.0.1:port */
};

/* ---- life ---- */

struct tt_admin_access *tt_admin_access_new(const struct tt_settings *settings)
{
    struct tt_admin_access *access = TT_NEW(struct tt_admin_access);

    access->token = tt_str_from(settings->admin_token);
    access->port_life_ms = (uint64_t)tt_settings_int(settings, "admin.port_life");
    return access;
}

void tt_admin_access_free(struct tt_admin_access *access)
{
    if (!access)
        return;
    explicit_bzero(access, sizeof(*access));
    free(access);
}

/* ---- answers ---- */

/* The text is the scripts', when they know the code; the status is not theirs to change. */
static bool refuse(struct tt_worker *worker, struct tt_http_exchange *exchange, int status,
                   const char *code)
{
    const struct tt_error_text *text =
        tt_generation_error(worker->dispatcher.generation, tt_str_from(code));
    struct tt_str language = tt_http_header(exchange, "Accept-Language");
    struct tt_buf body = {0};
    struct tt_json_writer w = {.buf = &body};

    tt_json_begin_object(&w);
    tt_http_error_put(&w, &(struct tt_http_error){
                              .message = tt_request_prefers_chinese(language) ? text->zh : text->en,
                              .code = tt_str_from(code),
                              .request_id = tt_http_request_id(exchange)});
    tt_json_end_object(&w);
    tt_answer_json(exchange, status, &body);
    tt_log(TT_LOG_WARN, "admin access refused", TT_F_Z("code", code),
           TT_F_STR("remote", tt_http_remote(exchange)), TT_F_STR("path", tt_http_path(exchange)));
    return true;
}

static bool is_health(struct tt_http_exchange *exchange)
{
    struct tt_str path = tt_http_path(exchange);
    return tt_str_eq(path, TT_STR("/livez")) || tt_str_eq(path, TT_STR("/readyz"));
}

static struct tt_http_server *port_of(struct tt_worker *worker)
{
    return worker->server[TT_SERVER_ADMIN_PORT];
}

/* ---- by token ---- */

static bool refuses_token(struct tt_worker *worker, struct tt_http_exchange *exchange)
{
    struct tt_admin_access *access = worker->app->admin_access;
    struct tt_str header = tt_http_header(exchange, "Authorization");
    uint64_t now = tt_loop_now(worker->loop);

    if (now - access->window_began_ms >= WINDOW_MS) {
        access->window_began_ms = now;
        access->tries = 0;
    }
    if (access->tries >= TRIES_MAX) {
        char wait[24];
        snprintf(wait, sizeof(wait), "%d",
                 (int)((access->window_began_ms + WINDOW_MS - now) / MILLISECONDS) + 1);
        tt_http_add_header(exchange, TT_STR("Retry-After"), tt_str_from(wait));
        return refuse(worker, exchange, 429, "too_many_requests");
    }
    if (header.data && tt_str_starts_nocase(header, TT_STR("Bearer ")) &&
        tt_secret_equal(tt_str_trim(tt_str_of(header.data + 7, header.len - 7)), access->token))
        return false;
    if (header.data) /* nobody guesses by sending nothing */
        access->tries++;
    tt_http_add_header(exchange, TT_STR("WWW-Authenticate"), TT_STR("Bearer"));
    return refuse(worker, exchange, 401, "unauthorized");
}

/* ---- the port on demand ---- */

static bool is_own_site(const struct tt_admin_access *access, struct tt_http_exchange *exchange)
{
    struct tt_str host = tt_http_header(exchange, "Host");
    struct tt_str origin = tt_http_header(exchange, "Origin");
    struct tt_str site = tt_http_header(exchange, "Sec-Fetch-Site");

    if (!tt_str_eq(host, tt_str_from(access->host)))
        return false;
    if (origin.data && !(tt_str_starts(origin, TT_STR("http://")) &&
                         tt_str_eq(tt_str_of(origin.data + 7, origin.len - 7), host)))
        return false;
    /* "none": typed, or clicked in a terminal. */
    return !site.data || tt_str_eq(site, TT_STR("same-origin")) || tt_str_eq(site, TT_STR("none"));
}

static bool enters(struct tt_admin_access *access, struct tt_http_exchange *exchange)
{
    struct tt_str key = tt_http_query_arg(exchange, "key");
    char cookie[128];

    if (!key.data || !access->key[0] || !tt_secret_equal(key, tt_str_from(access->key)))
        return false;
    explicit_bzero(access->key, sizeof(access->key));
    tt_random_hex(access->session, KEY_DIGITS);
    snprintf(cookie, sizeof(cookie), COOKIE "=%s; HttpOnly; SameSite=Strict; Path=/",
             access->session);
    tt_http_add_header(exchange, TT_STR("Set-Cookie"), tt_str_from(cookie));
    tt_http_add_header(exchange, TT_STR("Location"), TT_STR("/admin/status"));
    tt_http_add_header(exchange, TT_STR("Cache-Control"), TT_STR("no-store"));
    tt_http_add_header(exchange, TT_STR("Referrer-Policy"), TT_STR("no-referrer"));
    tt_http_reply(exchange, 303, &(struct tt_buf){0});
    return true;
}

static bool refuses_page(struct tt_worker *worker, struct tt_http_exchange *exchange)
{
    struct tt_admin_access *access = worker->app->admin_access;
    struct tt_str cookie = tt_http_cookie(exchange, COOKIE);

    if (!is_own_site(access, exchange))
        return refuse(worker, exchange, 403, "forbidden");
    if (tt_str_eq(tt_http_path(exchange), TT_STR("/")) && enters(access, exchange))
        return true;
    if (access->session[0] && tt_secret_equal(cookie, tt_str_from(access->session)))
        return false;
    return refuse(worker, exchange, 401, "unauthorized");
}

/* Nobody new is let in from here on; what is in flight there (a reload takes seconds) is waited
 * for. */
void tt_admin_access_close(struct tt_worker *worker)
{
    struct tt_admin_access *access = worker->app->admin_access;

    if (!port_of(worker))
        return;
    tt_timer_stop(&access->close_timer);
    explicit_bzero(access->key, sizeof(access->key));
    explicit_bzero(access->session, sizeof(access->session));
    if (tt_http_server_active(port_of(worker)) > 0) {
        tt_http_server_quiesce(port_of(worker));
        tt_timer_start(worker->loop, &access->close_timer, CLOSE_AGAIN_MS);
        return;
    }
    tt_http_server_free(port_of(worker));
    worker->server[TT_SERVER_ADMIN_PORT] = NULL;
    tt_log(TT_LOG_INFO, "admin port closed");
}

static void on_close_due(struct tt_timer *timer)
{
    tt_admin_access_close(TT_CONTAINER_OF(timer, struct tt_admin_access, close_timer)->worker);
}

/* A port that is open already is given up: its key may be in somebody's history. */
static bool open_port(struct tt_worker *worker, struct tt_http_exchange *exchange)
{
    struct tt_admin_access *access = worker->app->admin_access;
    struct tt_buf body = {0};
    struct tt_err err = {0};

    /* Somebody is still at the old one, perhaps the one who asks. */
    if (port_of(worker) && tt_http_server_active(port_of(worker)) > 0) {
        tt_http_add_header(exchange, TT_STR("Retry-After"), TT_STR("1"));
        return refuse(worker, exchange, 503, "busy");
    }
    tt_admin_access_close(worker);
    if (tt_worker_listen_port(worker, "127.0.0.1:0", &err) != 0)
        return refuse(worker, exchange, err.status ? err.status : 500, err.code);
    snprintf(access->host, sizeof(access->host), "127.0.0.1:%d",
             tt_http_server_port(port_of(worker)));
    tt_random_hex(access->key, KEY_DIGITS);
    access->worker = worker;
    access->close_timer.on_due = on_close_due;
    tt_timer_start(worker->loop, &access->close_timer, access->port_life_ms);
    tt_buf_printf(&body, "{\"url\":\"http://%s/?key=%s\",\"open_ms\":%lld}", access->host,
                  access->key, (long long)access->port_life_ms);
    tt_answer_json(exchange, 200, &body);
    tt_audit_write(worker->app->db, worker->loop,
                   &(struct tt_audit_entry){.who = tt_admin_who(worker, exchange),
                                            .action = TT_STR("POST /admin/port"),
                                            .status = 200});
    return true;
}

/* ---- for all ---- */

bool tt_admin_access_refuses(struct tt_worker *worker, struct tt_http_exchange *exchange,
                             const struct tt_listener_handle *handle)
{
    if (handle->listener != TT_LISTENER_ADMIN || is_health(exchange))
        return false;
    if (handle == &worker->handle[TT_SERVER_ADMIN_PORT])
        return refuses_page(worker, exchange);
    return worker->app->admin_access->token.len > 0 && refuses_token(worker, exchange);
}

const char *tt_admin_who(struct tt_worker *worker, struct tt_http_exchange *exchange)
{
    struct tt_str host = tt_http_header(exchange, "Host");
    char who[32];
    long uid = tt_http_peer_uid(exchange);

    if (uid >= 0)
        snprintf(who, sizeof(who), "uid:%ld", uid);
    else
        snprintf(who, sizeof(who), "%s",
                 port_of(worker) && tt_str_eq(host, tt_str_from(worker->app->admin_access->host))
                     ? "page"
                     : "token");
    return tt_arena_str(tt_http_arena(exchange), tt_str_from(who)).data;
}

struct audit_asking {
    struct tt_worker *worker;
    struct tt_http_exchange *exchange;
};

static void on_audit(struct tt_str rows, const struct tt_err *err, void *arg)
{
    const struct audit_asking *asking = arg;
    struct tt_buf body = {0};
    struct tt_json_writer w = {.buf = &body};

    if (err) {
        refuse(asking->worker, asking->exchange, err->status ? err->status : 500, err->code);
        return;
    }
    tt_json_begin_object(&w);
    tt_json_key(&w, TT_STR("data"));
    tt_json_raw(&w, rows);
    tt_json_end_object(&w);
    tt_answer_json(asking->exchange, 200, &body);
}

void tt_admin_audit_answer(struct tt_worker *worker, struct tt_http_exchange *exchange)
{
    struct tt_arena *arena = tt_http_arena(exchange);
    struct audit_asking *asking = tt_arena_alloc(arena, sizeof(*asking));
    struct tt_answer_list list = tt_audit_newest;

    *asking = (struct audit_asking){worker, exchange};
    list.on_done = on_audit;
    list.arg = asking;
    tt_answer_read_list(worker->app->db, worker->loop, arena, &list);
}

bool tt_admin_access_answer(struct tt_worker *worker, struct tt_http_exchange *exchange)
{
    struct tt_str path = tt_http_path(exchange), method = tt_http_method(exchange);

    if (tt_str_eq(path, TT_STR("/admin/port")) && tt_str_eq(method, TT_STR("POST")))
        return open_port(worker, exchange);
    return false;
}
