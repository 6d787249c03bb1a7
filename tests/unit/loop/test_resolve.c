/* Names to addresses. This program's own getaddrinfo stands in for the system's, so that lookups
 * can be counted, held up and made to fail; one name goes through to the real one. */
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

static struct addrinfo *fake_address(const char *text, struct addrinfo *next)
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

static int setup(void **state)
{
    (void)state;
    alarm(60);
    atomic_store(&lookups, 0);
    world.loop = tt_loop_new(NULL);
    world.aux = tt_aux_new("dns", 2, 2000, NULL);
    world.resolver = tt_resolver_new(world.aux);
    return world.loop && world.aux && world.resolver ? 0 : -1;
}

static int teardown(void **state)
{
    (void)state;
    tt_aux_free(world.aux);
    tt_resolver_free(world.resolver);
    tt_loop_free(world.loop);
    alarm(0);
    return 0;
}

static void start(struct ask *ask, const char *host, uint16_t port);

static void on_done(struct tt_resolve *resolve, const struct tt_address *addresses, size_t count)
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

static void start_on(struct tt_loop *loop, struct ask *ask, const char *host, uint16_t port)
{
    int dones = ask->dones;
    ask->resolve.on_done = on_done;
    assert_int_equal(tt_resolve_start(world.resolver, loop, &ask->resolve, host, port, NULL), 0);
    assert_int_equal(ask->dones, dones); /* never from inside */
}

static void start(struct ask *ask, const char *host, uint16_t port)
{
    start_on(world.loop, ask, host, port);
}

static void turn_until(const int *count, int wanted)
{
    while (*count < wanted)
        tt_loop_turn(world.loop, 1000);
    assert_int_equal(*count, wanted);
}

static void ask_and_wait(struct ask *ask, const char *host, uint16_t port)
{
    int dones = ask->dones;
    start(ask, host, port);
    turn_until(&ask->dones, dones + 1);
}

/* ---- without a lookup ---- */

static void test_literal_addresses(void **state)
{
    struct ask v4 = {0}, v6 = {0};
    (void)state;
    start(&v4, "192.0.2.1", 443);
    start(&v6, "2001:DB8::5", 8080);
    tt_loop_turn(world.loop, -1); /* the same turn, which does not wait */
    assert_int_equal(v4.dones + v6.dones, 2);
    assert_int_equal(v4.count, 1);
    assert_string_equal(v4.text[0], "192.0.2.1");
    assert_int_equal(v4.port, 443);
    assert_int_equal(v6.count, 1);
    assert_string_equal(v6.text[0], "2001:db8::5");
    assert_int_equal(v6.port, 8080);
    assert_int_equal(atomic_load(&lookups), 0);
}

static void test_localhost_is_the_loopback(void **state)
{
    const char *const names[] = {"localhost", "LocalHost", "api.localhost"};
    (void)state;
    for (size_t i = 0; i < TT_COUNT(names); i++) {
        struct ask ask = {0};
        ask_and_wait(&ask, names[i], 80);
        assert_int_equal(ask.count, 2);
        assert_string_equal(ask.text[0], "127.0.0.1");
        assert_string_equal(ask.text[1], "::1");
        assert_int_equal(ask.port, 80);
    }
    assert_int_equal(atomic_load(&lookups), 0);
    struct ask other = {0};
    ask_and_wait(&other, "notlocalhost", 80);
    assert_int_equal(atomic_load(&lookups), 1);
}

static void test_impossible_names_fail_at_once(void **state)
{
    char name[300];
    struct ask ask = {.resolve = {.on_done = on_done}};
    struct tt_err err = {0};
    (void)state;
    memset(name, 'a', sizeof(name));
    name[256] = '\0';
    assert_int_equal(tt_resolve_start(world.resolver, world.loop, &ask.resolve, name, 1, &err), -1);
    assert_string_equal(err.code, "dns_failed");
    assert_int_equal(err.status, 502);
    assert_int_equal(tt_resolve_start(world.resolver, world.loop, &ask.resolve, "", 1, NULL), -1);
    tt_resolve_cancel(&ask.resolve); /* harmless */
    tt_loop_turn(world.loop, 0);
    assert_int_equal(ask.dones, 0);
    name[255] = '\0';
    ask_and_wait(&ask, name, 1);
    assert_int_equal(ask.count, 2);
}

