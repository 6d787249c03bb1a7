/* After a reload the new generation is watched for a while: if its handlers begin to fail, and
 * those before did not, it is rolled back automatically. Only requests count that failed by the
 * scripts' own fault (tt_task_is_own_fault), so no client can cause a rollback by what it sends;
 * probation.c decides how many are enough. */
#include "app/reload/builder_internal.h"
#include "base/log.h"

#define LOOK_MS  200
#define RETRY_MS 5000

struct tt_probation_counts tt_probation_count(const struct tt_generation *generation)
{
    struct tt_probation_counts counts = {0};

    for (int i = 0; i < generation->vm_count; i++) {
        struct tt_vm *vm = generation->vms[i];
        counts.requests += atomic_load_explicit(&vm->requests, memory_order_relaxed);
        counts.failures += atomic_load_explicit(&vm->failures, memory_order_relaxed);
    }
    return counts;
}

static void on_look(struct tt_timer *timer)
{
    TT_CONTAINER_OF(timer, struct tt_builder, probation.timer)->probation.look = true;
}

static void look_later(struct tt_builder *builder, uint64_t usual_ms)
{
    struct tt_probation *probation = &builder->probation;
    uint64_t wait = tt_probation_wait(tt_loop_now(builder->loop), probation->end_ms, usual_ms);

    if (wait > 0)
        tt_timer_start(builder->loop, &probation->timer, wait);
}

void tt_probation_begin(struct tt_builder *builder, const struct tt_generation *before)
{
    struct tt_probation *probation = &builder->probation;
    int64_t window = tt_settings_int(builder->parts.settings, "reload.probation");

    probation->before = tt_probation_count(before);
    probation->end_ms = tt_loop_now(builder->loop) + (uint64_t)window;
    probation->timer.on_due = on_look;
    look_later(builder, LOOK_MS);
}

void tt_probation_end(struct tt_builder *builder)
{
    tt_timer_stop(&builder->probation.timer);
    builder->probation.look = false;
}

bool tt_builder_probation_failed(struct tt_builder *builder)
{
    struct tt_probation *probation = &builder->probation;
    uint64_t least = (uint64_t)tt_settings_int(builder->parts.settings, "reload.probation_errors");

    if (builder->node.roll_back) {
        builder->node.roll_back = false;
        return true;
    }
    if (!probation->look)
        return false;
    probation->look = false;
    struct tt_probation_counts now = tt_probation_count(builder->current);
    if (tt_probation_is_failed(now, probation->before, least)) {
        tt_log(TT_LOG_ERROR, "scripts fail since the reload, they are rolled back",
               TT_F_INT("generation", builder->current->number),
               TT_F_INT("failures", (int64_t)now.failures),
               TT_F_INT("requests", (int64_t)now.requests));
        /* The rollback ends the probation; if it fails, it is tried again. */
        look_later(builder, RETRY_MS);
        return true;
    }
    look_later(builder, LOOK_MS);
    return false;
}
