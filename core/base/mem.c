/* Allocation that cannot fail: mem.h says when that is right. The message is written by write(2),
 * because formatting text may need memory itself. */
#include "base/mem.h"

#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static void __attribute__((noreturn)) out_of_memory(void)
{
    static const char text[] = "tidetalk: out of memory\n";
    ssize_t n = write(STDERR_FILENO, text, sizeof(text) - 1);
    (void)n;
    abort();
}

void *tt_alloc(size_t size)
{
    void *p = calloc(1, size ? size : 1);
    if (!p)
        out_of_memory();
    return p;
}

void *tt_realloc(void *old, size_t size)
{
    void *p = realloc(old, size ? size : 1);
    if (!p)
        out_of_memory();
    return p;
}

char *tt_strndup(const char *data, size_t len)
{
    char *p = malloc(len + 1);
    if (!p)
        out_of_memory();
    if (len > 0)
        memcpy(p, data, len);
    p[len] = '\0';
    return p;
}
