/* What is running now. One queue per session, created when something happens in it and removed when
 * nothing does: the turn that runs, those that wait, and the running reply. Each entered turn has a
 * ticket in the heap, because the struct that the caller embeds may be gone (left) while the
 * message of its admission is still travelling to its loop. There is one lock, never held during a
 * callback; posting mail under it is fine (it never blocks). A stop that hits a session between
 * admission and the creation of the reply is stored and applied to the reply when it is added. */
#include "reply/registry.h"

#include "base/map.h"
#include "base/mem.h"
#include "reply/reply_users.h"

#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>

struct tt_registry {
    pthread_mutex_t lock;
    int waiting_max;
    struct tt_reply_users users;
    struct tt_map *queues;  /* "user:session" -> struct queue */
    struct tt_map *replies; /* message id -> struct entry */
    struct tt_err closed;   /* status != 0: no turn is taken any more, for this reason */
};

struct queue {
    struct tt_str key; /* owned */
    int64_t user_id;
    struct ticket *running; /* changed by set_running only */
    struct tt_list waiting;
    int waiting_count;
    struct entry *reply;    /* the latest added and not removed */
    struct tt_err *stopped; /* the running turn was ended before it had a reply: with this … */
    bool stopped_by_user;   /* … or by its user */
    int holds;              /* entries and calls that keep the queue */
};

enum ticket_state { TICKET_WAITING, TICKET_CALLED, TICKET_RUNNING, TICKET_ENDED };

struct ticket {
    struct tt_list node; /* in queue->waiting */
    struct tt_registry *registry;
    struct queue *queue; /* NULL once ended */
    struct tt_loop *loop;
    struct tt_turn *turn; /* NULL = left; its own loop's thread alone looks at it */
    enum ticket_state state;
    bool by_mail; /* the news comes by mail, else by the ready list */
    struct tt_mail mail;
    struct tt_deferred deferred;
    struct tt_err *error;
};

struct entry {
    struct tt_reply *reply;
    struct queue *queue;
};

/* ---- keys and queues, under the lock ---- */

#define KEY_MAX 600

/* A session id is at most 50 characters by contract; a longer one is cut into an equal key only for
 * the same user, which harms nobody else. */
static struct tt_str session_key(char out[KEY_MAX], int64_t user_id, struct tt_str session_id)
{
    int n = snprintf(out, KEY_MAX, "%lld:", (long long)user_id);
    size_t room = KEY_MAX - (size_t)n;
    size_t len = session_id.len < room ? session_id.len : room;
    if (len > 0)
        memcpy(out + n, session_id.data, len);
    return tt_str_of(out, (size_t)n + len);
}

static struct tt_str id_key(const int64_t *id)
{
    return tt_str_of((const char *)id, sizeof(*id));
}

static struct queue *queue_make(struct tt_registry *registry, int64_t user_id, struct tt_str key)
{
    struct queue *queue = tt_map_get(registry->queues, key);
    if (queue)
        return queue;
    queue = TT_NEW(struct queue);
    queue->key = tt_str_of(tt_strndup(key.data, key.len), key.len);
    queue->user_id = user_id;
    tt_list_init(&queue->waiting);
    tt_map_put(registry->queues, queue->key, queue);
    return queue;
}

static void queue_forget_stop(struct queue *queue)
{
    free(queue->stopped);
    queue->stopped = NULL;
    queue->stopped_by_user = false;
}

static void queue_drop_if_empty(struct tt_registry *registry, struct queue *queue)
{
    if (queue->running || queue->holds > 0 || queue->waiting_count > 0)
        return;
    tt_map_remove(registry->queues, queue->key);
    queue_forget_stop(queue);
    free((char *)queue->key.data);
    free(queue);
}

/* What ran makes room, unless another ticket follows it at once. */
static void set_running(struct tt_registry *registry, struct queue *queue, struct ticket *ticket)
{
    if (queue->running && !ticket)
        tt_reply_users_remove(&registry->users, queue->user_id);
    queue->running = ticket;
}

int tt_registry_count_in(struct tt_registry *registry, int64_t user_id, struct tt_err *err)
{
    return tt_reply_users_add(&registry->users, user_id, NULL, err);
}

void tt_registry_uncount(struct tt_registry *registry, int64_t user_id)
{
    tt_reply_users_remove(&registry->users, user_id);
}

struct tt_reply_users *tt_registry_users(struct tt_registry *registry)
{
    return &registry->users;
}

