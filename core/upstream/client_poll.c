/* curl asks poll(2) after each read whether more has come, before it returns to the loop. Of a
 * stream whose tokens come one by one it never has, and that call is a third of the system calls of
 * a relayed token. So this program has a poll of its own, which curl, being a shared library, finds
 * first: after a read that did not fill curl's buffer it answers "nothing", once and for the
 * descriptor that was read. That answer is always allowed, since the loop watches by level: bytes
 * that are there after all cause the next event. Everything else is passed on to the kernel. Over
 * TLS curl's question is left as it is: a read ends with a record there, and more may wait. */
#include "upstream/client_internal.h"

#include <poll.h>
#include <time.h>

/* Less than this of a body was not a full buffer, however small the chunks of the answer are. */
#define SHORT_READ (TT_CURL_BUFFER_SIZE / 2)

static _Thread_local struct {
    int fd; /* that curl reads now, plus 1; 0: none */
    size_t bytes;
} reading;

void tt_client_reading(int fd)
{
    reading.fd = fd + 1;
    reading.bytes = 0;
}

void tt_client_read_bytes(size_t bytes)
{
    reading.bytes += bytes;
}

/* The name that libraries call: the header's own declaration says that `fds` is only written. */
int tt_client_poll(struct pollfd *fds, nfds_t count, int timeout_ms) __asm__("poll")
    __attribute__((visibility("default")));

static bool is_answered(const struct pollfd *fds, nfds_t count, int timeout_ms)
{
    if (count != 1 || timeout_ms != 0 || fds->fd + 1 != reading.fd || (fds->events & POLLOUT))
        return false;
    bool drained = reading.bytes > 0 && reading.bytes < SHORT_READ;
    reading.bytes = 0;
    return drained;
}

int tt_client_poll(struct pollfd *fds, nfds_t count, int timeout_ms)
{
    struct timespec time = {timeout_ms / 1000, timeout_ms % 1000 * 1000000L};
    if (is_answered(fds, count, timeout_ms)) {
        fds->revents = 0;
        return 0;
    }
    return ppoll(fds, count, timeout_ms < 0 ? NULL : &time, NULL);
}
