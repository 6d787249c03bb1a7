/* Tables instead of knowledge about vendors: where words may stand, and which words mean what. The
 * order of the rules matters: what is special comes first, since the same answer often has a
 * general word too ("invalid_request_error" around a context that is too long). Words (names,
 * numbers) are compared as a whole, texts for people by parts that no other text has. */
#include "upstream/told_error.h"

#include "base/json.h"
#include "base/mem.h"
#include "base/utf8.h"

#include <ctype.h>
#include <stdio.h>
#include <stdlib.h>

/* ---- reading ---- */

enum place { TEXT, WORD, PARAM };

static const struct {
    const char *path;
    enum place place;
} places[] = {
    {"error.message", TEXT},
    {"error.metadata.raw", TEXT}, /* OpenRouter: the words of the provider behind it */
    {"error", TEXT},
    {"message", TEXT},
    {"msg", TEXT},
    {"error_msg", TEXT},
    {"error_message", TEXT},
    {"detail", TEXT},
    {"detail.0.msg", TEXT},
    {"errors.0.message", TEXT},
    {"errors.message", TEXT},
    {"choices.0.error.message", TEXT},
    {"base_resp.status_msg", TEXT},
    {"header.message", TEXT},
    {"error.code", WORD},
    {"error.type", WORD},
    {"error.status", WORD},
    {"error.details.0.reason", WORD},
    {"code", WORD},
    {"type", WORD},
    {"status", WORD},
    {"error_code", WORD},
    {"base_resp.status_code", WORD},
    {"header.code", WORD},
    {"choices.0.error.code", WORD},
    {"error.param", PARAM},
};

static void append(char *to, size_t size, struct tt_str text, const char *behind)
{
    size_t len = strlen(to);
    if (text.len + strlen(behind) + 1 > size - len)
        text.len = size - len > strlen(behind) + 1 ? size - len - strlen(behind) - 1 : 0;
    text.len = text.len ? tt_utf8_complete(text) : 0;
    snprintf(to + len, size - len, "%.*s%s", TT_STR_ARG(text), behind);
}

static void add_word(struct tt_told_error *told, struct tt_str word)
{
    size_t from = strlen(told->words);
    append(told->words, sizeof(told->words), word, " ");
    for (char *p = told->words + from; *p; p++)
        *p = (char)tolower((unsigned char)*p);
}

/* A number of success or of nothing is no word. */
static bool is_ok(struct tt_str raw)
{
    static const char *const ok[] = {"0", "200", "success", "ok", "", NULL};
    for (size_t i = 0; ok[i]; i++)
        if (tt_str_eq_nocase(raw, tt_str_from(ok[i])))
            return true;
    return false;
}

static void take(struct tt_told_error *told, enum place place, const struct tt_json_value *value)
{
    struct tt_buf plain = {0};
    if (value->type == TT_JSON_STRING)
        tt_json_unescape(value->raw, NULL, &plain);
    else if (value->type == TT_JSON_NUMBER)
        tt_buf_append_str(&plain, value->raw);
    struct tt_str text = tt_str_trim(tt_buf_str(&plain));
    if (text.len > 0 && place == TEXT && value->type == TT_JSON_STRING && !is_ok(text)) {
        char *z = tt_strndup(text.data, text.len);
        if (!strstr(told->text, z)) /* some say it at two places */
            append(told->text, sizeof(told->text), text, " ");
        free(z);
    } else if (place == WORD && !is_ok(text)) {
        add_word(told, text);
    } else if (text.len > 0 && place == PARAM) {
        append(told->param, sizeof(told->param), text, "");
    }
    tt_buf_free(&plain);
}

static void read_json(struct tt_told_error *told, struct tt_str body)
{
    static const size_t count = TT_COUNT(places);
    struct tt_json_path paths[TT_COUNT(places)];
    struct tt_json_value values[TT_COUNT(places)], root = tt_json_value_of(body), item;
    struct tt_err unused = {0};
    size_t cursor = 0;
    if (root.type == TT_JSON_ARRAY && tt_json_next(&root, &cursor, &item))
        body = item.raw; /* Gemini's endpoint for OpenAI's clients puts its errors into a list */
    for (size_t i = 0; i < count; i++)
        tt_json_path_parse(&paths[i], places[i].path, &unused);
    tt_json_paths_link(paths, count);
    if (tt_json_select(body, paths, count, values, &unused) != 0)
        return;
    for (size_t i = 0; i < count; i++)
        take(told, places[i].place, &values[i]);
    told->found = told->text[0] != '\0';
}

struct tt_told_error *tt_told_at(struct tt_told_error **told)
{
    if (!*told)
        *told = TT_NEW(struct tt_told_error);
    return *told;
}

