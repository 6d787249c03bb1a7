#!/bin/bash
# Checks the mock upstream itself: each scenario key at least once, against a mock that this script
# starts on a free port and ends by its pid. Needs bash, curl, gzip; wrk only for the rates at the
# end, which inform and cannot fail.
#
# usage: selftest.sh PATH_OF_MOCK_LLM [--no-rates]

set -u
mock=${1:?usage: selftest.sh PATH_OF_MOCK_LLM [--no-rates]}
work=$(mktemp -d)
passed=0
failed=0
pids=()

cleanup()
{
    for pid in "${pids[@]}"; do
        kill "$pid" 2>/dev/null && wait "$pid" 2>/dev/null
    done
    rm -rf "$work"
}
trap cleanup EXIT

# start NAME ARGS...: sets base to the address the mock printed, pid to its process
start()
{
    local out=$work/listen.$1
    shift
    "$mock" "$@" >"$out" 2>"$out.err" &
    pid=$!
    pids+=("$pid")
    for _ in $(seq 100); do
        grep -q '^listening ' "$out" && break
        sleep 0.02
    done
    base=http://$(sed -n 's/^listening //p' "$out")
}

ok()
{
    passed=$((passed + 1))
}

bad()
{
    failed=$((failed + 1))
    printf 'FAILED %s\n' "$1"
}

# is NAME GOT WANTED
is()
{
    if [ "$2" = "$3" ]; then ok; else bad "$1: got '${2:0:300}', wanted '${3:0:300}'"; fi
}

# has NAME GOT PART
has()
{
    case $2 in
    *"$3"*) ok ;;
    *) bad "$1: '$3' is not in '${2:0:300}'" ;;
    esac
}

messages='"messages":[{"role":"system","content":"be kind"},
    {"role":"user","content":"first"},{"role":"assistant","content":"yes"},
    {"role":"user","content":"h\u00e9 \ud83d\ude00 中文 \"q\" \n end"}]'
stream="{\"model\":\"m1\",\"stream\":true,$messages}"
plain="{\"model\":\"m1\",$messages}"

# post SCENARIO BODY [curl options]: the body of the answer
post()
{
    local scenario=$1 body=$2
    shift 2
    curl -sS -m 10 -H 'Authorization: Bearer sk-test' -d "$body" "$@" \
        "$base${scenario:+/$scenario}/v1/chat/completions" 2>"$work/curl.err"
}

# code SCENARIO BODY: curl's exit code
code()
{
    post "$1" "$2" -m 0.4 >/dev/null
    echo $?
}

# texts: the content of all deltas, still JSON, one a line
texts()
{
    grep -ao '"content":"[^"]*"' | sed -e 's/^"content":"//' -e 's/"$//' | grep -v '^$'
}

joined()
{
    texts | tr -d '\n'
}

stat_of()
{
    curl -s "$base/__stats" | grep -o "\"$1\":[0-9.]*" | cut -d: -f2
}

check_text()
{
    is 'default stream' "$(post '' "$stream" | joined)" 'tok0 tok1 tok2 tok3 tok4 tok5 tok6 tok7 '
    is 'number of deltas' "$(post tokens=64 "$stream" | texts | wc -l)" 64
    is 'exact size' "$(post tokens=3,size=10 "$stream" | joined)" 'tok0..... tok1..... tok2..... '
    is 'small size' "$(post tokens=12,size=1 "$stream" | joined)" '012345678901'
    has 'not streamed' "$(post tokens=2 "$plain")" '"content":"tok0 tok1 "}'
    is 'text' "$(post text=a%2Cb%20%F0%9F%98%80 "$stream" | texts | tr '\n' '|')" 'a|,|b| |😀|'
    is 'hex text' "$(post text=hex:c3a921 "$stream" | texts | tr '\n' '|')" 'é|!|'
    is 'text by size' "$(post text=abcdefg,size=3 "$stream" | texts | tr '\n' '|')" 'abc|def|g|'
    is 'empty text' "$(post text= "$stream" | joined)" ''
    is 'surrogates' "$(post text=%F0%9F%98%80,surrogates=1 "$stream" | texts | tr '\n' '|')" \
        '\ud83d|\ude00|'
    is 'ascii' "$(post text=%C3%A9%F0%9F%98%80,ascii=1 "$stream" | joined)" '\u00e9\ud83d\ude00'
    has 'reasoning' "$(post reasoning=2 "$stream")" '"delta":{"reasoning_content":"think1 "}'
    has 'reasoning in between' "$(post tokens=4,interleave=2 "$stream")" \
        '"delta":{"reasoning_content":"想2 "}'
    has 'reasoning, not streamed' "$(post reasoning=2 "$plain")" \
        '"reasoning_content":"think0 think1 "'
}

