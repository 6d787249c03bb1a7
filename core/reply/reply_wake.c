/* Waking the readers of replies: joined to one call a reader and turn. A producer only marks its
 * reply as touched; one hook a loop then goes over the touched replies, wakes readers on the same
 * loop directly, and sends each other loop one mail a reply, never a second while one is under way.
 * The readers of a reply on one loop form an audience, which only that loop's thread changes: so
 * the reply's lock is held for moments, and only to find the audiences. Mails carry no reference to
 * the reply: an audience that everybody left while its mail travels frees itself on delivery. */
#include "base/map.h"
#include "base/mem.h"
#include "reply/reply_internal.h"

#include <stdlib.h>

/* ---- desks: what the replies of one loop share ---- */

struct tt_reply_desk {
    struct tt_loop *loop;
    size_t refs; /* under desks_lock: each reply, the queued nudge, the running hook */
    struct tt_hook hook;
    struct tt_deferred nudge;
    bool nudged;
    struct tt_list touched;
};

static pthread_mutex_t desks_lock = PTHREAD_MUTEX_INITIALIZER;
static struct tt_map *desks; /* loop's address -> desk; NULL while there is none */

static struct tt_str desk_key(struct tt_loop *const *loop)
{
    return tt_str_of((const char *)loop, sizeof(*loop));
}

static void desk_hold(struct tt_reply_desk *desk)
{
    pthread_mutex_lock(&desks_lock);
    desk->refs++;
    pthread_mutex_unlock(&desks_lock);
}

static void wake_readers(struct tt_reply *reply);

/* Hooked only while something is touched, so that the hook never outlives its loop. */
static void on_turn_end(struct tt_hook *hook)
{
    struct tt_reply_desk *desk = TT_CONTAINER_OF(hook, struct tt_reply_desk, hook);
    struct tt_list now, *node;
    tt_list_init(&now);
    desk_hold(desk);
    tt_loop_unhook(&desk->hook);
    tt_list_splice(&now, &desk->touched);
    while ((node = tt_list_pop_front(&now))) {
        struct tt_reply *reply = tt_list_entry(node, struct tt_reply, touched);
        tt_reply_tell_produced(reply);
        wake_readers(reply);
        tt_reply_unref(reply);
    }
    tt_reply_desk_unref(desk);
}

static void on_nudge(struct tt_deferred *deferred)
{
    struct tt_reply_desk *desk = TT_CONTAINER_OF(deferred, struct tt_reply_desk, nudge);
    desk->nudged = false;
    tt_reply_desk_unref(desk);
}

struct tt_reply_desk *tt_reply_desk_ref(struct tt_loop *loop)
{
    struct tt_reply_desk *desk;
    pthread_mutex_lock(&desks_lock);
    if (!desks)
        desks = tt_map_new();
    desk = tt_map_get(desks, desk_key(&loop));
    if (!desk) {
        desk = TT_NEW(struct tt_reply_desk);
        desk->loop = loop;
        desk->hook.rank = TT_RANK_LLM;
        desk->hook.on_turn_end = on_turn_end;
        desk->nudge.run = on_nudge;
        tt_list_init(&desk->touched);
        tt_map_put(desks, desk_key(&loop), desk);
    }
    desk->refs++;
    pthread_mutex_unlock(&desks_lock);
    return desk;
}

void tt_reply_desk_unref(struct tt_reply_desk *desk)
{
    pthread_mutex_lock(&desks_lock);
    bool last = --desk->refs == 0;
    if (last) {
        tt_map_remove(desks, desk_key(&desk->loop));
        if (tt_map_count(desks) == 0) {
            tt_map_free(desks);
            desks = NULL;
        }
    }
    pthread_mutex_unlock(&desks_lock);
    if (last)
        free(desk);
}

/* From inside a hook of a higher rank the desk's hook runs only in the next turn: the nudge on the
 * ready list makes that turn come at once. Elsewhere it costs two list operations a turn. */
void tt_reply_touch(struct tt_reply *reply)
{
    struct tt_reply_desk *desk = reply->desk;
    if (!tt_list_empty(&reply->touched))
        return;
    tt_reply_ref(reply);
    tt_list_push_back(&desk->touched, &reply->touched);
    tt_loop_hook(desk->loop, &desk->hook);
    if (!desk->nudged) {
        desk->nudged = true;
        desk_hold(desk);
        tt_loop_defer(desk->loop, &desk->nudge);
    }
}

/* ---- audiences ---- */

