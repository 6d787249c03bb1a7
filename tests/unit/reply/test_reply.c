/* A reply on one loop: states, outcomes, stopping, and who is woken when. */
#include "base/mem.h"
#include "reply/support.h"

#include <stdio.h>

static const struct tt_reply_outcome complete = {
    .status = "complete", .finish_reason = "stop", .usage = {1, 2}, .retry_after_s = -1};

/* ---- states and readers ---- */

struct watcher {
    struct tt_reply_reader reader;
    int wakes;
    uint64_t position;
    enum tt_reply_state state;
    struct tt_reply_reader *detach; /* on the next wake */
    struct tt_reply *attach_to;
    struct watcher *attach;
};

static void on_wake(struct tt_reply_reader *reader)
{
    struct watcher *watcher = TT_CONTAINER_OF(reader, struct watcher, reader);
    struct tt_reply_span span;
    watcher->wakes++;
    watcher->state = tt_reply_state(reader->reply);
    while (tt_reply_read(reader->reply, watcher->position, &span))
        watcher->position = span.end;
    if (watcher->attach) {
        tt_reply_attach(watcher->attach_to, loop, &watcher->attach->reader);
        watcher->attach = NULL;
    }
    if (watcher->detach) {
        struct tt_reply_reader *other = watcher->detach;
        watcher->detach = NULL;
        tt_reply_detach(other);
    }
}

static void watch(struct tt_reply *reply, struct watcher *watcher)
{
    *watcher = (struct watcher){.reader.on_wake = on_wake};
    tt_reply_attach(reply, loop, &watcher->reader);
}

static void turn(void)
{
    tt_loop_tick(loop, 0);
}

static void on_produced_finish(struct tt_reply *reply, void *arg)
{
    ++*(int *)arg;
    assert_int_equal(tt_reply_state(reply), TT_REPLY_PRODUCED);
    tt_reply_finish(reply, NULL);
}

static void one_wake_a_turn(void **state)
{
    struct tt_reply *reply = reply_new();
    struct watcher a, b;
    int produced = 0;
    (void)state;
    watch(reply, &a);
    turn();
    assert_int_equal(a.wakes, 0); /* nothing to see */
    append(reply, TT_REPLY_CONTENT, TT_STR("one"));
    append(reply, TT_REPLY_CONTENT, TT_STR("two"));
    turn();
    assert_int_equal(a.wakes, 1);
    assert_int_equal(a.position, 6);
    assert_int_equal(a.state, TT_REPLY_RUNNING);
    turn();
    assert_int_equal(a.wakes, 1);

    watch(reply, &b);
    assert_int_equal(b.wakes, 0); /* never from inside attach */
    turn();
    assert_int_equal(b.wakes, 1);
    assert_int_equal(b.position, 6);
    assert_int_equal(a.wakes, 1);

    tt_reply_on_produced(reply, on_produced_finish, &produced);
    tt_reply_produced(reply, &complete);
    assert_int_equal(produced, 0);
    turn();
    assert_int_equal(produced, 1);
    assert_int_equal(a.state, TT_REPLY_FINISHED);
    assert_int_equal(b.state, TT_REPLY_FINISHED);
    turn();
    assert_int_equal(produced, 1);
    assert_int_equal(tt_reply_count(), 0);
    assert_string_equal(tt_reply_outcome(reply)->status, "complete");
    tt_reply_detach(&a.reader);
    tt_reply_unref(reply); /* b holds the last one */
    assert_int_equal(tt_reply_length(b.reader.reply), 6);
    tt_reply_detach(&b.reader);
    tt_reply_detach(&b.reader);
}

static void detach_inside_a_wake(void **state)
{
    struct tt_reply *reply = reply_new();
    struct watcher a, b, c, d = {.reader.on_wake = on_wake};
    (void)state;
    watch(reply, &a);
    watch(reply, &b);
    watch(reply, &c);
    a.detach = &b.reader; /* woken before b: b must not be woken any more */
    a.attach = &d;
    a.attach_to = reply;
    c.detach = &c.reader;
    append(reply, TT_REPLY_CONTENT, TT_STR("x"));
    turn();
    assert_int_equal(a.wakes, 1);
    assert_int_equal(b.wakes, 0);
    assert_int_equal(c.wakes, 1);
    turn();
    assert_int_equal(d.wakes, 1); /* it was new: its own first wake */
    append(reply, TT_REPLY_CONTENT, TT_STR("y"));
    turn();
    assert_int_equal(a.wakes, 2);
    assert_int_equal(c.wakes, 1);
    assert_int_equal(d.wakes, 2);
    /* all leave in a wake, each by another's hand; the reply goes with the last one */
    a.detach = &d.reader;
    append(reply, TT_REPLY_CONTENT, TT_STR("z"));
    tt_reply_unref(reply);
    turn();
    assert_int_equal(d.wakes, 2);
    tt_reply_detach(&a.reader);
    turn();
}

