/* Owners that had their turn in this tick are remembered until all others had one. The list is
 * searched from its begin each time, because a task may end others: a tick's few turns times what
 * waits is less than one task's work. */
#include "script/resumes.h"

#include "base/clock.h"

#define TICK_MS 10 /* from a tick's begin; one goes on in each all the same */

static void run_now(struct tt_deferred *deferred);
static void run_in_next_tick(struct tt_hook *hook);

void tt_resumes_create(struct tt_resumes *resumes)
{
    tt_list_init(&resumes->ready);
    resumes->now.run = run_now;
    resumes->later.on_tick_end = run_in_next_tick;
}

void tt_resumes_push(struct tt_resumes *resumes, struct tt_loop *loop, struct tt_resume *resume)
{
    if (!tt_list_empty(&resume->node))
        return;
    tt_list_push_back(&resumes->ready, &resume->node);
    resumes->count++;
    resumes->loop = loop;
    if (tt_list_empty(&resumes->later.node))
        tt_loop_defer(loop, &resumes->now);
}

void tt_resumes_remove(struct tt_resumes *resumes, struct tt_resume *resume)
{
    if (tt_list_empty(&resume->node))
        return;
    tt_list_remove(&resume->node);
    if (--resumes->count > 0)
        return;
    tt_loop_undefer(&resumes->now);
    tt_loop_unhook(&resumes->later);
}

bool tt_resumes_are_behind(const struct tt_resumes *resumes, const struct tt_loop *loop)
{
    return resumes->left_some || tt_clock_mono_ms() > tt_loop_now(loop) + TICK_MS;
}

static bool was_served(const struct tt_resumes *resumes, uint64_t owner)
{
    for (int i = 0; owner != 0 && i < resumes->served_count; i++)
        if (resumes->served[i] == owner)
            return true;
    return false;
}

static struct tt_resume *next_turn(struct tt_resumes *resumes)
{
    struct tt_resume *first = tt_list_entry(resumes->ready.next, struct tt_resume, node);

    tt_list_for_each (node, &resumes->ready) {
        struct tt_resume *resume = tt_list_entry(node, struct tt_resume, node);
        if (!was_served(resumes, resume->owner))
            return resume;
    }
    resumes->served_count = 0;
    return first;
}

static void run_now(struct tt_deferred *deferred)
{
    struct tt_resumes *resumes = TT_CONTAINER_OF(deferred, struct tt_resumes, now);
    bool crowded = resumes->count > TT_RESUMES_MAX || resumes->left_some;

    if (!resumes->left_some)
        resumes->served_count = 0;
    resumes->left_some = false;
    for (int i = 0; i < TT_RESUMES_MAX && resumes->count > 0; i++) {
        struct tt_resume *resume = crowded
                                       ? next_turn(resumes)
                                       : tt_list_entry(resumes->ready.next, struct tt_resume, node);
        if (resumes->served_count == TT_RESUMES_MAX)
            resumes->served_count = 0;
        resumes->served[resumes->served_count++] = resume->owner;
        tt_resumes_remove(resumes, resume);
        resume->run(resume);
        if (tt_resumes_are_behind(resumes, resumes->loop))
            break;
    }
    resumes->left_some = resumes->count > 0;
    if (!resumes->left_some)
        return;
    tt_loop_undefer(&resumes->now);
    tt_loop_hook(resumes->loop, &resumes->later);
}

static void run_in_next_tick(struct tt_hook *hook)
{
    struct tt_resumes *resumes = TT_CONTAINER_OF(hook, struct tt_resumes, later);

    tt_loop_unhook(hook);
    tt_loop_defer(resumes->loop, &resumes->now);
}