/* ---- lookups ---- */

static void test_the_real_one(void **state)
{
    struct ask ask = {0};
    (void)state;
    ask_and_wait(&ask, "127.1", 7);
    assert_int_equal(ask.count, 1);
    assert_string_equal(ask.text[0], "127.0.0.1");
    assert_int_equal(ask.port, 7);
}

static void test_answers_are_kept(void **state)
{
    struct ask ask = {0};
    (void)state;
    for (int i = 0; i < 3; i++) {
        ask_and_wait(&ask, i == 1 ? "HOST.test" : "host.test", (uint16_t)(1000 + i));
        assert_int_equal(ask.count, 2); /* the double is gone, the order is kept */
        assert_string_equal(ask.text[0], "192.0.2.7");
        assert_string_equal(ask.text[1], "2001:db8::1");
        assert_int_equal(ask.port, 1000 + i);
    }
    assert_int_equal(atomic_load(&lookups), 1);
    assert_true(atomic_load(&hints_right));
    assert_true(pthread_equal(ask.done_on, pthread_self()));
}

static void test_answers_and_failures_expire(void **state)
{
    struct ask ask = {0};
    (void)state;
    tt_resolver_set_ttl(world.resolver, 60000, 20);
    ask_and_wait(&ask, "host.test", 1);
    ask_and_wait(&ask, "missing.test", 1);
    assert_int_equal(ask.count, 0);
    ask_and_wait(&ask, "missing.test", 1); /* most likely in time; never more than one anew */
    assert_in_range(atomic_load(&lookups), 2, 3);
    usleep(30000);
    int before = atomic_load(&lookups);
    ask_and_wait(&ask, "missing.test", 1);
    assert_int_equal(atomic_load(&lookups), before + 1);
    ask_and_wait(&ask, "host.test", 1); /* the other span */
    assert_int_equal(atomic_load(&lookups), before + 1);

    tt_resolver_set_ttl(world.resolver, 20, 60000);
    ask_and_wait(&ask, "short.test", 1);
    usleep(30000);
    ask_and_wait(&ask, "short.test", 1);
    assert_int_equal(atomic_load(&lookups), before + 3);
    assert_int_equal(ask.count, 2);
}

static void test_failures_are_kept_too(void **state)
{
    struct ask ask = {0};
    (void)state;
    for (int i = 0; i < 3; i++) {
        ask_and_wait(&ask, "missing.test", 1);
        assert_int_equal(ask.count, 0);
    }
    assert_int_equal(atomic_load(&lookups), 1);
}

static void test_at_most_16_addresses(void **state)
{
    struct ask ask = {0};
    (void)state;
    ask_and_wait(&ask, "many.test", 1);
    assert_int_equal(ask.count, TT_RESOLVE_MAX);
    assert_string_equal(ask.text[0], "192.0.2.1");
    assert_string_equal(ask.text[15], "192.0.2.16");
}

static void test_the_least_recently_used_goes(void **state)
{
    struct ask ask = {0};
    char name[32];
    (void)state;
    for (int i = 0; i < 1024; i++) {
        snprintf(name, sizeof(name), "host%d.test", i);
        ask_and_wait(&ask, name, 1);
    }
    ask_and_wait(&ask, "host0.test", 1); /* used again */
    assert_int_equal(atomic_load(&lookups), 1024);
    ask_and_wait(&ask, "one-more.test", 1);
    assert_int_equal(tt_resolver_cached(world.resolver), 1024);
    ask_and_wait(&ask, "host0.test", 1);
    assert_int_equal(atomic_load(&lookups), 1025);
    ask_and_wait(&ask, "host1.test", 1); /* was the oldest */
    assert_int_equal(atomic_load(&lookups), 1026);
}