check_echo()
{
    has 'echo' "$(post echo=1 "$plain")" '"content":"hé 😀 中文 \"q\" \n end"}'
    has 'echo model' "$(post echo=model "$plain")" '"content":"m1"'
    has 'echo system' "$(post echo=system "$plain")" '"content":"be kind"'
    has 'echo roles' "$(post echo=roles "$plain")" '"content":"system,user,assistant,user"'
    has 'echo count' "$(post echo=count "$plain")" '"content":"4"'
    has 'echo key' "$(post echo=key "$plain")" '"content":"sk-test"'
    has 'echo body' "$(post echo=body "$plain")" '"content":"{\"model\":\"m1\",'
    local parts='{"model":"m","messages":[{"role":"user","content":[
        {"type":"text","text":"one "},{"type":"image_url","image_url":{"url":"x"}},
        {"type":"text","text":"two"}]}]}'
    has 'echo of parts' "$(post echo=1 "$parts")" '"content":"one two"'
}

check_form()
{
    local all
    all=$(post '' "$stream")
    has 'role first' "$(head -n 1 <<<"$all")" '"delta":{"role":"assistant","content":""}'
    has 'finish' "$all" '"delta":{},"logprobs":null,"finish_reason":"stop"'
    is 'done' "$(tail -n 1 <<<"$all")" 'data: [DONE]'
    is 'no done' "$(post done=0 "$stream" | grep -c DONE)" 0
    has 'finish=length' "$(post finish=length "$stream")" '"finish_reason":"length"'
    is 'no usage unless asked' "$(grep -c usage <<<"$all")" 0
    has 'usage=1' "$(post usage=1 "$stream")" \
        '"choices":[],"usage":{"prompt_tokens":4,"completion_tokens":8,"total_tokens":12}'
    has 'include_usage' \
        "$(post '' "${stream%\}},\"stream_options\":{\"include_usage\":true}}")" \
        '"choices":[],"usage"'
    has 'usage, not streamed' "$(post '' "$plain")" '"usage":{"prompt_tokens":4,'
    is 'crlf' "$(post eol=crlf "$stream" | grep -c $'\r$')" 22
    is 'lf' "$(post eol=lf "$stream" | grep -c $'\r$')" 0
    is 'comments' "$(post comments=1 "$stream" | grep -c '^:')" 8
    is 'comments keep the text' "$(post comments=1,tokens=2 "$stream" | joined)" 'tok0 tok1 '
    has 'tools' "$(post tools=1 "$stream")" '"finish_reason":"tool_calls"'
    is 'tool arguments' "$(post tools=1 "$stream" | grep -ao '"arguments":"[^}]*"}}' | wc -l)" 4
    has 'tools, not streamed' "$(post tools=1 "$plain")" '"arguments":"{\"city\":\"Paris\"}"'
    has 'tools, without any' "$(post tools=asked "$plain")" '"finish_reason":"stop"'
    has 'tools, asked for' \
        "$(post tools=asked "${plain%\}},\"tools\":[{\"function\":{\"name\":\"a\"}}]}")" '"finish_reason":"tool_calls"'
    has 'not chunked' "$(post chunked=0 "$stream" -i)" 'Connection: close'
    is 'HTTP/1.0' "$(post '' "$stream" -0 | joined)" "$(post '' "$stream" | joined)"
    is 'chunked request' "$(post echo=model "$plain" -H 'Transfer-Encoding: chunked' | joined)" m1
}