void tt_told_read(struct tt_told_error *told, struct tt_str body)
{
    struct tt_err unused = {0};
    *told = (struct tt_told_error){0};
    body = tt_str_trim(body);
    if (body.len == 0)
        return;
    if ((body.data[0] == '{' || body.data[0] == '[') &&
        tt_json_check(body, TT_JSON_MAX_DEPTH, &unused) == 0) {
        read_json(told, body);
    } else if (body.data[0] != '<') { /* a page says nothing that fits into a line */
        append(told->text, sizeof(told->text), body, "");
        told->found = true;
    }
}

/* ---- meaning ---- */

#define CONTEXT   "upstream_context_too_long"
#define CONTENT   "upstream_content_refused"
#define KEY       "upstream_unauthorized"
#define QUOTA     "upstream_quota_empty"
#define MODEL     "upstream_model_unknown"
#define PARAMETER "upstream_parameter_unsupported"
#define TOO_LARGE "upstream_too_large"
#define RATE      "upstream_rate_limited"
#define OVERLOAD  "upstream_overloaded"
#define TIMEOUT   "upstream_timeout"
#define FAILED    "upstream_failed"
#define REJECTED  "upstream_rejected"

struct rule {
    const char *found; /* in small letters; " x " with blanks = the whole word x */
    const char *code;
};

/* What only a reason says, whatever the status. */
static const struct rule reasons[] = {
    {" context_length_exceeded ", CONTEXT},
    {" exceed_context_size_error ", CONTEXT},
    {"context length", CONTEXT},
    {"context window", CONTEXT},
    {"context size", CONTEXT},
    {"prompt is too long", CONTEXT},
    {"input is too long", CONTEXT},
    {"too many tokens", CONTEXT},
    {"input token count", CONTEXT},
    {"range of input length", CONTEXT},
    {"reduce the length", CONTEXT},
    {"maximum number of tokens", CONTEXT},
    {"exceeded model token limit", CONTEXT},
    {"contextwindowexceeded", CONTEXT},
    {"token too long", CONTEXT},
    {"上下文", CONTEXT},
    {" data_inspection_failed ", CONTENT},
    {" datainspectionfailed ", CONTENT},
    {" content_filter ", CONTENT},
    {" content_policy_violation ", CONTENT},
    {" sensitivecontentdetected ", CONTENT},
    {" inputtextsensitivecontentdetected ", CONTENT},
    {" 1301 ", CONTENT}, /* Zhipu */
    {" 1026 ", CONTENT}, /* MiniMax */
    {"inappropriate content", CONTENT},
    {"content management policy", CONTENT},
    {"content policy", CONTENT},
    {"content exists risk", CONTENT},
    {"considered high risk", CONTENT},
    {"sensitive content", CONTENT},
    {"safety system", CONTENT},
    {"flagged", CONTENT},
    {"敏感", CONTENT},
    {"违规", CONTENT},
    {" resource_exhausted ", RATE}, /* Gemini says "quota" of limits that end in a minute */
    {" insufficient_quota ", QUOTA},
    {" exceeded_current_quota_error ", QUOTA},
    {" insufficient_user_quota ", QUOTA},
    {" insufficient_balance ", QUOTA},
    {" billing_error ", QUOTA},
    {" billing_not_active ", QUOTA},
    {" arrearage ", QUOTA},
    {" accountoverdueerror ", QUOTA},
    {" 1008 ", QUOTA}, /* MiniMax */
    {" 1113 ", QUOTA}, /* Zhipu */
    {"insufficient balance", QUOTA},
    {"insufficient credit", QUOTA},
    {"insufficient quota", QUOTA},
    {"exceeded your current quota", QUOTA},
    {"credit balance is too low", QUOTA},
    {"more credits", QUOTA},
    {"balance is insufficient", QUOTA},
    {"no remaining credit", QUOTA},
    {"out of credits", QUOTA},
    {"payment required", QUOTA},
    {"余额", QUOTA},
    {"欠费", QUOTA},
    {" invalid_api_key ", KEY},
    {" invalidapikey ", KEY},
    {" api_key_invalid ", KEY},
    {" authentication_error ", KEY},
    {" invalid_authentication_error ", KEY},
    {" permission_error ", KEY},
    {" permission_denied ", KEY},
    {" unauthenticated ", KEY},
    {" 401 ", KEY},
    {" 1004 ", KEY}, /* MiniMax */
    {"api key not valid", KEY},
    {"incorrect api key", KEY},
    {"invalid api key", KEY},
    {"invalid api-key", KEY},
    {"invalid x-api-key", KEY},
    {"invalid token", KEY},
    {"authentication fail", KEY},
    {"无效的令牌", KEY},
    {" model_not_found ", MODEL},
    {" model_not_exist ", MODEL},
    {" modelnotfound ", MODEL},
    {" invalid_model ", MODEL},
    {" 1211 ", MODEL}, /* Zhipu */
    {"model not found", MODEL},
    {"model not exist", MODEL},
    {"no such model", MODEL},
    {"unknown model", MODEL},
    {"invalid model", MODEL},
    {"not a valid model", MODEL},
    {"is not found for api version", MODEL},
    {"模型不存在", MODEL},
    {" unsupported_parameter ", PARAMETER},
    {" unsupported_value ", PARAMETER},
    {" unknown_parameter ", PARAMETER},
    {" extra_forbidden ", PARAMETER},
    {"unsupported parameter", PARAMETER},
    {"unsupported value", PARAMETER},
    {"unknown parameter", PARAMETER},
    {"unrecognized request argument", PARAMETER},
    {"extra inputs are not permitted", PARAMETER},
    {"extra fields not permitted", PARAMETER},
    {"not supported with this model", PARAMETER},
    {"does not support parameter", PARAMETER},
    {"developer instruction is not enabled", PARAMETER},
    {"system role not supported", PARAMETER},
    {"does not support 'system'", PARAMETER},
    {"unexpected keyword", PARAMETER},
    {"invalid json payload received. unknown name", PARAMETER},
    {" request_too_large ", TOO_LARGE},
    {"request entity too large", TOO_LARGE},
    {"payload too large", TOO_LARGE},
};

