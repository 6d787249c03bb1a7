/* Where uploaded files are is told by the bucket's name, or by a mark in their folder: a number by
 * chance, made by whoever finds none. So nodes with the same folder find the same mark, wherever it
 * is mounted. */
#include "app/node_start.h"

#include "app/reload/builder.h"
#include "app/reload/proposals.h"
#include "app/worker.h"
#include "base/log.h"
#include "base/mem.h"
#include "chat/checkpoint.h"
#include "chat/reply_repair.h"
#include "node/node.h"
#include "reply/registry.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define MARK_DIGITS 32
#define LOOK_MS     1000 /* between two looks for what dead nodes left */

bool tt_app_is_node(const struct tt_settings *settings)
{
    return tt_conf_get(settings->conf, "nodes.listen")->text.len > 0;
}

int tt_app_node_check(const struct tt_settings *settings, struct tt_err *err)
{
    if (!tt_app_is_node(settings) || strcmp(tt_db_dialect(settings->database_url), "postgres") == 0)
        return 0;
    return tt_err_set(err, 0, "invalid_setting",
                      "%s: nodes.listen: nodes share a database of PostgreSQL: set database_url to "
                      "postgres://…, or leave nodes.listen out",
                      tt_conf_get(settings->conf, "nodes.listen")->origin);
}

/* ---- where the files are ---- */

static int fail(const char *path, struct tt_err *err)
{
    return tt_err_set(err, 500, "store_failed", "%s: %s", path, strerror(errno));
}

