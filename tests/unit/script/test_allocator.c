/* The memory of Lua states: cells for small objects, also where sanitizers would turn them off. */
#include "base/mem.h"
#include "script/allocator.h"
#include "unit_test.h"

#include <lauxlib.h>
#include <lualib.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

#define MANY 20000

static struct tt_allocator make(size_t max)
{
    struct tt_allocator allocator;
    tt_allocator_create(&allocator, max);
    allocator.plain = false;
    return allocator;
}

static void objects_keep_what_is_in_them_at_every_size(void **state)
{
    struct tt_allocator allocator = make(SIZE_MAX);
    (void)state;
    for (size_t from = 1; from <= 2 * TT_ALLOCATOR_SMALL; from += 7) {
        for (size_t to = 1; to <= 2 * TT_ALLOCATOR_SMALL; to += 5) {
            size_t kept = from < to ? from : to;
            unsigned char *object = tt_allocator_realloc(&allocator, NULL, LUA_TTABLE, from);
            assert_int_equal((uintptr_t)object % TT_ALLOCATOR_STEP, 0);
            memset(object, (int)(from & 0xff), from);
            object = tt_allocator_realloc(&allocator, object, from, to);
            assert_int_equal(allocator.used, to);
            for (size_t i = 0; i < kept; i++)
                assert_int_equal(object[i], from & 0xff);
            assert_null(tt_allocator_realloc(&allocator, object, to, 0));
        }
    }
    assert_int_equal(allocator.used, 0);
    tt_allocator_destroy(&allocator);
}

static size_t size_of(size_t i)
{
    return 1 + i * 7919 % (TT_ALLOCATOR_SMALL + 40);
}

/* Objects of many blocks, freed in another order and made again. */
static void many_objects_do_not_overlap(void **state)
{
    struct tt_allocator allocator = make(SIZE_MAX);
    unsigned char **objects = tt_alloc(MANY * sizeof(*objects));
    (void)state;
    for (int round = 0; round < 3; round++) {
        for (size_t i = 0; i < MANY; i++) {
            objects[i] = tt_allocator_realloc(&allocator, NULL, 0, size_of(i));
            memset(objects[i], (int)(i & 0xff), size_of(i));
        }
        for (size_t step = 0; step < 2; step++)
            for (size_t i = step; i < MANY; i += 2) {
                assert_int_equal(objects[i][0], i & 0xff);
                assert_int_equal(objects[i][size_of(i) - 1], i & 0xff);
                tt_allocator_realloc(&allocator, objects[i], size_of(i), 0);
            }
        assert_int_equal(allocator.used, 0);
    }
    free(objects);
    tt_allocator_destroy(&allocator);
}

/* In how many different blocks of 64 KiB the objects are. */
static size_t count_blocks(void **objects, size_t count)
{
    size_t blocks = 0;
    for (size_t i = 0; i < count; i++) {
        bool known = false;
        for (size_t j = 0; j < i && !known; j++)
            known = (uintptr_t)objects[j] >> 16 == (uintptr_t)objects[i] >> 16;
        blocks += !known;
    }
    return blocks;
}

static void freed_cells_are_used_again(void **state)
{
    struct tt_allocator allocator = make(SIZE_MAX);
    void *objects[3000];
    (void)state;
    for (int round = 0; round < 10; round++) {
        for (size_t i = 0; i < TT_COUNT(objects); i++)
            objects[i] = tt_allocator_realloc(&allocator, NULL, 0, 64);
        assert_int_equal(count_blocks(objects, TT_COUNT(objects)), 3);
        for (size_t i = 0; i < TT_COUNT(objects); i += 3)
            tt_allocator_realloc(&allocator, objects[i], 64, 0);
        for (size_t i = 0; i < TT_COUNT(objects); i += 3)
            objects[i] = tt_allocator_realloc(&allocator, NULL, 0, 50);
        assert_int_equal(count_blocks(objects, TT_COUNT(objects)), 3);
        for (size_t i = 0; i < TT_COUNT(objects); i++)
            tt_allocator_realloc(&allocator, objects[i], i % 3 ? 64 : 50, 0);
    }
    tt_allocator_destroy(&allocator);
}

static void no_more_than_the_limit(void **state)
{
    struct tt_allocator allocator = make(1000);
    (void)state;
    void *small = tt_allocator_realloc(&allocator, NULL, 0, 200);
    void *large = tt_allocator_realloc(&allocator, NULL, 0, 700);
    assert_null(tt_allocator_realloc(&allocator, NULL, 0, 101));
    assert_null(tt_allocator_realloc(&allocator, small, 200, 301));
    assert_null(tt_allocator_realloc(&allocator, large, 700, 801));
    assert_int_equal(allocator.used, 900);
    small = tt_allocator_realloc(&allocator, small, 200, 300);
    assert_non_null(small);
    tt_allocator_realloc(&allocator, small, 300, 0);
    tt_allocator_realloc(&allocator, large, 700, 0);
    assert_int_equal(allocator.used, 0);
    tt_allocator_destroy(&allocator);
}

/* A script beyond its limit is not a system without memory. */
static void why_it_was_refused(void **state)
{
    struct tt_allocator allocator = make(1000);
    (void)state;
    assert_null(tt_allocator_realloc(&allocator, NULL, 0, TT_ALLOCATOR_NEVER));
    assert_true(allocator.system_refused);
    assert_null(tt_allocator_realloc(&allocator, NULL, 0, 1001));
    assert_false(allocator.system_refused);
    tt_allocator_destroy(&allocator);
}

/* Lua itself, with everything collected again and again in between. */
static void a_lua_state_lives_on_it(void **state)
{
    struct tt_allocator allocator = make(SIZE_MAX);
    static const char *const program =
        "local kept = {}\n"
        "for i = 1, 30000 do\n"
        "  kept[i % 997] = {tostring(i):rep(i % 60), {i, i, function() return i end}, x = {i = "
        "i}}\n"
        "  if i % 5000 == 0 then collectgarbage() end\n"
        "end\n"
        "local sum = 0\n"
        "for _, one in pairs(kept) do sum = sum + one.x.i + one[2][3]() - one[2][1] * 2 end\n"
        "return sum";
    (void)state;
    lua_State *L = lua_newstate(tt_allocator_realloc, &allocator);
    luaL_openlibs(L);
    assert_int_equal(luaL_dostring(L, program), LUA_OK);
    assert_int_equal(lua_tointeger(L, -1), 0);
    lua_close(L);
    assert_int_equal(allocator.used, 0);
    tt_allocator_destroy(&allocator);
}

TEST_GROUP
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(objects_keep_what_is_in_them_at_every_size),
        cmocka_unit_test(many_objects_do_not_overlap),
        cmocka_unit_test(freed_cells_are_used_again),
        cmocka_unit_test(no_more_than_the_limit),
        cmocka_unit_test(why_it_was_refused),
        cmocka_unit_test(a_lua_state_lives_on_it),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