static void leaving_before_the_first_wake(void **state)
{
    struct tt_reply *reply = reply_new();
    struct watcher a;
    (void)state;
    append(reply, TT_REPLY_CONTENT, TT_STR("x"));
    turn();
    watch(reply, &a);
    tt_reply_detach(&a.reader);
    turn();
    watch(reply, &a);
    tt_reply_detach(&a.reader);
    watch(reply, &a);
    turn();
    assert_int_equal(a.wakes, 1);
    tt_reply_unref(reply);
    tt_reply_detach(&a.reader);
    turn();
}

struct late_hook {
    struct tt_hook hook;
    struct tt_reply *reply;
};

static void on_late_hook(struct tt_hook *hook)
{
    struct late_hook *late = TT_CONTAINER_OF(hook, struct late_hook, hook);
    tt_loop_unhook(hook);
    append(late->reply, TT_REPLY_CONTENT, TT_STR("late"));
}

/* Touched in a hook behind ours: woken in the next turn, which must not wait. */
static void touched_inside_a_late_hook(void **state)
{
    struct tt_reply *reply = reply_new();
    struct late_hook late = {.hook = {.rank = TT_RANK_HTTP, .on_tick_end = on_late_hook},
                             .reply = reply};
    struct watcher a;
    (void)state;
    watch(reply, &a);
    tt_loop_hook(loop, &late.hook);
    turn();
    uint64_t before = tt_loop_now(loop);
    tt_loop_tick(loop, 5000);
    assert_true(tt_loop_now(loop) - before < 1000);
    assert_int_equal(a.wakes, 1);
    tt_reply_detach(&a.reader);
    tt_reply_unref(reply);
}

/* ---- outcomes ---- */

static void outcomes(void **state)
{
    struct tt_reply *reply = reply_new();
    struct tt_reply_outcome odd = {.status = "no such", .error = {502, "upstream_reset", "x"}};
    struct tt_err lost = {507, "disk_full", "no space"};
    (void)state;
    memset(odd.finish_reason, 'x', sizeof(odd.finish_reason));
    assert_null(tt_reply_outcome(reply));
    tt_reply_produced(reply, &odd);
    tt_reply_produced(reply, &complete); /* the first one counts */
    const struct tt_reply_outcome *before = tt_reply_outcome(reply);
    assert_string_equal(before->status, "error");
    assert_string_equal(before->error.code, "upstream_reset");
    assert_int_equal(strlen(before->finish_reason), sizeof(odd.finish_reason) - 1);
    tt_reply_finish(reply, &lost);
    tt_reply_finish(reply, NULL);
    assert_string_equal(tt_reply_outcome(reply)->error.code, "disk_full");
    assert_string_equal(tt_reply_outcome(reply)->finish_reason, "");
    assert_string_equal(before->error.code, "upstream_reset"); /* still there for who reads it */
    turn();
    tt_reply_unref(reply);

    reply = reply_new(); /* finished without a producer */
    tt_reply_finish(reply, NULL);
    assert_string_equal(tt_reply_outcome(reply)->status, "interrupted");
    tt_reply_unref(reply);
    turn();
}

static void on_produced_later(struct tt_reply *reply, void *arg)
{
    (void)reply;
    ++*(int *)arg;
}

static void handler_set_after_the_end(void **state)
{
    struct tt_reply *reply = reply_new();
    int calls = 0;
    (void)state;
    tt_reply_produced(reply, &complete);
    turn();
    tt_reply_on_produced(reply, on_produced_later, &calls);
    assert_int_equal(calls, 0);
    turn();
    turn();
    assert_int_equal(calls, 1);
    tt_reply_unref(reply);
}

/* ---- stopping ---- */

struct stopped {
    int calls;
    char code[40];
};

static void on_stop(struct tt_reply *reply, const struct tt_err *reason, void *arg)
{
    struct stopped *stopped = arg;
    struct tt_reply_outcome outcome = {.status = "stopped"};
    stopped->calls++;
    snprintf(stopped->code, sizeof(stopped->code), "%s", reason ? reason->code : "user");
    tt_reply_produced(reply, &outcome);
}

