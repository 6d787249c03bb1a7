/* Who stands in the way: which process listens on a TCP port of this machine. */
#pragma once
#include "base/str.h"

/* "process 123 (name)" or "another process" when it cannot be seen (not ours). */
void tt_port_owner(uint16_t port, char *out, size_t size);
