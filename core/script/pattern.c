/* The usual backtracking matcher: it calls itself for the rest after a repeated item or a capture,
 * and loops for everything else. */
#include "script/pattern.h"

#include "script/watchdog.h"

#include <ctype.h>
#include <lauxlib.h>
#include <string.h>

#define DEPTH_MAX 200
#define LOOK_AT   1024 /* steps from one look whether to stop to the next */

static const char *match(struct tt_pattern *ms, const char *s, const char *p);

static void step(struct tt_pattern *ms)
{
    if (++ms->steps % LOOK_AT == 0)
        tt_budget_raise_if_stopped(ms->L, "a pattern");
}

/* ---- one character ---- */

static const char *class_end(struct tt_pattern *ms, const char *p)
{
    char c = *p++;

    if (c == '%') {
        if (p == ms->end)
            luaL_error(ms->L, "malformed pattern (ends with '%%')");
        return p + 1;
    }
    if (c != '[')
        return p;
    if (*p == '^')
        p++;
    do {
        if (p == ms->end)
            luaL_error(ms->L, "malformed pattern (missing ']')");
        if (*p++ == '%' && p < ms->end)
            p++;
    } while (*p != ']');
    return p + 1;
}

static bool is_in_class(int c, int class)
{
    bool found;

    switch (tolower(class)) {
    case 'a':
        found = isalpha(c) != 0;
        break;
    case 'c':
        found = iscntrl(c) != 0;
        break;
    case 'd':
        found = isdigit(c) != 0;
        break;
    case 'g':
        found = isgraph(c) != 0;
        break;
    case 'l':
        found = islower(c) != 0;
        break;
    case 'p':
        found = ispunct(c) != 0;
        break;
    case 's':
        found = isspace(c) != 0;
        break;
    case 'u':
        found = isupper(c) != 0;
        break;
    case 'w':
        found = isalnum(c) != 0;
        break;
    case 'x':
        found = isxdigit(c) != 0;
        break;
    case 'z':
        found = c == 0;
        break;
    default:
        return class == c;
    }
    return isupper(class) ? !found : found;
}

/* p is at '[', last at the ']' that ends it. */
static bool is_in_set(int c, const char *p, const char *last)
{
    bool wanted = true;

    if (p[1] == '^') {
        wanted = false;
        p++;
    }
    while (++p < last) {
        if (*p == '%') {
            p++;
            if (is_in_class(c, (unsigned char)*p))
                return wanted;
        } else if (p[1] == '-' && p + 2 < last) {
            p += 2;
            if ((unsigned char)p[-2] <= c && c <= (unsigned char)*p)
                return wanted;
        } else if ((unsigned char)*p == c) {
            return wanted;
        }
    }
    return !wanted;
}

/* Whether the character at s is what p, up to its class's end ep, asks for. */
static bool is_single(struct tt_pattern *ms, const char *s, const char *p, const char *ep)
{
    step(ms);
    if (s >= ms->subject_end)
        return false;
    int c = (unsigned char)*s;
    switch (*p) {
    case '.':
        return true;
    case '%':
        return is_in_class(c, (unsigned char)p[1]);
    case '[':
        if (ep - p > LOOK_AT)
            tt_budget_raise_if_stopped(ms->L, "a pattern");
        return is_in_set(c, p, ep - 1);
    default:
        return (unsigned char)*p == c;
    }
}

/* ---- what takes more than one ---- */

static const char *match_balance(struct tt_pattern *ms, const char *s, const char *p)
{
    int open = 1;

    if (p >= ms->end - 1)
        luaL_error(ms->L, "malformed pattern (missing arguments to '%%b')");
    if (s >= ms->subject_end || *s != *p)
        return NULL;
    while (++s < ms->subject_end) {
        step(ms);
        if (*s == p[1]) {
            if (--open == 0)
                return s + 1;
        } else if (*s == p[0]) {
            open++;
        }
    }
    return NULL;
}

static const char *match_most(struct tt_pattern *ms, const char *s, const char *p, const char *ep)
{
    ptrdiff_t count = 0;

    while (is_single(ms, s + count, p, ep))
        count++;
    for (; count >= 0; count--) {
        const char *found = match(ms, s + count, ep + 1);
        if (found)
            return found;
    }
    return NULL;
}

static const char *match_least(struct tt_pattern *ms, const char *s, const char *p, const char *ep)
{
    for (;;) {
        const char *found = match(ms, s, ep + 1);
        if (found)
            return found;
        if (!is_single(ms, s, p, ep))
            return NULL;
        s++;
    }
}

