/* What a node does about the scripts of all nodes: it builds what another one proposes and votes,
 * it swaps in what has become the current generation, and it tells what it counts while that is on
 * probation. It looks when there are news, once a second in any case, and often while a proposal is
 * open. Until it has followed it takes no turns: their first write would find another generation
 * (lua/chat/turn_lease.lua). */
#include "app/reload/builder_internal.h"
#include "base/clock.h"
#include "base/log.h"
#include "node/node.h"

#define LOOK_MS       1000
#define RETRY_MS      5000
#define VOTE_RETRY_MS 1000 /* between two attempts to store one */

bool tt_builder_is_outdated(const struct tt_builder *builder)
{
    return atomic_load(&builder->node.outdated);
}

static void log_reasons(const char *text, int number, const struct tt_reload_result *result)
{
    struct tt_buf reasons = {0};

    tt_diagnostics_print(&result->diagnostics, &reasons);
    if (reasons.len == 0)
        tt_buf_append_z(&reasons, result->error.message);
    tt_log(TT_LOG_ERROR, text, TT_F_INT("generation", number), TT_F_Z("code", result->error.code),
           TT_F_LINES("errors", tt_str_trim(tt_buf_str(&reasons))));
    tt_buf_free(&reasons);
}

/* Takes over the bundle, NULL too. */
static struct tt_generation *build(struct tt_builder *builder, struct tt_bundle *bundle, int number,
                                   bool need_state, struct tt_reload_result *result)
{
    if (bundle &&
        tt_bundle_read_values(bundle, &builder->parts.settings->scripts, &result->error) != 0) {
        tt_diagnostics_add(&result->diagnostics, "", tt_str_from(result->error.message));
        tt_bundle_free(bundle);
        return NULL;
    }
    return bundle ? tt_builder_build(builder, bundle, number, need_state, result) : NULL;
}

static void drop_candidate(struct tt_builder *builder)
{
    tt_generation_unref(builder->node.candidate);
    builder->node.candidate = NULL;
}

/* ---- what another node proposes ---- */

static int store_vote(const struct tt_builder *builder, const struct tt_proposal *open,
                      const struct tt_diagnostics *why, struct tt_err *err)
{
    if (tt_proposal_vote(&builder->history, open->id, tt_node_id(builder->parts.node), why,
                         tt_probation_count(builder->current), err) == 0)
        return 0;
    tt_log(TT_LOG_WARN, "node: its vote on the scripts of another node was not stored",
           TT_F_Z("code", err->code), TT_F_Z("error", err->message));
    return -1;
}

/* The database does not take its reasons, and would not take them the next time either. */
static int vote_without_reasons(const struct tt_builder *builder, const struct tt_proposal *open,
                                struct tt_err *err)
{
    struct tt_diagnostics why = {.phase = "vote"};

    tt_diagnostics_add(&why, "",
                       TT_STR("the database did not store this node's answer, see its log"));
    int failed = store_vote(builder, open, &why, err);
    tt_diagnostics_free(&why);
    return failed;
}

static void vote(struct tt_builder *builder, const struct tt_proposal *open,
                 struct tt_reload_result *result)
{
    const struct tt_diagnostics *why = builder->node.candidate ? NULL : &result->diagnostics;
    struct tt_err err = {0};

    if (why && why->count == 0)
        tt_diagnostics_add(&result->diagnostics, "", tt_str_from(result->error.message));
    if (why)
        log_reasons("node: scripts that another node proposes are refused", open->number, result);
    int failed = store_vote(builder, open, why, &err);
    if (failed && strcmp(err.code, "constraint") == 0)
        failed = vote_without_reasons(builder, open, &err);
    builder->node.unvoted = failed ? open->id : 0;
    builder->node.vote_ms = tt_clock_mono_ms() + VOTE_RETRY_MS;
}

static void consider(struct tt_builder *builder, const struct tt_proposal *open)
{
    struct tt_reload_result result = {0};

    drop_candidate(builder);
    result.diagnostics.phase = "read";
    struct tt_bundle *bundle =
        tt_proposal_bundle(&builder->history, open->id, builder->current->bundle, &result.error);
    builder->node.candidate = build(builder, bundle, open->number, open->need_state, &result);
    vote(builder, open, &result);
    tt_diagnostics_free(&result.diagnostics);
}

static void look_at_proposal(struct tt_builder *builder, const struct tt_proposal_look *look)
{
    const struct tt_proposal *open = &look->open;
    bool own = open->node == tt_node_id(builder->parts.node);
    struct tt_err err = {0};

    if (open->id == 0)
        drop_candidate(builder);
    else if (own || !look->asker_lives) /* nothing asks any more */
        own ? tt_proposal_withdraw(&builder->history, open->id, &err)
            : tt_proposal_forget(&builder->history, open->id, &err);
    else if (!look->voted &&
             (open->id != builder->node.unvoted || tt_clock_mono_ms() >= builder->node.vote_ms))
        consider(builder, open);
}

/* ---- what has become the current generation ---- */

void tt_builder_compare_disk(struct tt_builder *builder, struct tt_generation *generation)
{
    struct tt_err err = {0};
    struct tt_bundle *disk =
        tt_bundle_read(&builder->parts.settings->scripts, generation->bundle, &err);

    if (!disk || strcmp(disk->hash, generation->bundle->hash) != 0) {
        tt_builder_note_fallback(generation, TT_STR("the nodes serve other scripts than this one's "
                                                    "folder has; a reload here proposes these"));
        tt_log(TT_LOG_WARN, "node: its folder of scripts is not what all nodes serve",
               TT_F_INT("generation", generation->number), TT_F_Z("error", err.message));
    }
    tt_bundle_free(disk);
}

