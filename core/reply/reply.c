/* A reply's life: waiting, running, produced, finished; its outcome; and how it is stopped from any
 * thread. Only the reply's own thread changes the state; all others read it with acquire, so that a
 * reader that sees FINISHED also sees every byte. Outcomes are created once and never changed
 * (finish puts a new one in place), because readers on other threads look at them without a lock. A
 * stop travels by mail and waits for a producer that has not said yet how to stop it. */
#include "base/clock.h"
#include "base/mem.h"
#include "base/utf8.h"
#include "reply/reply_internal.h"
#include "reply/tokens.h"

#include <stdio.h>
#include <stdlib.h>

static atomic_int unfinished;

int tt_reply_count(void)
{
    return atomic_load(&unfinished);
}

static void on_stop_mail(struct tt_mail *mail);

struct tt_reply *tt_reply_new(struct tt_loop *loop, int64_t message_id, int64_t user_message_id,
                              int64_t user_id, struct tt_err *err)
{
    if (tt_reply_log_refuse(err) != 0)
        return NULL;
    struct tt_reply *reply = TT_NEW(struct tt_reply);
    atomic_init(&reply->refs, 1);
    reply->loop = loop;
    reply->hub = tt_reply_hub_ref(loop);
    reply->message_id = message_id;
    reply->user_message_id = user_message_id;
    reply->user_id = user_id;
    pthread_mutex_init(&reply->lock, NULL);
    tt_list_init(&reply->loop_readers);
    reply->stop_mail.deliver = on_stop_mail;
    atomic_fetch_add(&unfinished, 1);
    return reply;
}

struct tt_reply *tt_reply_ref(struct tt_reply *reply)
{
    atomic_fetch_add_explicit(&reply->refs, 1, memory_order_relaxed);
    return reply;
}

static void free_notes(struct tt_reply *reply)
{
    const struct tt_reply_note *note = atomic_load(&reply->first_note), *next;

    for (; note; note = next) {
        next = atomic_load(&note->next);
        free((void *)note);
    }
}

void tt_reply_unref(struct tt_reply *reply)
{
    if (!reply || atomic_fetch_sub_explicit(&reply->refs, 1, memory_order_acq_rel) != 1)
        return;
    if (tt_reply_state(reply) != TT_REPLY_FINISHED)
        atomic_fetch_sub(&unfinished, 1);
    tt_reply_log_destroy(&reply->log);
    tt_buf_free(&reply->held);
    tt_reply_hub_unref(reply->hub);
    pthread_mutex_destroy(&reply->lock);
    free(atomic_load(&reply->outcome));
    free(reply->earlier);
    free((char *)reply->carried.data);
    tt_buf_free(&reply->images);
    tt_buf_free(&reply->files);
    free_notes(reply);
    free(reply->stop_reason);
    free(reply);
}

int64_t tt_reply_message_id(const struct tt_reply *reply)
{
    return reply->message_id;
}

int64_t tt_reply_user_message_id(const struct tt_reply *reply)
{
    return reply->user_message_id;
}

int64_t tt_reply_user_id(const struct tt_reply *reply)
{
    return reply->user_id;
}

struct tt_loop *tt_reply_loop(const struct tt_reply *reply)
{
    return reply->loop;
}

enum tt_reply_state tt_reply_state(const struct tt_reply *reply)
{
    return (enum tt_reply_state)atomic_load_explicit(&reply->state, memory_order_acquire);
}

static void set_state(struct tt_reply *reply, enum tt_reply_state state)
{
    atomic_store_explicit(&reply->state, state, memory_order_release);
}

const struct tt_reply_outcome *tt_reply_outcome(const struct tt_reply *reply)
{
    return atomic_load_explicit(&reply->outcome, memory_order_acquire);
}

/* ---- the producer ---- */

void tt_reply_set_filter(struct tt_reply *reply, const struct tt_reply_filter *filter)
{
    reply->filter = *filter;
    reply->filtering = filter->run ? TT_FILTER_RUNS : TT_FILTER_OVER;
}

/* The text of scripts and of rows may have NULs; upstreams' is JSON and has none any more. */
static int append_text(struct tt_reply *reply, enum tt_reply_kind kind, struct tt_str text,
                       struct tt_err *err)
{
    struct tt_buf clean = {0};

    if (text.len == 0 || !memchr(text.data, 0, text.len))
        return tt_reply_log_append(&reply->log, kind, text, err);
    tt_utf8_append_without_nul(&clean, text);
    int result = tt_reply_log_append(&reply->log, kind, tt_buf_str(&clean), err);
    tt_buf_free(&clean);
    return result;
}