struct tt_registry *tt_registry_new(int waiting_max, int user_max)
{
    struct tt_registry *registry = TT_NEW(struct tt_registry);
    pthread_mutex_init(&registry->lock, NULL);
    registry->waiting_max = waiting_max;
    tt_reply_users_create(&registry->users, user_max);
    registry->queues = tt_map_new();
    registry->replies = tt_map_new();
    return registry;
}

/* Loops have ended: tickets whose news never arrived are lost with their mail. */
void tt_registry_free(struct tt_registry *registry)
{
    size_t position = 0;
    struct tt_str key;
    void *value;
    if (!registry)
        return;
    while (tt_map_next(registry->replies, &position, &key, &value)) {
        struct entry *entry = value;
        tt_reply_unref(entry->reply);
        free(entry);
    }
    for (position = 0; tt_map_next(registry->queues, &position, &key, &value);) {
        struct queue *queue = value;
        queue_forget_stop(queue);
        free((char *)queue->key.data);
        free(queue);
    }
    tt_reply_users_destroy(&registry->users);
    tt_map_free(registry->replies);
    tt_map_free(registry->queues);
    pthread_mutex_destroy(&registry->lock);
    free(registry);
}

/* ---- tickets ---- */

static void ticket_free(struct ticket *ticket)
{
    free(ticket->error);
    free(ticket);
}

/* On the ticket's loop. Under the lock its state is settled; then the turn is notified, unless it
 * left. An ended ticket is gone before that, so that the callback may enter again. */
static void ticket_tell(struct ticket *ticket)
{
    struct tt_turn *turn = ticket->turn;
    struct tt_err *error = NULL;
    pthread_mutex_lock(&ticket->registry->lock);
    if (ticket->state == TICKET_CALLED)
        ticket->state = TICKET_RUNNING;
    bool ended = ticket->state == TICKET_ENDED;
    pthread_mutex_unlock(&ticket->registry->lock);
    if (ended) {
        error = ticket->error;
        ticket->error = NULL;
        if (turn)
            turn->internal = NULL;
        ticket_free(ticket);
    }
    if (turn)
        turn->on_admitted(turn, error);
    free(error);
}

static void on_mail(struct tt_mail *mail)
{
    ticket_tell(TT_CONTAINER_OF(mail, struct ticket, mail));
}

static void on_deferred(struct tt_deferred *deferred)
{
    ticket_tell(TT_CONTAINER_OF(deferred, struct ticket, deferred));
}

/* Under the lock; from any thread, so the news goes by mail. */
static void admit_next(struct tt_registry *registry, struct queue *queue)
{
    struct tt_list *node = tt_list_pop_front(&queue->waiting);
    struct ticket *next = node ? tt_list_entry(node, struct ticket, node) : NULL;
    set_running(registry, queue, next);
    queue_forget_stop(queue);
    if (!next)
        return;
    queue->waiting_count--;
    next->state = TICKET_CALLED;
    next->by_mail = true;
    tt_loop_post(next->loop, &next->mail);
}

/* Under the lock: whether one more turn may wait or run. */
static int enter_queue(struct tt_registry *registry, struct queue *queue, struct tt_turn *turn,
                       struct tt_err *err)
{
    turn->beyond_share = false;
    if (!queue->running)
        return tt_reply_users_add(&registry->users, queue->user_id, &turn->beyond_share, err);
    if (queue->waiting_count >= registry->waiting_max)
        return tt_err_set(err, 429, "session_busy", "%d turns wait in the session already",
                          registry->waiting_max);
    return 0;
}

int tt_turn_enter(struct tt_registry *registry, struct tt_loop *loop, struct tt_turn *turn,
                  int64_t user_id, struct tt_str session_id, struct tt_err *err)
{
    char buffer[KEY_MAX];
    struct tt_str key = session_key(buffer, user_id, session_id);
    pthread_mutex_lock(&registry->lock);
    if (registry->closed.status) {
        pthread_mutex_unlock(&registry->lock); /* written once, before */
        return tt_err_set(err, registry->closed.status, registry->closed.code, "%s",
                          registry->closed.message);
    }
    struct queue *queue = queue_make(registry, user_id, key);
    if (enter_queue(registry, queue, turn, err) != 0) {
        queue_drop_if_empty(registry, queue);
        pthread_mutex_unlock(&registry->lock);
        return -1;
    }
    struct ticket *ticket = TT_NEW(struct ticket);
    ticket->registry = registry;
    ticket->queue = queue;
    ticket->loop = loop;
    ticket->turn = turn;
    ticket->mail.deliver = on_mail;
    ticket->deferred.run = on_deferred;
    if (queue->running) {
        tt_list_push_back(&queue->waiting, &ticket->node);
        queue->waiting_count++;
    } else {
        set_running(registry, queue, ticket);
        ticket->state = TICKET_CALLED;
        tt_loop_defer(loop, &ticket->deferred);
    }
    pthread_mutex_unlock(&registry->lock);
    turn->loop = loop;
    turn->internal = ticket;
    return 0;
}

