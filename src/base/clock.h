/* The monotonic clock: everything that waits or measures uses it. Wall time is for texts
 * only. */
#ifndef BASE_CLOCK_H
#define BASE_CLOCK_H

#include <stdint.h>

int64_t clock_ms(void);
int64_t clock_us(void);
/* Tests only: from now on both clocks answer this; negative: the real clock again. */
void clock_fake(int64_t ms);

#endif