static void end_by_filter(struct tt_reply *reply, const char *reason, bool final)
{
    snprintf(reply->filter_reason, sizeof(reply->filter_reason), "%s", reason);
    if (final) /* no producer is left to be stopped */
        return;
    reply->filtering = TT_FILTER_ENDS;
    tt_reply_stop(reply, NULL);
}

/* Valid UTF-8 is required here, at the entry: the log and its readers rely on it. */
static int append_filtered(struct tt_reply *reply, enum tt_reply_kind kind, struct tt_str text,
                           bool final, struct tt_err *err)
{
    struct tt_reply_filtered out = {.text.max = TT_REPLY_MAX};
    int result = reply->filter.run(reply->filter.arg, kind, text, final, &out, err);

    if (result == 0 && !tt_utf8_valid(tt_buf_str(&out.text)))
        result = tt_err_set(err, 500, "hook_failed", "a filter made text that is not UTF-8");
    if (result == 0 && out.text.len > 0)
        result = append_text(reply, kind, tt_buf_str(&out.text), err);
    if (result != 0)
        reply->filtering = TT_FILTER_OVER;
    else if (out.finish_reason[0])
        end_by_filter(reply, out.finish_reason, final);
    tt_buf_free(&out.text);
    return result;
}

static int hold(struct tt_reply *reply, struct tt_str entry, struct tt_err *err)
{
    reply->held.max = TT_REPLY_MAX;
    if (tt_buf_append_str(&reply->held, entry) == 0)
        return 0;
    return tt_err_set(err, 502, "reply_too_long", "the tool calls are longer than %u bytes",
                      TT_REPLY_MAX);
}

/* A reply whose text a filter holds back runs all the same: bytes have come, so nobody may ask
 * another upstream for the beginning. */
int tt_reply_append(struct tt_reply *reply, enum tt_reply_kind kind, struct tt_str text,
                    struct tt_err *err)
{
    if (text.len == 0 || reply->filtering >= TT_FILTER_ENDS)
        return 0;
    bool filtered = reply->filtering == TT_FILTER_RUNS && !tt_reply_kind_has_entries(kind);
    int result;
    if (kind == TT_REPLY_TOOL_CALLS && reply->on_part)
        result = hold(reply, text, err);
    else
        result = filtered ? append_filtered(reply, kind, text, false, err)
                          : append_text(reply, kind, text, err);
    if (result != 0)
        return -1;
    if (tt_reply_state(reply) == TT_REPLY_WAITING)
        set_state(reply, TT_REPLY_RUNNING);
    tt_reply_touch(reply);
    return 0;
}

/* What a filter still holds belongs to the reply, however it has ended. */
static void release_filtered(struct tt_reply *reply, struct tt_reply_outcome *outcome)
{
    struct tt_err err = {0};

    if (reply->filtering == TT_FILTER_NONE || reply->filtering == TT_FILTER_OVER ||
        tt_reply_state(reply) == TT_REPLY_WAITING)
        return;
    if (append_filtered(reply, TT_REPLY_REASONING, TT_STR(""), true, &err) != 0 ||
        append_filtered(reply, TT_REPLY_CONTENT, TT_STR(""), true, &err) != 0) {
        outcome->status = "error";
        outcome->error = err;
    } else if (reply->filter_reason[0]) {
        outcome->status = "complete";
        outcome->error = (struct tt_err){0};
        snprintf(outcome->finish_reason, sizeof(outcome->finish_reason), "%s",
                 reply->filter_reason);
    }
    reply->filtering = TT_FILTER_OVER;
}

void tt_reply_estimate(struct tt_reply *reply, int64_t input_tokens)
{
    reply->estimates = true;
    reply->input_estimate = input_tokens;
}

void tt_reply_no_estimate(struct tt_reply *reply)
{
    reply->estimates = false;
}

static void estimate_usage(const struct tt_reply *reply, struct tt_reply_outcome *outcome)
{
    struct tt_reply_usage *usage = &outcome->usage;
    struct tt_reply_span span = {.end = reply->part_start};
    bool failed = outcome->error.status != 0 && !outcome->maybe_charged;
    uint64_t quarters = 0;

    if (!reply->estimates || (usage->input_tokens >= 0 && usage->output_tokens >= 0) ||
        (failed && tt_reply_state(reply) == TT_REPLY_WAITING))
        return;
    while (usage->output_tokens < 0 && tt_reply_log_read(&reply->log, span.end, &span))
        quarters += tt_tokens_quarters(span.bytes);
    quarters += tt_tokens_quarters(tt_buf_str(&reply->held));
    if (usage->output_tokens < 0)
        usage->output_tokens = tt_tokens_of(quarters);
    if (usage->input_tokens < 0)
        usage->input_tokens = reply->input_estimate;
    outcome->usage_estimated = true;
}

