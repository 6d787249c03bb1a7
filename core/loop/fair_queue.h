/* A queue in which owners take turns: of two users with waiting jobs each gets every second place,
 * however many the one has. What one owner may have waiting and running at the same time is
 * bounded, so that slow work of one leaves threads for others. Owner 0 is the server itself: not
 * bounded. Not locked. */
#pragma once
#include "base/list.h"

#include <stdbool.h>
#include <stdint.h>

struct tt_map;
struct tt_fair_lane; /* one owner's */

struct tt_fair_queue {
    struct tt_map *lanes;
    struct tt_list ready[2]; /* lanes whose next entry may be taken; [1]: those that go first */
    int running_max, waiting_max;
    int waiting; /* of all */
    int ahead;   /* taken from ready[1] in a row */
};

void tt_fair_queue_create(struct tt_fair_queue *queue, int running_max, int waiting_max);
void tt_fair_queue_destroy(struct tt_fair_queue *queue); /* it is empty, but for what runs */

/* `first`: before those that are not, four out of five times. False: the owner has enough waiting.
 */
bool tt_fair_queue_push(struct tt_fair_queue *queue, uint64_t owner, bool first,
                        struct tt_list *node);

/* The next entry, which runs until tt_fair_queue_done(lane). NULL: none may be taken now. */
struct tt_list *tt_fair_queue_take(struct tt_fair_queue *queue, struct tt_fair_lane **lane);
void tt_fair_queue_done(struct tt_fair_queue *queue, struct tt_fair_lane *lane);

/* Takes out one that waits, whoever has however much running: for the end. NULL: none waits. */
struct tt_list *tt_fair_queue_drain(struct tt_fair_queue *queue);

bool tt_fair_queue_ready(const struct tt_fair_queue *queue);
