/* The map against a plain array as the model: random puts and removes, so that shifting back after
 * a removal meets runs that wrap around; and the walk. */
#include "base/cases.h"
#include "base/map.h"

#define KEYS 500

static void agrees_with_a_model(void **state)
{
    (void)state;
    struct tt_map *map = tt_map_new();
    static int model[KEYS]; /* 0 = absent */
    static int values[100000];
    unsigned seed = 7;
    size_t count = 0;
    for (int step = 1; step < 100000; step++) {
        seed = seed * 1103515245 + 12345;
        int key = (int)((seed >> 8) % KEYS);
        char name[16];
        struct tt_str s = tt_str_of(name, (size_t)snprintf(name, sizeof(name), "k%d", key));
        int *before = model[key] ? &values[model[key]] : NULL;
        /* Phases of growing and of shrinking, so that the map is sometimes nearly empty. */
        bool put = (seed >> 24) % 8 < (step / 10000 % 2 ? 2u : 6u);
        assert_ptr_equal(tt_map_get(map, s), before);
        if (put) {
            assert_ptr_equal(tt_map_put(map, s, &values[step]), before);
            count += !before;
            model[key] = step;
        } else {
            assert_ptr_equal(tt_map_remove(map, s), before);
            count -= before != NULL;
            model[key] = 0;
        }
        assert_int_equal(tt_map_count(map), count);
    }
    size_t position = 0, seen = 0;
    struct tt_str key;
    void *value;
    while (tt_map_next(map, &position, &key, &value)) {
        int k = atoi(key.data + 1);
        assert_ptr_equal(value, &values[model[k]]);
        seen++;
    }
    assert_int_equal(seen, count);
    assert_false(tt_map_next(map, &position, &key, &value));
    tt_map_free(map);
}

static void keys_are_bytes_and_copies(void **state)
{
    (void)state;
    struct tt_map *map = tt_map_new();
    int a, b, c;
    char key[] = "x\0y";
    tt_map_put(map, tt_str_of(key, 3), &a);
    tt_map_put(map, tt_str_of(key, 1), &b);
    tt_map_put(map, (struct tt_str){NULL, 0}, &c);
    key[0] = 'q';
    assert_ptr_equal(tt_map_get(map, tt_str_of("x\0y", 3)), &a);
    assert_ptr_equal(tt_map_get(map, TT_STR("x")), &b);
    assert_ptr_equal(tt_map_get(map, TT_STR("")), &c);
    assert_null(tt_map_get(map, tt_str_of(key, 3)));
    assert_ptr_equal(tt_map_remove(map, TT_STR("")), &c);
    assert_null(tt_map_remove(map, TT_STR("")));
    tt_map_free(map);
    tt_map_free(NULL);
}

TEST_GROUP
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(agrees_with_a_model),
        cmocka_unit_test(keys_are_bytes_and_copies),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
