/* The arena: alignment, zeroes, nothing overlaps, large ones do not waste the room that is open. */
#include "base/arena.h"
#include "base/cases.h"

static void pieces_are_zeroed_aligned_and_apart(void **state)
{
    (void)state;
    struct tt_arena arena = {0};
    enum { COUNT = 3000 };
    static unsigned char *pieces[COUNT];
    static size_t sizes[COUNT];
    for (int round = 0; round < 2; round++) {
        unsigned seed = 1;
        for (int i = 0; i < COUNT; i++) {
            seed = seed * 1103515245 + 12345;
            sizes[i] = i % 97 == 0 ? 100000 : (seed >> 16) % 300;
            pieces[i] = tt_arena_alloc(&arena, sizes[i]);
            assert_int_equal((uintptr_t)pieces[i] % _Alignof(max_align_t), 0);
            for (size_t j = 0; j < sizes[i]; j++)
                assert_int_equal(pieces[i][j], 0);
            memset(pieces[i], i & 0xFF, sizes[i]);
        }
        for (int i = 0; i < COUNT; i++)
            for (size_t j = 0; j < sizes[i]; j++)
                if (pieces[i][j] != (i & 0xFF))
                    fail_msg("piece %d was written over", i);
        tt_arena_destroy(&arena);
        assert_int_equal(arena.used, 0);
    }
}

static void large_piece_keeps_the_open_room(void **state)
{
    (void)state;
    struct tt_arena arena = {0};
    char *a = tt_arena_alloc(&arena, 32);
    tt_arena_alloc(&arena, 1 << 20);
    char *b = tt_arena_alloc(&arena, 32);
    assert_ptr_equal(b, a + 32);
    assert_int_equal(arena.used, (1 << 20) + 64);
    tt_arena_destroy(&arena);
}

static void copies_end_with_a_nul(void **state)
{
    (void)state;
    struct tt_arena arena = {0};
    tt_arena_alloc(&arena, 5);
    assert_string_equal(tt_arena_strndup(&arena, "abcdef", 3), "abc");
    assert_string_equal(tt_arena_str(&arena, (struct tt_str){NULL, 0}).data, "");
    struct tt_str s = tt_arena_str(&arena, tt_str_of("a\0b", 3));
    assert_memory_equal(s.data, "a\0b\0", 4);
    tt_arena_destroy(&arena);
}

TEST_GROUP
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(pieces_are_zeroed_aligned_and_apart),
        cmocka_unit_test(large_piece_keeps_the_open_room),
        cmocka_unit_test(copies_end_with_a_nul),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