static void test_equal_questions_share_a_lookup(void **state)
{
    struct ask asks[10] = {0};
    (void)state;
    pthread_mutex_lock(&gate);
    for (int i = 0; i < 10; i++)
        start(&asks[i], "slow.test", (uint16_t)(i + 1));
    tt_loop_turn(world.loop, 10);
    pthread_mutex_unlock(&gate);
    for (int i = 0; i < 10; i++) {
        turn_until(&asks[i].dones, 1);
        assert_int_equal(asks[i].count, 2);
        assert_int_equal(asks[i].port, i + 1);
    }
    assert_int_equal(atomic_load(&lookups), 1);
}

static void test_full_pool_is_busy(void **state)
{
    struct tt_aux *aux = tt_aux_new("dns", 1, 0, NULL);
    struct tt_resolver *resolver = tt_resolver_new(aux);
    struct ask first = {.resolve = {.on_done = on_done}}, second = first, joined = first;
    struct tt_err err = {0};
    (void)state;
    pthread_mutex_lock(&gate);
    assert_int_equal(tt_resolve_start(resolver, world.loop, &first.resolve, "slow.test", 1, NULL),
                     0);
    assert_int_equal(tt_resolve_start(resolver, world.loop, &second.resolve, "host.test", 1, &err),
                     -1);
    assert_string_equal(err.code, "busy");
    assert_int_equal(err.status, 503);
    assert_int_equal(tt_resolve_start(resolver, world.loop, &joined.resolve, "slow.test", 1, NULL),
                     0); /* needs no place */
    pthread_mutex_unlock(&gate);
    turn_until(&first.dones, 1);
    turn_until(&joined.dones, 1);
    tt_loop_turn(world.loop, 0);
    assert_int_equal(second.dones, 0);
    tt_aux_free(aux);
    tt_resolver_free(resolver);
}

/* ---- cancel ---- */

static void test_cancel_before_during_and_after(void **state)
{
    struct ask direct = {0}, waiting = {0}, shared = {0}, arrived = {0}, none = {0};
    (void)state;
    start(&direct, "127.0.0.1", 1);
    tt_resolve_cancel(&direct.resolve);
    tt_resolve_cancel(&direct.resolve);
    tt_resolve_cancel(&none.resolve);

    pthread_mutex_lock(&gate);
    start(&waiting, "slow.test", 1);
    start(&shared, "slow.test", 1);
    tt_resolve_cancel(&waiting.resolve); /* the other one still gets its answer */
    pthread_mutex_unlock(&gate);
    turn_until(&shared.dones, 1);
    assert_int_equal(shared.count, 2);

    start(&arrived, "arrived.test", 1);
    while (tt_resolver_cached(world.resolver) < 2)
        usleep(1000); /* its mail lies in the box, or will in a moment */
    tt_resolve_cancel(&arrived.resolve);
    tt_loop_turn(world.loop, 20);
    tt_loop_turn(world.loop, 20);
    assert_int_equal(direct.dones + waiting.dones + arrived.dones, 0);
}

/* Both answers are in the box when the first is delivered. */
static void test_cancelled_by_another_answer(void **state)
{
    struct ask a = {0}, b = {0};
    (void)state;
    a.cancel = &b;
    b.cancel = &a;
    pthread_mutex_lock(&gate);
    start(&a, "slow.test", 1);
    start(&b, "slow.test", 1);
    pthread_mutex_unlock(&gate);
    while (tt_resolver_cached(world.resolver) < 1)
        usleep(1000);
    for (int i = 0; i < 3; i++)
        tt_loop_turn(world.loop, 20);
    assert_int_equal(a.dones + b.dones, 1);
}

