/* Access to the admin listener. One worker has it, so nothing here is locked.
 *
 *
 * The first use of the key of the port on demand uses it up and gives the browser a cookie. The
 * cookie counts only for that port's own Host and Origin, so no page of another site, and no name
 * that resolves to the loopback, can use it. */
#include "app/admin/admin_access.h"

#include "app/admin/admin_internal.h"
#include "app/admin/audit.h"
#include "base/log.h"
#include "base/secret.h"
#include "serve/answer.h"

#include <stdio.h>

#define TRIES_MAX      10 /* wrong tokens within a window; after that no token is accepted */
#define WINDOW_MS      60000
#define CLOSE_AGAIN_MS 50
#define COOKIE         "tidetalk_admin"
#define MILLISECONDS   1000

/* ---- answers ---- */

static bool refuse_error(struct tt_dispatcher *dispatcher, struct tt_http_exchange *exchange,
                         const struct tt_err *err)
{
    tt_answer_error(dispatcher, exchange, err, NULL, NULL);
    tt_log(TT_LOG_WARN, "admin access refused", TT_F_Z("code", err->code),
           TT_F_STR("remote", tt_http_remote(exchange)), TT_F_STR("path", tt_http_path(exchange)));
    return true;
}

static bool refuse(struct tt_dispatcher *dispatcher, struct tt_http_exchange *exchange, int status,
                   const char *code)
{
    struct tt_err err = {0};

    tt_err_set(&err, status, code, "%s", "");
    return refuse_error(dispatcher, exchange, &err);
}

/* ---- by token ---- */

static bool refuses_token(struct tt_dispatcher *dispatcher, struct tt_http_exchange *exchange)
{
    struct tt_admin_access *access = &tt_admin_of(dispatcher)->access;
    struct tt_str header = tt_http_header(exchange, "Authorization");
    uint64_t now = tt_loop_now(tt_dispatcher_loop(dispatcher));

    if (now - access->window_began_ms >= WINDOW_MS) {
        access->window_began_ms = now;
        access->tries = 0;
    }
    if (access->tries >= TRIES_MAX) {
        char wait[24];
        snprintf(wait, sizeof(wait), "%d",
                 (int)((access->window_began_ms + WINDOW_MS - now) / MILLISECONDS) + 1);
        tt_http_add_header(exchange, TT_STR("Retry-After"), tt_str_from(wait));
        return refuse(dispatcher, exchange, 429, "too_many_requests");
    }
    if (header.data && tt_str_starts_nocase(header, TT_STR("Bearer ")) &&
        tt_secret_equal(tt_str_trim(tt_str_of(header.data + 7, header.len - 7)), access->token))
        return false;
    if (header.data) /* an absent header is not a guess */
        access->tries++;
    tt_http_add_header(exchange, TT_STR("WWW-Authenticate"), TT_STR("Bearer"));
    return refuse(dispatcher, exchange, 401, "unauthorized");
}

/* ---- by cookie ---- */

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
    /* "none": typed, or opened from a terminal. */
    return !site.data || tt_str_eq(site, TT_STR("same-origin")) || tt_str_eq(site, TT_STR("none"));
}

static bool enters(struct tt_admin_access *access, struct tt_http_exchange *exchange)
{
    struct tt_str key = tt_http_query_arg(exchange, "key");
    char cookie[128];

    if (!key.data || !access->key[0] || !tt_secret_equal(key, tt_str_from(access->key)))
        return false;
    explicit_bzero(access->key, sizeof(access->key));
    tt_random_hex(access->session, TT_ADMIN_KEY_DIGITS);
    snprintf(cookie, sizeof(cookie), COOKIE "=%s; HttpOnly; SameSite=Strict; Path=/",
             access->session);
    tt_http_add_header(exchange, TT_STR("Set-Cookie"), tt_str_from(cookie));
    tt_http_add_header(exchange, TT_STR("Location"), TT_STR("/admin/status"));
    tt_http_add_header(exchange, TT_STR("Cache-Control"), TT_STR("no-store"));
    tt_http_add_header(exchange, TT_STR("Referrer-Policy"), TT_STR("no-referrer"));
    tt_http_reply(exchange, 303, &(struct tt_buf){0});
    return true;
}

static bool refuses_page(struct tt_dispatcher *dispatcher, struct tt_http_exchange *exchange)
{
    struct tt_admin_access *access = &tt_admin_of(dispatcher)->access;
    struct tt_str cookie = tt_http_cookie(exchange, COOKIE);

    if (!is_own_site(access, exchange))
        return refuse(dispatcher, exchange, 403, "forbidden");
    if (tt_str_eq(tt_http_path(exchange), TT_STR("/")) && enters(access, exchange))
        return true;
    if (access->session[0] && tt_secret_equal(cookie, tt_str_from(access->session)))
        return false;
    return refuse(dispatcher, exchange, 401, "unauthorized");
}

/* ---- the listeners ---- */