static const char *begin_capture(struct tt_pattern *ms, const char *s, const char *p,
                                 ptrdiff_t what)
{
    if (ms->level >= TT_PATTERN_CAPTURES)
        luaL_error(ms->L, "too many captures");
    ms->captures[ms->level].from = s;
    ms->captures[ms->level].len = what;
    ms->level++;
    const char *found = match(ms, s, p);
    if (!found)
        ms->level--;
    return found;
}

static const char *end_capture(struct tt_pattern *ms, const char *s, const char *p)
{
    int open = ms->level - 1;

    while (open >= 0 && ms->captures[open].len != TT_CAPTURE_UNFINISHED)
        open--;
    if (open < 0)
        luaL_error(ms->L, "invalid pattern capture");
    ms->captures[open].len = s - ms->captures[open].from;
    const char *found = match(ms, s, p);
    if (!found)
        ms->captures[open].len = TT_CAPTURE_UNFINISHED;
    return found;
}

static const char *match_again(struct tt_pattern *ms, const char *s, int digit)
{
    int which = digit - '1';

    if (which < 0 || which >= ms->level || ms->captures[which].len == TT_CAPTURE_UNFINISHED)
        luaL_error(ms->L, "invalid capture index %%%d", which + 1);
    size_t len = (size_t)ms->captures[which].len;
    if ((size_t)(ms->subject_end - s) < len || memcmp(ms->captures[which].from, s, len) != 0)
        return NULL;
    return s + len;
}

/* p is behind "%f". Returns the set's end when the border is here. */
static const char *match_border(struct tt_pattern *ms, const char *s, const char *p)
{
    if (*p != '[')
        luaL_error(ms->L, "missing '[' after '%%f' in pattern");
    const char *ep = class_end(ms, p);
    if (ep - p > LOOK_AT) /* a set of that size costs as much as many steps */
        tt_budget_raise_if_stopped(ms->L, "a pattern");
    int before = s == ms->subject ? '\0' : (unsigned char)s[-1];
    bool here = !is_in_set(before, p, ep - 1) && is_in_set((unsigned char)*s, p, ep - 1);
    return here ? ep : NULL;
}

/* ---- the whole ---- */

/* An item that begins with '%' and is no class: takes it and sets *p behind it. False when it is an
 * ordinary class. */
static bool match_special(struct tt_pattern *ms, const char **s, const char **p)
{
    int kind = (unsigned char)(*p)[1];

    if (kind == 'b') {
        *s = match_balance(ms, *s, *p + 2);
        *p += 4;
    } else if (kind == 'f') {
        const char *behind = match_border(ms, *s, *p + 2);
        *p = behind;
        *s = behind ? *s : NULL;
    } else if (isdigit(kind)) {
        *s = match_again(ms, *s, kind);
        *p += 2;
    } else {
        return false;
    }
    return true;
}

/* An item with what repeats it, if anything. True: go on with *s and *p; false: the rest has been
 * matched as well, with the result in *s. */
static bool match_item(struct tt_pattern *ms, const char **s, const char **p)
{
    const char *ep = class_end(ms, *p), *item = *p;
    bool fits = *ep != '*' && *ep != '-' && is_single(ms, *s, item, ep);

    switch (ep == ms->end ? '\0' : *ep) {
    case '?':
        if (fits) {
            const char *found = match(ms, *s + 1, ep + 1);
            if (found) {
                *s = found;
                return false;
            }
        }
        *p = ep + 1;
        return true;
    case '+':
        *s = fits ? match_most(ms, *s + 1, item, ep) : NULL;
        return false;
    case '*':
        *s = match_most(ms, *s, item, ep);
        return false;
    case '-':
        *s = match_least(ms, *s, item, ep);
        return false;
    default:
        *s = fits ? *s + 1 : NULL;
        *p = ep;
        return *s != NULL;
    }
}

static const char *match(struct tt_pattern *ms, const char *s, const char *p)
{
    if (ms->depth-- == 0)
        luaL_error(ms->L, "pattern too complex");
    while (s && p != ms->end) {
        step(ms);
        if (*p == '(') {
            s = p[1] == ')' ? begin_capture(ms, s, p + 2, TT_CAPTURE_POSITION)
                            : begin_capture(ms, s, p + 1, TT_CAPTURE_UNFINISHED);
            break;
        }
        if (*p == ')') {
            s = end_capture(ms, s, p + 1);
            break;
        }
        if (*p == '$' && p + 1 == ms->end) {
            s = s == ms->subject_end ? s : NULL;
            break;
        }
        if (*p == '%' && match_special(ms, &s, &p))
            continue;
        if (!match_item(ms, &s, &p))
            break;
    }
    ms->depth++;
    return s;
}

const char *tt_pattern_match(struct tt_pattern *ms, const char *from, const char *pattern)
{
    ms->level = 0;
    ms->depth = DEPTH_MAX;
    return match(ms, from, pattern);
}
