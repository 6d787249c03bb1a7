/* Circuit breakers and in-flight limits of upstreams, process-wide: an upstream that keeps failing
 * is not called for a while, so that its users get their answer (or their fallback) at once and it
 * gets time to recover. An upstream is an origin and whatever the caller tells apart there (a key,
 * a configuration, a model): failures of one say nothing about another. Memory is bounded: idle
 * upstreams are forgotten first. */
#pragma once
#include "base/err.h"
#include "base/str.h"

struct tt_breakers;
struct tt_breaker;

struct tt_breaker_settings {
    int failures;       /* of one kind, in a row, within the window, that open it; 0 = never */
    uint64_t window_ms; /* older failures do not count */
    uint64_t pause_ms;  /* how long it stays open; then one attempt at a time may find out */
    int in_flight_max;  /* calls at the same time; 0 = any number */
};
/* Owns: the caller; freed when nothing holds a permit. Thread: any. */
struct tt_breakers *tt_breakers_new(const struct tt_breaker_settings *settings);
void tt_breakers_free(struct tt_breakers *breakers);

/* Held by a call to an upstream while it runs. Zeroed = none. */
struct tt_breaker_permit {
    struct tt_breaker *breaker;
    bool probe; /* this call finds out whether an open breaker may close */
};

/* `upstream` is for people ("https://host:443"), `key` distinguishes what is the caller's there and
 * reveals nothing about it. With `force` an open breaker lets the call pass: somebody wants to test
 * it. 0: the permit is the caller's until tt_breaker_leave. -1: "upstream_circuit_open" or "busy"
 * (both 503), and *retry_after_s says when to try again. Thread: any. */
int tt_breaker_enter(struct tt_breakers *breakers, struct tt_str upstream, uint64_t key, bool force,
                     struct tt_breaker_permit *permit, int64_t *retry_after_s, struct tt_err *err);

/* What went wrong. Different kinds are not counted together: they have different causes. */
enum tt_breaker_fault {
    TT_BREAKER_NO_FAULT,    /* the upstream answered, whatever it said */
    TT_BREAKER_UNREACHABLE, /* no connection, or a broken one */
    TT_BREAKER_SILENT,      /* it did not answer in time */
    TT_BREAKER_FAILED       /* it says that it failed */
};

/* Reports the result. Harmless without a permit. Thread: any. */
void tt_breaker_report(struct tt_breaker_permit *permit, enum tt_breaker_fault fault);
void tt_breaker_leave(struct tt_breaker_permit *permit);

struct tt_breaker_status {
    struct tt_str upstream; /* valid during the call only */
    uint64_t key;
    const char *state; /* closed, open, half_open */
    int in_flight, failures;
    uint64_t calls, failed, refused, opened;
    uint64_t retry_ms; /* until an open breaker lets a call pass */
};
/* Calls `each` for the upstreams of the last minutes, in no order, with a lock held. Thread: any.
 */
void tt_breakers_each(struct tt_breakers *breakers,
                      void (*each)(const struct tt_breaker_status *status, void *arg), void *arg);
