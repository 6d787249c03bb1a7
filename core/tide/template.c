/* tide.template: texts with values in them, escaped for HTML unless they say otherwise. A subset of
 * Mustache, without partials, functions and other delimiters. A template is parsed once, into a
 * list of steps; a section knows where it ends. Values are read raw, so rendering calls no script.
 */
#include "base/arena.h"
#include "script/value.h"
#include "script/watchdog.h"
#include "tide/modules.h"

#include <stdlib.h>

#define CLASS        "tide.TextTemplate"
#define DEPTH_MAX    32
#define RENDERED_MAX ((size_t)16 << 20)

enum step_kind { STEP_TEXT, STEP_VALUE, STEP_UNESCAPED, STEP_SECTION, STEP_INVERTED, STEP_END };

struct step {
    enum step_kind kind;
    struct tt_str text; /* as it is, or the name */
    int line;
    size_t end; /* of a section: the step that ends it */
};

struct template
{
    struct step *steps;
    size_t count;
};

/* ---- parsing ---- */

struct parser {
    lua_State *L;
    struct tt_str rest;
    int line;
    struct step *steps;
    size_t count, open[DEPTH_MAX];
    int depth;
};

static int count_lines(struct tt_str text)
{
    int lines = 0;

    for (size_t i = 0; i < text.len; i++)
        lines += text.data[i] == '\n';
    return lines;
}

static void __attribute__((noreturn))
fail(const struct parser *parser, const char *what, struct tt_str tag)
{
    lua_pushlstring(parser->L, tag.data, tag.len < 60 ? tag.len : 60);
    luaL_error(parser->L, "template: line %d: %s '%s'", parser->line, what,
               lua_tostring(parser->L, -1));
    abort(); /* luaL_error does not return */
}

static void add(struct parser *parser, enum step_kind kind, struct tt_str text)
{
    parser->steps[parser->count++] =
        (struct step){.kind = kind, .text = text, .line = parser->line};
}

