#include "app/sealed_keys.h"

#include "base/json.h"

#define PAGE 500

static const char SQL_KEYS[] = "SELECT id, user_id, api_name, seal_salt, api_key_sealed, more_keys,"
                               " headers FROM user_apis WHERE id > ?1 ORDER BY id LIMIT ?2";

/* Sealed texts are random and have nothing that JSON escapes, so each is found in its list. */
#define REPLACE(column)                                                                            \
    "UPDATE user_apis SET " column " = replace(" column ", ?3, ?1), version = version + 1"         \
    " WHERE id = ?2"
const char *const tt_sealed_keys_replace[] = {
    [TT_SEALED_KEY] = REPLACE("api_key_sealed"),
    [TT_SEALED_MORE_KEYS] = REPLACE("more_keys"),
    [TT_SEALED_HEADERS] = REPLACE("headers"),
};

struct visiting {
    int (*visit)(void *arg, const struct tt_sealed_key *key, struct tt_err *err);
    void *arg;
};

static int visit_text(const struct visiting *visiting, struct tt_sealed_key *key,
                      const struct tt_json_value *text, struct tt_err *err)
{
    if (text->type != TT_JSON_STRING || text->raw.len < 2)
        return 0;
    key->sealed = tt_str_of(text->raw.data + 1, text->raw.len - 2);
    return visiting->visit(visiting->arg, key, err);
}

/* ["sealed", …], or [{"name": …, "sealed": …}, …]. */
static int visit_list(const struct visiting *visiting, struct tt_sealed_key *key,
                      struct tt_str list, struct tt_err *err)
{
    struct tt_json_value array, item, value;
    struct tt_str member;
    size_t cursor = 0, inner;
    int failed = 0;

    if (tt_json_check(list, TT_JSON_MAX_DEPTH, NULL) != 0)
        return 0;
    array = tt_json_value_of(list);
    if (array.type != TT_JSON_ARRAY)
        return 0;
    while (failed == 0 && tt_json_next(&array, &cursor, &item)) {
        failed = visit_text(visiting, key, &item, err);
        for (inner = 0; failed == 0 && item.type == TT_JSON_OBJECT &&
                        tt_json_next_member(&item, &inner, &member, &value);)
            if (tt_str_eq(member, TT_STR("\"sealed\"")))
                failed = visit_text(visiting, key, &value, err);
    }
    return failed;
}

static int visit_row(const struct visiting *visiting, const struct tt_db_value *values,
                     struct tt_buf *bound, struct tt_err *err)
{
    struct tt_sealed_key key = {.id = values[0].integer,
                                .user_id = values[1].integer,
                                .name = values[2].text,
                                .column = TT_SEALED_KEY,
                                .sealed = values[4].text};

    tt_buf_clear(bound);
    tt_buf_printf(bound, "user:%lld:api:%.*s", (long long)key.user_id, TT_STR_ARG(values[3].text));
    key.bound = tt_buf_str(bound);
    if (visiting->visit(visiting->arg, &key, err) != 0)
        return -1;
    key.column = TT_SEALED_MORE_KEYS;
    if (visit_list(visiting, &key, values[5].text, err) != 0)
        return -1;
    key.column = TT_SEALED_HEADERS;
    return visit_list(visiting, &key, values[6].text, err);
}

/* One page; *last is the last id then, 0 at the end. */
static int each_of_page(struct tt_db_rows *rows, int64_t *last, const struct visiting *visiting,
                        struct tt_err *err)
{
    struct tt_buf bound = {0};
    int failed = 0;

    *last = 0;
    while (failed == 0 && tt_db_next(rows, NULL) == TT_DB_ROW) {
        failed = visit_row(visiting, rows->values, &bound, err);
        *last = rows->values[0].integer;
    }
    tt_buf_free(&bound);
    return failed;
}

int tt_sealed_keys_each(struct tt_db *db, struct tt_loop *loop,
                        int (*visit)(void *arg, const struct tt_sealed_key *key,
                                     struct tt_err *err),
                        void *arg, struct tt_err *err)
{
    const struct visiting visiting = {visit, arg};
    int64_t last = 0;
    int failed = 0;

    do {
        const struct tt_db_value values[] = {tt_db_int(last), tt_db_int(PAGE)};
        struct tt_db_query query = {
            .sql = TT_STR(SQL_KEYS), .values = values, .count = TT_COUNT(values)};
        struct tt_db_rows *rows = tt_db_read_wait(db, loop, &query, err);
        if (!rows)
            return -1;
        failed = each_of_page(rows, &last, &visiting, err);
        tt_db_rows_free(rows);
    } while (failed == 0 && last > 0);
    return failed;
}
