/* Mail: every one arrives once, in its poster's order, the wake-up is never lost, and a burst costs
 * one signal. The threaded cases mean most under TSan. */
#include "base/clock.h"
#include "base/mem.h"
#include "loop/loop_internal.h"
#include "unit_test.h"

#include <pthread.h>
#include <stdlib.h>
#include <unistd.h>

static int new_loop(void **state)
{
    alarm(60); /* a lost wake-up must not hang */
    *state = tt_loop_new(NULL);
    return *state ? 0 : -1;
}

static int free_loop(void **state)
{
    tt_loop_free(*state);
    alarm(0);
    return 0;
}

struct letter {
    struct tt_mail mail;
    struct tt_loop *loop;
    int number;
    int deliveries;
    int again; /* times that it posts itself from its delivery */
};

static int last_number;
static bool out_of_order;

static void on_letter(struct tt_mail *mail)
{
    struct letter *letter = TT_CONTAINER_OF(mail, struct letter, mail);
    letter->deliveries++;
    out_of_order |= letter->number <= last_number;
    last_number = letter->number;
    if (letter->again-- > 0)
        tt_loop_post(letter->loop, &letter->mail);
}

static void test_delivered_in_order(void **state)
{
    struct letter letters[10];
    last_number = -1;
    out_of_order = false;
    for (int i = 0; i < 10; i++) {
        letters[i] = (struct letter){.mail = {.deliver = on_letter}, .number = i};
        tt_loop_post(*state, &letters[i].mail);
        assert_int_equal(letters[i].deliveries, 0);
    }
    tt_loop_tick(*state, -1); /* does not wait */
    for (int i = 0; i < 10; i++)
        assert_int_equal(letters[i].deliveries, 1);
    assert_false(out_of_order);
}

static void test_a_burst_is_one_signal(void **state)
{
    struct tt_loop *loop = *state;
    struct letter letters[100];
    uint64_t signals = 0;
    for (int i = 0; i < 100; i++) {
        letters[i] = (struct letter){.mail = {.deliver = on_letter}};
        tt_loop_post(loop, &letters[i].mail);
    }
    assert_int_equal(read(loop->mailbox.event_fd, &signals, sizeof(signals)), sizeof(signals));
    assert_int_equal(signals, 1);
    tt_loop_tick(loop, 0);
    tt_loop_post(loop, &letters[0].mail); /* the box was empty again */
    assert_int_equal(read(loop->mailbox.event_fd, &signals, sizeof(signals)), sizeof(signals));
    assert_int_equal(signals, 1);
    tt_loop_tick(loop, 0);
    assert_int_equal(letters[0].deliveries, 2);
    assert_int_equal(letters[99].deliveries, 1);
}

static void test_posted_by_a_delivery_comes_next_turn(void **state)
{
    struct letter letter = {.mail = {.deliver = on_letter}, .loop = *state, .again = 3};
    tt_loop_post(*state, &letter.mail);
    for (int i = 1; i <= 4; i++) {
        tt_loop_tick(*state, -1); /* does not wait */
        assert_int_equal(letter.deliveries, i);
    }
    tt_loop_tick(*state, 5);
    assert_int_equal(letter.deliveries, 4);
}

static void test_old_signals_do_not_spin(void **state)
{
    struct letter letter = {.mail = {.deliver = on_letter}, .loop = *state};
    tt_loop_post(*state, &letter.mail);
    tt_loop_tick(*state, -1);
    uint64_t begin = tt_clock_mono_ms();
    tt_loop_tick(*state, 30);
    assert_true(tt_clock_mono_ms() - begin >= 29);
}

static void on_heap_letter(struct tt_mail *mail)
{
    free(TT_CONTAINER_OF(mail, struct letter, mail));
}

static void test_freed_by_its_delivery(void **state)
{
    for (int i = 0; i < 10; i++) {
        struct letter *letter = TT_NEW(struct letter);
        letter->mail.deliver = on_heap_letter;
        tt_loop_post(*state, &letter->mail);
    }
    tt_loop_tick(*state, -1);
}

/* ---- threads ---- */

#define POSTERS 4
#define EACH    20000

