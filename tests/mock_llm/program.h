/*
 * A program is one answer, completely built: its bytes, the steps in which they are sent with the
 * delay before each, and how it ends. Building is apart from sending, so that a program is made
 * once and shared by any number of connections, each holding only a step number and a position.
 */
#ifndef MOCK_PROGRAM_H
#define MOCK_PROGRAM_H

#include "buf.h"

enum program_end {
    END_OK,    /* keep the connection unless close is set */
    END_RESET, /* RST */
    END_CLOSE, /* FIN in the middle of the answer */
    END_HANG,  /* say nothing more until the client leaves */
    END_LOOP,  /* go back to step loop_step */
};

struct step {
    size_t end; /* offset behind its last byte */
    uint64_t delay_ns;
};

struct program {
    unsigned refs;
    struct buf bytes;
    struct step *steps;
    size_t nsteps, steps_cap;
    size_t *stamps; /* offsets of 16 bytes that get the time of sending */
    size_t nstamps, stamps_cap;
    enum program_end end;
    size_t loop_step, split;
    uint64_t splitpace_ns;
    bool stream, close, chunked;
};

struct program *program_new(void);
struct program *program_ref(struct program *p);
void program_unref(struct program *p);

/* Begins a step: what is added next waits for delay_ns. Without a delay it joins the step before.
 */
void program_step(struct program *p, double delay_ms);
void program_head(struct program *p, int status, const char *type, const char *extra, long length);
void program_body(struct program *p, const char *data, size_t n);
void program_stamp(struct program *p, size_t offset);
void program_finish(struct program *p, enum program_end end);

#endif
