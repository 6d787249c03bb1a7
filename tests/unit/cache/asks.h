/* Commands of the tests and what became of them. */
#pragma once
#include "cache/redis.h"
#include "redis_test.h"

struct command {
    int dones;
    enum tt_redis_result result;
    char value[64];
    size_t len;
    bool inside; /* still in the call that asked */
    int *order;  /* counts completions, see number */
    int number;
};

static inline void on_done(enum tt_redis_result result, struct tt_str value, void *arg)
{
    struct command *command = arg;
    assert_false(command->inside);
    command->dones++;
    command->result = result;
    command->len = value.len;
    if (value.len < sizeof(command->value))
        memcpy(command->value, value.data, value.len);
    if (command->order)
        command->number = (*command->order)++;
}

static inline void get(struct tt_redis *redis, struct command *command, const char *key)
{
    command->inside = true;
    tt_redis_get(redis, tt_str_from(key), on_done, command);
    command->inside = false;
}

static inline void set(struct tt_redis *redis, struct command *command, const char *key,
                       const char *value)
{
    command->inside = true;
    tt_redis_set(redis, tt_str_from(key), tt_str_from(value), 60000, on_done, command);
    command->inside = false;
}

static inline void del(struct tt_redis *redis, struct command *command, const char *key)
{
    command->inside = true;
    tt_redis_unlink(redis, tt_str_from(key), on_done, command);
    command->inside = false;
}

static inline enum tt_redis_result wait_for(struct world *world, struct command *command)
{
    TURN_UNTIL(world, command->dones > 0);
    assert_int_equal(command->dones, 1);
    return command->result;
}

static inline enum tt_redis_result get_now(struct world *world, struct tt_redis *redis,
                                           const char *key)
{
    struct command command = {0};
    get(redis, &command, key);
    return wait_for(world, &command);
}

/* ---- a connection under test ---- */

struct client {
    struct tt_redis_health *health;
    struct tt_redis *redis;
};

#define TIMEOUT_MS 150 /* more than the usual 20: a busy machine is not what is tested */

/* `login` is "" or "user:password@", `behind` "" or "/3". Probes ten times a second. */
static inline struct tt_redis_settings client_settings(const struct server *server,
                                                       const char *login, const char *behind)
{
    struct tt_redis_settings settings = {.probe_ms = 100, .timeout_ms = TIMEOUT_MS};
    char url[256];
    snprintf(url, sizeof(url), "redis://%s127.0.0.1:%d%s", login, server->port, behind);
    assert_int_equal(tt_redis_url_parse(tt_str_from(url), &settings.url, NULL), 0);
    return settings;
}

static inline void client_open(struct world *world, struct client *client,
                               const struct tt_redis_settings *settings)
{
    client->health = tt_redis_health_new(TT_REDIS_CONNECTING);
    client->redis = tt_redis_new(world->loop, settings, world->resolver, client->health);
    assert_false(tt_redis_usable(client->redis));
}

static inline void client_close(struct client *client)
{
    tt_redis_free(client->redis);
    tt_redis_health_free(client->health);
}

static inline struct tt_redis_status status_of(const struct client *client)
{
    struct tt_redis_status status;
    tt_redis_health_status(client->health, &status);
    return status;
}

static inline void client_start(struct world *world, struct client *client,
                                const struct server *server)
{
    struct tt_redis_settings settings = client_settings(server, "", "");
    client_open(world, client, &settings);
    TURN_UNTIL(world, tt_redis_usable(client->redis));
    assert_int_equal(status_of(client).state, TT_REDIS_UP);
}
