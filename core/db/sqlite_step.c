/* One step of a statement can be interrupted only where SQLite calls the progress handler: between
 * two instructions of its virtual machine. An instruction that takes long (a count of a whole
 * index, a function of a long text, a merge of the search index) makes a cancelled search, a
 * deadline and the end of the process wait. Builds with tests tell of each that takes more than
 * TT_STEP_MS milliseconds of the thread's CPU time; tests/e2e/slow_steps.test.mjs looks at all
 * statements. */
#include "db/sqlite.h"

#ifdef TT_TESTS
#include "base/clock.h"
#include "base/log.h"

#include <pthread.h>
#include <stdlib.h>

static _Thread_local uint64_t since_ns;
static _Thread_local const struct tt_statement *running;

static uint64_t limit;

static void read_limit(void)
{
    const char *ms = getenv("TT_STEP_MS");
    limit = ms ? strtoull(ms, NULL, 10) * 1000000 : 0;
}

static uint64_t limit_ns(void)
{
    static pthread_once_t once = PTHREAD_ONCE_INIT;
    pthread_once(&once, read_limit);
    return limit;
}

void tt_sqlite_interruptible(void)
{
    if (!running)
        return;
    uint64_t now = tt_clock_thread_cpu_ns();
    if (now - since_ns > limit_ns())
        tt_log(TT_LOG_WARN, "nothing could interrupt a statement",
               TT_F_INT("ms", (int64_t)((now - since_ns) / 1000000)),
               TT_F_STR("sql", running->sql));
    since_ns = now;
}

int tt_sqlite_step(struct tt_statement *statement)
{
    if (limit_ns() == 0)
        return sqlite3_step(statement->handle);
    running = statement;
    since_ns = tt_clock_thread_cpu_ns();
    int rc = sqlite3_step(statement->handle);
    tt_sqlite_interruptible();
    running = NULL;
    return rc;
}
#else
void tt_sqlite_interruptible(void)
{
}

int tt_sqlite_step(struct tt_statement *statement)
{
    return sqlite3_step(statement->handle);
}
#endif