void tt_turn_leave(struct tt_turn *turn)
{
    struct ticket *ticket = turn->internal;
    if (!ticket)
        return;
    struct tt_registry *registry = ticket->registry;
    turn->internal = NULL;
    ticket->turn = NULL;
    pthread_mutex_lock(&registry->lock);
    struct queue *queue = ticket->queue;
    enum ticket_state state = ticket->state;
    bool under_way = state == TICKET_CALLED || state == TICKET_ENDED;
    if (state == TICKET_WAITING) {
        tt_list_remove(&ticket->node);
        queue->waiting_count--;
    } else if (state != TICKET_ENDED) {
        admit_next(registry, queue);
    }
    ticket->state = TICKET_ENDED;
    ticket->queue = NULL;
    if (queue)
        queue_drop_if_empty(registry, queue);
    pthread_mutex_unlock(&registry->lock);
    if (under_way && !ticket->by_mail) {
        tt_loop_undefer(&ticket->deferred);
        under_way = false;
    }
    if (!under_way)
        ticket_free(ticket); /* else its mail frees it */
}

/* Under the lock. For a ticket that was called the notification is already in progress. */
static void ticket_end(struct ticket *ticket, const struct tt_err *reason)
{
    bool under_way = ticket->state == TICKET_CALLED;
    ticket->state = TICKET_ENDED;
    ticket->queue = NULL;
    ticket->error = TT_NEW(struct tt_err);
    if (reason)
        *ticket->error = *reason;
    else
        tt_err_set(ticket->error, 409, "stopped", "stopped by the user while waiting");
    if (!under_way) {
        ticket->by_mail = true;
        tt_loop_post(ticket->loop, &ticket->mail);
    }
}

/* Under the lock: ends what waits, and what was called but does not know it yet. The reply that
 * runs is handed back with a reference, to be stopped outside. *ended: something else was there. */
static struct tt_reply *queue_end(struct tt_registry *registry, struct queue *queue,
                                  const struct tt_err *reason, bool *ended)
{
    struct tt_list *node;
    *ended = queue->waiting_count > 0 || (queue->running && !queue->reply);
    while ((node = tt_list_pop_front(&queue->waiting)))
        ticket_end(tt_list_entry(node, struct ticket, node), reason);
    queue->waiting_count = 0;
    if (queue->running && queue->running->state == TICKET_CALLED) {
        ticket_end(queue->running, reason);
        set_running(registry, queue, NULL);
    }
    if (queue->reply)
        return tt_reply_ref(queue->reply->reply);
    if (queue->running && !queue->stopped && !queue->stopped_by_user) {
        queue->stopped_by_user = !reason;
        if (reason) {
            queue->stopped = TT_NEW(struct tt_err);
            *queue->stopped = *reason;
        }
    }
    return NULL;
}

int64_t tt_registry_end_session(struct tt_registry *registry, int64_t user_id,
                                struct tt_str session_id, const struct tt_err *reason, bool *ended)
{
    char buffer[KEY_MAX];
    struct tt_str key = session_key(buffer, user_id, session_id);
    struct tt_reply *reply = NULL;
    int64_t message_id = 0;
    bool other = false;
    pthread_mutex_lock(&registry->lock);
    struct queue *queue = tt_map_get(registry->queues, key);
    if (queue) {
        reply = queue_end(registry, queue, reason, &other);
        queue_drop_if_empty(registry, queue);
    }
    pthread_mutex_unlock(&registry->lock);
    if (reply && tt_reply_state(reply) < TT_REPLY_PRODUCED) {
        message_id = tt_reply_message_id(reply);
        tt_reply_stop(reply, reason);
    }
    tt_reply_unref(reply);
    if (ended)
        *ended = other || message_id;
    return message_id;
}

