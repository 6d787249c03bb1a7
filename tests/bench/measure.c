#include "measure.h"

#include <string.h>
#include <time.h>
#include <unistd.h>

void *grow(void *old, size_t size)
{
    void *p = realloc(old, size);

    if (!p)
        die("out of memory");
    return p;
}

uint64_t now_ns(void)
{
    struct timespec t;

    clock_gettime(CLOCK_MONOTONIC, &t);
    return (uint64_t)t.tv_sec * 1000000000u + (uint64_t)t.tv_nsec;
}

void samples_add(struct samples *s, uint64_t ns)
{
    if (s->count == s->cap) {
        s->cap = s->cap ? s->cap * 2 : 4096;
        s->ns = grow(s->ns, s->cap * sizeof *s->ns);
    }
    s->ns[s->count++] = ns > UINT32_MAX ? UINT32_MAX : (uint32_t)ns;
}

static int compare(const void *a, const void *b)
{
    uint32_t x = *(const uint32_t *)a, y = *(const uint32_t *)b;

    return (x > y) - (x < y);
}

double samples_percentile_us(struct samples *s, double part)
{
    if (s->count == 0)
        return -1;
    qsort(s->ns, s->count, sizeof *s->ns, compare);
    return s->ns[(size_t)(part * (double)(s->count - 1))] / 1000.0;
}

/* Reads /proc/<pid>/<name>; a process that has ended counts as nothing. */
static const char *read_proc(int pid, const char *name, char *out, size_t size)
{
    char path[64];
    size_t n = 0;

    snprintf(path, sizeof path, "/proc/%d/%s", pid, name);
    FILE *f = fopen(path, "re");
    if (f) {
        n = fread(out, 1, size - 1, f);
        fclose(f);
    }
    out[n] = 0;
    return n ? out : NULL;
}

uint64_t cpu_us(const int *pids, size_t count)
{
    uint64_t ticks = 0;

    for (size_t i = 0; i < count; i++) {
        char text[1024], *rest;
        if (!read_proc(pids[i], "stat", text, sizeof text))
            continue;
        rest = strrchr(text, ')'); /* the name before it may hold anything */
        for (int field = 2; rest && field < 14; field++)
            rest = strchr(rest + 1, ' ');
        if (rest) {
            ticks += strtoull(rest, &rest, 10);
            ticks += strtoull(rest, &rest, 10);
        }
    }
    return ticks * 1000000u / (uint64_t)sysconf(_SC_CLK_TCK);
}

uint64_t rss_kib(const int *pids, size_t count)
{
    uint64_t pages = 0;

    for (size_t i = 0; i < count; i++) {
        char text[256];
        const char *second = read_proc(pids[i], "statm", text, sizeof text);
        second = second ? strchr(second, ' ') : NULL;
        if (second)
            pages += strtoull(second, NULL, 10);
    }
    return pages * (uint64_t)sysconf(_SC_PAGESIZE) / 1024;
}
