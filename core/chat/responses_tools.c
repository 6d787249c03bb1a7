/* The head is as the client has sent it: walked for each call, because few responses have one. */
#include "chat/responses_tools.h"

struct declared {
    struct tt_str type, name;
    struct tt_json_value tools;
};

static struct tt_str text_of(const struct tt_json_value *value)
{
    return value->type == TT_JSON_STRING ? tt_str_of(value->raw.data + 1, value->raw.len - 2)
                                         : TT_STR("");
}

static struct declared read_tool(const struct tt_json_value *object)
{
    struct declared tool = {0};
    struct tt_json_value value;
    struct tt_str key;
    size_t cursor = 0;

    while (object->type == TT_JSON_OBJECT && tt_json_next_member(object, &cursor, &key, &value)) {
        if (tt_str_eq(key, TT_STR("\"type\"")))
            tool.type = text_of(&value);
        else if (tt_str_eq(key, TT_STR("\"name\"")))
            tool.name = text_of(&value);
        else if (tt_str_eq(key, TT_STR("\"tools\"")))
            tool.tools = value;
    }
    return tool;
}

/* What a model's name for something in the namespace says behind the namespace; false: it is in
 * another one. */
static bool cut_space(struct tt_str *name, struct tt_str space)
{
    const struct tt_str border = TT_STR("__");

    if (space.len == 0 || !tt_str_starts(*name, space))
        return false;
    *name = tt_str_of(name->data + space.len, name->len - space.len);
    if (tt_str_ends(space, border))
        return true;
    if (!tt_str_starts(*name, border))
        return false;
    *name = tt_str_of(name->data + border.len, name->len - border.len);
    return true;
}

static bool find(const struct tt_json_value *list, struct tt_str name,
                 struct tt_responses_tool *out)
{
    struct tt_json_value item;
    size_t cursor = 0;

    while (list->type == TT_JSON_ARRAY && tt_json_next(list, &cursor, &item)) {
        struct declared tool = read_tool(&item);
        struct tt_str rest = name;
        if (tt_str_eq(tool.type, TT_STR("namespace"))) {
            if (cut_space(&rest, tool.name) && find(&tool.tools, rest, out)) {
                out->space = tool.name;
                return true;
            }
        } else if (tt_str_eq(tool.name, name)) {
            out->name = name;
            out->custom = tt_str_eq(tool.type, TT_STR("custom"));
            return true;
        }
    }
    return false;
}

struct tt_responses_tool tt_responses_tool_of(struct tt_str head, struct tt_str called)
{
    struct tt_responses_tool tool = {.name = called};

    if (head.len > 0) {
        struct tt_json_value response = tt_json_value_of(head);
        struct tt_json_value tools = read_tool(&response).tools;
        find(&tools, called, &tool);
    }
    return tool;
}

void tt_responses_put_input(struct tt_str arguments, struct tt_buf *out)
{
    struct tt_json_path path;
    struct tt_json_value input = {0};

    if (tt_json_path_parse(&path, "input", NULL) == 0 &&
        tt_json_select(arguments, &path, 1, &input, NULL) == 0 && input.type == TT_JSON_STRING)
        tt_json_unescape(input.raw, NULL, out);
    else
        tt_buf_append_str(out, arguments);
}