static void check_name(const struct parser *parser, struct tt_str name)
{
    bool after_dot = true;

    for (size_t i = 0; i < name.len; i++) {
        char c = name.data[i];
        bool letter =
            c == '_' || (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9');
        if (!letter && (c != '.' || after_dot))
            fail(parser, "there is no such tag as", name);
        after_dot = c == '.';
    }
    if (after_dot)
        fail(parser, "there is no such tag as", name);
}

static void begin_section(struct parser *parser, enum step_kind kind, struct tt_str name)
{
    if (parser->depth == DEPTH_MAX)
        fail(parser, "sections are nested too deep at", name);
    parser->open[parser->depth++] = parser->count;
    add(parser, kind, name);
}

static void end_section(struct parser *parser, struct tt_str name)
{
    struct step *section =
        parser->depth > 0 ? &parser->steps[parser->open[parser->depth - 1]] : NULL;

    if (!section || !tt_str_eq(section->text, name))
        fail(parser, "no section begins for", name);
    parser->depth--;
    section->end = parser->count;
    add(parser, STEP_END, name);
}

/* What is between the braces. */
static void read_tag(struct parser *parser, struct tt_str tag)
{
    struct tt_str name = tt_str_trim(tag);
    char kind = name.len > 0 ? name.data[0] : '\0';

    if (kind == '!')
        return;
    if (kind == '#' || kind == '^' || kind == '/')
        name = tt_str_trim(tt_str_of(name.data + 1, name.len - 1));
    if (!tt_str_eq(name, TT_STR(".")))
        check_name(parser, name);
    if (kind == '#')
        begin_section(parser, STEP_SECTION, name);
    else if (kind == '^')
        begin_section(parser, STEP_INVERTED, name);
    else if (kind == '/')
        end_section(parser, name);
    else
        add(parser, STEP_VALUE, name);
}

/* Takes what is before `mark`, and the mark; false when there is none. */
static bool take(struct parser *parser, struct tt_str mark, struct tt_str *before)
{
    const char *at = memmem(parser->rest.data, parser->rest.len, mark.data, mark.len);

    if (!at)
        return false;
    *before = tt_str_of(parser->rest.data, (size_t)(at - parser->rest.data));
    parser->rest = tt_str_of(at + mark.len, parser->rest.len - before->len - mark.len);
    return true;
}

static void parse(struct parser *parser)
{
    struct tt_str before, tag;

    while (take(parser, TT_STR("{{"), &before)) {
        if (before.len > 0)
            add(parser, STEP_TEXT, before);
        parser->line += count_lines(before);
        bool unescaped = parser->rest.len > 0 && parser->rest.data[0] == '{';
        if (!take(parser, unescaped ? TT_STR("}}}") : TT_STR("}}"), &tag))
            fail(parser, "the tag does not end:", parser->rest);
        if (unescaped) {
            struct tt_str name = tt_str_trim(tt_str_of(tag.data + 1, tag.len - 1));
            if (!tt_str_eq(name, TT_STR(".")))
                check_name(parser, name);
            add(parser, STEP_UNESCAPED, name);
        } else {
            read_tag(parser, tag);
        }
        parser->line += count_lines(tag);
    }
    if (parser->rest.len > 0)
        add(parser, STEP_TEXT, parser->rest);
    if (parser->depth > 0) {
        const struct step *section = &parser->steps[parser->open[parser->depth - 1]];
        parser->line = section->line;
        fail(parser, "the section does not end:", section->text);
    }
}

/* Each tag makes two steps at most, with the text before it. */
static size_t count_steps(struct tt_str text)
{
    size_t count = 1;

    for (size_t i = 0; i + 1 < text.len; i++)
        count += text.data[i] == '{' && text.data[i + 1] == '{' ? 2 : 0;
    return count;
}

static int template_new(lua_State *L)
{
    struct parser parser = {.L = L, .line = 1};

    parser.rest.data = luaL_checklstring(L, 1, &parser.rest.len);
    lua_settop(L, 1);
    struct template *template = lua_newuserdatauv(L, sizeof(*template), 2);
    struct tt_arena *arena = tt_value_push_arena(L);
    parser.steps = tt_arena_alloc(arena, count_steps(parser.rest) * sizeof(struct step));
    parse(&parser);
    *template = (struct template){parser.steps, parser.count};
    lua_setiuservalue(L, 2, 1);
    lua_pushvalue(L, 1); /* the steps are slices of it */
    lua_setiuservalue(L, 2, 2);
    luaL_setmetatable(L, CLASS);
    return 1;
}

/* ---- rendering ---- */

struct rendering {
    lua_State *L;
    const struct template *template;
    struct tt_buf *out;
    int values[DEPTH_MAX + 1]; /* where they are on the stack, the innermost last */
    int depth;
};

static void push_member(lua_State *L, int table, struct tt_str name)
{
    if (lua_type(L, table) != LUA_TTABLE) {
        lua_pushnil(L);
        return;
    }
    lua_pushlstring(L, name.data, name.len);
    lua_rawget(L, table);
}

/* Pushes the value of a name: its first part is looked up in the innermost values first. */
static void push_value(const struct rendering *rendering, struct tt_str name)
{
    lua_State *L = rendering->L;
    struct tt_str part, rest = name;

    if (tt_str_eq(name, TT_STR("."))) {
        lua_pushvalue(L, rendering->values[rendering->depth]);
        return;
    }
    tt_str_split(&rest, '.', &part);
    lua_pushnil(L);
    for (int i = rendering->depth; i >= 0 && lua_isnil(L, -1); i--) {
        lua_pop(L, 1);
        push_member(L, rendering->values[i], part);
    }
    while (rest.data && tt_str_split(&rest, '.', &part)) {
        push_member(L, lua_gettop(L), part);
        lua_remove(L, -2);
    }
}

static void put(const struct rendering *rendering, struct tt_str text)
{
    if (tt_buf_append_str(rendering->out, text) != 0)
        tt_value_raise_full(rendering->L, rendering->out, "template: more than 16 MiB");
}

static void put_escaped(const struct rendering *rendering, struct tt_str text)
{
    static const char *const escapes[256] = {
        ['&'] = "&amp;", ['<'] = "&lt;", ['>'] = "&gt;", ['"'] = "&quot;", ['\''] = "&#39;"};
    size_t from = 0;

    for (size_t i = 0; i < text.len; i++) {
        const char *escape = escapes[(unsigned char)text.data[i]];
        if (!escape)
            continue;
        put(rendering, tt_str_of(text.data + from, i - from));
        put(rendering, tt_str_from(escape));
        from = i + 1;
    }
    put(rendering, tt_str_of(text.data + from, text.len - from));
}

static void put_value(const struct rendering *rendering, const struct step *step)
{
    lua_State *L = rendering->L;
    struct tt_str text;

    push_value(rendering, step->text);
    switch (lua_type(L, -1)) {
    case LUA_TNIL:
        text = TT_STR("");
        break;
    case LUA_TBOOLEAN:
        text = lua_toboolean(L, -1) ? TT_STR("true") : TT_STR("false");
        break;
    case LUA_TSTRING:
    case LUA_TNUMBER:
        text.data = lua_tolstring(L, -1, &text.len);
        break;
    default:
        if (!tt_value_is_null(L, -1)) {
            lua_pushlstring(L, step->text.data, step->text.len);
            luaL_error(L, "template: line %d: '%s' is a %s", step->line, lua_tostring(L, -1),
                       luaL_typename(L, -2));
        }
        text = TT_STR("");
    }
    if (step->kind == STEP_VALUE)
        put_escaped(rendering, text);
    else
        put(rendering, text);
    lua_pop(L, 1);
}

static void render(struct rendering *rendering, size_t from, size_t to);

/* Renders the steps of a section with the value on top, which it pops. */
static void render_inside(struct rendering *rendering, size_t section)
{
    rendering->values[++rendering->depth] = lua_gettop(rendering->L);
    render(rendering, section + 1, rendering->template->steps[section].end);
    rendering->depth--;
    lua_pop(rendering->L, 1);
}

static bool is_empty(lua_State *L, int table)
{
    lua_pushnil(L);
    if (!lua_next(L, table))
        return true;
    lua_pop(L, 2);
    return false;
}

/* Whether there is anything to show of the value at index. */
static bool is_shown(lua_State *L, int index)
{
    if (lua_istable(L, index))
        return !is_empty(L, index);
    return lua_toboolean(L, index) && !tt_value_is_null(L, index);
}

/* A list is shown once for each item; false, nil, null and an empty table are not shown; all else
 * is shown once. */
static void render_section(struct rendering *rendering, size_t section)
{
    lua_State *L = rendering->L;
    const struct step *step = &rendering->template->steps[section];

    luaL_checkstack(L, 8, "template");
    push_value(rendering, step->text);
    int value = lua_gettop(L);
    lua_Integer items = lua_istable(L, value) ? (lua_Integer)lua_rawlen(L, value) : 0;
    if (is_shown(L, value) == (step->kind == STEP_INVERTED)) {
        items = 0;
    } else if (items == 0) {
        lua_pushvalue(L, value);
        render_inside(rendering, section);
    }
    for (lua_Integer i = 1; i <= items; i++) {
        tt_budget_raise_if_stopped(L, "a template");
        lua_rawgeti(L, value, i);
        render_inside(rendering, section);
    }
    lua_pop(L, 1);
}

static void render(struct rendering *rendering, size_t from, size_t to)
{
    for (size_t i = from; i < to; i++) {
        const struct step *step = &rendering->template->steps[i];
        switch (step->kind) {
        case STEP_TEXT:
            put(rendering, step->text);
            break;
        case STEP_VALUE:
        case STEP_UNESCAPED:
            put_value(rendering, step);
            break;
        case STEP_SECTION:
        case STEP_INVERTED:
            render_section(rendering, i);
            i = step->end;
            break;
        case STEP_END:
            break;
        }
    }
}

static int template_render(lua_State *L)
{
    struct rendering rendering = {.L = L, .template = luaL_checkudata(L, 1, CLASS)};

    luaL_checktype(L, 2, LUA_TTABLE);
    lua_settop(L, 2);
    rendering.values[0] = 2;
    rendering.out = tt_value_push_buf(L, RENDERED_MAX);
    render(&rendering, 0, rendering.template->count);
    lua_pushlstring(L, rendering.out->data ? rendering.out->data : "", rendering.out->len);
    return 1;
}

static const luaL_Reg methods[] = {{"render", template_render}, {NULL, NULL}};
static const luaL_Reg functions[] = {{"new", template_new}, {NULL, NULL}};

int tt_tide_template(lua_State *L)
{
    tt_value_new_class(L, CLASS, methods, NULL);
    luaL_newlib(L, functions);
    return 1;
}
