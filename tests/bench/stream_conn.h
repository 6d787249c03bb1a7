/* One client connection that reads streams, one after the other, and what all of them share. */
#ifndef BENCH_STREAM_CONN_H
#define BENCH_STREAM_CONN_H

#include "measure.h"
#include "sse_check.h"

#include <netinet/in.h>

#define PIDS_MAX 16

struct bench {
    struct sse_want want;
    struct sockaddr_in address;
    const char *host; /* as given, for the Host header */
    const char *path, *model, *session;
    bool view;    /* read what somebody else began: the first streams of these sessions */
    char **users; /* bearer tokens; connection i uses the one at i modulo their number */
    size_t user_count;
    char *headers; /* more header lines of every request, or NULL */
    int pids[PIDS_MAX];
    size_t pid_count;
    int epoll;
    uint64_t deadline_ns; /* a connection begins no stream after it; 0: one stream each */

    bool measuring; /* latency counts: all streams run */
    unsigned open;  /* connections that read or will read */
    unsigned begun; /* streams whose first word is there */
    unsigned finished, failed;
    uint64_t tokens, bytes;
    struct samples latency; /* from the stamp to its arrival, each word while measuring */
    struct samples gap;     /* between two arrivals of a stream's words, while measuring */
    struct samples first;   /* from the request to the first word, each stream */
    struct samples whole;   /* from the request to the end, each stream */
};

struct conn {
    struct bench *bench;
    int fd; /* -1: not connected */
    unsigned index, serial;
    char *request;
    size_t request_len, sent;
    uint64_t asked_ns, arrived_ns;
    uint64_t word_ns; /* arrival of the word before; 0: none yet */
    struct sse_check check;
};

void conn_init(struct conn *conn, struct bench *bench, unsigned index);
void conn_free(struct conn *conn);
/* Asks for a stream, over the connection that is there or a new one. */
void conn_ask(struct conn *conn);
/* What epoll says. */
void conn_ready(struct conn *conn, uint32_t events);

#endif
