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
    users->counts = tt_map_new();
    users->max = max;
}

void tt_reply_users_destroy(struct tt_reply_users *users)
{
    size_t position = 0;
    struct tt_str key;
    void *value;
    while (tt_map_next(users->counts, &position, &key, &value))
        free(value);
    tt_map_free(users->counts);
}

int tt_reply_users_add(struct tt_reply_users *users, int64_t user_id, struct tt_err *err)
{
    struct count *count = tt_map_get(users->counts, key_of(&user_id));
    if (users->max && count && count->running >= users->max)
        return tt_err_set(err, 429, "too_many_replies", "%d replies of the user run already",
                          count->running);
    if (!count) {
        count = TT_NEW(struct count);
        count->user_id = user_id;
        tt_map_put(users->counts, key_of(&count->user_id), count);
    }
    count->running++;
    return 0;
}

void tt_reply_users_remove(struct tt_reply_users *users, int64_t user_id)
{
    struct count *count = tt_map_get(users->counts, key_of(&user_id));
    if (!count || --count->running > 0)
        return;
    tt_map_remove(users->counts, key_of(&user_id));
    free(count);
}
