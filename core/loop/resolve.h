/* Host names to addresses, off the loop (libcurl's own threads would freeze a worker when a handle
 * is removed while they run). getaddrinfo runs on an aux pool of its own, with a small process-wide
 * cache: 60 s for answers; 5 s for failures, or four times as long as they took, so that a silent
 * name server is not waited for again and again. Equal lookups that are in progress are shared. */
#pragma once
#include "loop/aux.h"

#include <sys/socket.h>

#define TT_RESOLVE_MAX 16

struct tt_address {
    socklen_t len;
    struct sockaddr_storage storage;
};

struct tt_resolver;
/* Owns: the caller; one per process. It may be freed before or after the pool: lookups in progress
 * are still answered, only new ones are not allowed. Thread: any. */
struct tt_resolver *tt_resolver_new(struct tt_aux *aux);
void tt_resolver_free(struct tt_resolver *resolver);

struct tt_resolve {
    uint64_t owner; /* whose turn a lookup takes, see loop/aux.h */
    /* On the loop; count 0 = failed (code "dns_failed", 502). Never called from inside
     * tt_resolve_start. */
    void (*on_done)(struct tt_resolve *resolve, const struct tt_address *addresses, size_t count);
    void *internal;
};
/* A literal IP address and localhost are answered without a lookup. The port is filled in. -1: the
 * pool is full (code "busy", 503) or the name is impossible ("dns_failed", 502). Cancel before the
 * loop or `resolve` goes. Thread: loop. */
int tt_resolve_start(struct tt_resolver *resolver, struct tt_loop *loop, struct tt_resolve *resolve,
                     const char *host, uint16_t port, struct tt_err *err);
void tt_resolve_cancel(struct tt_resolve *resolve); /* no on_done after this */
