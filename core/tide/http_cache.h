/* The cache of http.request: answers in tide.shared's memory, so bounded by `shared.memory` and
 * common to all workers. It is a private cache in the sense of RFC 9111: the key has all headers of
 * the request, so nobody gets what another key was answered. Thread: any. */
#pragma once
#include "cache/shared.h"
#include "tide/http_parts.h"

#define TT_TIDE_HTTP_KEY_SIZE 65

struct tt_tide_http_cached {
    int status;
    int64_t fresh_until_ms; /* wall clock; later it must be confirmed */
    struct tt_buf headers;  /* as of http_parts.h */
    struct tt_str body;     /* of `held` */
    struct tt_cache_value *held;
};

void tt_tide_http_cache_key(const struct tt_tide_http *http,
                            char out[static TT_TIDE_HTTP_KEY_SIZE]);

/* False: there is nothing. Owns: the caller, tt_tide_http_cached_free, also when false. */
bool tt_tide_http_cache_get(struct tt_shared *shared, const char *key,
                            struct tt_tide_http_cached *out);
void tt_tide_http_cached_free(struct tt_tide_http_cached *cached);

/* Keeps an answer if its headers allow that. `news` are headers that say for how long: its own, or
 * those of a 304 that confirmed it. */
void tt_tide_http_cache_put(struct tt_shared *shared, const char *key, int status,
                            const struct tt_buf *headers, struct tt_str body,
                            const struct tt_buf *news);

/* The request's headers with the conditions of an answer that must be confirmed. Owns: the caller.
 * Fails: NULL, it has nothing to ask for. */
struct tt_call_headers *tt_tide_http_conditions(const struct tt_call_headers *headers,
                                                const struct tt_tide_http_cached *cached);