/* A reply that the server's own end cuts off did not fail: it is interrupted, as by a crash. */
static const char *known_status(const struct tt_reply_outcome *outcome)
{
    static const char *const known[] = {"complete", "stopped", "error", "interrupted", "waiting"};
    if (strcmp(outcome->error.code, "shutting_down") == 0)
        return "interrupted";
    for (size_t i = 0; outcome->status && i < TT_COUNT(known); i++)
        if (strcmp(outcome->status, known[i]) == 0)
            return known[i];
    return "error";
}

#define NOTES_MAX ((size_t)256 << 10) /* bytes */

void tt_reply_note(struct tt_reply *reply, struct tt_str json)
{
    if (json.len == 0 || reply->filtering != TT_FILTER_NONE ||
        json.len > NOTES_MAX - reply->note_bytes)
        return;
    struct tt_reply_note *note = tt_alloc(sizeof(*note) + json.len);
    char *bytes = (char *)(note + 1);

    memcpy(bytes, json.data, json.len);
    atomic_init(&note->next, NULL);
    note->position = tt_reply_length(reply);
    note->json = tt_str_of(bytes, json.len);
    reply->note_bytes += json.len;
    atomic_store_explicit(reply->last_note ? &reply->last_note->next : &reply->first_note, note,
                          memory_order_release);
    reply->last_note = note;
}

const struct tt_reply_note *tt_reply_next_note(const struct tt_reply *reply,
                                               const struct tt_reply_note *last)
{
    return atomic_load_explicit(last ? &last->next : &reply->first_note, memory_order_acquire);
}

static void end_part(struct tt_reply *reply, const struct tt_reply_outcome *outcome)
{
    struct tt_reply_outcome part = *outcome;

    estimate_usage(reply, &part);
    part.status = reply->filtering == TT_FILTER_ENDS ? "stopped" : known_status(&part);
    reply->on_part(reply, &part, reply->part_arg);
}

void tt_reply_produced(struct tt_reply *reply, const struct tt_reply_outcome *outcome)
{
    if (tt_reply_state(reply) >= TT_REPLY_PRODUCED)
        return;
    if (reply->on_part) {
        end_part(reply, outcome);
        return;
    }
    struct tt_reply_outcome *copy = TT_NEW(struct tt_reply_outcome);
    *copy = *outcome;
    release_filtered(reply, copy);
    estimate_usage(reply, copy);
    copy->status = known_status(copy);
    copy->finish_reason[sizeof(copy->finish_reason) - 1] = '\0';
    if (copy->ended_us == 0)
        copy->ended_us = tt_clock_wall_us();
    copy->images_left_out += reply->images_left_out;
    tt_reply_carry_images(reply);
    atomic_store_explicit(&reply->outcome, copy, memory_order_release);
    set_state(reply, TT_REPLY_PRODUCED);
    tt_reply_touch(reply);
}

void tt_reply_on_part(struct tt_reply *reply,
                      void (*on_part)(struct tt_reply *reply,
                                      const struct tt_reply_outcome *outcome, void *arg),
                      void *arg)
{
    reply->on_part = on_part;
    reply->part_arg = arg;
}

void tt_reply_begin_part(struct tt_reply *reply)
{
    reply->part_start = tt_reply_length(reply);
    tt_buf_clear(&reply->held);
}

uint64_t tt_reply_part_start(const struct tt_reply *reply)
{
    return reply->part_start;
}

void tt_reply_take_held(struct tt_reply *reply, struct tt_buf *out)
{
    tt_buf_append_str(out, tt_buf_str(&reply->held));
    tt_buf_clear(&reply->held);
}

void tt_reply_finish(struct tt_reply *reply, const struct tt_err *error)
{
    if (tt_reply_state(reply) == TT_REPLY_FINISHED)
        return;
    struct tt_reply_outcome *before = atomic_load(&reply->outcome);
    bool left_out = before && before->images_left_out < reply->images_left_out;
    if (error || !before || left_out) {
        struct tt_reply_outcome *after = TT_NEW(struct tt_reply_outcome);
        if (before)
            *after = *before;
        else
            *after = (struct tt_reply_outcome){.usage = TT_REPLY_NO_USAGE, .retry_after_s = -1};
        after->status = before && !error ? before->status : error ? "error" : "interrupted";
        if (error) {
            after->error = *error;
            after->finish_reason[0] = '\0'; /* "stop" is not how it has ended */
        }
        if (left_out)
            after->images_left_out = reply->images_left_out;
        atomic_store_explicit(&reply->outcome, after, memory_order_release);
        reply->earlier = before;
    }
    reply->produced_told = true;
    set_state(reply, TT_REPLY_FINISHED);
    atomic_fetch_sub(&unfinished, 1);
    tt_reply_touch(reply);
}

