/* cmocka, and how a file of tests gets into its layer's program: it ends with
 *
 *     TEST_GROUP
 *     {
 *         const struct CMUnitTest tests[] = {
 *             cmocka_unit_test(does_this),
 *         };
 *         return cmocka_run_group_tests(tests, NULL, NULL);
 *     }
 *
 * The group is named after the file: base/test_url.c is "url" in the program unit_base. Each group
 * runs in a process of its own (main.c), so what it does to its process reaches no other. */
#pragma once
/* clang-format off */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <stdio.h>
#include <cmocka.h>
/* clang-format on */

struct test_group {
    const char *file;
    int (*run)(void); /* returns 0 when all of its tests passed */
    struct test_group *next;
};

/* Thread: before main, which is when TEST_GROUP calls it. */
void test_group_add(struct test_group *group);

#define TEST_GROUP                                                                                 \
    static int run_group(void);                                                                    \
    __attribute__((constructor)) static void add_group(void)                                       \
    {                                                                                              \
        static struct test_group group = {.file = __FILE__, .run = run_group};                     \
        test_group_add(&group);                                                                    \
    }                                                                                              \
    static int run_group(void)

static inline void write_text_file(const char *path, const char *text)
{
    FILE *file = fopen(path, "we");
    assert_non_null(file);
    fputs(text, file);
    fclose(file);
}
