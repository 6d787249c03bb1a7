#include "base/mem.h"
#include "db/job.h"
#include "db/postgres.h"

#include <stdlib.h>

static bool are_alike(const struct tt_db_job *a, const struct tt_db_job *b)
{
    if (!a->independent || !b->independent || a->count != b->count)
        return false;
    for (size_t i = 0; i < a->count; i++)
        if (a->statements[i].count != b->statements[i].count ||
            !tt_str_eq(a->statements[i].sql, b->statements[i].sql))
            return false;
    return true;
}

/* first[i]: the first job that is like job i. */
static void find_first(struct tt_db_job **jobs, size_t count, size_t *first, size_t *sizes)
{
    for (size_t i = 0; i < count; i++) {
        first[i] = i;
        for (size_t k = 0; k < i && first[i] == i; k++)
            if (first[k] == k && are_alike(jobs[k], jobs[i]))
                first[i] = k;
        sizes[first[i]]++;
    }
}

size_t tt_pg_group(struct tt_db_job **jobs, size_t count, struct tt_db_job **sorted,
                   struct tt_pg_group *groups)
{
    size_t *first = tt_alloc(2 * count * sizeof(*first)), *sizes = first + count;
    size_t made = 0, used = 0;

    memset(sizes, 0, count * sizeof(*sizes));
    find_first(jobs, count, first, sizes);
    for (size_t i = 0; i < count; i++) {
        bool alone = sizes[first[i]] < TT_PG_GROUP_MIN;
        if (!alone && first[i] != i)
            continue; /* it is there already */
        groups[made] = (struct tt_pg_group){sorted + used, 0};
        for (size_t k = i; k < count; k++)
            if (k == i || (!alone && first[k] == i)) {
                sorted[used++] = jobs[k];
                groups[made].count++;
            }
        made++;
    }
    free(first);
    return made;
}
