/* What the tests of the resolver share. The program's own getaddrinfo stands in for the system's,
 * so that lookups can be counted, held up and answered as a test wants. */
#pragma once
#include "base/clock.h"
#include "base/mem.h"
#include "loop/loop_internal.h"
#include "unit_test.h"

#include <arpa/inet.h>
#include <netdb.h>
#include <netinet/in.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

/* ---- the system's side (fake_getaddrinfo.c) ---- */

extern atomic_int lookups;   /* of any name */
extern pthread_mutex_t gate; /* lookups of slow.test wait for it */
extern atomic_bool hints_right;

/* ---- the asking side ---- */

struct ask {
    struct tt_resolve resolve;
    int dones;
    size_t count;
    char text[TT_RESOLVE_MAX][INET6_ADDRSTRLEN];
    int port;
    pthread_t done_on;
    struct ask *cancel;   /* in on_done */
    struct ask *next;     /* asked in on_done */
    struct tt_loop *stop; /* in on_done */
    bool free_self;
    int *freed;
};

struct world {
    struct tt_loop *loop;
    struct tt_aux *aux;
    struct tt_resolver *resolver;
};

static struct world world;

static inline int setup(void **state)
{
    (void)state;
    alarm(60);
    atomic_store(&lookups, 0);
    world.loop = tt_loop_new(NULL);
    world.aux = tt_aux_new("dns", 2, 2000, NULL);
    world.resolver = tt_resolver_new(world.aux);
    return world.loop && world.aux && world.resolver ? 0 : -1;
}

static inline int teardown(void **state)
{
    (void)state;
    tt_aux_free(world.aux);
    tt_resolver_free(world.resolver);
    tt_loop_free(world.loop);
    alarm(0);
    return 0;
}

static inline void start(struct ask *ask, const char *host, uint16_t port);

static inline void on_done(struct tt_resolve *resolve, const struct tt_address *addresses,
                           size_t count)
{
    struct ask *ask = TT_CONTAINER_OF(resolve, struct ask, resolve);
    ask->dones++;
    ask->count = count;
    ask->done_on = pthread_self();
    for (size_t i = 0; i < count; i++) {
        const struct sockaddr_in *v4 = (const void *)&addresses[i].storage;
        const struct sockaddr_in6 *v6 = (const void *)&addresses[i].storage;
        bool is_v4 = v4->sin_family == AF_INET;
        inet_ntop(v4->sin_family, is_v4 ? (const void *)&v4->sin_addr : &v6->sin6_addr,
                  ask->text[i], sizeof(ask->text[i]));
        ask->port = ntohs(is_v4 ? v4->sin_port : v6->sin6_port);
        assert_int_equal(addresses[i].len, is_v4 ? sizeof(*v4) : sizeof(*v6));
    }
    if (ask->cancel)
        tt_resolve_cancel(&ask->cancel->resolve);
    tt_resolve_cancel(&ask->resolve); /* in its own callback: harmless */
    if (ask->next)
        start(ask->next, "again.test", 1);
    if (ask->stop)
        tt_loop_stop(ask->stop);
    if (ask->free_self) {
        ++*ask->freed;
        free(ask);
    }
}

static inline void start_on(struct tt_loop *loop, struct ask *ask, const char *host, uint16_t port)
{
    int dones = ask->dones;
    ask->resolve.on_done = on_done;
    assert_int_equal(tt_resolve_start(world.resolver, loop, &ask->resolve, host, port, NULL), 0);
    assert_int_equal(ask->dones, dones); /* never from inside */
}

static inline void start(struct ask *ask, const char *host, uint16_t port)
{
    start_on(world.loop, ask, host, port);
}

static inline void turn_until(const int *count, int wanted)
{
    while (*count < wanted)
        tt_loop_tick(world.loop, 1000);
    assert_int_equal(*count, wanted);
}

static inline void ask_and_wait(struct ask *ask, const char *host, uint16_t port)
{
    int dones = ask->dones;
    start(ask, host, port);
    turn_until(&ask->dones, dones + 1);
}

#define RESOLVE_TEST(f) cmocka_unit_test_setup_teardown(f, setup, teardown)
