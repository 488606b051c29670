/*
 * A catalogue of descriptors that are installed nowhere, for tests of the table: what a
 * row may say then depends on nothing but this. echo, daytime, all (an option of every
 * type), finger (blocks), stream and dgram (one shape each), mux (hands over).
 */
#ifndef SUPPORT_SOME_PLUGINS_H
#define SUPPORT_SOME_PLUGINS_H

#include "conf/check.h"

extern const struct check_catalogue some_plugins;

#endif