static struct tt_generation *take_candidate(struct tt_builder *builder,
                                            const struct tt_history_entry *current)
{
    struct tt_generation *candidate = builder->node.candidate;

    if (!candidate || candidate->number != current->number ||
        strcmp(candidate->bundle->hash, current->hash) != 0)
        return NULL;
    builder->node.candidate = NULL;
    return candidate;
}

/* Another version of the server may have stored another hash of the same files: `followed`. */
bool tt_builder_serves(const struct tt_builder *builder, const struct tt_history_entry *current)
{
    const struct tt_history_entry *followed = &builder->node.followed;

    return current->number == builder->current->number &&
           (strcmp(current->hash, builder->current->bundle->hash) == 0 ||
            (current->number == followed->number && strcmp(current->hash, followed->hash) == 0));
}

/* What was newest when this one became current may be gone, and what is newer may still be there.
 */
static void read_newest(struct tt_builder *builder)
{
    struct tt_history_entry newest;
    struct tt_err err = {0};

    if (tt_history_newest(&builder->history, &newest, &err) == 0)
        builder->newest = newest.number;
    else
        tt_log(TT_LOG_WARN, "node: the newest scripts of the history were not read",
               TT_F_Z("code", err.code), TT_F_Z("error", err.message));
}

static void catch_up(struct tt_builder *builder, const struct tt_history_entry *current)
{
    struct tt_reload_result result = {0};
    int before = builder->current->number;
    struct tt_generation *next = take_candidate(builder, current);

    if (!next && tt_clock_mono_ms() >= builder->node.retry_ms)
        next = build(builder,
                     tt_history_bundle(&builder->history, current->number, builder->current->bundle,
                                       &result.error),
                     current->number, false, &result);
    else if (!next)
        return;
    if (next) {
        tt_builder_swap(builder, next);
        builder->node.followed = *current;
        if (next->number <= before)
            read_newest(builder);
        tt_log(TT_LOG_INFO, "scripts replaced", TT_F_Z("who", "node"),
               TT_F_INT("generation", next->number), TT_F_INT("previous", before),
               TT_F_Z("hash", next->bundle->hash));
        tt_builder_compare_disk(builder, next);
        tt_generation_unref(next);
    } else {
        log_reasons("node: it cannot build the scripts that the others serve, and takes no turns",
                    current->number, &result);
        builder->node.retry_ms = tt_clock_mono_ms() + RETRY_MS;
    }
    atomic_store(&builder->node.outdated, next == NULL);
    tt_diagnostics_free(&result.diagnostics);
}

/* ---- probation ---- */

static void watch(struct tt_builder *builder, const struct tt_proposal_look *look)
{
    struct tt_probation_counts own = tt_probation_count(builder->current);
    uint64_t least = (uint64_t)tt_settings_int(builder->parts.settings, "reload.probation_errors");
    struct tt_err err = {0};

    if (tt_proposal_tell_counts(&builder->history, look->current.number,
                                tt_node_id(builder->parts.node), own, &err) != 0)
        tt_log(TT_LOG_WARN, "node: its counts of requests were not stored",
               TT_F_Z("code", err.code), TT_F_Z("error", err.message));
    if (!tt_node_is_keeper(builder->parts.node) || tt_clock_mono_ms() < builder->node.retry_ms ||
        !tt_probation_is_failed(look->counts, look->before, least))
        return;
    tt_log(TT_LOG_ERROR, "scripts fail since the reload, they are rolled back",
           TT_F_INT("generation", look->current.number),
           TT_F_INT("failures", (int64_t)look->counts.failures),
           TT_F_INT("requests", (int64_t)look->counts.requests));
    builder->node.retry_ms = tt_clock_mono_ms() + RETRY_MS;
    builder->node.roll_back = true;
}

/* ---- looking ---- */

int tt_builder_follow(struct tt_builder *builder, struct tt_proposal_look *look, struct tt_err *err)
{
    if (tt_proposal_look(&builder->history, tt_node_id(builder->parts.node), look, err) != 0)
        return -1;
    if (tt_builder_serves(builder, &look->current))
        atomic_store(&builder->node.outdated, false);
    else if (look->current.number > 0)
        catch_up(builder, &look->current);
    look_at_proposal(builder, look); /* who cannot follow is asked too */
    if (look->on_probation && tt_builder_serves(builder, &look->current))
        watch(builder, look);
    return 0;
}

static void on_due(struct tt_timer *timer)
{
    TT_CONTAINER_OF(timer, struct tt_builder, node.timer)->node.look = true;
}

void tt_builder_follow_due(struct tt_builder *builder)
{
    struct tt_proposal_look look;
    struct tt_err err = {0};

    if (!builder->node.look)
        return;
    builder->node.look = false;
    int failed = tt_builder_follow(builder, &look, &err);
    builder->node.timer.on_due = on_due;
    tt_timer_stop(&builder->node.timer);
    tt_timer_start(builder->loop, &builder->node.timer,
                   failed == 0 && look.open.id ? TT_BUILDER_SOON_MS : LOOK_MS);
}

/* Nobody waits for its vote any more, while what still runs ends. */
void tt_builder_follow_stop(struct tt_builder *builder)
{
    tt_timer_stop(&builder->node.timer);
    drop_candidate(builder);
    if (builder->parts.node && builder->current)
        tt_node_set_generation(builder->parts.node, builder->current->bundle->hash, 0);
}
