/* One small entry per user with a running reply. It goes with their last one, so that the table is
 * as large as what runs and not as everybody who ever came. */
#include "reply/reply_users.h"

#include "base/map.h"
#include "base/mem.h"

#include <stdlib.h>

struct count {
    int64_t user_id; /* the entry's key */
    int running;
};

static struct tt_str key_of(const int64_t *user_id)
{
    return tt_str_of((const char *)user_id, sizeof(*user_id));
}

void tt_reply_users_create(struct tt_reply_users *users, int max)
{
    pthread_mutex_init(&users->lock, NULL);
    users->counts = tt_map_new();
    users->elsewhere = tt_map_new();
    users->max = max;
    users->nodes = 1;
}

static void free_counts(struct tt_map *counts)
{
    size_t position = 0;
    struct tt_str key;
    void *value;
    while (tt_map_next(counts, &position, &key, &value))
        free(value);
    tt_map_free(counts);
}

void tt_reply_users_destroy(struct tt_reply_users *users)
{
    free_counts(users->counts);
    free_counts(users->elsewhere);
    pthread_mutex_destroy(&users->lock);
}

static struct count *count_of(struct tt_map *counts, int64_t user_id)
{
    struct count *count = tt_map_get(counts, key_of(&user_id));
    if (!count) {
        count = TT_NEW(struct count);
        count->user_id = user_id;
        tt_map_put(counts, key_of(&count->user_id), count);
    }
    return count;
}

static int running_in(struct tt_map *counts, int64_t user_id)
{
    const struct count *count = tt_map_get(counts, key_of(&user_id));
    return count ? count->running : 0;
}

int tt_reply_users_add(struct tt_reply_users *users, int64_t user_id, bool *beyond_share,
                       struct tt_err *err)
{
    pthread_mutex_lock(&users->lock);
    int running = running_in(users->counts, user_id), max = users->max;
    int all = running + running_in(users->elsewhere, user_id);
    bool full = max && (beyond_share ? running : all) >= max;
    if (beyond_share)
        *beyond_share =
            max && users->nodes > 1 && (all >= max || running >= max / (10 * (users->nodes - 1)));
    if (!full)
        count_of(users->counts, user_id)->running++;
    pthread_mutex_unlock(&users->lock);
    return full
               ? tt_err_set(err, 429, "too_many_replies", "%d replies of the user run already", all)
               : 0;
}

void tt_reply_users_remove(struct tt_reply_users *users, int64_t user_id)
{
    pthread_mutex_lock(&users->lock);
    struct count *count = tt_map_get(users->counts, key_of(&user_id));
    if (count && --count->running == 0) {
        tt_map_remove(users->counts, key_of(&user_id));
        free(count);
    }
    pthread_mutex_unlock(&users->lock);
}

/* ---- other nodes ---- */

#define TOLD_MAX ((size_t)64 << 10)

void tt_reply_users_put(struct tt_reply_users *users, struct tt_buf *out)
{
    size_t position = 0;
    struct tt_str key;
    void *value;

    pthread_mutex_lock(&users->lock);
    while (users->max && out->len < TOLD_MAX &&
           tt_map_next(users->counts, &position, &key, &value)) {
        const struct count *count = value;
        tt_buf_printf(out, "%s%lld:%d", out->len ? " " : "", (long long)count->user_id,
                      count->running);
    }
    pthread_mutex_unlock(&users->lock);
}

static void read_told(struct tt_map *counts, struct tt_str told)
{
    const char *at = told.data, *end = told.data + told.len;

    while (at < end) {
        const char *blank = memchr(at, ' ', (size_t)(end - at));
        const char *stop = blank ? blank : end;
        const char *colon = memchr(at, ':', (size_t)(stop - at));
        int64_t user_id, running;
        if (colon && tt_str_to_i64(tt_str_of(at, (size_t)(colon - at)), &user_id) == 0 &&
            tt_str_to_i64(tt_str_of(colon + 1, (size_t)(stop - colon - 1)), &running) == 0)
            count_of(counts, user_id)->running += (int)running;
        at = stop + 1;
    }
}

void tt_reply_users_set_elsewhere(struct tt_reply_users *users, const struct tt_str *told,
                                  size_t count)
{
    struct tt_map *elsewhere = tt_map_new();

    for (size_t i = 0; i < count; i++)
        read_told(elsewhere, told[i]);
    pthread_mutex_lock(&users->lock);
    free_counts(users->elsewhere);
    users->elsewhere = elsewhere;
    users->nodes = (int)count + 1;
    pthread_mutex_unlock(&users->lock);
}
