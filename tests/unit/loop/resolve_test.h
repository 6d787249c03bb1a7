/* What the tests of the resolver share. The program's own getaddrinfo stands in for the system's,
 * so that lookups can be counted, held up and answered as a test wants. For one source file a
 * program. */
#pragma once
/* clang-format off */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>
/* clang-format on */

#include "base/clock.h"
#include "base/mem.h"
#include "loop/loop_internal.h"

#include <arpa/inet.h>
#include <dlfcn.h>
#include <netdb.h>
#include <netinet/in.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

/* ---- the system's side ---- */

static atomic_int lookups;                               /* of any name */
static pthread_mutex_t gate = PTHREAD_MUTEX_INITIALIZER; /* lookups of slow.test wait for it */
static atomic_bool hints_right;

typedef int real_getaddrinfo(const char *, const char *, const struct addrinfo *,
                             struct addrinfo **);
typedef void real_freeaddrinfo(struct addrinfo *);
static struct addrinfo *real_result;

static inline struct addrinfo *fake_address(const char *text, struct addrinfo *next)
{
    struct addrinfo *info = calloc(1, sizeof(*info) + sizeof(struct sockaddr_in6));
    struct sockaddr_in *v4 = (void *)(info + 1);
    struct sockaddr_in6 *v6 = (void *)(info + 1);
    info->ai_addr = (void *)(info + 1);
    info->ai_next = next;
    if (inet_pton(AF_INET, text, &v4->sin_addr) == 1) {
        info->ai_family = v4->sin_family = AF_INET;
        info->ai_addrlen = sizeof(*v4);
    } else {
        inet_pton(AF_INET6, text, &v6->sin6_addr);
        info->ai_family = v6->sin6_family = AF_INET6;
        info->ai_addrlen = sizeof(*v6);
    }
    return info;
}

int getaddrinfo(const char *host, const char *service, const struct addrinfo *hints,
                struct addrinfo **out)
{
    atomic_fetch_add(&lookups, 1);
    if (strcmp(host, "127.1") == 0) { /* the system reads this old spelling without a network */
        real_getaddrinfo *real = (real_getaddrinfo *)dlsym(RTLD_NEXT, "getaddrinfo");
        int status = real(host, service, hints, out);
        real_result = status == 0 ? *out : NULL;
        return status;
    }
    atomic_store(&hints_right, hints->ai_family == AF_UNSPEC && hints->ai_socktype == SOCK_STREAM);
    if (strncmp(host, "slow", 4) == 0) {
        pthread_mutex_lock(&gate);
        pthread_mutex_unlock(&gate);
    }
    if (strstr(host, "missing"))
        return EAI_NONAME;
    *out = NULL;
    if (strstr(host, "many")) {
        char text[32];
        for (int i = 30; i > 0; i--) {
            snprintf(text, sizeof(text), "192.0.2.%d", i);
            *out = fake_address(text, *out);
        }
        return 0;
    }
    *out = fake_address("192.0.2.7", *out);
    *out = fake_address("2001:db8::1", *out);
    *out = fake_address("192.0.2.7", *out); /* a double */
    return 0;
}

void freeaddrinfo(struct addrinfo *info)
{
    if (info && info == real_result) {
        ((real_freeaddrinfo *)dlsym(RTLD_NEXT, "freeaddrinfo"))(info);
        return;
    }
    while (info) {
        struct addrinfo *next = info->ai_next;
        free(info);
        info = next;
    }
}

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
