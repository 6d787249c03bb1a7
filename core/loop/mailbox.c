/* Mail to a loop from other threads: a lock-free stack and one eventfd. Only the post that finds
 * the box empty signals: a thousand posts in one tick cost one write. The reader takes the whole
 * stack with one exchange, so there is no ABA problem, and a slow loop can never make a poster
 * wait. It neither bounds nor drops: posters bound the mail that they have in progress. */
#include "base/err.h"
#include "loop/loop_internal.h"

#include <errno.h>
#include <sched.h>
#include <string.h>
#include <sys/eventfd.h>
#include <unistd.h>

int tt_mailbox_open(struct tt_mailbox *box, struct tt_err *err)
{
    atomic_init(&box->top, NULL);
    atomic_init(&box->posting, 0);
    box->event_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
    if (box->event_fd < 0)
        return tt_err_set(err, 500, "loop_failed", "eventfd: %s", strerror(errno));
    return 0;
}

/* The mail of a post may be delivered before that post has signalled: whoever closes the loop on
 * what the mail says waits for the signal, which would go to a closed descriptor otherwise. */
void tt_mailbox_close(struct tt_mailbox *box)
{
    while (atomic_load_explicit(&box->posting, memory_order_acquire) > 0)
        sched_yield();
    if (box->event_fd >= 0)
        close(box->event_fd);
    box->event_fd = -1;
}

/* Every write is an edge of its own, whatever the counter says; it is full after 2^64 of them. */
void tt_mailbox_signal(struct tt_mailbox *box)
{
    const uint64_t one = 1;
    while (write(box->event_fd, &one, sizeof(one)) < 0 && errno == EINTR)
        ;
}

/* Once the exchange succeeded the mail may be delivered and freed at any time: it is not touched
 * again. */
void tt_loop_post(struct tt_loop *loop, struct tt_mail *mail)
{
    struct tt_mailbox *box = &loop->mailbox;
    struct tt_list *top = atomic_load_explicit(&box->top, memory_order_relaxed);
    atomic_fetch_add_explicit(&box->posting, 1, memory_order_relaxed);
    do {
        mail->node.next = top;
    } while (!atomic_compare_exchange_weak_explicit(&box->top, &top, &mail->node,
                                                    memory_order_release, memory_order_relaxed));
    if (!top)
        tt_mailbox_signal(box);
    atomic_fetch_sub_explicit(&box->posting, 1, memory_order_release);
}

void tt_mailbox_drain(struct tt_mailbox *box)
{
    struct tt_list *newest;
    struct tt_list *oldest = NULL;
    if (!atomic_load_explicit(&box->top, memory_order_relaxed))
        return;
    newest = atomic_exchange_explicit(&box->top, NULL, memory_order_acquire);
    while (newest) {
        struct tt_list *next = newest->next;
        newest->next = oldest;
        oldest = newest;
        newest = next;
    }
    while (oldest) {
        struct tt_mail *mail = tt_list_entry(oldest, struct tt_mail, node);
        oldest = oldest->next;
        tt_list_init(&mail->node); /* may be posted again, even from its own delivery */
        mail->deliver(mail);
    }
}
