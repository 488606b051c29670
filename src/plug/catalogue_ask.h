/*
 * The reader's end of the channel to the catalogue's process: starts that process when
 * there is something to ask, and finds out what became of it. Of plug/ only.
 */
#ifndef PLUG_CATALOGUE_ASK_H
#define PLUG_CATALOGUE_ASK_H

#include "plug/catalogue.h"
#include "wire/record.h"

/* One request, one answer, of any word but "failed": the caller frees `out`, in either
 * case. -1: the child has been ended, and err says "it crashed <when>: ..." or, with
 * has_failed set, which call of ours did not work. Blocks up to the timeout. */
int catalogue_ask(struct catalogue *catalogue, struct record_out *request,
                  struct record *out, const char *when, struct err *err);
/* Ends a child whose answer makes no sense; -1. */
int catalogue_ask_nonsense(struct catalogue *catalogue, const char *when,
                           struct err *err);
/* Ends the child, if there is one, and waits for it; its status: what it had ended with,
 * where it had ended by itself. */
int catalogue_ask_stop(struct catalogue *catalogue);

#endif