static void test_nobody_waits_any_more(void **state)
{
    struct tt_aux *aux = tt_aux_new("dns", 1, 10, NULL);
    struct tt_resolver *resolver = tt_resolver_new(aux);
    struct ask slow = {.resolve = {.on_done = on_done}}, gone = slow, back = slow;
    (void)state;
    pthread_mutex_lock(&gate);
    tt_resolve_start(resolver, world.loop, &slow.resolve, "slow.test", 1, NULL);
    tt_resolve_start(resolver, world.loop, &gone.resolve, "gone.test", 1, NULL);
    tt_resolve_cancel(&gone.resolve);
    pthread_mutex_unlock(&gate);
    turn_until(&slow.dones, 1);
    tt_resolve_start(resolver, world.loop, &back.resolve, "127.1", 1, NULL);
    turn_until(&back.dones, 1); /* one thread: by now gone.test's turn was over */
    assert_int_equal(atomic_load(&lookups), 2);
    tt_resolve_start(resolver, world.loop, &gone.resolve, "gone.test", 1, NULL);
    turn_until(&gone.dones, 1);
    assert_int_equal(gone.count, 2);
    assert_int_equal(atomic_load(&lookups), 3);
    tt_aux_free(aux);
    tt_resolver_free(resolver);
}

static void test_on_done_may_ask_again_and_free(void **state)
{
    struct ask *self = TT_NEW(struct ask);
    struct ask next = {0};
    int freed = 0;
    (void)state;
    self->free_self = true;
    self->freed = &freed;
    self->next = &next;
    start(self, "host.test", 1);
    turn_until(&freed, 1);
    turn_until(&next.dones, 1);
    assert_int_equal(next.count, 2);
}

/* ---- the end ---- */

static void test_free_in_either_order(void **state)
{
    (void)state;
    for (int resolver_first = 0; resolver_first < 2; resolver_first++) {
        struct tt_aux *aux = tt_aux_new("dns", 1, 10, NULL);
        struct tt_resolver *resolver = tt_resolver_new(aux);
        struct ask running = {.resolve = {.on_done = on_done}}, waiting = running, gone = running;
        pthread_mutex_lock(&gate);
        tt_resolve_start(resolver, world.loop, &running.resolve, "slow.test", 1, NULL);
        tt_resolve_start(resolver, world.loop, &waiting.resolve, "waiting.test", 1, NULL);
        tt_resolve_start(resolver, world.loop, &gone.resolve, "gone.test", 1, NULL);
        tt_resolve_cancel(&gone.resolve);
        if (resolver_first)
            tt_resolver_free(resolver);
        pthread_mutex_unlock(&gate);
        tt_aux_free(aux);
        if (!resolver_first)
            tt_resolver_free(resolver);
        for (int i = 0; i < 3; i++)
            tt_loop_turn(world.loop, 0); /* dropped lookups are failures; ASan sees any leak */
        assert_true(running.dones <= 1 && waiting.dones == 1);
        assert_int_equal(gone.dones, 0);
        assert_int_equal(running.dones, 1);
    }
    tt_resolver_free(NULL);
}

/* ---- two loops ---- */

#define SIDES 2
#define TIMES 400

struct side {
    pthread_t thread;
    unsigned seed;
    int answers, cancels;
    bool wrong;
};

static void *side_main(void *arg)
{
    struct side *side = arg;
    struct tt_loop *loop = tt_loop_new(NULL);
    struct ask asks[8] = {0};
    char name[32];
    for (int i = 0; i < TIMES; i++) {
        for (size_t k = 0; k < TT_COUNT(asks); k++) {
            const char *kind = rand_r(&side->seed) % 4 ? "host" : "missing";
            snprintf(name, sizeof(name), "%s%d.test", kind, rand_r(&side->seed) % 3);
            asks[k] = (struct ask){.resolve = {.on_done = on_done}};
            tt_resolve_start(world.resolver, loop, &asks[k].resolve, name, 9, NULL);
        }
        for (size_t k = 0; k < TT_COUNT(asks); k += 3, side->cancels++) {
            if (rand_r(&side->seed) % 2)
                usleep(50);
            tt_resolve_cancel(&asks[k].resolve);
        }
        for (size_t k = 0; k < TT_COUNT(asks); k++) {
            while (k % 3 && !asks[k].dones)
                tt_loop_turn(loop, 1000);
            side->answers += asks[k].dones;
            side->wrong |= asks[k].dones && !pthread_equal(asks[k].done_on, pthread_self());
            side->wrong |= asks[k].dones && asks[k].count != 0 && asks[k].count != 2;
        }
    }
    for (int i = 0; i < 50; i++)
        tt_loop_turn(loop, 1); /* cancelled ones that were on their way are freed by their mail */
    tt_loop_free(loop);
    return NULL;
}

