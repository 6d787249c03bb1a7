/* A node that wants other scripts asks all others. Nothing is decided here: the transaction that
 * makes a generation the current one (tt_builder_record) asks the rows once more. */
#include "app/reload/builder_internal.h"
#include "base/clock.h"
#include "base/log.h"
#include "node/node.h"

#include <stdio.h>

#define VOTES_MS 30000 /* until what a node has not answered is its refusal */

bool tt_builder_is_guest(const struct tt_builder *builder)
{
    const struct tt_settings *settings = builder->parts.settings;
    return !builder->parts.node && tt_conf_get(settings->conf, "nodes.listen")->text.len > 0;
}

static int stop(const struct tt_builder *builder, struct tt_err *err)
{
    return builder->stopping ? tt_err_set(err, 503, "shutting_down", "the server stops") : 0;
}

int tt_builder_await_others(struct tt_builder *builder, uint64_t give_up_ms, struct tt_err *err)
{
    struct tt_proposal_look look;

    for (;;) {
        if (tt_builder_follow(builder, &look, err) != 0 || stop(builder, err) != 0)
            return -1;
        if (tt_builder_is_outdated(builder))
            return tt_err_set(err, 503, "scripts_outdated",
                              "this node cannot build the scripts that the others serve (%d), see "
                              "its log: ask another node",
                              look.current.number);
        if (look.open.id == 0 && tt_builder_serves(builder, &look.current))
            return 0;
        if (tt_clock_mono_ms() > give_up_ms && look.open.id == 0)
            return tt_err_set(err, 503, "nodes_not_ready",
                              "this node serves generation %d and the database has %d as the "
                              "current one, see its log",
                              builder->current->number, look.current.number);
        if (tt_clock_mono_ms() > give_up_ms)
            return tt_err_set(err, 503, "nodes_not_ready", "node %lld has a reload of its own",
                              (long long)look.open.node);
        tt_loop_tick(builder->loop, TT_BUILDER_SOON_MS);
    }
}

/* 1: all are ready; 0: not all of them have answered; -1: no. */
static int count_votes(struct tt_builder *builder, uint64_t give_up_ms,
                       struct tt_reload_result *result)
{
    const struct tt_proposal *asking = &builder->node.asking;
    struct tt_proposal_votes votes;

    if (tt_proposal_count_votes(&builder->history, asking->id, &votes, &result->error) != 0 ||
        stop(builder, &result->error) != 0)
        return -1;
    if (!votes.open) /* others took this node for dead */
        return tt_err_set(&result->error, 503, "nodes_not_ready",
                          "this node's lease was over in the middle of the reload");
    if (votes.refused > 0) {
        tt_proposal_read_refusals(&builder->history, asking->id, &result->diagnostics,
                                  &result->error);
        if (result->diagnostics.count == 0)
            tt_err_set(&result->error, 503, "nodes_not_ready", "a node has refused it");
        return -1;
    }
    if (votes.awaited > 0 && tt_clock_mono_ms() > give_up_ms)
        return tt_err_set(&result->error, 503, "nodes_not_ready",
                          "node %s lives and has not answered for %d s", votes.awaited_name,
                          VOTES_MS / 1000);
    return votes.awaited == 0;
}

int tt_builder_ask(struct tt_builder *builder, struct tt_generation *next, bool need_state,
                   struct tt_reload_result *result)
{
    struct tt_proposal *asking = &builder->node.asking;
    uint64_t give_up_ms = tt_clock_mono_ms() + VOTES_MS;
    int ready, others = tt_proposal_others_serve(&builder->history, tt_node_id(builder->parts.node),
                                                 &result->error);

    if (others <= 0)
        return others;
    *asking = (struct tt_proposal){.id = tt_node_next_epoch(builder->parts.node),
                                   .node = tt_node_id(builder->parts.node),
                                   .replaces = builder->current->number,
                                   .number = next->number,
                                   .need_state = need_state};
    if (tt_proposal_open(&builder->history, asking, next->bundle, builder->current->bundle,
                         tt_probation_count(builder->current), &result->error) != 0) {
        builder->node.overtaken = result->error.status == 409;
        asking->id = 0;
        return -1;
    }
    tt_news_notify(tt_node_news(builder->parts.node));
    while ((ready = count_votes(builder, give_up_ms, result)) == 0)
        tt_loop_tick(builder->loop, TT_BUILDER_SOON_MS);
    return ready == 1 ? 0 : -1;
}

void tt_builder_end_asking(struct tt_builder *builder)
{
    struct tt_proposal *asking = &builder->node.asking;
    struct tt_err err = {0};

    /* Otherwise the next look does it. */
    if (asking->id && tt_proposal_withdraw(&builder->history, asking->id, &err) != 0)
        tt_log(TT_LOG_WARN, "node: a reload was not taken back", TT_F_Z("error", err.message));
    asking->id = 0;
}
