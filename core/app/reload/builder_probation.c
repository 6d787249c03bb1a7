/* After a reload the new generation is watched for a while: when its handlers begin to fail, and
 * those before did not, it is rolled back without anybody asking. What counts is a request that
 * ended by a script error; a single one is no reason, and neither is a server on which everything
 * failed before as well. */
#include "app/reload/builder_internal.h"
#include "base/log.h"

#define LOOK_MS   200
#define RETRY_MS  5000
#define SHARE_MIN 0.2 /* of the requests */
#define JUMP      2.0 /* times the share of the generation before */

struct counts {
    uint64_t requests, failures;
};

static struct counts count(const struct tt_generation *generation)
{
    struct counts counts = {0};

    for (int i = 0; i < generation->vm_count; i++) {
        struct tt_vm *vm = generation->vms[i];
        counts.requests += atomic_load_explicit(&vm->requests, memory_order_relaxed);
        counts.failures += atomic_load_explicit(&vm->failures, memory_order_relaxed);
    }
    return counts;
}

static double share_of(struct counts counts)
{
    return counts.requests ? (double)counts.failures / (double)counts.requests : 0;
}

static void on_look(struct tt_timer *timer)
{
    TT_CONTAINER_OF(timer, struct tt_builder, probation.timer)->probation.look = true;
}

void tt_probation_begin(struct tt_builder *builder, const struct tt_generation *before)
{
    struct tt_probation *probation = &builder->probation;
    int64_t window = tt_settings_int(builder->parts.settings, "reload.probation");

    probation->share_before = share_of(count(before));
    probation->end_ms = tt_loop_now(builder->loop) + (uint64_t)window;
    probation->timer.on_due = on_look;
    if (window > 0)
        tt_timer_start(builder->loop, &probation->timer, LOOK_MS);
}

void tt_probation_end(struct tt_builder *builder)
{
    tt_timer_stop(&builder->probation.timer);
    builder->probation.look = false;
}

static void look_again(struct tt_builder *builder, uint64_t after_ms)
{
    struct tt_probation *probation = &builder->probation;

    if (tt_loop_now(builder->loop) < probation->end_ms)
        tt_timer_start(builder->loop, &probation->timer, after_ms);
}

bool tt_probation_failed(struct tt_builder *builder)
{
    struct tt_probation *probation = &builder->probation;
    uint64_t least = (uint64_t)tt_settings_int(builder->parts.settings, "reload.probation_errors");

    if (!probation->look)
        return false;
    probation->look = false;
    struct counts now = count(builder->current);
    double share = share_of(now);
    if (now.failures >= least && share >= SHARE_MIN && share > JUMP * probation->share_before) {
        tt_log(TT_LOG_ERROR, "scripts fail since the reload, they are rolled back",
               TT_F_INT("generation", builder->current->number),
               TT_F_INT("failures", (int64_t)now.failures),
               TT_F_INT("requests", (int64_t)now.requests));
        /* The rollback ends the probation; when it fails, it is tried again. */
        look_again(builder, RETRY_MS);
        return true;
    }
    look_again(builder, LOOK_MS);
    return false;
}
