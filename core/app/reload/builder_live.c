/* The generations that are not closed, and the builder's record of each. The last user of one may
 * be any worker; it is closed on the builder's thread. */
#include "app/reload/builder_internal.h"
#include "base/log.h"
#include "base/mem.h"

#include <stdlib.h>

static void close_generation(struct tt_mail *mail)
{
    struct tt_built *built = TT_CONTAINER_OF(mail, struct tt_built, unused);
    struct tt_builder *builder = built->builder;

    tt_log(TT_LOG_DEBUG, "generation closed", TT_F_INT("generation", built->generation->number));
    pthread_mutex_lock(&builder->lock);
    tt_list_remove(&built->node);
    builder->live_count--;
    pthread_mutex_unlock(&builder->lock);
    tt_generation_free(built->generation);
    tt_buf_free(&built->fallback_reason);
    free(built);
}

/* Worker: the last user of a generation has released it. */
static void on_unused(struct tt_generation *generation)
{
    struct tt_built *built = generation->on_unused_arg;

    built->unused.deliver = close_generation;
    tt_loop_post(built->builder->loop, &built->unused);
}

void tt_builder_add_live(struct tt_builder *builder, struct tt_generation *generation)
{
    struct tt_built *built = TT_NEW(struct tt_built);

    built->builder = builder;
    built->generation = generation;
    generation->on_unused_arg = built;
    generation->on_unused = on_unused;
    pthread_mutex_lock(&builder->lock);
    tt_list_push_back(&builder->live, &built->node);
    builder->live_count++;
    pthread_mutex_unlock(&builder->lock);
}

int tt_builder_live(struct tt_builder *builder, struct tt_live_generation *out, int max)
{
    int count = 0;

    pthread_mutex_lock(&builder->lock);
    tt_list_for_each (node, &builder->live) {
        const struct tt_generation *generation =
            tt_list_entry(node, struct tt_built, node)->generation;
        if (count < max)
            out[count] = (struct tt_live_generation){
                .number = generation->number,
                .references = atomic_load_explicit(&generation->references, memory_order_relaxed)};
        count++;
    }
    pthread_mutex_unlock(&builder->lock);
    return count;
}

void tt_builder_note_fallback(struct tt_generation *generation, struct tt_str reason)
{
    struct tt_built *built = generation->on_unused_arg;

    pthread_mutex_lock(&built->builder->lock);
    tt_buf_append_str(&built->fallback_reason, reason);
    pthread_mutex_unlock(&built->builder->lock);
}

void tt_builder_note_on_disk(struct tt_generation *generation)
{
    struct tt_built *built = generation->on_unused_arg;

    pthread_mutex_lock(&built->builder->lock);
    built->on_disk_again = true;
    pthread_mutex_unlock(&built->builder->lock);
}

bool tt_builder_from_history(struct tt_builder *builder, const struct tt_generation *generation,
                             struct tt_buf *reason)
{
    const struct tt_built *built = generation->on_unused_arg;

    pthread_mutex_lock(&builder->lock);
    bool from_history = built->fallback_reason.len > 0 && !built->on_disk_again;
    if (from_history)
        tt_buf_append_str(reason, tt_buf_str(&built->fallback_reason));
    pthread_mutex_unlock(&builder->lock);
    return from_history;
}