static void test_two_loops(void **state)
{
    struct side sides[SIDES] = {{.seed = 1}, {.seed = 2}};
    (void)state;
    tt_resolver_set_ttl(world.resolver, 1, 0); /* mostly real lookups */
    for (int i = 0; i < SIDES; i++)
        assert_int_equal(pthread_create(&sides[i].thread, NULL, side_main, &sides[i]), 0);
    for (int i = 0; i < SIDES; i++) {
        pthread_join(sides[i].thread, NULL);
        assert_false(sides[i].wrong);
        assert_int_equal(sides[i].answers + sides[i].cancels, TIMES * 8);
    }
}

static void *other_loop(void *arg)
{
    struct tt_loop *loop = arg;
    tt_loop_run(loop);
    return NULL;
}

struct message {
    struct tt_mail mail;
    struct tt_loop *loop;
    struct ask ask;
};

static void ask_there(struct tt_mail *mail)
{
    struct message *message = TT_CONTAINER_OF(mail, struct message, mail);
    start_on(message->loop, &message->ask, "slow.test", 2);
}

/* Two loops ask the same while it is under way: one lookup, each answered on its own thread. */
static void test_loops_share_a_lookup(void **state)
{
    struct message message = {.mail = {.deliver = ask_there}, .loop = tt_loop_new(NULL)};
    struct ask mine = {0};
    pthread_t thread;
    (void)state;
    message.ask.stop = message.loop;
    pthread_mutex_lock(&gate);
    start(&mine, "slow.test", 1);
    pthread_create(&thread, NULL, other_loop, message.loop);
    tt_loop_post(message.loop, &message.mail);
    usleep(50000);
    pthread_mutex_unlock(&gate);
    turn_until(&mine.dones, 1);
    pthread_join(thread, NULL);
    assert_int_equal(message.ask.dones, 1);
    assert_int_equal(message.ask.port, 2);
    assert_true(pthread_equal(message.ask.done_on, thread));
    assert_true(pthread_equal(mine.done_on, pthread_self()));
    assert_int_equal(atomic_load(&lookups), 1);
    tt_loop_free(message.loop);
}

#define RESOLVE_TEST(f) cmocka_unit_test_setup_teardown(f, setup, teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        RESOLVE_TEST(test_literal_addresses),
        RESOLVE_TEST(test_localhost_is_the_loopback),
        RESOLVE_TEST(test_impossible_names_fail_at_once),
        RESOLVE_TEST(test_the_real_one),
        RESOLVE_TEST(test_answers_are_kept),
        RESOLVE_TEST(test_answers_and_failures_expire),
        RESOLVE_TEST(test_failures_are_kept_too),
        RESOLVE_TEST(test_at_most_16_addresses),
        RESOLVE_TEST(test_the_least_recently_used_goes),
        RESOLVE_TEST(test_equal_questions_share_a_lookup),
        RESOLVE_TEST(test_full_pool_is_busy),
        RESOLVE_TEST(test_cancel_before_during_and_after),
        RESOLVE_TEST(test_cancelled_by_another_answer),
        RESOLVE_TEST(test_nobody_waits_any_more),
        RESOLVE_TEST(test_on_done_may_ask_again_and_free),
        RESOLVE_TEST(test_free_in_either_order),
        RESOLVE_TEST(test_two_loops),
        RESOLVE_TEST(test_loops_share_a_lookup),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