struct poster {
    pthread_t thread;
    struct tt_loop *loop;
    int next; /* the loop's thread only */
    bool wrong;
};

struct item {
    struct tt_mail mail;
    struct poster *poster;
    int number;
};

static int arrived;

static void on_item(struct tt_mail *mail)
{
    struct item *item = TT_CONTAINER_OF(mail, struct item, mail);
    if (item->number != item->poster->next++)
        item->poster->wrong = true;
    if (++arrived == POSTERS * EACH)
        tt_loop_stop(item->poster->loop);
    free(item);
}

static void *post_many(void *arg)
{
    struct poster *poster = arg;
    for (int i = 0; i < EACH; i++) {
        struct item *item = TT_NEW(struct item);
        item->mail.deliver = on_item;
        item->poster = poster;
        item->number = i;
        tt_loop_post(poster->loop, &item->mail);
        if (i % 1000 == 999)
            usleep(100); /* lets the loop sleep now and then */
    }
    return NULL;
}

static void test_many_posters(void **state)
{
    struct poster posters[POSTERS] = {0};
    arrived = 0;
    for (int i = 0; i < POSTERS; i++) {
        posters[i].loop = *state;
        assert_int_equal(pthread_create(&posters[i].thread, NULL, post_many, &posters[i]), 0);
    }
    tt_loop_run(*state);
    for (int i = 0; i < POSTERS; i++) {
        pthread_join(posters[i].thread, NULL);
        assert_int_equal(posters[i].next, EACH);
        assert_false(posters[i].wrong);
    }
}

struct ball {
    struct tt_mail mail;
    struct tt_loop *loops[2];
    int hits;
};

static void on_ball(struct tt_mail *mail)
{
    struct ball *ball = TT_CONTAINER_OF(mail, struct ball, mail);
    if (++ball->hits == 20000) {
        tt_loop_stop(ball->loops[0]);
        tt_loop_stop(ball->loops[1]);
        return;
    }
    tt_loop_post(ball->loops[ball->hits % 2], &ball->mail);
}

static void *run_loop(void *loop)
{
    tt_loop_run(loop);
    return NULL;
}

/* Both loops sleep before each hit: a single lost wake-up ends it. */
static void test_ping_pong_loses_no_wake_up(void **state)
{
    struct tt_loop *second = tt_loop_new(NULL);
    struct ball ball = {.mail = {.deliver = on_ball}, .loops = {*state, second}};
    pthread_t thread;
    assert_int_equal(pthread_create(&thread, NULL, run_loop, second), 0);
    tt_loop_post(*state, &ball.mail);
    tt_loop_run(*state);
    pthread_join(thread, NULL);
    assert_int_equal(ball.hits, 20000);
    tt_loop_free(second);
}

static void *post_one(void *arg)
{
    struct letter *letter = arg;
    tt_loop_post(letter->loop, &letter->mail);
    return NULL;
}

/* The loop is freed as soon as the mail is there, while its poster may still signal. */
static void test_freed_while_a_post_ends(void **state)
{
    (void)state;
    for (int i = 0; i < 500; i++) {
        struct letter letter = {.mail = {.deliver = on_letter}, .loop = tt_loop_new(NULL)};
        pthread_t thread;
        assert_int_equal(pthread_create(&thread, NULL, post_one, &letter), 0);
        while (letter.deliveries == 0)
            tt_loop_tick(letter.loop, 0);
        tt_loop_free(letter.loop);
        pthread_join(thread, NULL);
    }
}

#define LOOP_TEST(f) cmocka_unit_test_setup_teardown(f, new_loop, free_loop)

TEST_GROUP
{
    const struct CMUnitTest tests[] = {
        LOOP_TEST(test_delivered_in_order),
        LOOP_TEST(test_a_burst_is_one_signal),
        LOOP_TEST(test_posted_by_a_delivery_comes_next_turn),
        LOOP_TEST(test_old_signals_do_not_spin),
        LOOP_TEST(test_freed_by_its_delivery),
        LOOP_TEST(test_freed_while_a_post_ends),
        LOOP_TEST(test_many_posters),
        LOOP_TEST(test_ping_pong_loses_no_wake_up),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
