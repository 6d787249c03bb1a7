/* Who goes on next when many are ready. */
#include "base/mem.h"
#include "script/resumes.h"
#include "unit_test.h"

#include <stdio.h>
#include <string.h>

struct one {
    struct tt_resume resume;
    char name;
    struct one *ends; /* another one, which its run ends */
};

static struct tt_resumes resumes;
static struct tt_loop *loop;
static char order[256];

static void note(struct tt_resume *resume)
{
    struct one *one = TT_CONTAINER_OF(resume, struct one, resume);
    size_t len = strlen(order);

    order[len] = one->name;
    order[len + 1] = '\0';
    if (one->ends)
        tt_resumes_remove(&resumes, &one->ends->resume);
}

static void push(struct one *one, uint64_t owner, char name)
{
    *one = (struct one){.resume = {.owner = owner, .run = note}, .name = name};
    tt_resumes_push(&resumes, loop, &one->resume);
    tt_resumes_push(&resumes, loop, &one->resume);
}

static int setup(void **state)
{
    (void)state;
    order[0] = '\0';
    loop = tt_loop_new(NULL);
    resumes = (struct tt_resumes){0};
    tt_resumes_create(&resumes);
    return loop ? 0 : -1;
}

static int teardown(void **state)
{
    (void)state;
    tt_loop_free(loop);
    return 0;
}

static void a_few_keep_their_order(void **state)
{
    struct one ones[4];
    (void)state;

    for (int i = 0; i < 4; i++)
        push(&ones[i], i < 3 ? 1 : 2, (char)('a' + i));
    tt_loop_tick(loop, 0);
    assert_string_equal(order, "abcd");
}

/* 40 of a user's, then one of each of two others, who go on in this tick. */
static void users_take_turns(void **state)
{
    struct one many[40], others[2];
    (void)state;

    for (int i = 0; i < 40; i++)
        push(&many[i], 1, 'm');
    push(&others[0], 2, 'x');
    push(&others[1], 3, 'y');
    tt_loop_tick(loop, 0);
    assert_string_equal(order, "mxymmmmmmmmmmmmm");
    tt_loop_tick(loop, -1); /* which does not wait */
    assert_int_equal(strlen(order), 32);
    tt_loop_tick(loop, -1);
    assert_int_equal(strlen(order), 42);
    assert_int_equal(resumes.count, 0);
}

static void nobodys_are_all_of_their_own(void **state)
{
    struct one many[20], nobodys[3];
    (void)state;

    for (int i = 0; i < 20; i++)
        push(&many[i], 1, 'm');
    for (int i = 0; i < 3; i++)
        push(&nobodys[i], 0, 'n');
    tt_loop_tick(loop, 0);
    assert_string_equal(order, "mnnnmmmmmmmmmmmm");
    for (int i = 0; i < 20; i++)
        tt_resumes_remove(&resumes, &many[i].resume);
}

static void take_long(struct tt_resume *resume)
{
    note(resume);
    while (!tt_resumes_are_behind(&resumes, loop))
        ;
}

static void a_long_one_leaves_the_rest_for_the_next_tick(void **state)
{
    struct one ones[3];
    (void)state;

    for (int i = 0; i < 3; i++)
        push(&ones[i], 1, (char)('a' + i));
    ones[0].resume.run = take_long;
    tt_loop_tick(loop, 0);
    assert_string_equal(order, "a");
    assert_true(tt_resumes_are_behind(&resumes, loop));
    while (resumes.count > 0)
        tt_loop_tick(loop, -1);
    assert_string_equal(order, "abc");
}

/* The memory of who had a turn outlives the tick. */
static void a_user_with_long_ones_delays_others_by_one(void **state)
{
    struct one long_ones[20], other;
    (void)state;

    for (int i = 0; i < 20; i++) {
        push(&long_ones[i], 1, 'm');
        long_ones[i].resume.run = take_long;
    }
    push(&other, 2, 'x');
    while (!strchr(order, 'x'))
        tt_loop_tick(loop, -1);
    assert_int_equal(strchr(order, 'x') - order, 1);
    for (int i = 0; i < 20; i++)
        tt_resumes_remove(&resumes, &long_ones[i].resume);
}

static void what_was_ended_does_not_run(void **state)
{
    struct one many[40];
    (void)state;

    for (int i = 0; i < 40; i++)
        push(&many[i], 1, 'm');
    many[0].ends = &many[1];
    tt_loop_tick(loop, 0);
    for (int i = 0; i < 40; i++)
        tt_resumes_remove(&resumes, &many[i].resume);
    assert_int_equal(resumes.count, 0);
    tt_loop_tick(loop, 0);
    assert_int_equal(strlen(order), 16);
}

TEST_GROUP
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(a_few_keep_their_order, setup, teardown),
        cmocka_unit_test_setup_teardown(users_take_turns, setup, teardown),
        cmocka_unit_test_setup_teardown(nobodys_are_all_of_their_own, setup, teardown),
        cmocka_unit_test_setup_teardown(a_long_one_leaves_the_rest_for_the_next_tick, setup,
                                        teardown),
        cmocka_unit_test_setup_teardown(a_user_with_long_ones_delays_others_by_one, setup,
                                        teardown),
        cmocka_unit_test_setup_teardown(what_was_ended_does_not_run, setup, teardown),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