/* Whole under its name, or not there: another node may look at the same moment. */
static int make_mark(const char *path, struct tt_err *err)
{
    char mark[MARK_DIGITS + 1], temporary[4400];

    tt_random_hex(mark, MARK_DIGITS);
    snprintf(temporary, sizeof(temporary), "%s.%.8s", path, mark);
    int fd = open(temporary, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
    bool made = fd >= 0 && write(fd, mark, MARK_DIGITS) == MARK_DIGITS && fsync(fd) == 0 &&
                (link(temporary, path) == 0 || errno == EEXIST);
    int failed = made ? 0 : fail(path, err);
    if (fd >= 0) {
        unlink(temporary);
        close(fd);
    }
    return failed;
}

static int read_mark(const char *folder, char mark[MARK_DIGITS + 1], struct tt_err *err)
{
    char path[4300];

    snprintf(path, sizeof(path), "%s/.place", folder);
    if (access(path, F_OK) != 0 && make_mark(path, err) != 0)
        return -1;
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    ssize_t len = fd < 0 ? -1 : read(fd, mark, MARK_DIGITS);
    if (fd >= 0)
        close(fd);
    mark[len > 0 ? len : 0] = 0;
    return len < 0 ? fail(path, err) : 0;
}

/* ---- joining ---- */

/* Reveals nothing about the secret. */
static void fingerprint(const struct tt_keys *keys, char out[2 * TT_SHA256_SIZE + 1])
{
    unsigned char hash[TT_SHA256_SIZE];

    tt_hmac_sha256(tt_str_of((const char *)keys->seal, TT_KEY_SIZE), TT_STR("tidetalk node"), hash);
    for (size_t i = 0; i < TT_SHA256_SIZE; i++)
        snprintf(out + 2 * i, 3, "%02x", hash[i]);
}

int tt_app_node_join(struct tt_app *app, struct tt_err *err)
{
    const struct tt_settings *settings = app->settings;
    const struct tt_app_file_place *place = &app->file_place;
    char print[2 * TT_SHA256_SIZE + 1], mark[MARK_DIGITS + 1];
    struct tt_str address = tt_conf_get(settings->conf, "nodes.address")->text;
    struct tt_str name = tt_conf_get(settings->conf, "nodes.name")->text;

    if (!tt_app_is_node(settings) || !app->public_listener)
        return 0;
    if (!place->store.s3 && read_mark(place->folder, mark, err) != 0)
        return -1;
    fingerprint(&app->keys, print);
    if (address.len == 0)
        address = tt_conf_get(settings->conf, "nodes.listen")->text;
    app->node = tt_node_join(
        app->db,
        &(struct tt_node_settings){.name = name.len > 0 ? name : address,
                                   .address = address,
                                   .fingerprint = tt_str_from(print),
                                   .files_place = tt_str_from(place->store.s3 ? place->text : mark),
                                   .version = TT_VERSION,
                                   .lease_ms = (uint64_t)tt_settings_int(settings, "nodes.lease")},
        err);
    if (!app->node)
        return -1;
    tt_log(TT_LOG_INFO, "node: joined", TT_F_INT("node", tt_node_id(app->node)),
           TT_F_Z("name", tt_node_name(app->node)), TT_F_Z("address", tt_node_address(app->node)),
           TT_F_BOOL("first", tt_node_was_first(app->node)));
    return 0;
}

/* ---- what other nodes leave, and take ---- */

struct tt_node_care { /* on the node's loop */
    struct tt_app *app;
    struct tt_timer timer;
    struct tt_chat_repair *repair; /* NULL: none runs */
};

static void on_repaired(int count, const struct tt_err *err, void *arg)
{
    struct tt_node_care *care = arg;

    care->repair = NULL;
    if (count > 0)
        tt_log(TT_LOG_WARN, "node: replies of a dead node were interrupted",
               TT_F_INT("count", count));
    if (err)
        tt_log(TT_LOG_WARN, "node: replies of a dead node were not interrupted",
               TT_F_Z("code", err->code), TT_F_Z("error", err->message));
    tt_timer_start(tt_node_loop(care->app->node), &care->timer, LOOK_MS);
}

static void look(struct tt_timer *timer)
{
    struct tt_node_care *care = TT_CONTAINER_OF(timer, struct tt_node_care, timer);
    struct tt_node *node = care->app->node;

    if (tt_node_is_keeper(node) && tt_node_may_take_over(node))
        care->repair =
            tt_chat_repair_start(&(struct tt_chat_repair_spec){.db = care->app->db,
                                                               .loop = tt_node_loop(node),
                                                               .shared = true,
                                                               .on_done = on_repaired,
                                                               .arg = care});
    else
        tt_timer_start(tt_node_loop(node), timer, LOOK_MS);
}

static size_t report(struct tt_buf *replies, void *arg)
{
    const struct tt_node_care *care = arg;
    tt_reply_users_put(tt_registry_users(care->app->registry), replies);
    return tt_registry_count(care->app->registry);
}

static void on_others(const struct tt_str *replies, size_t count, void *arg)
{
    const struct tt_node_care *care = arg;
    tt_reply_users_set_elsewhere(tt_registry_users(care->app->registry), replies, count);
}

struct verifying {
    struct tt_mail mail;
    struct tt_chat *chat;
};

static void verify(struct tt_mail *mail)
{
    struct verifying *verifying = TT_CONTAINER_OF(mail, struct verifying, mail);
    tt_checkpoints_verify(verifying->chat);
    free(verifying);
}

static void on_late(void *arg)
{
    const struct tt_app *app = ((struct tt_node_care *)arg)->app;

    tt_builder_wake(app->builder);
    for (int i = 0; i < app->worker_count; i++) {
        struct verifying *verifying = TT_NEW(struct verifying);
        verifying->mail.deliver = verify;
        verifying->chat = &app->workers[i].tide.chat;
        tt_loop_post(app->workers[i].loop, &verifying->mail);
    }
}

/* "USER MESSAGE SESSION": a reply that somebody has stopped through another node, if it runs here
 * (lua/chat/turn_lease.lua). */
static void on_stop(struct tt_str key, void *arg)
{
    const struct tt_app *app = ((struct tt_node_care *)arg)->app;
    char *rest;
    int64_t user_id = strtoll(key.data, &rest, 10), message_id = strtoll(rest, &rest, 10);
    struct tt_str session_id = tt_str_from(*rest ? rest + 1 : rest);
    struct tt_reply *reply = tt_registry_find_session(app->registry, user_id, session_id);

    if (reply && tt_reply_message_id(reply) == message_id)
        tt_registry_end_session(app->registry, user_id, session_id, NULL, NULL);
    tt_reply_unref(reply);
}

static void on_scripts(struct tt_str number, void *arg)
{
    const struct tt_node_care *care = arg;
    (void)number;
    tt_builder_wake(care->app->builder);
}

int tt_app_node_start(struct tt_app *app, struct tt_err *err)
{
    if (!app->node)
        return 0;
    struct tt_node_care *care = TT_NEW(struct tt_node_care);
    care->app = app;
    care->timer.on_due = look;
    app->node_care = care;
    tt_timer_start(tt_node_loop(app->node), &care->timer, LOOK_MS);
    tt_news_on(tt_node_news(app->node), "stop", on_stop, care);
    tt_news_on(tt_node_news(app->node), TT_PROPOSAL_NEWS, on_scripts, care);
    return tt_node_start(
        app->node,
        &(struct tt_node_watcher){
            .report = report, .on_others = on_others, .on_late = on_late, .arg = care},
        err);
}

void tt_app_node_leave(struct tt_app *app)
{
    struct tt_node_care *care = app->node_care;

    tt_node_stop(app->node);
    if (care) {
        tt_timer_stop(&care->timer);
        if (care->repair)
            tt_chat_repair_cancel(care->repair);
    }
    tt_node_leave(app->node);
    free(care);
    app->node_care = NULL;
}