# words PATH BODY KEY: the values of KEY, joined
words()
{
    curl -sS -m 10 -d "$2" "$base/$1" | grep -ao "\"$3\":\"[^\"]*\"" | sed -e "s/^\"$3\":\"//" -e 's/"$//' | tr -d '\n'
}

check_dialects()
{
    local gemini='{"contents":[{"role":"user","parts":[{"text":"hi"}]}]}'
    local path='v1beta/models/m:streamGenerateContent?alt=sse'
    is 'anthropic' "$(words tokens=2,reasoning=1/v1/messages "$stream" text)" 'tok0 tok1 '
    is 'anthropic thoughts' "$(words tokens=2,reasoning=1/v1/messages "$stream" thinking)" 'think0 '
    is 'anthropic end' "$(words finish=length/v1/messages "$stream" stop_reason)" 'max_tokens'
    is 'gemini' "$(words "tokens=2,reasoning=1/$path" "$gemini" text)" 'think0 tok0 tok1 '
    is 'gemini echo' "$(words "echo=1/$path" "$gemini" text)" 'hi'
    is 'ollama' "$(words tokens=2,reasoning=1/api/chat "$plain" content)" 'tok0 tok1 '
    is 'ollama thoughts' "$(words tokens=2,reasoning=1/api/chat "$plain" thinking)" 'think0 '
    has 'anthropic tool' "$(curl -s -d "$stream" "$base/tools=1/v1/messages")" '"name":"get_weather"'
    has 'gemini tool' "$(curl -s -d "$gemini" "$base/tools=1/$path")" '"args":{"city":"Paris"}'
    has 'ollama error' "$(curl -s -d "$plain" "$base/fault=error_mid/api/chat")" '{"error":"'
}

check_pieces()
{
    local whole
    whole=$(post echo=1 "$stream" | md5sum)
    for n in 1 2 3 7 100; do
        is "split=$n" "$(post echo=1,split=$n "$stream" | md5sum)" "$whole"
    done
    is 'split with pauses' "$(post echo=1,split=50,splitpace=200 "$stream" | md5sum)" "$whole"
    is 'split and crlf' "$(post eol=crlf,split=1,tokens=2 "$stream" | joined)" 'tok0 tok1 '
}

# within NAME SECONDS LEAST MOST
within()
{
    if awk -v t="$2" -v a="$3" -v b="$4" 'BEGIN { exit !(t >= a && t <= b) }'; then
        ok
    else
        bad "$1: took $2 s, wanted $3 to $4"
    fi
}

seconds()
{
    post "$1" "$2" -o /dev/null -w "%{$3}"
}

check_time()
{
    within 'pace' "$(seconds tokens=11,pace=20 "$stream" time_total)" 0.200 0.260
    within 'first' "$(seconds first=150 "$stream" time_starttransfer)" 0.150 0.210
    within 'fractions' "$(seconds tokens=101,pace=0.5 "$stream" time_total)" 0.050 0.110
    local stamp now
    stamp=$(post stamp=1,tokens=1,size=24 "$stream" | joined)
    is 'stamp is padded to size' "${#stamp}" 24
    now=$(curl -s -d "$stream" "$base/fault=hang/v1/chat/completions" -m 0.1 >/dev/null 2>&1
        stat_of last_client_close_mono_ns)
    within 'stamp is the monotonic clock' "$((now - 16#${stamp:0:16}))e-9" 0 5
    has 'stamp, not streamed' "$(post stamp=1,tokens=1,size=24 "$plain")" 'tok0... "}'
}

