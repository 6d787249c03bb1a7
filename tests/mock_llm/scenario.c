/*
 * Reading scenario keys. The keys are one table (name, kind, place, range), so that a new key is
 * one line here and one in the README. Unknown keys and values out of range are refused: a test
 * with a typing error must fail loudly instead of testing the default.
 */
#include "scenario.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum key_kind {
    KEY_NUMBER, /* a whole number */
    KEY_FLOAT,
    KEY_FLAG, /* 0 or 1 */
    KEY_NAME, /* one of a list, stored as its index */
    KEY_TEXT,
    KEY_LABEL, /* ignored, only makes a path its own */
};

static const char *const echo_names[] = {"0",    "1",     "model", "system", "roles",
                                         "body", "count", "key",   NULL};
static const char *const fault_names[] = {
    "none",     "refuse",    "reset",     "reset_headers", "reset_mid", "hang",      "hang_headers",
    "hang_mid", "close_mid", "garbage",   "html",          "badjson",   "wrongjson", "bigline",
    "endless",  "error_mid", "wrongtype", "gzipbomb",      "empty",     NULL};
static const char *const eol_names[] = {"lf", "crlf", NULL};
static const char *const tools_names[] = {"0", "1", "asked", NULL};
const char *const scenario_finish_names[] = {"stop", "length", "content_filter", "tool_calls",
                                             NULL};

struct key {
    const char *name;
    enum key_kind kind;
    size_t offset;
    double min, max;
    const char *const *names;
};

#define AT(field) offsetof(struct scenario, field)

static const struct key keys[] = {
    {"tokens", KEY_NUMBER, AT(tokens), 0, 1e6, NULL},
    {"size", KEY_NUMBER, AT(size), 1, 1 << 20, NULL},
    {"pace", KEY_FLOAT, AT(pace), 0, 3.6e6, NULL},
    {"first", KEY_FLOAT, AT(first), 0, 3.6e6, NULL},
    {"text", KEY_TEXT, AT(text), 0, 0, NULL},
    {"echo", KEY_NAME, AT(echo), 0, 0, echo_names},
    {"split", KEY_NUMBER, AT(split), 0, 1 << 20, NULL},
    {"splitpace", KEY_FLOAT, AT(splitpace), 0, 1e7, NULL},
    {"eol", KEY_NAME, AT(eol), 0, 0, eol_names},
    {"comments", KEY_FLAG, AT(comments), 0, 1, NULL},
    {"usage", KEY_FLAG, AT(usage), 0, 1, NULL},
    {"reasoning", KEY_NUMBER, AT(reasoning), 0, 1e5, NULL},
    {"interleave", KEY_NUMBER, AT(interleave), 0, 1e5, NULL},
    {"finish", KEY_NAME, AT(finish), 0, 0, scenario_finish_names},
    {"done", KEY_FLAG, AT(done), 0, 1, NULL},
    {"status", KEY_NUMBER, AT(status), 200, 599, NULL},
    {"retry_after", KEY_NUMBER, AT(retry_after), 0, 1e6, NULL},
    {"fault", KEY_NAME, AT(fault), 0, 0, fault_names},
    {"at", KEY_NUMBER, AT(at), 0, 1e6, NULL},
    {"bytes", KEY_NUMBER, AT(bytes), 1, 1 << 28, NULL},
    {"fails", KEY_NUMBER, AT(fails), 0, 1e6, NULL},
    {"id", KEY_LABEL, 0, 0, 0, NULL},
    {"tools", KEY_NAME, AT(tools), 0, 0, tools_names},
    {"surrogates", KEY_FLAG, AT(surrogates), 0, 1, NULL},
    {"ascii", KEY_FLAG, AT(ascii), 0, 1, NULL},
    {"stamp", KEY_FLAG, AT(stamp), 0, 1, NULL},
    {"chunked", KEY_FLAG, AT(chunked), 0, 1, NULL},
};

