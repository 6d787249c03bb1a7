/* What the jobs of a batch share with other servers (tt_db_job_lock), as locks of the transaction.
 * Taken before anything else and in the same order everywhere, they leave no circle in which
 * batches could wait for each other: PostgreSQL would look for it after a second only. */
#include "base/mem.h"
#include "db/job.h"
#include "db/postgres.h"

#include <stdlib.h>

#define NUMBER_MASK 0x7fffffff /* two locks with one number are only waited for more often */

static int compare(const void *a, const void *b)
{
    int32_t left = *(const int32_t *)a, right = *(const int32_t *)b;
    return (left > right) - (left < right);
}

size_t tt_pg_locks(struct tt_db_job *const *jobs, size_t count, struct tt_buf *out)
{
    int32_t *numbers = tt_alloc(count * sizeof(*numbers));
    size_t used = 0, made = 0;

    for (size_t i = 0; i < count; i++)
        if (jobs[i]->lock)
            numbers[used++] = (int32_t)(jobs[i]->lock & NUMBER_MASK);
    qsort(numbers, used, sizeof(*numbers), compare);
    tt_buf_putc(out, '{');
    for (size_t i = 0; i < used; i++) {
        if (i > 0 && numbers[i] == numbers[i - 1])
            continue;
        tt_buf_printf(out, made > 0 ? ",%d" : "%d", numbers[i]);
        made++;
    }
    tt_buf_append_z(out, "}");
    free(numbers);
    return made;
}