check_faults()
{
    local name
    for name in refuse reset reset_headers reset_mid; do
        is "$name" "$(code fault=$name "$stream")" 56
        is "$name, not streamed" "$(code fault=$name "$plain")" 56
    done
    for name in hang hang_headers hang_mid endless; do
        is "$name" "$(code fault=$name,pace=1 "$stream")" 28
        is "$name, not streamed" "$(code fault=$name,pace=1 "$plain")" 28
    done
    is 'empty' "$(code fault=empty,pace=1 "$stream")" 28
    is 'close_mid' "$(code fault=close_mid "$stream")" 18
    is 'close_mid, not streamed' "$(code fault=close_mid "$plain")" 18
    is 'close_mid, not chunked' "$(code fault=close_mid,chunked=0 "$stream")" 0
    is 'garbage' "$(code fault=garbage "$stream")" 1
    is 'at' "$(post fault=reset_mid,at=3 "$stream" | joined)" 'tok0 tok1 tok2 '
    is 'at=0' "$(post fault=close_mid,at=0 "$stream" | joined)" ''
    has 'html' "$(post fault=html,status=502 "$stream" -i)" 'Content-Type: text/html'
    has 'badjson' "$(post fault=badjson,at=1 "$stream")" '{"content":"broken'
    has 'wrongjson' "$(post fault=wrongjson "$stream")" '"usage":7'
    has 'error_mid' "$(post fault=error_mid "$stream")" 'data: {"error":{"message"'
    has 'wrongtype' "$(post fault=wrongtype "$stream" -i)" 'Content-Type: application/json'
    has 'wrongtype, not streamed' "$(post fault=wrongtype "$plain" -i)" 'text/event-stream'
    is 'bigline' "$(post fault=bigline,bytes=100000 "$stream" | wc -L)" 100179
    is 'gzipbomb' "$(post fault=gzipbomb,bytes=9000000 "$stream" | gzip -dc | wc -c)" 9000073
    is 'gzipbomb is small' "$(($(post fault=gzipbomb,bytes=9000000 "$stream" | wc -c) < 10000))" 1
}

check_errors()
{
    local all
    all=$(post status=429,retry_after=7 "$stream" -i)
    has 'status' "$all" 'HTTP/1.1 429 Too Many Requests'
    has 'retry_after' "$all" 'Retry-After: 7'
    has 'error object' "$all" '{"error":{"message":'
    has 'unknown key' "$(post colour=red "$plain" -i)" "unknown scenario key 'colour'"
    has 'bad value' "$(post tokens=x "$plain" -i)" 'HTTP/1.1 400 '
    has 'bad JSON' "$(post '' '{"model":"m",}' -i)" 'HTTP/1.1 400 '
    has 'invalid UTF-8' "$(post '' $'{"model":"\xff"}' -i)" 'HTTP/1.1 400 '
    has 'no messages' "$(post '' '{"model":"m","messages":[]}' -i)" 'messages must not be empty'
    has 'not found' "$(curl -s -i "$base/v2/x")" 'HTTP/1.1 404 '
    has 'length twice' \
        "$(post '' "$plain" -i -H 'Content-Length: 5' -H 'Transfer-Encoding: chunked')" ' 400 '
    is 'fails' "$(for _ in 1 2 3; do
        post status=503,fails=2,id=a "$plain" -o /dev/null -w '%{http_code} '
    done)" '503 503 200 '
    has 'models' "$(curl -s "$base/v1/models")" '"id":"mock-small"'
    has 'models with a status' "$(curl -s -i "$base/status=401/v1/models")" 'HTTP/1.1 401 '
    has 'embeddings' "$(curl -s -d '{"model":"e","input":["a","b"]}' "$base/v1/embeddings")" \
        '"index":1,"embedding":[0.5,'
}

