/* Turns in order of arrival, one at a time; who gives up, who is ended; finding and stopping. */
#include "base/mem.h"
#include "reply/registry.h"
#include "unit_test.h"

#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>

#define S TT_STR("session_1")

static struct tt_loop *loop;
static struct tt_registry *registry;

static int set_up(void **state)
{
    (void)state;
    loop = tt_loop_new(NULL);
    registry = tt_registry_new(4, 0);
    return 0;
}

static int tear_down(void **state)
{
    (void)state;
    tt_loop_tick(loop, 0);
    tt_registry_free(registry);
    tt_loop_free(loop);
    return tt_reply_count() == 0 ? 0 : -1;
}

static char order[64];

struct guest {
    struct tt_turn turn;
    char name;
    int admitted;
    char code[40];
    bool leave_at_once;
    struct guest *enter_again;
};

static void enter(struct guest *guest);

static void on_admitted(struct tt_turn *turn, const struct tt_err *err)
{
    struct guest *guest = TT_CONTAINER_OF(turn, struct guest, turn);
    size_t n = strlen(order);
    guest->admitted++;
    snprintf(guest->code, sizeof(guest->code), "%s", err ? err->code : "");
    if (!err)
        order[n] = guest->name;
    order[n + 1] = '\0';
    if (guest->leave_at_once)
        tt_turn_leave(turn);
    if (guest->enter_again) {
        struct guest *again = guest->enter_again;
        guest->enter_again = NULL;
        enter(again);
    }
}

static void enter(struct guest *guest)
{
    struct tt_err err = {0};
    guest->turn = (struct tt_turn){.on_admitted = on_admitted};
    if (tt_turn_enter(registry, loop, &guest->turn, 1, S, &err) != 0)
        fail_msg("%s", err.code);
    assert_int_equal(guest->admitted, 0);
}

static void turn(void)
{
    tt_loop_tick(loop, 0);
}

static void one_at_a_time_in_order(void **state)
{
    struct guest a = {.name = 'a'}, b = {.name = 'b'}, c = {.name = 'c'}, other = {.name = 'o'};
    (void)state;
    order[0] = '\0';
    enter(&a);
    enter(&b);
    enter(&c);
    other.turn.on_admitted = on_admitted; /* another user's session of the same name */
    assert_int_equal(tt_turn_enter(registry, loop, &other.turn, 2, S, NULL), 0);
    turn();
    assert_string_equal(order, "ao");
    turn();
    assert_string_equal(order, "ao");
    tt_turn_leave(&a.turn);
    assert_string_equal(order, "ao"); /* never from inside */
    turn();
    assert_string_equal(order, "aob");
    tt_turn_leave(&b.turn);
    tt_turn_leave(&b.turn);
    turn();
    assert_string_equal(order, "aobc");
    tt_turn_leave(&c.turn);
    tt_turn_leave(&other.turn);
    tt_turn_leave(&(struct tt_turn){0});
    turn();
}

static void too_many_wait(void **state)
{
    struct guest guests[5] = {0};
    struct tt_turn more = {.on_admitted = on_admitted};
    struct tt_err err = {0};
    (void)state;
    for (int i = 0; i < 5; i++)
        enter(&guests[i]);
    assert_int_equal(tt_turn_enter(registry, loop, &more, 1, S, &err), -1);
    assert_string_equal(err.code, "session_busy");
    assert_int_equal(err.status, 429);
    tt_turn_leave(&more); /* harmless: it never entered */
    tt_turn_leave(&guests[4].turn);
    assert_int_equal(tt_turn_enter(registry, loop, &more, 1, S, &err), 0);
    for (int i = 0; i < 5; i++)
        tt_turn_leave(&guests[i].turn);
    tt_turn_leave(&more);
}

static void giving_up(void **state)
{
    struct guest a = {.name = 'a'}, b = {.name = 'b'}, c = {.name = 'c'}, d = {.name = 'd'};
    (void)state;
    order[0] = '\0';
    enter(&a);
    tt_turn_leave(&a.turn); /* before it was told */
    turn();
    assert_string_equal(order, "");
    enter(&a);
    enter(&b);
    enter(&c);
    enter(&d);
    tt_turn_leave(&b.turn); /* while waiting */
    tt_turn_leave(&a.turn); /* c is called … */
    tt_turn_leave(&c.turn); /* … and leaves before it hears of it */
    turn();
    assert_string_equal(order, "d");
    tt_turn_leave(&d.turn);
}

