/* Waking the readers of replies, joined to one call per reader and tick. A producer only marks its
 * reply as touched; one hook per loop then goes over the touched replies, wakes readers on the same
 * loop directly, and sends each other loop one mail per reply, never a second one while the first
 * is in progress. The readers of a reply on one loop form a set, struct tt_reply_loop_readers,
 * which only that loop's thread changes: so the reply's lock is held for moments, and only to find
 * the set. Mails carry no reference to the reply: a set whose readers all left while its mail
 * travels frees itself on delivery. */
#include "base/map.h"
#include "base/mem.h"
#include "reply/reply_internal.h"

#include <stdlib.h>

/* ---- hubs: what the replies of one loop share ---- */

struct tt_reply_hub {
    struct tt_loop *loop;
    size_t refs; /* under hubs_lock: each reply, the queued rerun, the running hook */
    struct tt_hook hook;
    struct tt_deferred rerun;
    bool rerun_pending;
    struct tt_list touched;
};

static pthread_mutex_t hubs_lock = PTHREAD_MUTEX_INITIALIZER;
static struct tt_map *hubs; /* loop's address -> hub; NULL while there is none */

static struct tt_str hub_key(struct tt_loop *const *loop)
{
    return tt_str_of((const char *)loop, sizeof(*loop));
}

static void hub_hold(struct tt_reply_hub *hub)
{
    pthread_mutex_lock(&hubs_lock);
    hub->refs++;
    pthread_mutex_unlock(&hubs_lock);
}

static void wake_readers(struct tt_reply *reply);

/* Hooked only while something is touched, so that the hook never outlives its loop. */
static void on_tick_end(struct tt_hook *hook)
{
    struct tt_reply_hub *hub = TT_CONTAINER_OF(hook, struct tt_reply_hub, hook);
    struct tt_list now, *node;
    tt_list_init(&now);
    hub_hold(hub);
    tt_loop_unhook(&hub->hook);
    tt_list_splice(&now, &hub->touched);
    while ((node = tt_list_pop_front(&now))) {
        struct tt_reply *reply = tt_list_entry(node, struct tt_reply, touched);
        tt_reply_tell_produced(reply);
        wake_readers(reply);
        tt_reply_unref(reply);
    }
    tt_reply_hub_unref(hub);
}

static void on_rerun(struct tt_deferred *deferred)
{
    struct tt_reply_hub *hub = TT_CONTAINER_OF(deferred, struct tt_reply_hub, rerun);
    hub->rerun_pending = false;
    tt_reply_hub_unref(hub);
}

struct tt_reply_hub *tt_reply_hub_ref(struct tt_loop *loop)
{
    struct tt_reply_hub *hub;
    pthread_mutex_lock(&hubs_lock);
    if (!hubs)
        hubs = tt_map_new();
    hub = tt_map_get(hubs, hub_key(&loop));
    if (!hub) {
        hub = TT_NEW(struct tt_reply_hub);
        hub->loop = loop;
        hub->hook.rank = TT_RANK_REPLY;
        hub->hook.on_tick_end = on_tick_end;
        hub->rerun.run = on_rerun;
        tt_list_init(&hub->touched);
        tt_map_put(hubs, hub_key(&loop), hub);
    }
    hub->refs++;
    pthread_mutex_unlock(&hubs_lock);
    return hub;
}

void tt_reply_hub_unref(struct tt_reply_hub *hub)
{
    pthread_mutex_lock(&hubs_lock);
    bool last = --hub->refs == 0;
    if (last) {
        tt_map_remove(hubs, hub_key(&hub->loop));
        if (tt_map_count(hubs) == 0) {
            tt_map_free(hubs);
            hubs = NULL;
        }
    }
    pthread_mutex_unlock(&hubs_lock);
    if (last)
        free(hub);
}

/* From inside a hook of a higher rank the hub's hook runs only in the next tick: the rerun on the
 * ready list makes that tick come at once. Elsewhere it costs two list operations per tick. */
void tt_reply_touch(struct tt_reply *reply)
{
    struct tt_reply_hub *hub = reply->hub;
    if (!tt_list_empty(&reply->touched))
        return;
    tt_reply_ref(reply);
    tt_list_push_back(&hub->touched, &reply->touched);
    tt_loop_hook(hub->loop, &hub->hook);
    if (!hub->rerun_pending) {
        hub->rerun_pending = true;
        hub_hold(hub);
        tt_loop_defer(hub->loop, &hub->rerun);
    }
}

/* ---- loop_readers ---- */

/* On the set's loop, when nobody is in it any more and nothing is under way. */
static void loop_readers_free_if_done(struct tt_reply_loop_readers *loop_readers)
{
    if (!loop_readers->left || loop_readers->walking || atomic_load(&loop_readers->mail_pending))
        return;
    tt_loop_undefer(&loop_readers->first_wake);
    free(loop_readers);
}

