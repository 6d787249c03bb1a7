/* Closing a socket with unread bytes resets the connection, and the reset can overtake the answer:
 * a client that is still sending a body that is too large would never see the 413. The library
 * closes at once. So if an answer was sent before the end of a body, we keep our own descriptor of
 * the same socket, and read and drop what still arrives, until the client closes or a limit is
 * reached. The library has closed its descriptor by then, and removes it from its epoll set itself.
 */
#include "http/http_internal.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <unistd.h>

#define LINGER_MS    3000
#define LINGER_BYTES (64u * 1024 * 1024)

struct drain {
    struct tt_http_server *server;
    struct tt_list node;
    struct tt_watch watch;
    struct tt_timer timer;
    size_t bytes;
};

static void end(struct drain *drain)
{
    tt_watch_stop(&drain->watch);
    tt_timer_stop(&drain->timer);
    tt_list_remove(&drain->node);
    drain->server->linger_count--;
    close(drain->watch.fd);
    free(drain);
}

static void on_due(struct tt_timer *timer)
{
    end(TT_CONTAINER_OF(timer, struct drain, timer));
}

static void on_ready(struct tt_watch *watch, uint32_t events)
{
    struct drain *drain = TT_CONTAINER_OF(watch, struct drain, watch);
    static _Thread_local char sink[16 * 1024];
    (void)events;
    /* A few reads per tick; the watch is level-triggered, so the rest is reported again. */
    for (int i = 0; i < 8; i++) {
        ssize_t got = recv(watch->fd, sink, sizeof(sink), MSG_DONTWAIT);
        if (got < 0 && (errno == EAGAIN || errno == EINTR))
            return;
        if (got <= 0) {
            end(drain);
            return;
        }
        drain->bytes += (size_t)got;
        if (drain->bytes > LINGER_BYTES) {
            end(drain);
            return;
        }
    }
}

void tt_linger_start(struct tt_http_server *server, int fd)
{
    struct drain *drain = NULL;
    int own = -1;
    if (server->linger_count >= TT_LINGER_MAX)
        return;
    own = fcntl(fd, F_DUPFD_CLOEXEC, 3);
    if (own < 0)
        return;
    /* The library's own shutdown may come only after the next event, for which the client waits. */
    shutdown(own, SHUT_WR);
    drain = TT_NEW(struct drain);
    drain->server = server;
    drain->watch.fd = own;
    drain->watch.events = EPOLLIN;
    drain->watch.on_ready = on_ready;
    drain->timer.on_due = on_due;
    tt_list_push_back(&server->lingers, &drain->node);
    server->linger_count++;
    tt_timer_start(server->loop, &drain->timer, LINGER_MS);
    if (tt_watch_start(server->loop, &drain->watch, NULL) != 0)
        end(drain);
}

void tt_linger_free(struct tt_http_server *server)
{
    tt_list_for_each_safe (node, &server->lingers)
        end(tt_list_entry(node, struct drain, node));
}