static void leaving_inside_the_callback(void **state)
{
    struct guest a = {.name = 'a', .leave_at_once = true}, b = {.name = 'b'};
    (void)state;
    order[0] = '\0';
    b.leave_at_once = true;
    enter(&a);
    enter(&b);
    turn();
    turn();
    assert_string_equal(order, "ab");
}

static void ending_a_session(void **state)
{
    struct guest a = {.name = 'a'}, b = {.name = 'b'}, c = {.name = 'c'}, d = {.name = 'd'};
    struct tt_err reason = {404, "session_deleted", "x"};
    (void)state;
    order[0] = '\0';
    assert_int_equal(tt_registry_end_session(registry, 1, S, NULL, NULL), 0);
    enter(&a);
    turn();
    enter(&b);
    enter(&c);
    b.enter_again = &d;
    assert_int_equal(tt_registry_end_session(registry, 1, S, &reason, NULL), 0);
    assert_int_equal(tt_registry_end_session(registry, 2, S, &reason, NULL), 0);
    assert_int_equal(b.admitted, 0);
    tt_turn_leave(&c.turn); /* ended, not told yet, and gone */
    turn();
    assert_string_equal(b.code, "session_deleted");
    assert_int_equal(c.admitted, 0);
    assert_string_equal(order, "a");
    tt_turn_leave(&b.turn); /* harmless */
    tt_turn_leave(&a.turn);
    turn();
    assert_string_equal(order, "ad"); /* who entered after the end is admitted */
    tt_turn_leave(&d.turn);

    struct guest e = {.name = 'e'}, f = {.name = 'f'}; /* ended between call and hearing of it */
    enter(&e);
    assert_int_equal(tt_registry_end_session(registry, 1, S, NULL, NULL), 0);
    enter(&f);
    turn();
    assert_string_equal(e.code, "stopped");
    assert_string_equal(order, "adf");
    tt_turn_leave(&f.turn);
}

/* ---- replies ---- */

static struct tt_reply *add_reply(int64_t id, int64_t user, struct tt_str session)
{
    struct tt_reply *reply = tt_reply_new(loop, id, id - 1, user, NULL);
    tt_registry_add(registry, reply, session);
    return reply;
}

static void drop(struct tt_reply *reply)
{
    tt_registry_remove(registry, reply);
    tt_reply_unref(reply);
}

static void finding(void **state)
{
    struct tt_reply *reply = add_reply(10, 1, S), *found;
    (void)state;
    found = tt_registry_find(registry, 1, 10);
    assert_ptr_equal(found, reply);
    tt_reply_unref(found);
    assert_null(tt_registry_find(registry, 2, 10)); /* another user's */
    assert_null(tt_registry_find(registry, 1, 11));
    found = tt_registry_find_session(registry, 1, S);
    assert_ptr_equal(found, reply);
    tt_reply_unref(found);
    assert_null(tt_registry_find_session(registry, 2, S));
    assert_null(tt_registry_find_session(registry, 1, TT_STR("session_2")));

    struct tt_reply *next = add_reply(12, 1, S); /* before the first one is removed */
    tt_registry_remove(registry, reply);
    tt_registry_remove(registry, reply);
    found = tt_registry_find_session(registry, 1, S);
    assert_ptr_equal(found, next);
    tt_reply_unref(found);
    assert_null(tt_registry_find(registry, 1, 10));
    tt_reply_unref(reply);
    drop(next);
    assert_null(tt_registry_find_session(registry, 1, S));
}

static char stop_codes[128];

static void on_stop(struct tt_reply *reply, const struct tt_err *reason, void *arg)
{
    (void)arg;
    size_t n = strlen(stop_codes);
    snprintf(stop_codes + n, sizeof(stop_codes) - n, "%lld:%s ",
             (long long)tt_reply_message_id(reply), reason ? reason->code : "user");
    tt_reply_produced(reply, &(struct tt_reply_outcome){.status = "stopped"});
}

