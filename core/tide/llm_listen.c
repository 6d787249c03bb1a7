/* On whose behalf a reply runs: the task that starts it listens for its client until the task is
 * over (then a stream listens by itself) or the client leaves. The script chooses what happens when
 * the client leaves: "detach" (the reply continues) or "cancel" (it is stopped). */
#include "base/mem.h"
#include "tide/llm_start.h"
#include "tide/modules.h"

#include <stdlib.h>

struct listener {
    struct tt_owned owned;
    struct tt_reply *reply; /* a reference; NULL when it no longer listens */
};

static void listen_end(struct listener *listener, bool left)
{
    struct tt_reply *reply = listener->reply;
    listener->reply = NULL;
    if (reply)
        tt_reply_client_remove(reply, left);
    tt_reply_unref(reply);
}

static void on_left(struct tt_owned *owned)
{
    listen_end(TT_CONTAINER_OF(owned, struct listener, owned), true);
}

static void on_task_over(struct tt_owned *owned)
{
    struct listener *listener = TT_CONTAINER_OF(owned, struct listener, owned);
    listen_end(listener, false);
    free(listener);
}

void tt_tide_llm_listen(struct tt_task *task, struct tt_reply *reply)
{
    struct listener *listener = TT_NEW(struct listener);

    listener->reply = tt_reply_ref(reply);
    listener->owned.close = on_task_over;
    listener->owned.on_left = on_left;
    tt_reply_client_add(reply);
    tt_task_own(task, &listener->owned);
    if (!tt_task_has_client(task))
        listen_end(listener, true);
}

bool tt_tide_llm_read_disconnect(lua_State *L, int index)
{
    const char *choice = lua_isnoneornil(L, index) ? "detach" : lua_tostring(L, index);

    if (!choice || (strcmp(choice, "detach") != 0 && strcmp(choice, "cancel") != 0))
        luaL_error(L, "'disconnect' must be \"detach\" or \"cancel\", not %s",
                   choice ? choice : luaL_typename(L, index));
    return strcmp(choice, "cancel") == 0;
}