void tt_reply_on_produced(struct tt_reply *reply,
                          void (*on_produced)(struct tt_reply *reply, void *arg), void *arg)
{
    reply->on_produced = on_produced;
    reply->produced_arg = arg;
    if (on_produced && tt_reply_state(reply) == TT_REPLY_PRODUCED)
        tt_reply_touch(reply);
}

void tt_reply_tell_produced(struct tt_reply *reply)
{
    if (!reply->on_produced || reply->produced_told || tt_reply_state(reply) != TT_REPLY_PRODUCED)
        return;
    reply->produced_told = true;
    reply->on_produced(reply, reply->produced_arg);
}

/* ---- stopping ---- */

/* Own thread. The mail holds a reference until it is delivered. */
static void on_stop_mail(struct tt_mail *mail)
{
    struct tt_reply *reply = TT_CONTAINER_OF(mail, struct tt_reply, stop_mail);
    reply->stop_arrived = true;
    reply->stop_mailed = false;
    if (reply->on_stop && !reply->stop_told && tt_reply_state(reply) < TT_REPLY_PRODUCED) {
        reply->stop_told = true;
        reply->on_stop(reply, reply->stop_reason, reply->stop_arg);
    }
    tt_reply_unref(reply);
}

/* A stop that came earlier is sent again by mail, since on_stop must not be called from here. */
void tt_reply_on_stop(struct tt_reply *reply,
                      void (*on_stop)(struct tt_reply *reply, const struct tt_err *reason,
                                      void *arg),
                      void *arg)
{
    reply->on_stop = on_stop;
    reply->stop_arg = arg;
    if (on_stop && reply->stop_arrived && !reply->stop_told && !reply->stop_mailed) {
        reply->stop_mailed = true;
        tt_reply_ref(reply);
        tt_loop_post(reply->loop, &reply->stop_mail);
    }
}

/* The first one to ask decides the reason. */
void tt_reply_stop(struct tt_reply *reply, const struct tt_err *reason)
{
    pthread_mutex_lock(&reply->lock);
    bool first = !reply->stop_asked;
    reply->stop_asked = true;
    if (first && reason) {
        reply->stop_reason = TT_NEW(struct tt_err);
        *reply->stop_reason = *reason;
    }
    pthread_mutex_unlock(&reply->lock);
    if (!first)
        return;
    tt_reply_ref(reply);
    tt_loop_post(reply->loop, &reply->stop_mail);
}

/* ---- listening ---- */

void tt_reply_client_add(struct tt_reply *reply)
{
    atomic_fetch_add(&reply->listeners, 1);
}

void tt_reply_client_remove(struct tt_reply *reply, bool left)
{
    bool last = atomic_fetch_sub(&reply->listeners, 1) == 1;
    if (last && left && reply->stop_without_clients)
        tt_reply_stop(reply, NULL);
}

bool tt_reply_has_clients(const struct tt_reply *reply)
{
    return atomic_load(&reply->listeners) > 0;
}

void tt_reply_stop_without_clients(struct tt_reply *reply)
{
    reply->stop_without_clients = true;
}

/* ---- reading ---- */

uint64_t tt_reply_length(const struct tt_reply *reply)
{
    return atomic_load_explicit(&reply->log.length, memory_order_acquire);
}

bool tt_reply_read(const struct tt_reply *reply, uint64_t position, struct tt_reply_span *span)
{
    return tt_reply_log_read(&reply->log, position, span);
}

void tt_reply_read_entry(const struct tt_reply *reply, struct tt_reply_span *span,
                         struct tt_buf *out)
{
    uint64_t end = span->run_end;

    for (uint64_t at = span->run_from; at < end; at = span->end) {
        tt_reply_read(reply, at, span);
        tt_buf_append_str(out, span->bytes);
    }
    out->len--; /* the entry's line end */
}

void tt_reply_text(const struct tt_reply *reply, enum tt_reply_kind kind, struct tt_buf *out)
{
    struct tt_reply_span span;
    for (uint64_t at = 0; tt_reply_read(reply, at, &span); at = span.end)
        if (span.kind == kind)
            tt_buf_append_str(out, span.bytes);
}

bool tt_reply_splits(const struct tt_reply *reply, uint64_t position)
{
    struct tt_reply_span span;
    if (!tt_reply_read(reply, position, &span))
        return false;
    return ((unsigned char)span.bytes.data[0] & 0xC0) == 0x80 ||
           (tt_reply_kind_has_entries(span.kind) && span.run_from != position);
}
