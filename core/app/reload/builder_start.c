/* The generation with which a start begins: the files on the disk if they are valid and were not
 * rolled back, otherwise what served last. So a server that was killed during a reload, or
 * restarted with broken files, starts all the same. A node that starts while others serve takes
 * what they serve, or does not start. */
#include "app/reload/builder_internal.h"
#include "base/log.h"
#include "node/node.h"
#include "script/timers.h"
#include "serve/generation_check.h"

#include <stdio.h>

/* Nothing runs yet, so the workers simply get it. */
static void begin_with(struct tt_builder *builder, struct tt_generation *first)
{
    for (int i = 0; i < builder->parts.worker_count; i++) {
        builder->parts.workers[i]->generation = tt_generation_ref(first);
        tt_timers_adopt(first->vms[i]);
    }
    builder->current = first;
    tt_builder_tell(builder);
    if (builder->newest < first->number)
        builder->newest = first->number;
}

/* The files on the disk. If they serve already, they are no new generation. */
static struct tt_generation *start_from_disk(struct tt_builder *builder,
                                             const struct tt_history_entry *current,
                                             struct tt_reload_result *result)
{
    struct tt_bundle *bundle = tt_builder_read_disk(builder, result);
    struct tt_history_record entry = {.made_by = "start"};

    if (!bundle)
        return NULL;
    bool known = current->number > 0 && strcmp(bundle->hash, current->hash) == 0;
    int refused =
        known ? 0 : tt_history_rolled_back(&builder->history, bundle->hash, &result->error);
    if (refused != 0) {
        if (refused > 0)
            tt_diagnostics_add(&result->diagnostics, "",
                               TT_STR("the scripts on the disk were rolled back before"));
        tt_bundle_free(bundle);
        return NULL;
    }
    entry.number = known ? current->number : builder->newest + 1;
    struct tt_generation *first = tt_builder_build(builder, bundle, entry.number, false, result);
    if (first && tt_builder_migrate(builder, first, false, false, result) != 0) {
        tt_generation_unref(first);
        return NULL;
    }
    if (!first || known)
        return first;
    entry.bundle = bundle;
    if (tt_builder_record(builder, &entry, result) == 0)
        return first;
    tt_generation_unref(first);
    return NULL;
}

/* The generation that served last, or an older one that still works. */
static struct tt_generation *start_from_history(struct tt_builder *builder,
                                                const struct tt_history_entry *current,
                                                struct tt_err *err)
{
    struct tt_history_entry entry = *current;

    while (entry.number > 0) {
        struct tt_reload_result result = {0};
        struct tt_history_record restored = {.number = builder->newest + 1,
                                             .made_by = "start",
                                             .restores = entry.number,
                                             .before_rolled_back = true};
        bool again = entry.number == current->number;
        struct tt_bundle *bundle = tt_history_bundle(&builder->history, entry.number, NULL, err);
        if (bundle) /* of a broken file, nothing: scripts without plugins work all the same */
            tt_bundle_read_values(bundle, &builder->parts.settings->scripts, NULL);
        struct tt_generation *first =
            bundle ? tt_builder_build(builder, bundle, again ? entry.number : restored.number,
                                      false, &result)
                   : NULL;
        tt_diagnostics_free(&result.diagnostics);
        result.changed_count = 0;
        restored.bundle = bundle;
        if (first && (again || tt_builder_record(builder, &restored, &result) == 0))
            return first;
        tt_generation_unref(first);
        const struct tt_history_entry tried = entry;
        if (tt_history_before(&builder->history, tried.number, tried.hash, &entry, err) != 0)
            return NULL;
    }
    return NULL;
}

static void tell(const struct tt_reload_result *result, struct tt_buf *text)
{
    tt_diagnostics_print(&result->diagnostics, text);
    if (text->len == 0)
        tt_buf_append_z(text, result->error.message);
}

static struct tt_generation *start_alone(struct tt_builder *builder,
                                         const struct tt_history_entry *current,
                                         struct tt_reload_result *result, struct tt_buf *why,
                                         struct tt_err *err)
{
    struct tt_generation *first = start_from_disk(builder, current, result);

    if (first || builder->node.overtaken)
        return first;
    tell(result, why);
    first = start_from_history(builder, current, err);
    if (first) {
        struct tt_str reason = tt_str_trim(tt_buf_str(why));
        tt_builder_note_fallback(first, reason);
        tt_log(TT_LOG_ERROR, "the scripts on the disk are not used, the last good ones serve",
               TT_F_INT("generation", first->number), TT_F_STR("reason", reason));
    }
    return first;
}

/* What the other nodes serve. */
static struct tt_generation *start_as_others(struct tt_builder *builder,
                                             const struct tt_history_entry *current,
                                             struct tt_reload_result *result, struct tt_buf *why)
{
    struct tt_bundle *bundle =
        tt_history_bundle(&builder->history, current->number, NULL, &result->error);
    struct tt_generation *first = NULL;

    if (bundle &&
        tt_bundle_read_values(bundle, &builder->parts.settings->scripts, &result->error) == 0)
        first = tt_builder_build(builder, bundle, current->number, false, result);
    else
        tt_bundle_free(bundle);
    if (first)
        tt_builder_compare_disk(builder, first);
    else
        tell(result, why);
    return first;
}

/* 1: the scripts to begin with are those of other nodes; -1 on error. */
static int others_serve(struct tt_builder *builder, const struct tt_history_entry *current,
                        struct tt_err *err)
{
    if (builder->parts.node && current->number > 0)
        return tt_proposal_others_serve(&builder->history, tt_node_id(builder->parts.node), err);
    return tt_builder_is_guest(builder) && current->number > 0;
}

/* Of nodes that start at the same moment one is first; the others begin anew, with its scripts. */
static struct tt_generation *make_first(struct tt_builder *builder, struct tt_reload_result *result,
                                        struct tt_buf *why, struct tt_err *err)
{
    struct tt_history_entry newest, current;
    struct tt_generation *first;

    do {
        tt_diagnostics_free(&result->diagnostics);
        *result = (struct tt_reload_result){0};
        builder->node.overtaken = false;
        if (tt_history_newest(&builder->history, &newest, err) != 0 ||
            tt_history_current(&builder->history, &current, err) != 0)
            return NULL;
        builder->newest = newest.number;
        int others = others_serve(builder, &current, err);
        if (others < 0)
            return NULL;
        first = others ? start_as_others(builder, &current, result, why)
                       : start_alone(builder, &current, result, why, err);
    } while (!first && builder->node.overtaken);
    return first;
}

int tt_builder_load_first(struct tt_builder *builder, struct tt_err *err)
{
    struct tt_reload_result result = {0};
    struct tt_buf why = {0};

    if (tt_history_update_hashes(&builder->history, err) != 0)
        return -1;
    struct tt_generation *first = make_first(builder, &result, &why, err);
    if (first) {
        if (builder->parts.advice)
            tt_generation_advise(first, builder->parts.advice);
        begin_with(builder, first);
    } else {
        fprintf(stderr, "%.*s\n", (int)why.len, why.data ? why.data : "");
        if (result.error.status)
            *err = result.error;
    }
    tt_buf_free(&why);
    tt_diagnostics_free(&result.diagnostics);
    return first ? 0 : -1;
}
