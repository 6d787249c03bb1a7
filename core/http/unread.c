/* One lock and a table of the owners who have something waiting. It is taken for large answers and
 * for sockets that are full only, so a usual request never comes here. */
#include "http/unread.h"

#include "base/map.h"
#include "base/mem.h"

#include <pthread.h>
#include <stdlib.h>

struct owner {
    uint64_t id; /* the entry's key */
    size_t bytes;
};

static struct {
    pthread_mutex_t lock;
    size_t owner_max, all_max, bytes;
    struct tt_map *owners; /* NULL while nothing waits */
} all = {.lock = PTHREAD_MUTEX_INITIALIZER};

void tt_unread_set_max(size_t owner_max, size_t all_max)
{
    pthread_mutex_lock(&all.lock);
    all.owner_max = owner_max;
    all.all_max = all_max;
    pthread_mutex_unlock(&all.lock);
}

static struct tt_str key_of(const uint64_t *id)
{
    return tt_str_of((const char *)id, sizeof(*id));
}

static struct owner *find(uint64_t id)
{
    return all.owners ? tt_map_get(all.owners, key_of(&id)) : NULL;
}

int tt_unread_check(uint64_t id, size_t bytes, struct tt_err *err)
{
    int failed = 0;
    if (bytes < TT_UNREAD_COUNTED_MIN)
        return 0;
    pthread_mutex_lock(&all.lock);
    const struct owner *owner = find(id);
    if (owner && all.owner_max && owner->bytes + bytes > all.owner_max)
        failed = tt_err_set(err, 429, "too_much_unread", "%zu bytes wait for the same user",
                            owner->bytes);
    else if (all.bytes > 0 && all.all_max && all.bytes + bytes > all.all_max)
        failed = tt_err_set(err, 503, "busy", "%zu bytes wait for clients", all.bytes);
    pthread_mutex_unlock(&all.lock);
    return failed;
}

/* Under the lock. */
static void add(uint64_t id, size_t bytes)
{
    struct owner *owner = find(id);
    if (!all.owners)
        all.owners = tt_map_new();
    if (!owner) {
        owner = TT_NEW(struct owner);
        owner->id = id;
        tt_map_put(all.owners, key_of(&owner->id), owner);
    }
    owner->bytes += bytes;
    all.bytes += bytes;
}

static void take(uint64_t id, size_t bytes)
{
    struct owner *owner = find(id);
    all.bytes -= bytes;
    owner->bytes -= bytes;
    if (owner->bytes > 0)
        return;
    tt_map_remove(all.owners, key_of(&id));
    free(owner);
    if (tt_map_count(all.owners) > 0)
        return;
    tt_map_free(all.owners);
    all.owners = NULL;
}

void tt_unread_set(struct tt_unread *unread, size_t bytes)
{
    if (bytes < TT_UNREAD_COUNTED_MIN)
        bytes = 0;
    if (bytes == unread->bytes)
        return;
    pthread_mutex_lock(&all.lock);
    if (bytes > unread->bytes)
        add(unread->owner, bytes - unread->bytes);
    else
        take(unread->owner, unread->bytes - bytes);
    pthread_mutex_unlock(&all.lock);
    unread->bytes = bytes;
}

size_t tt_unread_bytes(void)
{
    pthread_mutex_lock(&all.lock);
    size_t bytes = all.bytes;
    pthread_mutex_unlock(&all.lock);
    return bytes;
}