/* What says the same as a status; asked only where there is none. */
static const struct rule kinds[] = {
    {" rate_limit_exceeded ", RATE},
    {" rate_limit_error ", RATE},
    {" rate_limit_reached_error ", RATE},
    {" too_many_requests ", RATE},
    {" limit_requests ", RATE},
    {" throttling ", RATE},
    {" 429 ", RATE},
    {" 1302 ", RATE},
    {" 1002 ", RATE},
    {"rate limit", RATE},
    {"too many requests", RATE},
    {"request limit reached", RATE},
    {" overloaded_error ", OVERLOAD},
    {" engine_overloaded_error ", OVERLOAD},
    {" overloaded ", OVERLOAD},
    {" unavailable ", OVERLOAD},
    {" service_unavailable ", OVERLOAD},
    {" 503 ", OVERLOAD},
    {" 529 ", OVERLOAD},
    {"overloaded", OVERLOAD},
    {"server is busy", OVERLOAD},
    {" timeout_error ", TIMEOUT},
    {" deadline_exceeded ", TIMEOUT},
    {" 408 ", TIMEOUT},
    {" 504 ", TIMEOUT},
    {"timed out", TIMEOUT},
    {" 402 ", QUOTA},
    {" 403 ", KEY},
    {" 404 ", "upstream_not_found"},
    {" not_found_error ", "upstream_not_found"},
    {" not_found ", "upstream_not_found"},
    {" 413 ", TOO_LARGE},
    {" 500 ", FAILED},
    {" 502 ", FAILED},
    {" internal ", FAILED},
    {" server_error ", FAILED},
    {" api_error ", FAILED},
    {" internal_server_error ", FAILED},
    {" internal_error ", FAILED},
    {" internalerror ", FAILED},
    {"bad gateway", FAILED},
    {"internal server error", FAILED},
    {" invalid_request_error ", REJECTED},
    {" invalid_argument ", REJECTED},
    {" invalidparameter ", REJECTED},
    {" badrequesterror ", REJECTED},
    {" failed_precondition ", REJECTED},
    {" 400 ", REJECTED},
    {" 422 ", REJECTED},
};

static const char *apply(const struct rule *rules, size_t count, const char *said)
{
    for (size_t i = 0; i < count; i++)
        if (strstr(said, rules[i].found))
            return rules[i].code;
    return "";
}

/* "the model `x` does not exist": two places, so no rule of the table. */
static bool names_no_model(const char *said)
{
    return strstr(said, "model") &&
           (strstr(said, "does not exist") || strstr(said, "not found") || strstr(said, "不存在"));
}

static const char *of_status(int status)
{
    static const struct {
        int status;
        const char *code;
    } known[] = {{400, REJECTED},
                 {401, KEY},
                 {402, QUOTA},
                 {403, KEY},
                 {404, "upstream_not_found"},
                 {408, TIMEOUT},
                 {413, TOO_LARGE},
                 {422, REJECTED},
                 {429, RATE},
                 {503, OVERLOAD},
                 {504, TIMEOUT},
                 {529, OVERLOAD}};
    for (size_t i = 0; i < TT_COUNT(known); i++)
        if (known[i].status == status)
            return known[i].code;
    return status < 400 ? "upstream_bad_response" : FAILED;
}

