#!/bin/bash
# The benchmark's section for search: 100,000 messages of one user, written through the API, then
# queries of common words, rare words and Chinese. Sourced by run.sh.
# shellcheck disable=SC2153,SC2154  # what lib.sh and run.sh set

SEARCH_MESSAGES=${SEARCH_MESSAGES:-100000}

# search_wrk CONNECTIONS SECONDS PATH ARGUMENT...: sets done_count, p50, p95, p99 (us)
search_wrk()
{
    local connections=$1 seconds=$2 path=$3 failed _
    shift 3

    wrk -t1 -c"$connections" -d"${seconds}s" -s "$HERE/wrk/search.lua" "http://$server$path" \
        -- "$@" >"$work/search.out" || give_up "wrk failed"
    read -r _ done_count failed p50 p95 p99 < <(grep '^RESULT ' "$work/search.out")
    [ "$failed" -eq 0 ] || give_up "$failed of $done_count requests to $path failed"
}

# search_fill TOKEN: writes the messages; each request is a message and a reply that repeats it
search_fill()
{
    local written=0 round=0

    while [ "$written" -lt "$SEARCH_MESSAGES" ]; do
        round=$((round + 1))
        search_wrk 32 5 /api/chat/message fill "$1" "$round"
        written=$((written + 2 * done_count))
    done
    say "$written messages to search in"
}

# search_query TOKEN LABEL QUERY
search_query()
{
    local found

    search_wrk 1 "$SECONDS_EACH" "/api/chat/search" find "$1" "$3"
    found=$(curl -sS -G "http://$server/api/chat/search" --data-urlencode "q=$3" \
        -H "Authorization: Bearer $1" | sed -n 's/.*"total":\([0-9]*\).*/\1/p')
    printf '  %-40s %12s %9s %9s %9s\n' "$2" "$found" "$(calc "$p50 / 1000")" \
        "$(calc "$p95 / 1000")" "$(calc "$p99 / 1000")"
}

section_search()
{
    local token

    token=$(api none POST /api/register "{\"username\":\"search-$run\",\"password\":\
\"high-tide\"}" | sed -n 's/.*"token":"\([^"]*\)".*/\1/p')
    add_model "$token" echo echo=1
    search_fill "$token"
    printf '\nSearch in %s messages, one client, a page of 20\n' "$SEARCH_MESSAGES"
    printf '  %-40s %12s %9s %9s %9s\n' '' found 'p50 ms' 'p95 ms' 'p99 ms'
    search_query "$token" 'a word of every message' tide
    search_query "$token" 'a word of every tenth' harbour
    search_query "$token" 'the beginning of many words' word1
    search_query "$token" 'a rare word' word7777
    search_query "$token" 'two words' 'harbour word77'
    search_query "$token" 'no such word' lighthouse
    search_query "$token" 'one Chinese character of every message' 潮
    search_query "$token" 'two Chinese characters of every tenth' 北京
    search_query "$token" 'their reverse, which is nowhere' 京北
}