static int set_number(double *out, const struct key *k, struct slice v)
{
    char text[32], *end;

    /* strtod alone would also take "nan", "0x10" and " 5". */
    if (!v.n || v.n >= sizeof text)
        return -1;
    memcpy(text, v.p, v.n);
    text[v.n] = 0;
    if (strspn(text, k->kind == KEY_FLOAT ? "0123456789." : "0123456789") != v.n)
        return -1;
    *out = strtod(text, &end);
    return *end || *out < k->min || *out > k->max ? -1 : 0;
}

static int set_name(int *out, const struct key *k, struct slice v)
{
    for (int i = 0; k->names[i]; i++) {
        if (slice_is(v, k->names[i])) {
            *out = i;
            return 0;
        }
    }
    return -1;
}

static int decode_hex(struct buf *out, struct slice v)
{
    if (v.n % 2)
        return -1;
    for (size_t i = 0; i < v.n; i += 2) {
        int hi = hex_digit(v.p[i]), lo = hex_digit(v.p[i + 1]);
        if (hi < 0 || lo < 0)
            return -1;
        buf_add(out, &(char){(char)(hi << 4 | lo)}, 1);
    }
    return 0;
}

static int decode_url(struct buf *out, struct slice v)
{
    for (size_t i = 0; i < v.n; i++) {
        if (v.p[i] != '%') {
            buf_add(out, v.p + i, 1);
            continue;
        }
        if (i + 2 >= v.n || decode_hex(out, (struct slice){v.p + i + 1, 2}))
            return -1;
        i += 2;
    }
    return 0;
}

static int set_text(struct scenario *sc, struct slice v)
{
    sc->has_text = true;
    sc->text.n = 0;
    if (v.n >= 4 && !memcmp(v.p, "hex:", 4))
        return decode_hex(&sc->text, (struct slice){v.p + 4, v.n - 4});
    return decode_url(&sc->text, v);
}

static int set_key(struct scenario *sc, const struct key *k, struct slice v)
{
    void *place = (char *)sc + k->offset;
    double number;

    switch (k->kind) {
    case KEY_NUMBER:
    case KEY_FLOAT:
        return set_number(place, k, v);
    case KEY_FLAG:
        if (set_number(&number, k, v))
            return -1;
        *(int *)place = number != 0;
        return 0;
    case KEY_NAME:
        return set_name(place, k, v);
    case KEY_TEXT:
        return set_text(sc, v);
    case KEY_LABEL:
        return 0;
    }
    return -1;
}

static const struct key *find_key(struct slice name)
{
    for (size_t i = 0; i < sizeof keys / sizeof *keys; i++) {
        if (slice_is(name, keys[i].name))
            return &keys[i];
    }
    return NULL;
}

static int check_together(const struct scenario *sc, char *err, size_t errlen)
{
    if (sc->stamp && (sc->has_text || sc->echo))
        return snprintf(err, errlen, "stamp cannot be combined with text or echo"), -1;
    if (sc->has_text && sc->echo)
        return snprintf(err, errlen, "text cannot be combined with echo"), -1;
    if (sc->tokens * (sc->size > 0 ? sc->size : 16) > 64e6)
        return snprintf(err, errlen, "tokens x size is limited to 64 MB"), -1;
    return 0;
}

int scenario_parse(struct scenario *sc, struct slice segment, char *err, size_t errlen)
{
    *sc = (struct scenario){.tokens = 8,
                            .size = -1,
                            .retry_after = -1,
                            .at = -1,
                            .bytes = -1,
                            .usage = -1,
                            .done = 1,
                            .status = 200,
                            .chunked = 1};
    while (segment.n) {
        struct slice value = slice_until(&segment, ',');
        struct slice name = slice_until(&value, '=');
        const struct key *k = find_key(name);
        int shown = name.n < 60 ? (int)name.n : 60;
        if (!k) {
            snprintf(err, errlen, "unknown scenario key '%.*s'", shown, name.p);
            return -1;
        }
        if (!value.p || set_key(sc, k, value)) {
            shown = value.n < 60 ? (int)value.n : 60;
            snprintf(err, errlen, "scenario key '%s' has a bad value '%.*s'", k->name, shown,
                     value.p ? value.p : "");
            return -1;
        }
    }
    return check_together(sc, err, errlen);
}

void scenario_free(struct scenario *sc)
{
    buf_free(&sc->text);
}
