/*
 * The text of an answer, cut. Default words carry their number and, when a size is asked, exactly
 * that many bytes, so that a client can check every byte and the order; given or echoed text is cut
 * between characters, and with surrogates=1 even inside one.
 */
#include "reply.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define STAMP_LEN 16

static void end_delta(struct deltas *d)
{
    if (d->count == d->cap) {
        d->cap = d->cap ? d->cap * 2 : 64;
        d->end = mem_grow(d->end, d->cap * sizeof *d->end);
    }
    d->end[d->count++] = d->json.n;
}

/* "tok7 ", or padded with dots to size, or the number's last digits when size is too small. */
static void add_word(struct buf *b, size_t i, double size)
{
    char word[64];
    int n = snprintf(word, sizeof word, "tok%zu", i);

    if (size < 0) {
        buf_printf(b, "%s ", word);
        return;
    }
    size_t want = (size_t)size;
    if (want > (size_t)n) {
        buf_add(b, word, (size_t)n);
        buf_fill(b, '.', want - (size_t)n - 1);
        buf_add(b, " ", 1);
    } else {
        snprintf(word, sizeof word, "%032zu", i);
        buf_add(b, word + 32 - want, want);
    }
}

static void cut_words(struct deltas *d, const struct scenario *sc)
{
    double rest = sc->size;

    if (sc->stamp && rest >= 0)
        rest = rest > STAMP_LEN ? rest - STAMP_LEN : 0;
    for (size_t i = 0; i < (size_t)sc->tokens; i++) {
        if (sc->stamp)
            buf_fill(&d->json, '0', STAMP_LEN);
        if (rest != 0)
            add_word(&d->json, i, rest);
        end_delta(d);
    }
}

static void cut_text(struct deltas *d, const struct scenario *sc, const char *p, size_t n)
{
    const char *end = p + n;
    size_t size = sc->size > 0 ? (size_t)sc->size : 0, held = 0;
    uint32_t cp = 0;

    while (p < end) {
        size_t len = utf8_next(p, end, &cp);
        bool invalid = len == 0;
        len += invalid;
        if (held && held + len > size) {
            end_delta(d);
            held = 0;
        }
        if (!invalid && cp >= 0x10000 && sc->surrogates) {
            buf_printf(&d->json, "\\u%04x", 0xd800 + ((cp - 0x10000) >> 10));
            end_delta(d);
            buf_printf(&d->json, "\\u%04x", 0xdc00 + ((cp - 0x10000) & 0x3ff));
        } else {
            buf_json(&d->json, p, len, sc->ascii);
        }
        held += len;
        p += len;
    }
    if (held)
        end_delta(d);
}

static void echo_text(struct buf *out, const struct reply_args *a)
{
    switch ((enum echo_kind)a->sc->echo) {
    case ECHO_NONE:
        break;
    case ECHO_USER:
        chat_text(a->chat->last_user, out);
        break;
    case ECHO_MODEL:
        chat_text(a->chat->model, out);
        break;
    case ECHO_SYSTEM:
        chat_text(a->chat->system, out);
        break;
    case ECHO_ROLES:
        buf_add(out, a->chat->roles.p, a->chat->roles.n);
        break;
    case ECHO_BODY:
        buf_add(out, a->body.p, a->body.n);
        break;
    case ECHO_COUNT:
        buf_printf(out, "%zu", a->chat->messages);
        break;
    case ECHO_KEY:
        buf_add(out, a->bearer.p, a->bearer.n);
        break;
    }
}

void deltas_build(struct deltas *d, const struct reply_args *a)
{
    struct buf text = {0};

    if (a->sc->has_text) {
        cut_text(d, a->sc, a->sc->text.p, a->sc->text.n);
    } else if (a->sc->echo) {
        echo_text(&text, a);
        cut_text(d, a->sc, text.p, text.n);
    } else {
        cut_words(d, a->sc);
    }
    buf_free(&text);
}

void deltas_reasoning(struct deltas *d, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        buf_printf(&d->json, "think%zu ", i);
        end_delta(d);
    }
}

void deltas_free(struct deltas *d)
{
    buf_free(&d->json);
    free(d->end);
}