const char *tt_told_code(const struct tt_told_error *told, int http_status)
{
    char said[sizeof(told->words) + sizeof(told->text) + 2];
    bool inside = http_status < 300;
    snprintf(said, sizeof(said), " %s%s", told->words, told->text);
    for (char *p = said; *p; p++)
        *p = (char)tolower((unsigned char)*p);
    const char *code = apply(reasons, TT_COUNT(reasons), said);
    if (!*code && (inside || http_status == 400 || http_status == 404 || http_status == 422) &&
        names_no_model(said))
        code = MODEL;
    if (!*code && inside)
        code = apply(kinds, TT_COUNT(kinds), said);
    return *code || inside ? code : of_status(http_status);
}

void tt_told_status_error(const struct tt_told_error *told, int status, struct tt_err *error)
{
    const char *code = tt_told_code(told, status);
    tt_err_set(error, strcmp(code, TIMEOUT) == 0 ? 504 : 502, code, "the upstream answered %d",
               status);
}

/* ---- showing ---- */

#define SHOWN_BYTES 300
#define KEY_BYTES   8  /* shorter words of a header are no key */
#define TOKEN_BYTES 32 /* a run of letters and digits so long is none for people */

static bool in_token(char c)
{
    return isalnum((unsigned char)c) || c == '_';
}

/* Covers `len` bytes at `at`. */
static void cover(struct tt_buf *text, size_t at, size_t len)
{
    struct tt_buf covered = {0};
    tt_buf_append(&covered, text->data, at);
    tt_buf_append_z(&covered, "…");
    tt_buf_append(&covered, text->data + at + len, text->len - at - len);
    tt_buf_free(text);
    *text = covered;
}

static void cover_words_of(struct tt_buf *text, struct tt_str header)
{
    struct tt_str word;
    while (tt_str_split(&header, ' ', &word)) {
        char *z = tt_strndup(word.data, word.len);
        for (char *found; word.len >= KEY_BYTES && (found = strstr(text->data, z));)
            cover(text, (size_t)(found - text->data), word.len);
        explicit_bzero(z, word.len);
        free(z);
    }
}

/* "sk-…" and other heads of keys, and long runs without a sign between. */
static void cover_keys(struct tt_buf *text)
{
    static const char *const heads[] = {"sk-", "AIza", "gsk_", "xai-", "hf_", "pplx-", "Bearer "};
    for (size_t at = 0; at < text->len; at++) {
        size_t skip = 0, len = 0;
        if (at > 0 && in_token(text->data[at - 1]))
            continue;
        for (size_t i = 0; i < TT_COUNT(heads) && !skip; i++)
            skip = strncmp(text->data + at, heads[i], strlen(heads[i])) == 0 ? strlen(heads[i]) : 0;
        while (at + skip + len < text->len &&
               (in_token(text->data[at + skip + len]) ||
                (skip && strchr("-*.", text->data[at + skip + len]))))
            len++;
        if ((skip && len >= KEY_BYTES) || len >= TOKEN_BYTES)
            cover(text, at + skip, len);
    }
}

void tt_told_detail(const struct tt_told_error *told, const struct tt_str *headers,
                    size_t header_count, char detail[TT_TOLD_DETAIL_SIZE])
{
    struct tt_buf text = {0};
    detail[0] = '\0';
    if (!told->found)
        return;
    tt_buf_append_str(&text, tt_str_trim(tt_str_from(told->text)));
    for (size_t i = 0; i < text.len; i++)
        if ((unsigned char)text.data[i] < ' ' || text.data[i] == 0x7F)
            text.data[i] = ' ';
    for (size_t i = 0; i < header_count && text.len > 0; i++) {
        ptrdiff_t colon = tt_str_find(headers[i], ':');
        struct tt_str value =
            tt_str_of(headers[i].data + colon + 1, headers[i].len - (size_t)(colon + 1));
        if (tt_str_starts_nocase(headers[i], TT_STR("authorization:")) ||
            tt_str_starts_nocase(headers[i], TT_STR("x-")))
            cover_words_of(&text, value);
    }
    if (text.len > 0)
        cover_keys(&text);
    bool cut = text.len > SHOWN_BYTES;
    struct tt_str shown = tt_str_of(text.data, cut ? SHOWN_BYTES : text.len);
    shown.len = shown.len ? tt_utf8_complete(shown) : 0;
    snprintf(detail, TT_TOLD_DETAIL_SIZE, "%.*s%s", TT_STR_ARG(shown), cut ? "…" : "");
    tt_buf_free(&text);
}