check_pages()
{
    curl -s -X POST "$base/__reset" >/dev/null
    post '' "$stream" >/dev/null
    post pace=50,tokens=100 "$stream" -m 0.2 >/dev/null
    is 'requests' "$(stat_of requests)" 2
    is 'started' "$(stat_of started)" 2
    is 'finished' "$(stat_of finished)" 1
    is 'streams_active' "$(stat_of streams_active)" 0
    is 'client_closed' "$(stat_of client_closed)" 1
    within 'last_client_close_ms' "$(stat_of last_client_close_ms)e-3" 0.150 0.300
    is 'open' "$(stat_of open)" 1
    local last
    last=$(curl -s "$base/__requests?n=1")
    has 'recorded path' "$last" '"path":"/pace=50,tokens=100/v1/chat/completions"'
    has 'recorded header' "$last" '"authorization":"Bearer sk-test"'
    has 'recorded body' "$last" '"body":"{\"model\":\"m1\",'
    is 'only the last' "$(grep -o '"method"' <<<"$last" | wc -l)" 1
    is 'two on one connection' "$(curl -s "$base/v1/models" "$base/v1/models" >/dev/null
        curl -s "$base/__requests?n=2" | grep -o '"connection":[0-9]*' | sort -u | wc -l)" 1
}

# Many paced streams at once: all whole, and not much later than one alone.
check_many()
{
    local list=$work/many i
    for i in $(seq 200); do
        printf 'url = "%s/tokens=20,pace=10/v1/chat/completions"\n' "$base"
        printf 'data = "%s"\noutput = "%s"\nnext\n' "${small//\"/\\\"}" "$work/many.$i"
    done | sed '$d' >"$list"
    local before after
    before=$(date +%s%N)
    curl -s --no-progress-meter -Z --parallel-immediate --parallel-max 200 -K "$list"
    after=$(date +%s%N)
    within '200 paced streams' "$((after - before))e-9" 0.190 2.0
    is '200 whole answers' "$(cat "$work"/many.* | grep -c '^data: \[DONE\]')" 200
    is '4,000 deltas' "$(cat "$work"/many.* | grep -c '"content":"tok')" 4000
}

check_life()
{
    kill -TERM "$pid"
    wait "$pid"
    is 'ends cleanly' $? 0
    "$mock" --listen nowhere >/dev/null 2>&1
    is 'bad option' $? 2
    start v6 --listen '[::1]:0' --no-record
    is 'IPv6' "$(post tokens=1 "$plain" -g | grep -o 'tok0')" tok0
    is 'not recorded' "$(curl -gs "$base/__requests")" '{"requests":[]}'
    start threads --listen 127.0.0.1:0 --threads 2
    is 'threads' "$(post tokens=1 "$plain" | grep -o 'tok0')" tok0
    kill -INT "$pid"
    wait "$pid"
    is 'threads end cleanly' $? 0
}

rates()
{
    command -v wrk >/dev/null || return
    start rates --listen 127.0.0.1:0 --no-record
    local kind
    for kind in 'plain false tokens=8' 'stream true tokens=64'; do
        # shellcheck disable=SC2086 # three words
        set -- $kind
        printf 'wrk.method = "POST"\nwrk.body = [[{"model":"m","stream":%s,"messages":[' "$2" \
            >"$work/wrk.lua"
        printf '{"role":"user","content":"hi"}]}]]\n' >>"$work/wrk.lua"
        printf 'rate %s %s: %s per second\n' "$1" "$3" "$(wrk -t1 -c64 -d3s -s "$work/wrk.lua" \
            "$base/$3/v1/chat/completions" | sed -n 's/Requests\/sec: *//p')"
    done
}

small='{"model":"m","stream":true,"messages":[{"role":"user","content":"hi"}]}'
start main --listen 127.0.0.1:0
check_text
check_echo
check_form
check_dialects
check_pieces
check_time
check_faults
check_errors
check_pages
check_many
check_life
[ "${2:-}" = --no-rates ] || rates
echo "$passed passed, $failed failed"
[ "$failed" = 0 ]
