/*
 * One record a packet over a SOCK_SEQPACKET socket: between master and worker, and
 * between the daemon and usherctl. What comes in is somebody else's: bounded, parsed
 * strictly, descriptors that were not asked for are closed at once.
 */
#ifndef WIRE_CHANNEL_H
#define WIRE_CHANNEL_H

#include "base/err.h"
#include "wire/record.h"

/* Sends the records in out, one packet each, and empties it. 0; -1: the other side is
 * gone (err->code EPIPE, ECONNRESET), does not read (EAGAIN: the socket is full), or a
 * record is longer than RECORD_MAX (EMSGSIZE): the rest is not sent, out is emptied all
 * the same. Never blocks. */
int channel_send(int fd, struct record_out *out, struct err *err);
/* For many records: sends what the socket takes and leaves the rest in out. 0: all is
 * sent; 1: go on when the socket can be written; -1: as above, and out is emptied. */
int channel_send_some(int fd, struct record_out *out, struct err *err);
/* 1: one record, which the caller frees; 0: nothing there now; -1: end of file (err->code
 * 0) or error; a packet that is no record is -1 with EBADMSG, and the next call goes on.
 * An empty packet looks like the end of file, which is what somebody who sends one
 * gets. */
int channel_receive(int fd, struct record *record, struct err *err);
/* The same with one descriptor. It goes with the first record; the sender goes on owning
 * his, the receiver owns what came. -1 in *passed_out: none came. Several, or one that
 * finds no place in the receiver's table, are EBADMSG, and none of them stays open. */
int channel_send_fd(int fd, struct record_out *out, int passed, struct err *err);
int channel_receive_fd(int fd, struct record *record, int *passed_out, struct err *err);

#endif