const char *tt_admin_who(struct tt_dispatcher *dispatcher, struct tt_http_exchange *exchange)
{
    const struct tt_admin_access *access = &tt_admin_of(dispatcher)->access;
    struct tt_str host = tt_http_header(exchange, "Host");
    long uid = tt_http_peer_uid(exchange);
    char who[32];

    if (uid >= 0)
        snprintf(who, sizeof(who), "uid:%ld", uid);
    else if (dispatcher->server[TT_SERVER_ADMIN_PORT] && tt_str_eq(host, tt_str_from(access->host)))
        snprintf(who, sizeof(who), "page");
    else
        snprintf(who, sizeof(who), "token");
    return tt_arena_str(tt_http_arena(exchange), tt_str_from(who)).data;
}

/* A request that scripts answered is over. Reading is not recorded. */
static void record(const struct tt_request *request)
{
    struct tt_str method = tt_http_method(request->exchange);
    char action[256];

    if (tt_str_eq(method, TT_STR("GET")) || tt_str_eq(method, TT_STR("HEAD")))
        return;
    snprintf(action, sizeof(action), "%.*s %.*s", TT_STR_ARG(method),
             TT_STR_ARG(tt_http_path(request->exchange)));
    tt_audit_write(
        request->dispatcher,
        &(struct tt_audit_entry){.who = tt_admin_who(request->dispatcher, request->exchange),
                                 .action = tt_str_from(action),
                                 .status = request->status,
                                 .code = tt_str_from(request->code)});
}

static int open_listener(struct tt_admin *admin, enum tt_listener_server which,
                         const struct tt_listener_guard *guard, const char *address,
                         struct tt_err *err)
{
    struct tt_http_settings http = {.address = address};

    tt_settings_fill_http(admin->parts.settings, &http);
    return tt_listeners_open(admin->parts.workers[0], which, guard, &http, err);
}

int tt_admin_listen(struct tt_admin *admin, const char *address, struct tt_err *err)
{
    static const struct tt_listener_guard by_file = {.on_end = record};
    static const struct tt_listener_guard by_token = {.refuses = refuses_token, .on_end = record};

    return open_listener(admin, TT_SERVER_ADMIN, admin->access.token.len > 0 ? &by_token : &by_file,
                         address, err);
}

/* Accepts no new connections from here on, and waits for requests in progress (a reload takes
 * seconds). */
static void close_port(struct tt_admin *admin)
{
    struct tt_admin_access *access = &admin->access;
    struct tt_dispatcher *dispatcher = admin->parts.workers[0];
    struct tt_http_server *port = dispatcher->server[TT_SERVER_ADMIN_PORT];

    if (!port)
        return;
    tt_timer_stop(&access->close_timer);
    explicit_bzero(access->key, sizeof(access->key));
    explicit_bzero(access->session, sizeof(access->session));
    if (tt_http_server_active(port) > 0) {
        tt_http_server_quiesce(port);
        tt_timer_start(tt_dispatcher_loop(dispatcher), &access->close_timer, CLOSE_AGAIN_MS);
        return;
    }
    tt_listeners_close(dispatcher, TT_SERVER_ADMIN_PORT);
    tt_log(TT_LOG_INFO, "admin port closed");
}

static void on_close_due(struct tt_timer *timer)
{
    close_port(TT_CONTAINER_OF(timer, struct tt_admin, access.close_timer));
}

/* Closes a port that is open already: its key may be in somebody's history. */
void tt_admin_open_port(struct tt_dispatcher *dispatcher, struct tt_http_exchange *exchange)
{
    static const struct tt_listener_guard by_page = {.refuses = refuses_page, .on_end = record};
    struct tt_admin *admin = tt_admin_of(dispatcher);
    struct tt_admin_access *access = &admin->access;
    struct tt_http_server *port = dispatcher->server[TT_SERVER_ADMIN_PORT];
    struct tt_buf body = {0};
    struct tt_err err = {0};

    /* Someone is still using the old port, perhaps the caller itself. */
    if (port && tt_http_server_active(port) > 0) {
        tt_http_add_header(exchange, TT_STR("Retry-After"), TT_STR("1"));
        refuse(dispatcher, exchange, 503, "busy");
        return;
    }
    close_port(admin);
    if (open_listener(admin, TT_SERVER_ADMIN_PORT, &by_page, "127.0.0.1:0", &err) != 0) {
        refuse_error(dispatcher, exchange, &err);
        return;
    }
    snprintf(access->host, sizeof(access->host), "127.0.0.1:%d",
             tt_http_server_port(dispatcher->server[TT_SERVER_ADMIN_PORT]));
    tt_random_hex(access->key, TT_ADMIN_KEY_DIGITS);
    access->close_timer.on_due = on_close_due;
    tt_timer_start(tt_dispatcher_loop(dispatcher), &access->close_timer, access->port_life_ms);
    tt_buf_printf(&body, "{\"url\":\"http://%s/?key=%s\",\"open_ms\":%lld}", access->host,
                  access->key, (long long)access->port_life_ms);
    tt_answer_json(exchange, 200, &body);
    tt_audit_write(dispatcher, &(struct tt_audit_entry){.who = tt_admin_who(dispatcher, exchange),
                                                        .action = TT_STR("POST /admin/port"),
                                                        .status = 200});
}
