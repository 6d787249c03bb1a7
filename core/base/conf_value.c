/* Settings' texts as values: numbers with units, words for yes and no, choices, lists. A refusal
 * says what would be right, because the reader is an operator whose server does not start. It shows
 * the wrong text, unless the setting is secret. */
#include "base/conf_set.h"
#include "base/utf8.h"

#include <stdio.h>

struct unit {
    const char *name;
    uint64_t factor;
};

static const struct unit duration_units[] = {
    {"", 1000}, {"ms", 1}, {"s", 1000}, {"m", 60000}, {"h", 3600000}, {"d", 86400000}, {NULL, 0},
};

static const struct unit size_units[] = {
    {"", 1}, {"B", 1}, {"KiB", 1 << 10}, {"MiB", 1 << 20}, {"GiB", 1 << 30}, {NULL, 0},
};

static const char *const bool_words[] = {"false", "true", "no", "yes", "off", "on", "0", "1"};

/* Digits and a unit, no sign. */
static int parse_unit(struct tt_str text, const struct unit *units, int64_t *out)
{
    size_t digits = 0;
    uint64_t n;
    while (digits < text.len && text.data[digits] >= '0' && text.data[digits] <= '9')
        digits++;
    struct tt_str unit = tt_str_trim(tt_str_of(text.data + digits, text.len - digits));
    if (tt_str_to_u64(tt_str_of(text.data, digits), &n) < 0)
        return -1;
    for (; units->name; units++) {
        if (!tt_str_eq_nocase(unit, tt_str_from(units->name)))
            continue;
        if (__builtin_mul_overflow(n, units->factor, &n) || n > INT64_MAX)
            return -1;
        *out = (int64_t)n;
        return 0;
    }
    return -1;
}

int tt_conf_parse_bool(struct tt_str text, int64_t *out)
{
    for (size_t i = 0; i < sizeof(bool_words) / sizeof(bool_words[0]); i++) {
        if (tt_str_eq_nocase(text, tt_str_from(bool_words[i]))) {
            *out = i & 1;
            return 0;
        }
    }
    return -1;
}

static int parse_choice(struct tt_str text, const char *choices)
{
    struct tt_str rest = tt_str_from(choices), choice;
    while (tt_str_split(&rest, '|', &choice))
        if (tt_str_eq(text, choice))
            return 0;
    return -1;
}

/* Comma-separated text; empty items are dropped, so that a comma at the end does no harm. */
static void split_list(struct tt_arena *arena, struct tt_conf_value *value)
{
    struct tt_str rest = value->text, item;
    size_t most = 1;
    for (size_t i = 0; i < rest.len; i++)
        most += rest.data[i] == ',';
    value->items = tt_arena_alloc(arena, most * sizeof(*value->items));
    value->item_count = 0;
    while (tt_str_split(&rest, ',', &item)) {
        item = tt_str_trim(item);
        if (item.len > 0)
            value->items[value->item_count++] = tt_arena_str(arena, item);
    }
}

static const char *kind_name(enum tt_conf_type type)
{
    switch (type) {
    case TT_CONF_INT:
        return "a whole number";
    case TT_CONF_DURATION:
        return "a duration like \"250ms\", \"30s\", \"5m\" or \"24h\"";
    case TT_CONF_SIZE:
        return "a size like \"64KiB\", \"10MiB\" or \"1GiB\"";
    case TT_CONF_BOOL:
        return "true or false";
    default:
        return "a text";
    }
}

static int refuse(const struct tt_conf_option *option, struct tt_str text, char *why, size_t size,
                  const char *wanted)
{
    size_t shown = tt_utf8_complete(tt_str_of(text.data, text.len > 60 ? 60 : text.len));
    if (option->secret)
        snprintf(why, size, "the value is not %s", wanted);
    else
        snprintf(why, size, "\"%.*s\" is not %s", (int)shown, text.data, wanted);
    return -1;
}

static int check_range(const struct tt_conf_option *option, struct tt_str text, int64_t n,
                       char *why, size_t size)
{
    bool open = option->min == 0 && option->max == 0;
    char wanted[120];
    const char *unit = option->type == TT_CONF_DURATION ? " ms"
                       : option->type == TT_CONF_SIZE   ? " bytes"
                                                        : "";
    if (open ? n >= 0 : n >= option->min && n <= option->max)
        return 0;
    if (open)
        snprintf(wanted, sizeof(wanted), "allowed, it must not be negative");
    else
        snprintf(wanted, sizeof(wanted), "between %lld and %lld%s", (long long)option->min,
                 (long long)option->max, unit);
    return refuse(option, text, why, size, wanted);
}

int tt_conf_parse(struct tt_arena *arena, const struct tt_conf_option *option,
                  struct tt_conf_value *value, char *why, size_t why_size)
{
    struct tt_str text = tt_str_trim(value->text);
    char wanted[200];
    int rc = 0;
    switch (option->type) {
    case TT_CONF_STRING:
        return 0;
    case TT_CONF_LIST:
        if (!value->items)
            split_list(arena, value);
        return 0;
    case TT_CONF_ENUM:
        if (parse_choice(text, option->choices) == 0)
            return 0;
        snprintf(wanted, sizeof(wanted), "one of %s", option->choices);
        return refuse(option, text, why, why_size, wanted);
    case TT_CONF_BOOL:
        rc = tt_conf_parse_bool(text, &value->integer);
        break;
    case TT_CONF_INT:
        rc = tt_str_to_i64(text, &value->integer);
        break;
    case TT_CONF_DURATION:
        rc = parse_unit(text, duration_units, &value->integer);
        break;
    case TT_CONF_SIZE:
        rc = parse_unit(text, size_units, &value->integer);
        break;
    }
    if (rc < 0)
        return refuse(option, text, why, why_size, kind_name(option->type));
    if (option->type == TT_CONF_BOOL)
        return 0;
    return check_range(option, text, value->integer, why, why_size);
}