/* Calls those in `from`. Readers may detach themselves and each other meanwhile (the list that they
 * leave may be the local one) and attach new ones, whose turn comes later. */
static void loop_readers_walk(struct tt_reply_loop_readers *loop_readers, struct tt_list *from)
{
    struct tt_list now, *node;
    tt_list_init(&now);
    tt_list_splice(&now, from);
    loop_readers->walking = true;
    while ((node = tt_list_pop_front(&now))) {
        struct tt_reply_reader *reader = tt_list_entry(node, struct tt_reply_reader, node);
        tt_list_push_back(&loop_readers->readers, node);
        reader->on_wake(reader);
    }
    loop_readers->walking = false;
}

static void loop_readers_wake(struct tt_reply_loop_readers *loop_readers)
{
    tt_list_splice(&loop_readers->readers, &loop_readers->fresh);
    loop_readers_walk(loop_readers, &loop_readers->readers);
    loop_readers_free_if_done(loop_readers);
}

static void on_first_wake(struct tt_deferred *deferred)
{
    struct tt_reply_loop_readers *loop_readers =
        TT_CONTAINER_OF(deferred, struct tt_reply_loop_readers, first_wake);
    loop_readers_walk(loop_readers, &loop_readers->fresh);
    loop_readers_free_if_done(loop_readers);
}

/* The flag falls before the readers look: what is published after they looked sends a new mail. */
static void on_mail(struct tt_mail *mail)
{
    struct tt_reply_loop_readers *loop_readers =
        TT_CONTAINER_OF(mail, struct tt_reply_loop_readers, mail);
    atomic_exchange(&loop_readers->mail_pending, false);
    loop_readers_wake(loop_readers);
}

static void wake_readers(struct tt_reply *reply)
{
    pthread_mutex_lock(&reply->lock);
    tt_list_for_each (node, &reply->loop_readers) {
        struct tt_reply_loop_readers *loop_readers =
            tt_list_entry(node, struct tt_reply_loop_readers, node);
        if (loop_readers != reply->home && !atomic_exchange(&loop_readers->mail_pending, true))
            tt_loop_post(loop_readers->loop, &loop_readers->mail);
    }
    pthread_mutex_unlock(&reply->lock);
    if (reply->home)
        loop_readers_wake(reply->home);
}

static struct tt_reply_loop_readers *loop_readers_of(struct tt_reply *reply, struct tt_loop *loop)
{
    tt_list_for_each (node, &reply->loop_readers) {
        struct tt_reply_loop_readers *loop_readers =
            tt_list_entry(node, struct tt_reply_loop_readers, node);
        if (loop_readers->loop == loop)
            return loop_readers;
    }
    struct tt_reply_loop_readers *loop_readers = TT_NEW(struct tt_reply_loop_readers);
    loop_readers->reply = reply;
    loop_readers->loop = loop;
    loop_readers->first_wake.run = on_first_wake;
    loop_readers->mail.deliver = on_mail;
    tt_list_init(&loop_readers->readers);
    tt_list_init(&loop_readers->fresh);
    tt_list_push_back(&reply->loop_readers, &loop_readers->node);
    if (loop == reply->loop)
        reply->home = loop_readers;
    return loop_readers;
}

void tt_reply_attach(struct tt_reply *reply, struct tt_loop *loop, struct tt_reply_reader *reader)
{
    pthread_mutex_lock(&reply->lock);
    struct tt_reply_loop_readers *loop_readers = loop_readers_of(reply, loop);
    pthread_mutex_unlock(&reply->lock);
    reader->reply = tt_reply_ref(reply);
    reader->loop = loop;
    reader->internal = loop_readers;
    loop_readers->count++;
    /* Looked at after the loop_readers is in the list: what comes later, wakes it. */
    if (tt_reply_state(reply) == TT_REPLY_WAITING) {
        tt_list_push_back(&loop_readers->readers, &reader->node);
    } else {
        tt_list_push_back(&loop_readers->fresh, &reader->node);
        tt_loop_defer(loop, &loop_readers->first_wake);
    }
}

void tt_reply_detach(struct tt_reply_reader *reader)
{
    struct tt_reply *reply = reader->reply;
    struct tt_reply_loop_readers *loop_readers = reader->internal;
    if (!reply)
        return;
    tt_list_remove(&reader->node);
    reader->reply = NULL;
    reader->internal = NULL;
    if (--loop_readers->count == 0) {
        pthread_mutex_lock(&reply->lock);
        tt_list_remove(&loop_readers->node);
        pthread_mutex_unlock(&reply->lock);
        if (loop_readers->loop == reply->loop) /* `home` itself is not others' to look at */
            reply->home = NULL;
        loop_readers->left = true;
        loop_readers_free_if_done(loop_readers);
    }
    tt_reply_unref(reply);
}
