/* The intrusive list: order, removal during a walk, nodes that are in no list. */
#include "base/cases.h"
#include "base/list.h"

struct item {
    int n;
    struct tt_list node;
};

static int sum_in_order(struct tt_list *head)
{
    int sum = 0;
    tt_list_for_each (node, head)
        sum = sum * 10 + tt_list_entry(node, struct item, node)->n;
    return sum;
}

static void keeps_order(void **state)
{
    (void)state;
    struct tt_list a, b;
    struct item items[6] = {{1, {0}}, {2, {0}}, {3, {0}}, {4, {0}}, {5, {0}}, {6, {0}}};
    tt_list_init(&a);
    tt_list_init(&b);
    assert_null(tt_list_pop_front(&a));
    assert_true(tt_list_empty(&items[0].node));
    tt_list_remove(&items[0].node); /* in no list: harmless */
    tt_list_push_back(&a, &items[1].node);
    tt_list_push_back(&a, &items[2].node);
    tt_list_push_front(&a, &items[0].node);
    tt_list_push_back(&b, &items[3].node);
    tt_list_push_back(&b, &items[4].node);
    assert_int_equal(sum_in_order(&a), 123);
    tt_list_splice(&a, &b);
    assert_int_equal(sum_in_order(&a), 12345);
    assert_true(tt_list_empty(&b));
    tt_list_splice(&a, &b);
    assert_int_equal(sum_in_order(&a), 12345);
    tt_list_splice(&b, &a);
    assert_int_equal(sum_in_order(&b), 12345);
    tt_list_for_each_safe (node, &b)
        if (tt_list_entry(node, struct item, node)->n % 2)
            tt_list_remove(node);
    assert_int_equal(sum_in_order(&b), 24);
    assert_ptr_equal(tt_list_pop_front(&b), &items[1].node);
    tt_list_remove(&items[1].node);
    assert_int_equal(sum_in_order(&b), 4);
}

TEST_GROUP
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(keeps_order)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
