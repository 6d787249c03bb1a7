/* A lane for each owner who has something waiting or running; it goes with the last of it. Lanes
 * that may be served stand in a ring: the first is served and goes to the end. */
#include "loop/fair_queue.h"

#include "base/map.h"
#include "base/mem.h"

#include <stdlib.h>

#define AHEAD_MAX 4

struct tt_fair_lane {
    struct {
        uint64_t owner;
        uint64_t first;
    } key;
    struct tt_list node; /* in `ready` */
    struct tt_list entries;
    int waiting, running;
};

static struct tt_str key_of(const struct tt_fair_lane *lane)
{
    return tt_str_of((const char *)&lane->key, sizeof(lane->key));
}

void tt_fair_queue_create(struct tt_fair_queue *queue, int running_max, int waiting_max)
{
    *queue = (struct tt_fair_queue){
        .lanes = tt_map_new(), .running_max = running_max, .waiting_max = waiting_max};
    tt_list_init(&queue->ready[0]);
    tt_list_init(&queue->ready[1]);
}

void tt_fair_queue_destroy(struct tt_fair_queue *queue)
{
    size_t position = 0;
    struct tt_str key;
    void *value;
    while (tt_map_next(queue->lanes, &position, &key, &value))
        free(value);
    tt_map_free(queue->lanes);
}

/* Puts the lane at the end of the ring, out of it, or away. */
static void settle(struct tt_fair_queue *queue, struct tt_fair_lane *lane)
{
    bool may_run = lane->key.owner == 0 || lane->running < queue->running_max;
    tt_list_remove(&lane->node);
    if (lane->waiting > 0 && may_run)
        tt_list_push_back(&queue->ready[lane->key.first], &lane->node);
    if (lane->waiting > 0 || lane->running > 0)
        return;
    tt_map_remove(queue->lanes, key_of(lane));
    free(lane);
}

static struct tt_fair_lane *lane_of(struct tt_fair_queue *queue, uint64_t owner, bool first)
{
    struct tt_fair_lane wanted = {.key = {owner, first}};
    struct tt_fair_lane *lane = tt_map_get(queue->lanes, key_of(&wanted));
    if (lane)
        return lane;
    lane = TT_NEW(struct tt_fair_lane);
    lane->key = wanted.key;
    tt_list_init(&lane->node);
    tt_list_init(&lane->entries);
    tt_map_put(queue->lanes, key_of(lane), lane);
    return lane;
}

bool tt_fair_queue_push(struct tt_fair_queue *queue, uint64_t owner, bool first,
                        struct tt_list *node)
{
    struct tt_fair_lane *lane = lane_of(queue, owner, first);
    if (owner != 0 && lane->waiting >= queue->waiting_max)
        return false;
    tt_list_push_back(&lane->entries, node);
    lane->waiting++;
    queue->waiting++;
    if (lane->waiting == 1)
        settle(queue, lane);
    return true;
}

struct tt_list *tt_fair_queue_take(struct tt_fair_queue *queue, struct tt_fair_lane **out)
{
    bool first = !tt_list_empty(&queue->ready[1]);
    if (first && queue->ahead >= AHEAD_MAX && !tt_list_empty(&queue->ready[0]))
        first = false;
    struct tt_list *ring = &queue->ready[first];
    if (tt_list_empty(ring))
        return NULL;
    queue->ahead = first ? queue->ahead + 1 : 0;
    struct tt_fair_lane *lane = tt_list_entry(ring->next, struct tt_fair_lane, node);
    struct tt_list *node = tt_list_pop_front(&lane->entries);
    lane->waiting--;
    lane->running++;
    queue->waiting--;
    settle(queue, lane);
    *out = lane;
    return node;
}

void tt_fair_queue_done(struct tt_fair_queue *queue, struct tt_fair_lane *lane)
{
    bool stood = !tt_list_empty(&lane->node);
    lane->running--;
    if (!stood || lane->waiting == 0)
        settle(queue, lane); /* else it keeps its place in the ring */
}

struct tt_list *tt_fair_queue_drain(struct tt_fair_queue *queue)
{
    size_t position = 0;
    struct tt_str key;
    void *value;
    while (queue->waiting > 0 && tt_map_next(queue->lanes, &position, &key, &value)) {
        struct tt_fair_lane *lane = value;
        struct tt_list *node = tt_list_pop_front(&lane->entries);
        if (!node)
            continue;
        lane->waiting--;
        queue->waiting--;
        settle(queue, lane);
        return node;
    }
    return NULL;
}

bool tt_fair_queue_ready(const struct tt_fair_queue *queue)
{
    return !tt_list_empty(&queue->ready[0]) || !tt_list_empty(&queue->ready[1]);
}
