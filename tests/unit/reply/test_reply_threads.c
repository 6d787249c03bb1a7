/* One producer, readers on several loops at once, attaching and detaching all the time: everybody
 * sees the same bytes, the end comes to everybody, nothing is left over. Meant for TSan and ASan.
 */
#include "base/mem.h"
#include "base/utf8.h"
#include "reply/reply.h"
#include "unit_test.h"

#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>

#define READER_THREADS 3
#define READERS        8 /* a thread */
#define TOKENS         4000
#define TOKEN          "潮🌊token-0123456789;"

struct viewer {
    struct tt_reply_reader reader;
    struct site *site;
    uint64_t position;
    int rejoins, wakes;
    bool ended;
};

/* A thread with a loop and its viewers of the reply. */
struct site {
    pthread_t thread;
    struct tt_loop *loop;
    struct tt_reply *reply;
    struct tt_mail begin;
    struct viewer viewers[READERS];
    int ended;
    bool bad;
};

static void look(struct viewer *viewer)
{
    struct tt_reply *reply = viewer->reader.reply;
    struct tt_reply_span span;
    enum tt_reply_state state = tt_reply_state(reply);
    while (tt_reply_read(reply, viewer->position, &span)) {
        if (!tt_utf8_valid(span.bytes))
            viewer->site->bad = true;
        for (size_t i = 0; i < span.bytes.len; i++)
            if (span.bytes.data[i] != TOKEN[(viewer->position + i) % (sizeof(TOKEN) - 1)])
                viewer->site->bad = true;
        viewer->position = span.end;
    }
    if (state == TT_REPLY_FINISHED) {
        if (strcmp(tt_reply_outcome(reply)->status, "complete") != 0 ||
            viewer->position != tt_reply_length(reply))
            viewer->site->bad = true;
        viewer->ended = true;
    }
}

static void on_wake(struct tt_reply_reader *reader)
{
    struct viewer *viewer = TT_CONTAINER_OF(reader, struct viewer, reader);
    struct site *site = viewer->site;
    struct tt_reply *reply = reader->reply;
    if (!reply || viewer->ended) {
        site->bad = true; /* woken after detach */
        return;
    }
    viewer->wakes++;
    look(viewer);
    if (viewer->ended) {
        tt_reply_detach(reader);
        if (++site->ended == READERS)
            tt_loop_stop(site->loop);
    } else if (viewer->rejoins < 200 && viewer->wakes % 3 == 0) {
        /* leaves, often with a mail under way to it, and comes again */
        viewer->rejoins++;
        tt_reply_ref(reply);
        tt_reply_detach(reader);
        tt_reply_attach(reply, site->loop, reader);
        tt_reply_unref(reply);
    }
}

static void on_begin(struct tt_mail *mail)
{
    struct site *site = TT_CONTAINER_OF(mail, struct site, begin);
    for (int i = 0; i < READERS; i++) {
        site->viewers[i] = (struct viewer){.reader.on_wake = on_wake, .site = site};
        tt_reply_attach(site->reply, site->loop, &site->viewers[i].reader);
    }
    tt_reply_unref(site->reply);
}

static void *run_site(void *arg)
{
    struct site *site = arg;
    tt_loop_run(site->loop);
    tt_loop_tick(site->loop, 0); /* a mail to those who left */
    tt_loop_tick(site->loop, 0);
    return NULL;
}

struct producer {
    struct tt_loop *loop;
    struct tt_reply *reply;
    struct tt_deferred step;
    int told;
};

static void on_step(struct tt_deferred *deferred)
{
    struct producer *producer = TT_CONTAINER_OF(deferred, struct producer, step);
    for (int i = 0; i < 3 && producer->told < TOKENS; i++, producer->told++)
        if (tt_reply_append(producer->reply, TT_REPLY_CONTENT, TT_STR(TOKEN), NULL) != 0)
            abort();
    if (producer->told == TOKENS)
        tt_reply_produced(producer->reply, &(struct tt_reply_outcome){.status = "complete"});
}

static void on_produced(struct tt_reply *reply, void *arg)
{
    (void)arg;
    tt_reply_finish(reply, NULL);
}

static void everybody_sees_everything(void **state)
{
    struct producer producer = {.loop = tt_loop_new(NULL), .step.run = on_step};
    struct site sites[READER_THREADS] = {0};
    (void)state;
    producer.reply = tt_reply_new(producer.loop, 1, 1, 1, NULL);
    tt_reply_on_produced(producer.reply, on_produced, NULL);
    for (int i = 0; i < READER_THREADS; i++) {
        sites[i].loop = tt_loop_new(NULL);
        sites[i].reply = tt_reply_ref(producer.reply);
        sites[i].begin.deliver = on_begin;
        tt_loop_post(sites[i].loop, &sites[i].begin);
        pthread_create(&sites[i].thread, NULL, run_site, &sites[i]);
    }
    struct site own = {.loop = producer.loop, .reply = tt_reply_ref(producer.reply)};
    on_begin(&own.begin);
    while (own.ended < READERS) {
        tt_loop_defer(producer.loop, &producer.step);
        tt_loop_tick(producer.loop, 1);
    }
    tt_reply_unref(producer.reply);
    for (int i = 0; i < READER_THREADS; i++) {
        pthread_join(sites[i].thread, NULL);
        assert_false(sites[i].bad);
        assert_int_equal(sites[i].ended, READERS);
        for (int k = 0; k < READERS; k++)
            assert_int_equal(sites[i].viewers[k].position, TOKENS * (sizeof(TOKEN) - 1));
        tt_loop_tick(sites[i].loop, 0);
        tt_loop_free(sites[i].loop);
    }
    assert_false(own.bad);
    tt_loop_tick(producer.loop, 0);
    tt_loop_free(producer.loop);
    assert_true(tt_reply_memory_used() == 0);
    assert_int_equal(tt_reply_count(), 0);
}

/* ---- stops from many threads ---- */

static atomic_int stops;

static void on_stop(struct tt_reply *reply, const struct tt_err *reason, void *arg)
{
    (void)arg;
    (void)reason;
    atomic_fetch_add(&stops, 1);
    tt_reply_produced(reply, &(struct tt_reply_outcome){.status = "stopped"});
}

static void *run_stopper(void *arg)
{
    struct tt_err reason = {503, "shutting_down", "x"};
    tt_reply_stop(arg, (uintptr_t)pthread_self() % 2 ? &reason : NULL);
    tt_reply_unref(arg);
    return NULL;
}

static void many_stop_once(void **state)
{
    struct tt_loop *loop = tt_loop_new(NULL);
    (void)state;
    for (int round = 0; round < 100; round++) {
        struct tt_reply *reply = tt_reply_new(loop, round, 1, 1, NULL);
        pthread_t threads[4];
        for (int i = 0; i < 4; i++)
            pthread_create(&threads[i], NULL, run_stopper, tt_reply_ref(reply));
        tt_reply_on_stop(reply, on_stop, NULL);
        while (tt_reply_state(reply) != TT_REPLY_PRODUCED)
            tt_loop_tick(loop, 100);
        for (int i = 0; i < 4; i++)
            pthread_join(threads[i], NULL);
        assert_int_equal(atomic_load(&stops), round + 1);
        tt_reply_unref(reply);
    }
    tt_loop_tick(loop, 0);
    tt_loop_free(loop);
    assert_int_equal(tt_reply_count(), 0);
}

TEST_GROUP
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(everybody_sees_everything),
        cmocka_unit_test(many_stop_once),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