static void stopping_a_reply(void **state)
{
    struct tt_err reason = {404, "session_deleted", "x"};
    struct tt_reply *reply = add_reply(10, 1, S);
    struct guest a = {.name = 'a'}, b = {.name = 'b'};
    (void)state;
    stop_codes[0] = '\0';
    tt_reply_on_stop(reply, on_stop, NULL);
    assert_int_equal(tt_registry_end_session(registry, 2, S, NULL, NULL), 0);
    assert_int_equal(tt_registry_end_session(registry, 1, S, NULL, NULL), 10);
    turn();
    assert_string_equal(stop_codes, "10:user ");
    assert_int_equal(tt_registry_end_session(registry, 1, S, NULL, NULL), 0); /* it has ended */
    drop(reply);

    /* stopped between admission and the reply's making */
    stop_codes[0] = '\0';
    enter(&a);
    turn();
    assert_int_equal(tt_registry_end_session(registry, 1, S, &reason, NULL), 0);
    reply = add_reply(20, 1, S);
    tt_reply_on_stop(reply, on_stop, NULL);
    turn();
    assert_string_equal(stop_codes, "20:session_deleted ");
    drop(reply);
    /* but never the next turn's reply */
    enter(&b);
    tt_registry_end_session(registry, 1, S, NULL, NULL);
    tt_turn_leave(&a.turn);
    turn();
    b.admitted = 0;
    enter(&b);
    turn();
    reply = add_reply(30, 1, S);
    tt_reply_on_stop(reply, on_stop, NULL);
    turn();
    assert_string_equal(stop_codes, "20:session_deleted ");
    tt_turn_leave(&b.turn);
    drop(reply);
}

static bool ends(int64_t user_id)
{
    bool ended = !user_id;
    tt_registry_end_session(registry, user_id, S, NULL, &ended);
    return ended;
}

static void whether_there_was_something_to_end(void **state)
{
    struct guest a = {.name = 'a'}, b = {.name = 'b'}, c = {.name = 'c'};
    (void)state;
    assert_false(ends(1));
    assert_int_equal(tt_registry_count(registry), 0);
    enter(&c);
    assert_true(ends(1)); /* called, and does not know it yet */
    turn();
    enter(&a);
    turn();
    assert_true(ends(1)); /* running, without a reply so far */
    assert_false(ends(2));
    enter(&b);
    assert_true(ends(1)); /* waiting */
    assert_int_equal(tt_registry_count(registry), 1);
    turn();
    struct tt_reply *reply = add_reply(10, 1, S);
    assert_true(ends(1));
    tt_reply_produced(reply, &(struct tt_reply_outcome){.status = "complete"});
    assert_false(ends(1)); /* its end is on its way */
    tt_turn_leave(&a.turn);
    drop(reply);
    assert_int_equal(tt_registry_count(registry), 0);
}

static void stopping_all(void **state)
{
    struct tt_err reason = {503, "shutting_down", "x"};
    struct tt_reply *a = add_reply(1, 1, S), *b = add_reply(2, 2, S);
    (void)state;
    stop_codes[0] = '\0';
    tt_reply_on_stop(a, on_stop, NULL);
    tt_reply_on_stop(b, on_stop, NULL);
    tt_registry_stop_all(registry, &reason);
    turn();
    assert_non_null(strstr(stop_codes, "1:shutting_down"));
    assert_non_null(strstr(stop_codes, "2:shutting_down"));
    drop(a);
    drop(b);
}

/* ---- several workers ---- */

#define WORKERS 3
#define TURNS   300

static atomic_int inside, most_inside, done_turns;

struct worker {
    pthread_t thread;
    struct tt_loop *loop;
};

static void on_worker_admitted(struct tt_turn *slot, const struct tt_err *err)
{
    if (!err) {
        int now = atomic_fetch_add(&inside, 1) + 1;
        if (now > atomic_load(&most_inside))
            atomic_store(&most_inside, now);
        atomic_fetch_sub(&inside, 1);
        tt_turn_leave(slot);
    }
    atomic_fetch_add(&done_turns, 1);
}