static void stopping(void **state)
{
    struct tt_err reason = {503, "shutting_down", ""}, other = {404, "session_deleted", ""};
    struct tt_reply *reply = reply_new();
    struct stopped stopped = {0};
    (void)state;
    tt_reply_on_stop(reply, on_stop, &stopped);
    tt_reply_stop(reply, &reason);
    memset(&reason, 'x', sizeof(reason));
    tt_reply_stop(reply, &other);
    assert_int_equal(stopped.calls, 0);
    turn();
    assert_int_equal(stopped.calls, 1);
    assert_string_equal(stopped.code, "shutting_down");
    tt_reply_stop(reply, NULL);
    turn();
    assert_int_equal(stopped.calls, 1);
    tt_reply_unref(reply);

    reply = reply_new(); /* asked before there is a producer */
    stopped = (struct stopped){0};
    tt_reply_stop(reply, NULL);
    turn();
    tt_reply_on_stop(reply, on_stop, &stopped);
    tt_reply_on_stop(reply, on_stop, &stopped);
    assert_int_equal(stopped.calls, 0);
    turn();
    assert_int_equal(stopped.calls, 1);
    assert_string_equal(stopped.code, "user");
    tt_reply_unref(reply);

    reply = reply_new(); /* ended before the mail arrives */
    stopped = (struct stopped){0};
    tt_reply_on_stop(reply, on_stop, &stopped);
    tt_reply_stop(reply, NULL);
    tt_reply_produced(reply, &complete);
    turn();
    assert_int_equal(stopped.calls, 0);
    assert_string_equal(tt_reply_outcome(reply)->status, "complete");
    tt_reply_unref(reply);
}

/* Whoever listens keeps a reply that is made for its listeners only. */
static void listening(void **state)
{
    struct tt_reply *reply = reply_new();
    struct stopped stopped = {0};
    (void)state;
    assert_false(tt_reply_has_clients(reply));
    tt_reply_on_stop(reply, on_stop, &stopped);
    tt_reply_client_add(reply);
    tt_reply_client_remove(reply, true); /* left, but the reply is made for good */
    turn();
    assert_int_equal(stopped.calls, 0);

    tt_reply_stop_without_clients(reply);
    tt_reply_client_add(reply);
    tt_reply_client_add(reply);
    assert_true(tt_reply_has_clients(reply));
    tt_reply_client_remove(reply, true);  /* another one is there */
    tt_reply_client_remove(reply, false); /* has heard enough: nobody left */
    turn();
    assert_false(tt_reply_has_clients(reply));
    assert_int_equal(stopped.calls, 0);
    tt_reply_client_add(reply);
    tt_reply_client_remove(reply, true);
    turn();
    assert_int_equal(stopped.calls, 1);
    assert_string_equal(stopped.code, "user");
    tt_reply_unref(reply);
}

static void the_servers_end_interrupts(void **state)
{
    struct tt_reply *reply = reply_new();
    struct tt_reply_outcome outcome = {.status = "error", .retry_after_s = -1};
    (void)state;
    tt_err_set(&outcome.error, 503, "shutting_down", "x");
    tt_reply_produced(reply, &outcome);
    assert_string_equal(tt_reply_outcome(reply)->status, "interrupted");
    assert_string_equal(tt_reply_outcome(reply)->error.code, "shutting_down");
    tt_reply_unref(reply);
}

static void plain_facts(void **state)
{
    struct tt_reply *reply = reply_new();
    (void)state;
    assert_int_equal(tt_reply_message_id(reply), 7);
    assert_int_equal(tt_reply_user_message_id(reply), 6);
    assert_int_equal(tt_reply_user_id(reply), 5);
    assert_ptr_equal(tt_reply_loop(reply), loop);
    assert_int_equal(tt_reply_count(), 1);
    assert_int_equal(tt_reply_state(reply), TT_REPLY_WAITING);
    tt_reply_unref(reply);
    tt_reply_unref(NULL);
}

static void a_text_has_no_nul(void **state)
{
    struct tt_reply *reply = reply_new();
    struct tt_buf text = {0};
    (void)state;
    assert_int_equal(tt_reply_append(reply, TT_REPLY_CONTENT, TT_STR("a\0b\0"), NULL), 0);
    tt_reply_text(reply, TT_REPLY_CONTENT, &text);
    assert_string_equal(text.data, "a\xEF\xBF\xBD"
                                   "b\xEF\xBF\xBD");
    tt_buf_free(&text);
    tt_reply_unref(reply);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, open_loop, close_loop)

TEST_GROUP
{
    const struct CMUnitTest tests[] = {
        TEST(one_wake_a_turn),
        TEST(detach_inside_a_wake),
        TEST(leaving_before_the_first_wake),
        TEST(touched_inside_a_late_hook),
        TEST(outcomes),
        TEST(handler_set_after_the_end),
        TEST(stopping),
        TEST(listening),
        TEST(the_servers_end_interrupts),
        TEST(plain_facts),
        TEST(a_text_has_no_nul),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
