#include "app/sealed_keys.h"

#define PAGE 500

static const char SQL_KEYS[] = "SELECT id, user_id, api_name, api_key_sealed, seal_salt"
                               " FROM user_apis WHERE id > ?1 ORDER BY id LIMIT ?2";

/* One page; *last is the last id then, 0 at the end. */
static int each_of_page(struct tt_db_rows *rows, int64_t *last,
                        int (*visit)(void *arg, const struct tt_sealed_key *key,
                                     struct tt_err *err),
                        void *arg, struct tt_err *err)
{
    struct tt_buf bound = {0};
    int failed = 0;

    *last = 0;
    while (failed == 0 && tt_db_next(rows, NULL) == TT_DB_ROW) {
        const struct tt_db_value *values = rows->values;
        struct tt_sealed_key key = {.id = values[0].integer,
                                    .user_id = values[1].integer,
                                    .name = values[2].text,
                                    .sealed = values[3].text};
        tt_buf_clear(&bound);
        tt_buf_printf(&bound, "user:%lld:api:%.*s", (long long)key.user_id,
                      TT_STR_ARG(values[4].text));
        key.bound = tt_buf_str(&bound);
        failed = visit(arg, &key, err);
        *last = key.id;
    }
    tt_buf_free(&bound);
    return failed;
}

int tt_sealed_keys_each(struct tt_db *db, struct tt_loop *loop,
                        int (*visit)(void *arg, const struct tt_sealed_key *key,
                                     struct tt_err *err),
                        void *arg, struct tt_err *err)
{
    int64_t last = 0;
    int failed = 0;

    do {
        const struct tt_db_value values[] = {tt_db_int(last), tt_db_int(PAGE)};
        struct tt_db_query query = {
            .sql = TT_STR(SQL_KEYS), .values = values, .count = TT_COUNT(values)};
        struct tt_db_rows *rows = tt_db_read_wait(db, loop, &query, err);
        if (!rows)
            return -1;
        failed = each_of_page(rows, &last, visit, arg, err);
        tt_db_rows_free(rows);
    } while (failed == 0 && last > 0);
    return failed;
}