static void worker_enter(struct worker *worker, struct tt_turn *slot)
{
    *slot = (struct tt_turn){.on_admitted = on_worker_admitted};
    if (tt_turn_enter(registry, worker->loop, slot, 1, S, NULL) != 0)
        atomic_fetch_add(&done_turns, 1); /* busy: counts as done */
}

static void *run_worker(void *arg)
{
    struct worker *worker = arg;
    struct tt_turn slots[3] = {0};
    for (int i = 0; i < TURNS; i++) {
        for (int k = 0; k < 3; k++)
            worker_enter(worker, &slots[k]);
        if (i % 50 == 7)
            tt_registry_end_session(registry, 1, S, NULL, NULL);
        while (slots[0].internal || slots[1].internal || slots[2].internal)
            tt_loop_tick(worker->loop, 1);
    }
    tt_loop_tick(worker->loop, 0);
    return NULL;
}

static void on_many_threads(void **state)
{
    struct worker workers[WORKERS] = {0};
    (void)state;
    for (int i = 0; i < WORKERS; i++) {
        workers[i].loop = tt_loop_new(NULL);
        pthread_create(&workers[i].thread, NULL, run_worker, &workers[i]);
    }
    for (int i = 0; i < WORKERS; i++)
        pthread_join(workers[i].thread, NULL);
    for (int i = 0; i < WORKERS; i++)
        tt_loop_free(workers[i].loop);
    assert_int_equal(atomic_load(&most_inside), 1);
    assert_int_equal(atomic_load(&done_turns), WORKERS * TURNS * 3);
}

/* ---- how many of one user run ---- */

static struct tt_err entered;

static int enter_as(struct tt_turn *turn, int64_t user_id, const char *session_id)
{
    *turn = (struct tt_turn){.on_admitted = on_worker_admitted};
    return tt_turn_enter(registry, loop, turn, user_id, tt_str_from(session_id), &entered);
}

static void refused_as(int64_t user_id, const char *session_id)
{
    struct tt_turn turn;
    assert_int_equal(enter_as(&turn, user_id, session_id), -1);
    assert_int_equal(entered.status, 429);
    assert_string_equal(entered.code, "too_many_replies");
}

static void so_many_of_one_user(void **state)
{
    struct tt_turn a, b, c, other;
    (void)state;
    tt_registry_free(registry);
    registry = tt_registry_new(4, 2);
    assert_int_equal(enter_as(&a, 1, "a"), 0);
    assert_int_equal(tt_registry_count_in(registry, 1, &entered), 0); /* it needs no turn */
    refused_as(1, "b");
    assert_int_equal(tt_registry_count_in(registry, 1, &entered), -1);
    assert_int_equal(enter_as(&b, 1, "a"), 0); /* waits for one that is counted */
    assert_int_equal(enter_as(&other, 2, "a"), 0);

    tt_turn_leave(&a); /* the waiting one takes its place */
    refused_as(1, "b");
    tt_registry_uncount(registry, 1);
    assert_int_equal(enter_as(&c, 1, "c"), 0);
    refused_as(1, "b");
    tt_turn_leave(&c);
    tt_registry_end_session(registry, 1, TT_STR("a"), NULL, NULL); /* called, but not told yet */
    assert_int_equal(enter_as(&a, 1, "b"), 0);
    assert_int_equal(enter_as(&c, 1, "c"), 0);
    refused_as(1, "d");
    tt_turn_leave(&a);
    tt_turn_leave(&b);
    tt_turn_leave(&c);
    tt_turn_leave(&other);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

TEST_GROUP
{
    const struct CMUnitTest tests[] = {
        TEST(one_at_a_time_in_order),
        TEST(too_many_wait),
        TEST(giving_up),
        TEST(leaving_inside_the_callback),
        TEST(ending_a_session),
        TEST(finding),
        TEST(stopping_a_reply),
        TEST(whether_there_was_something_to_end),
        TEST(stopping_all),
        TEST(on_many_threads),
        TEST(so_many_of_one_user),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
