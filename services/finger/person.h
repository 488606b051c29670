/*
 * What is told about one person, from the password file and from the files people leave
 * in their home for others to read. Nothing here is trusted: everybody writes their own
 * name and plan.
 */
#ifndef FINGER_PERSON_H
#define FINGER_PERSON_H

#include <pwd.h>
#include <stdbool.h>

#include "../people/text.h"

#define PERSON_PLAN_MAX    8192 /* bytes of ~/.plan that are told */
#define PERSON_PROJECT_MAX 256  /* and of the first line of ~/.project */

enum person_tell {
    PERSON_NAME = 1,
    PERSON_SHELL = 2,
    PERSON_HOME = 4,
    PERSON_PLAN = 8,
    PERSON_PROJECT = 16
};

/* The person does not want to be found: ~/.nofinger is there, or nobody can say whether
 * it is. */
bool person_is_hidden(const struct passwd *who);
/* The name in the password file's comment: up to the first comma, "&" is the login
 * name. */
void person_name(const struct passwd *who, struct text *to);
/* The login name, and what tell (PERSON_...) has. Reads files, which may block. */
void person_describe(const struct passwd *who, unsigned tell, struct text *to);

#endif