/* On the audience's loop, when nobody is in it any more and nothing is under way. */
static void audience_free_if_done(struct tt_reply_audience *audience)
{
    if (!audience->left || audience->walking || atomic_load(&audience->mail_pending))
        return;
    tt_loop_undefer(&audience->first_wake);
    free(audience);
}

/* Calls those in `from`. Readers may detach themselves and each other meanwhile (the list that they
 * leave may be the local one) and attach new ones, whose turn comes later. */
static void audience_walk(struct tt_reply_audience *audience, struct tt_list *from)
{
    struct tt_list now, *node;
    tt_list_init(&now);
    tt_list_splice(&now, from);
    audience->walking = true;
    while ((node = tt_list_pop_front(&now))) {
        struct tt_reply_reader *reader = tt_list_entry(node, struct tt_reply_reader, node);
        tt_list_push_back(&audience->readers, node);
        reader->on_wake(reader);
    }
    audience->walking = false;
}

static void audience_wake(struct tt_reply_audience *audience)
{
    tt_list_splice(&audience->readers, &audience->fresh);
    audience_walk(audience, &audience->readers);
    audience_free_if_done(audience);
}

static void on_first_wake(struct tt_deferred *deferred)
{
    struct tt_reply_audience *audience =
        TT_CONTAINER_OF(deferred, struct tt_reply_audience, first_wake);
    audience_walk(audience, &audience->fresh);
    audience_free_if_done(audience);
}

/* The flag falls before the readers look: what is published after they looked sends a new mail. */
static void on_mail(struct tt_mail *mail)
{
    struct tt_reply_audience *audience = TT_CONTAINER_OF(mail, struct tt_reply_audience, mail);
    atomic_exchange(&audience->mail_pending, false);
    audience_wake(audience);
}

static void wake_readers(struct tt_reply *reply)
{
    pthread_mutex_lock(&reply->lock);
    tt_list_for_each (node, &reply->audiences) {
        struct tt_reply_audience *audience = tt_list_entry(node, struct tt_reply_audience, node);
        if (audience != reply->home && !atomic_exchange(&audience->mail_pending, true))
            tt_loop_post(audience->loop, &audience->mail);
    }
    pthread_mutex_unlock(&reply->lock);
    if (reply->home)
        audience_wake(reply->home);
}

static struct tt_reply_audience *audience_of(struct tt_reply *reply, struct tt_loop *loop)
{
    tt_list_for_each (node, &reply->audiences) {
        struct tt_reply_audience *audience = tt_list_entry(node, struct tt_reply_audience, node);
        if (audience->loop == loop)
            return audience;
    }
    struct tt_reply_audience *audience = TT_NEW(struct tt_reply_audience);
    audience->reply = reply;
    audience->loop = loop;
    audience->first_wake.run = on_first_wake;
    audience->mail.deliver = on_mail;
    tt_list_init(&audience->readers);
    tt_list_init(&audience->fresh);
    tt_list_push_back(&reply->audiences, &audience->node);
    if (loop == reply->loop)
        reply->home = audience;
    return audience;
}

void tt_reply_attach(struct tt_reply *reply, struct tt_loop *loop, struct tt_reply_reader *reader)
{
    pthread_mutex_lock(&reply->lock);
    struct tt_reply_audience *audience = audience_of(reply, loop);
    pthread_mutex_unlock(&reply->lock);
    reader->reply = tt_reply_ref(reply);
    reader->loop = loop;
    reader->internal = audience;
    audience->count++;
    /* Looked at after the audience is in the list: what comes later, wakes it. */
    if (tt_reply_state(reply) == TT_REPLY_WAITING) {
        tt_list_push_back(&audience->readers, &reader->node);
    } else {
        tt_list_push_back(&audience->fresh, &reader->node);
        tt_loop_defer(loop, &audience->first_wake);
    }
}

void tt_reply_detach(struct tt_reply_reader *reader)
{
    struct tt_reply *reply = reader->reply;
    struct tt_reply_audience *audience = reader->internal;
    if (!reply)
        return;
    tt_list_remove(&reader->node);
    reader->reply = NULL;
    reader->internal = NULL;
    if (--audience->count == 0) {
        pthread_mutex_lock(&reply->lock);
        tt_list_remove(&audience->node);
        pthread_mutex_unlock(&reply->lock);
        if (audience->loop == reply->loop) /* `home` itself is not others' to look at */
            reply->home = NULL;
        audience->left = true;
        audience_free_if_done(audience);
    }
    tt_reply_unref(reply);
}
