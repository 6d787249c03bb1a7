/* Where names, strings and comments of a Lua source end. */
#include "base/buf.h"
#include "script/lua_tokens.h"
#include "unit_test.h"

#include <string.h>

/* Each token as "line type text" with n, s or y for the type, joined by "|". */
static void expect(const char *source, const char *wanted)
{
    struct tt_lua_tokens tokens = tt_lua_tokens_of(tt_str_from(source));
    struct tt_lua_token token;
    struct tt_buf found = {0};

    while (tt_lua_tokens_next(&tokens, &token))
        tt_buf_printf(&found, "%s%d%c%.*s", found.len ? "|" : "", token.line, "nsy"[token.type],
                      TT_STR_ARG(token.text));
    tt_buf_putc(&found, 0);
    assert_string_equal(found.data, wanted);
    tt_buf_free(&found);
}

static void names_strings_and_symbols(void **state)
{
    (void)state;
    expect("", "");
    expect("local a = require \"lib.x\"", "1nlocal|1na|1y=|1nrequire|1slib.x");
    expect("a.b:c('d')", "1na|1y.|1nb|1y:|1nc|1y(|1sd|1y)");
    expect("a..b", "1na|1y..|1nb");
    expect("f(...)", "1nf|1y(|1y...|1y)");
    expect("x1 = 1.5e3 + 0xFf", "1nx1|1y=|1y1.5e3|1y+|1y0xFf");
}

static void strings_end_where_lua_ends_them(void **state)
{
    (void)state;
    expect("'a\\'b' c", "1sa\\'b|1nc");
    expect("\"'\" c", "1s'|1nc");
    expect("'a\\\nb'\nc", "1sa\\\nb|3nc");
    expect("[[a\n]b]] c", "1sa\n]b|2nc");
    expect("[==[ ]] ]=] ]==] c", "1s ]] ]=] |1nc");
    expect("t[i]", "1nt|1y[|1ni|1y]");
    expect("t[a[i]]", "1nt|1y[|1na|1y[|1ni|1y]|1y]");
    expect("'open", "1sope"); /* does not compile; only its end must be found */
    expect("[[open", "1sop");
}

static void comments_are_left_out(void **state)
{
    (void)state;
    expect("-- require 'a'\nb", "2nb");
    expect("a --[[ x\n y ]] b", "1na|2nb");
    expect("--[==[ ]] \n ]==] b", "2nb");
    expect("--[ no block\nb", "2nb");
    expect("--", "");
    expect("a - b", "1na|1y-|1nb");
}

TEST_GROUP
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(names_strings_and_symbols),
        cmocka_unit_test(strings_end_where_lua_ends_them),
        cmocka_unit_test(comments_are_left_out),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
