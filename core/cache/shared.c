/* A dictionary whose keys are name, NUL, key, and whose values begin with a letter for their type.
 * Changes that depend on the previous value are computed outside the lock and swapped in,
 * repeatedly until nobody was faster. */
#include "cache/shared.h"

#include "base/mem.h"

#include <stdlib.h>
#include <string.h>

#define NO_VERSION 0 /* these values are made from no row */

struct tt_shared {
    struct tt_dict *dict;
};

struct tt_shared *tt_shared_new(size_t max_bytes)
{
    struct tt_shared *shared = TT_NEW(struct tt_shared);
    shared->dict = tt_dict_new(max_bytes);
    return shared;
}

void tt_shared_free(struct tt_shared *shared)
{
    if (!shared)
        return;
    tt_dict_free(shared->dict);
    free(shared);
}

/* ---- keys and values ---- */

struct joined {
    char bytes[TT_SHARED_NAME_MAX + 1 + TT_SHARED_KEY_MAX];
};

static struct tt_str join(const struct tt_shared_key *key, struct joined *joined)
{
    memcpy(joined->bytes, key->name.data, key->name.len);
    joined->bytes[key->name.len] = 0;
    memcpy(joined->bytes + key->name.len + 1, key->key.data, key->key.len);
    return tt_str_of(joined->bytes, key->name.len + 1 + key->key.len);
}

static struct tt_cache_value *encode(const struct tt_shared_value *value)
{
    size_t len = value->is_integer ? sizeof(value->integer) : value->text.len;
    struct tt_cache_value *encoded = tt_cache_value_new_empty(NO_VERSION, 1 + len);

    if (!encoded)
        return NULL;
    encoded->data[0] = value->is_integer ? 'i' : 's';
    if (value->is_integer)
        memcpy(encoded->data + 1, &value->integer, len);
    else if (len)
        memcpy(encoded->data + 1, value->text.data, len);
    return encoded;
}

static void decode(const struct tt_cache_value *encoded, struct tt_shared_value *value)
{
    value->is_integer = encoded->data[0] == 'i';
    if (value->is_integer)
        memcpy(&value->integer, encoded->data + 1, sizeof(value->integer));
    else
        value->text = tt_str_of(encoded->data + 1, encoded->len - 1);
}

static int too_large(struct tt_err *err)
{
    return tt_err_set(err, 503, "shared_too_large",
                      "the value takes too much of the shared memory");
}

/* ---- what scripts ask for ---- */

bool tt_shared_get(struct tt_shared *shared, const struct tt_shared_key *key,
                   struct tt_shared_value *out)
{
    struct joined joined;

    *out =
        (struct tt_shared_value){.held = tt_dict_get(shared->dict, join(key, &joined), NO_VERSION)};
    if (out->held)
        decode(out->held, out);
    return out->held != NULL;
}

int tt_shared_set(struct tt_shared *shared, const struct tt_shared_key *key,
                  const struct tt_shared_value *value, uint64_t ttl_ms, struct tt_err *err)
{
    struct joined joined;
    struct tt_str full = join(key, &joined);
    struct tt_cache_value *encoded = encode(value);
    enum tt_dict_swapped swapped = encoded ? TT_DICT_CHANGED : TT_DICT_TOO_LARGE;

    while (swapped == TT_DICT_CHANGED) {
        struct tt_cache_value *before = tt_dict_get(shared->dict, full, NO_VERSION);
        swapped = tt_dict_swap(shared->dict, full, before, encoded, ttl_ms);
        tt_cache_value_unref(before);
    }
    tt_cache_value_unref(encoded);
    return swapped == TT_DICT_SWAPPED ? 0 : too_large(err);
}

int tt_shared_add(struct tt_shared *shared, const struct tt_shared_key *key,
                  const struct tt_shared_value *value, uint64_t ttl_ms, bool *added,
                  struct tt_err *err)
{
    struct joined joined;
    struct tt_cache_value *encoded = encode(value);
    enum tt_dict_swapped swapped = TT_DICT_TOO_LARGE;

    if (encoded)
        swapped = tt_dict_swap(shared->dict, join(key, &joined), NULL, encoded, ttl_ms);
    tt_cache_value_unref(encoded);
    *added = swapped == TT_DICT_SWAPPED;
    return swapped == TT_DICT_TOO_LARGE ? too_large(err) : 0;
}

/* The sum of what is there and `by`. */
static int sum_up(const struct tt_cache_value *before, int64_t by, int64_t *sum, struct tt_err *err)
{
    struct tt_shared_value old = {.is_integer = true};

    if (before)
        decode(before, &old);
    if (!old.is_integer)
        return tt_err_set(err, 500, "shared_not_integer", "the value is a text");
    if (__builtin_add_overflow(old.integer, by, sum))
        return tt_err_set(err, 500, "shared_not_integer", "the sum does not fit");
    return 0;
}

int tt_shared_incr(struct tt_shared *shared, const struct tt_shared_key *key, int64_t by,
                   uint64_t ttl_ms, int64_t *sum, struct tt_err *err)
{
    struct joined joined;
    struct tt_str full = join(key, &joined);
    enum tt_dict_swapped swapped = TT_DICT_CHANGED;

    while (swapped == TT_DICT_CHANGED) {
        struct tt_cache_value *before = tt_dict_get(shared->dict, full, NO_VERSION);
        if (sum_up(before, by, sum, err) != 0) {
            tt_cache_value_unref(before);
            return -1;
        }
        struct tt_shared_value value = {.is_integer = true, .integer = *sum};
        struct tt_cache_value *after = encode(&value);
        swapped = after ? tt_dict_swap(shared->dict, full, before, after,
                                       before ? TT_DICT_KEEP_TTL : ttl_ms)
                        : TT_DICT_TOO_LARGE;
        tt_cache_value_unref(before);
        tt_cache_value_unref(after);
    }
    return swapped == TT_DICT_SWAPPED ? 0 : too_large(err);
}

bool tt_shared_delete(struct tt_shared *shared, const struct tt_shared_key *key)
{
    struct joined joined;
    return tt_dict_remove(shared->dict, join(key, &joined));
}

int64_t tt_shared_ttl(struct tt_shared *shared, const struct tt_shared_key *key)
{
    struct joined joined;
    return tt_dict_ttl(shared->dict, join(key, &joined));
}

void tt_shared_stats(struct tt_shared *shared, struct tt_dict_stats *out)
{
    tt_dict_stats(shared->dict, out);
}