size_t tt_registry_count(struct tt_registry *registry)
{
    pthread_mutex_lock(&registry->lock);
    size_t count = tt_map_count(registry->queues);
    pthread_mutex_unlock(&registry->lock);
    return count;
}

/* ---- replies ---- */

void tt_registry_add(struct tt_registry *registry, struct tt_reply *reply, struct tt_str session_id)
{
    char buffer[KEY_MAX];
    struct tt_str key = session_key(buffer, tt_reply_user_id(reply), session_id);
    int64_t id = tt_reply_message_id(reply);
    struct entry *entry = TT_NEW(struct entry);
    struct tt_err reason = {0};
    bool stop = false;
    entry->reply = tt_reply_ref(reply);
    pthread_mutex_lock(&registry->lock);
    struct queue *queue = queue_make(registry, tt_reply_user_id(reply), key);
    queue->holds++;
    entry->queue = queue;
    queue->reply = entry;
    if (queue->running && (queue->stopped || queue->stopped_by_user)) {
        stop = true;
        if (queue->stopped)
            reason = *queue->stopped;
        queue_forget_stop(queue);
    }
    tt_map_put(registry->replies, id_key(&id), entry);
    pthread_mutex_unlock(&registry->lock);
    if (stop)
        tt_reply_stop(reply, reason.status ? &reason : NULL);
}

void tt_registry_remove(struct tt_registry *registry, struct tt_reply *reply)
{
    int64_t id = tt_reply_message_id(reply);
    pthread_mutex_lock(&registry->lock);
    struct entry *entry = tt_map_get(registry->replies, id_key(&id));
    if (entry && entry->reply == reply) {
        tt_map_remove(registry->replies, id_key(&id));
        if (entry->queue->reply == entry)
            entry->queue->reply = NULL;
        entry->queue->holds--;
        queue_drop_if_empty(registry, entry->queue);
    } else {
        entry = NULL;
    }
    pthread_mutex_unlock(&registry->lock);
    if (entry) {
        tt_reply_unref(entry->reply);
        free(entry);
    }
}

struct tt_reply *tt_registry_find(struct tt_registry *registry, int64_t user_id, int64_t message_id)
{
    struct tt_reply *found = NULL;
    pthread_mutex_lock(&registry->lock);
    struct entry *entry = tt_map_get(registry->replies, id_key(&message_id));
    if (entry && tt_reply_user_id(entry->reply) == user_id)
        found = tt_reply_ref(entry->reply);
    pthread_mutex_unlock(&registry->lock);
    return found;
}

struct tt_reply *tt_registry_find_session(struct tt_registry *registry, int64_t user_id,
                                          struct tt_str session_id)
{
    char buffer[KEY_MAX];
    struct tt_str key = session_key(buffer, user_id, session_id);
    struct tt_reply *found = NULL;
    pthread_mutex_lock(&registry->lock);
    struct queue *queue = tt_map_get(registry->queues, key);
    if (queue && queue->reply)
        found = tt_reply_ref(queue->reply->reply);
    pthread_mutex_unlock(&registry->lock);
    return found;
}

void tt_registry_stop_all(struct tt_registry *registry, const struct tt_err *reason)
{
    size_t count = 0, queue_count = 0, position = 0;
    struct tt_str key;
    void *value;
    pthread_mutex_lock(&registry->lock);
    if (!registry->closed.status)
        registry->closed = *reason;
    size_t queues_max = tt_map_count(registry->queues);
    struct queue **queues = tt_alloc((queues_max + 1) * sizeof(struct queue *));
    struct tt_reply **all =
        tt_alloc((tt_map_count(registry->replies) + queues_max + 1) * sizeof(struct tt_reply *));
    while (tt_map_next(registry->replies, &position, &key, &value))
        all[count++] = tt_reply_ref(((struct entry *)value)->reply);
    for (position = 0; tt_map_next(registry->queues, &position, &key, &value);)
        queues[queue_count++] = value;
    for (size_t i = 0; i < queue_count; i++) {
        bool other;
        struct tt_reply *reply = queue_end(registry, queues[i], reason, &other);
        if (reply)
            all[count++] = reply;
        queue_drop_if_empty(registry, queues[i]);
    }
    pthread_mutex_unlock(&registry->lock);
    for (size_t i = 0; i < count; i++) {
        tt_reply_stop(all[i], reason);
        tt_reply_unref(all[i]);
    }
    free(queues);
    free(all);
}
